"""What every rule is declared with: validated hyperparameters and conventions with named values."""

from __future__ import annotations

import math
import operator
from abc import ABC
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from numbers import Real
from types import MappingProxyType, SimpleNamespace
from typing import NoReturn, Self, SupportsIndex, TypeVar, cast

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.types import Array, ConventionValue

_Value = TypeVar("_Value")

LARGEST_COUNT = 2**53  # float64, in which formulas take counts, has every whole number up to here and not the next


def hyperparameter(
    default: float,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> float:
    """A real, finite field of a Spec with its range; strict limits are `above` and `below`."""
    limits = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
    return field(default=default, metadata={"limits": limits})


def several(default: _Value, *, at_least: float = -math.inf, above: float = -math.inf) -> _Value:
    """A field of a Spec that is a tuple of real, finite numbers in a range; with the default None, None as well."""
    limits = {"at_least": at_least, "above": above, "at_most": math.inf, "below": math.inf}
    return field(default=default, metadata={"each": limits, "or_none": default is None})


def whole(default: int, *, at_least: int) -> int:
    """An integer field of a Spec, such as a number of steps; at most 2**53."""
    return field(default=default, metadata={"at_least": at_least})


def convention(values: Mapping[_Value, str]) -> _Value:
    """A field where correct libraries differ: its values with their one-line meanings, the default first.

    Annotate the field with the Literal of its values: editors then complete them, and mypy refuses others.
    """
    return field(default=next(iter(values)), metadata={"values": MappingProxyType(dict(values))})


@dataclass(frozen=True)
class Spec(ABC):  # noqa: B024 -- each kind of rule adds its abstract methods
    """A rule with its hyperparameters and conventions.

    Raises TypeError for a field that is not a real number (not an integer, for whole ones), ValueError for one outside
    its range, for an unknown value of a convention, and for combinations that have no meaning.
    """

    def __post_init__(self) -> None:
        for declared in fields(self):
            object.__setattr__(self, declared.name, self.accepted(declared, getattr(self, declared.name)))
        self.check()

    @classmethod
    def accepted(cls, declared: Field[object], value: object) -> object:
        """What one of this rule's fields keeps of `value`, whatever the others are. Raises as the rule does."""
        name, metadata = declared.name, declared.metadata
        if "limits" in metadata:
            return cls._real(name, value, metadata["limits"])
        if "each" in metadata:
            return cls._reals(declared, value)
        if "at_least" in metadata:
            return cls._integer(name, value, metadata["at_least"])
        if "values" in metadata and (type(value), value) not in [(type(v), v) for v in metadata["values"]]:
            cls.refuse(name, value, _one_of(metadata["values"]))
        return value

    def check(self) -> None:  # noqa: B027 -- most rules have nothing to add
        """Refuses combinations of fields that have no meaning together; rules override it."""

    @classmethod
    def refuse(cls, name: str, value: object, allowed: str, error: type[Exception] = ValueError) -> NoReturn:
        """Raises the error that names the argument, what is allowed, and its value."""
        raise error(f"{cls.__name__}: {name} must be {allowed}, got {value!r}")

    @classmethod
    def _real(cls, name: str, value: object, limits: Mapping[str, float]) -> float:
        allowed = _interval(limits)
        number = as_float(value)
        if number is None:
            cls.refuse(name, value, allowed, TypeError)
        if not _inside(number, limits):
            cls.refuse(name, value, allowed)
        return number

    @classmethod
    def _reals(cls, declared: Field[object], value: object) -> tuple[float, ...] | None:
        if value is None and declared.metadata["or_none"]:
            return None
        numbers = tuple(map(as_float, value)) if isinstance(value, tuple) else (None,)
        if not all(number is not None and _inside(number, declared.metadata["each"]) for number in numbers):
            cls.refuse(declared.name, value, allowed(declared))
        return numbers  # type: ignore[return-value]  # none of them is None

    @classmethod
    def _integer(cls, name: str, value: object, at_least: int) -> int:
        allowed = _whole_numbers(at_least)
        try:
            number = operator.index(cast(SupportsIndex, value))
        except TypeError:
            cls.refuse(name, value, allowed, TypeError)
        if isinstance(value, bool):
            cls.refuse(name, value, allowed, TypeError)
        if not at_least <= number <= LARGEST_COUNT:
            cls.refuse(name, value, allowed)
        return number

    def hyperparameters(self, like: Array) -> Self:
        """The fields by name, the real ones as numbers of the arithmetic that `like` is evaluated in."""
        if not isinstance(like, DuckArray):
            return self
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        numbers = {f.name: like.hyperparameter(values[f.name]) for f in fields(self) if "limits" in f.metadata}
        return cast(Self, SimpleNamespace(**(values | numbers)))

    def in_arithmetic_of(self, like: Array) -> Self:
        """This rule with its real hyperparameters as numbers of the arithmetic that `like` is evaluated in.

        Formulas are evaluated on it: there is no other name under which a hyperparameter could be taken.
        """
        if not isinstance(like, DuckArray):
            return self
        numbers = {f.name: like.hyperparameter(getattr(self, f.name)) for f in fields(self) if "limits" in f.metadata}
        rule = object.__new__(type(self))  # not checked again: these are no longer floats
        vars(rule).update(vars(self) | numbers | {"_declared": self})
        return rule

    @property
    def declared(self) -> Self:
        """This rule with its hyperparameters as they were declared: for decisions, as `if self.declared.momentum == 0`.

        No formula takes an operand of it: its numbers are in no arithmetic (a house rule checks that).
        """
        return cast(Self, vars(self).get("_declared", self))

    @classmethod
    def conventions(cls) -> dict[str, Mapping[ConventionValue, str]]:
        """The convention fields of this rule: name -> {value: meaning}."""
        return {f.name: f.metadata["values"] for f in fields(cls) if "values" in f.metadata}


def allowed(declared: Field[object]) -> str:
    """The values a field of a rule accepts, in words; empty where its rule alone knows them."""
    metadata = declared.metadata
    if "limits" in metadata:
        return _interval(metadata["limits"])
    if "each" in metadata:
        none = "None, or " if metadata["or_none"] else ""
        return none + "a tuple of " + _interval(metadata["each"], "finite numbers")
    if "at_least" in metadata:
        return _whole_numbers(metadata["at_least"])
    return _one_of(metadata["values"]) if "values" in metadata else ""


def _one_of(values: Mapping[ConventionValue, str]) -> str:
    return "one of " + ", ".join(repr(v) for v in values)


def _whole_numbers(at_least: int) -> str:
    return f"an integer >= {at_least}, at most 2**53"


def as_float(value: object) -> float | None:
    """A real number of any type, or a 0-d array of one, as a float; NaN beyond the largest one. None of others."""
    number = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    if not isinstance(number, Real) or isinstance(number, bool):
        return None
    try:
        return float(number)
    except OverflowError:
        return math.nan


def _inside(number: float, limits: Mapping[str, float]) -> bool:
    """Whether a number is finite and within the limits; NaN is not."""
    within = limits["at_least"] <= number <= limits["at_most"] and limits["above"] < number < limits["below"]
    return math.isfinite(number) and within


def _interval(limits: Mapping[str, float], numbers: str = "a finite number") -> str:
    opening = "[" if limits["at_least"] > limits["above"] else "("
    closing = "]" if limits["at_most"] < limits["below"] else ")"
    lowest, highest = max(limits["at_least"], limits["above"]), min(limits["at_most"], limits["below"])
    return f"{numbers} in {opening}{lowest}, {highest}{closing}"
