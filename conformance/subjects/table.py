"""What a library has of a rule, one row for each: its function and arguments, what it fixes, and what it refuses."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MethodDescriptorType
from typing import TypeAlias

from refimpl.optimizers import GradientAccumulation
from refimpl.schedules import Cosine, CosineRestarts
from refimpl.spec import Spec
from refimpl.types import Value


@dataclass(frozen=True, eq=False)
class Row:
    """What a library has of one rule, as plain data: importing a table imports no library.

    rule: the rule.
    function: where the library has it, such as "torch.optim.Adam"; empty where no function stands for the rule alone.
    fixed: the fields that the library fixes, as `Subject.conventions` has them.
    arguments: field -> its argument where that has another name, "betas[0]" for an entry of one; None where the
        argument of the field's own name is something else.
    values: field -> {its value: what the argument is then}, for values that differ; or a function of the rule, whose
        docstring is shown in the porting table.
    constants: more arguments, those that make the function this rule.
    relations: field -> what else holds between it and the library, in words.
    slots: slot -> the library's name for it, with a minus before it where the library has the opposite sign.
    scalars: the rule's own `Subject.scalars`, where it has others than the subject.
    variants, dtypes: those in which the rule is offered, where it is not in all of the subject's; None: in all.
    reason: why it is not offered in the others.

    Raises ValueError for a field that the rule does not have.
    """

    rule: type[Spec]
    function: str = ""
    fixed: Mapping[str, Value] = field(default_factory=dict)
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    values: Mapping[str, Mapping[Value, Value] | Callable[..., Value]] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, str] = field(default_factory=dict)
    scalars: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[str, ...] | None = None
    dtypes: tuple[str, ...] | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        names = [f.name for f in fields(self.rule)]
        if unknown := sorted({*self.fixed, *self.arguments, *self.values, *self.relations} - set(names)):
            raise ValueError(f"{self.rule.__name__} has no field {', '.join(unknown)}, only {', '.join(names)}")

    def call(self, hyperparameters: object, *arguments: Value, **more: Value) -> Value:
        """function(*arguments, and by name the `keywords` of the hyperparameters and `more`)."""
        return self.resolved(*arguments, **self.keywords(hyperparameters) | more)

    def keywords(self, hyperparameters: object) -> dict[str, Value]:
        """The arguments of the function by name, for an object that has the fields of the rule as attributes."""
        values = {argument: self._value(name, hyperparameters) for name, (argument, _) in self.defaults.items()}
        return collected(values) | dict(self.constants)

    def _value(self, name: str, hyperparameters: object) -> Value:
        change = self.values.get(name, {})
        if not isinstance(change, Mapping):
            return change(hyperparameters)
        value = getattr(hyperparameters, name)
        return change.get(value, value) if change else value

    @cached_property
    def defaults(self) -> dict[str, tuple[str, Value]]:
        """Field -> (argument, its default, or inspect.Parameter.empty), for each field that the function takes.

        They are read from the library as it is installed; a method that was compiled from C tells nothing. Raises
        ImportError where the library is not installed, ValueError where it has no such function, or the function no
        such argument.
        """
        function = self.resolved
        parameters = {} if isinstance(function, MethodDescriptorType) else inspect.signature(function).parameters
        named = {entry(argument)[0] for argument in self.arguments.values() if argument} | set(self.constants)
        if unknown := sorted(named - set(parameters)):
            raise ValueError(
                f"{self.rule.__name__}: {self.function} has no {', '.join(unknown)}, only {', '.join(parameters)}"
            )
        accepted = {}
        for name in (f.name for f in fields(self.rule)):
            argument = self.arguments.get(name, name) or ""
            whole, index = entry(argument)
            if whole in parameters:
                default = parameters[whole].default
                accepted[name] = argument, default if index is None or default is _EMPTY else default[index]
        return accepted

    @cached_property
    def resolved(self) -> Callable[..., Value]:
        """The function itself. Raises ImportError where the library is not installed, ValueError where it has none."""
        try:
            function: Callable[..., Value] = pkgutil.resolve_name(self.function)
            return function
        except AttributeError as problem:
            raise ValueError(f"{self.rule.__name__}: the library has no {self.function}: {problem}") from problem

    def signature(self) -> str:
        """The function with the arguments that make it the rule: "torch.optim.Adam(amsgrad=True)"."""
        constants = ", ".join(f"{name}={value!r}" for name, value in self.constants.items())
        return f"{self.function}({constants})" if constants else self.function

    def relation(self, name: str) -> str:
        """What holds between a field and the library, in words; empty where its argument is the field itself."""
        change = self.values.get(name, {})
        if isinstance(change, Mapping):
            words = ", ".join(f"`{argument!r}` for {value!r}" for value, argument in change.items())
        else:
            words = change.__doc__ or ""
        return "; ".join(part for part in (words, self.relations.get(name, "")) if part)

    def slot(self, name: str) -> tuple[str, int]:
        """The library's name for a slot of the rule, and its sign there."""
        theirs = self.slots[name]
        return theirs.removeprefix("-"), -1 if theirs.startswith("-") else 1


Table: TypeAlias = Mapping[type[Spec], Row]
_EMPTY = inspect.Parameter.empty


def table(*rows: Row) -> Table:
    """The rows by rule."""
    return {row.rule: row for row in rows}


def fixed(rows: Table) -> dict[type[Spec], Mapping[str, Value]]:
    """The `Subject.conventions` that a table declares."""
    return {rule: row.fixed for rule, row in rows.items()}


def scalars(rows: Table) -> dict[type[Spec], Mapping[str, str]]:
    """The `Subject.rule_scalars` that a table declares."""
    return {rule: row.scalars for rule, row in rows.items() if row.scalars}


def slot_of(rows: Table, spec: Spec, name: str) -> tuple[str, int]:
    """The library's name for a slot of a spec, and its sign there; of accumulation, a slot of the rule within too."""
    rule = spec.rule if isinstance(spec, GradientAccumulation) and name != "accumulated" else spec
    return rows[type(rule)].slot(name)


def floor_over_peak(rule: Cosine | CosineRestarts) -> float:
    """floor / peak"""
    return rule.floor / rule.peak


def collected(values: Mapping[str, Value]) -> dict[str, Value]:
    """Argument -> its value, where "betas[0]" and "betas[1]" are entries of one: the tuple `betas`."""
    whole: dict[str, Value] = {}
    entries: dict[str, dict[int, Value]] = {}
    for argument, value in values.items():
        name, index = entry(argument)
        if index is None:
            whole[name] = value
        else:
            entries.setdefault(name, {})[index] = value
    return whole | {name: tuple(of[index] for index in sorted(of)) for name, of in entries.items()}


def entry(argument: str) -> tuple[str, int | None]:
    """The argument that is meant, and which of its entries: "betas[0]" is entry 0 of betas."""
    whole, bracket, index = argument.partition("[")
    return whole, int(index.rstrip("]")) if bracket else None
