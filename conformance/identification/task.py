"""How rules of one kind are identified: the function expected, and the inputs that tell conventions apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from conformance.judging.comparison import Comparison, Mismatch
from conformance.subjects import Subject
from refimpl.arithmetic import FORMATS, RunningError, Target
from refimpl.spec import Spec


@dataclass(frozen=True)
class Input:
    """What a function gets in addition to hyperparameters, under the name that a report has for it.

    singular: rounding has no part in the result, but infinities and NaN have.
    """

    name: str
    data: Any
    singular: bool = False


@dataclass(frozen=True)
class Part:
    """One part of a result: what it is, where it is (step, array, ...), and its numbers."""

    what: str
    where: Mapping[str, Any]
    numbers: Any

    @property
    def name(self) -> tuple[Any, ...]:
        return (self.what, *self.where.items())


class Unusable(ValueError):
    """Raised for a result that is nothing a function for this task may return, whatever conventions it follows."""


class Task(ABC):
    """The rules of one kind, and the function to identify for each of them."""

    rules: ClassVar[tuple[type[Spec], ...]]
    capability: ClassVar[str]
    takes: ClassVar[tuple[str, ...]]  # the arguments of the function before the hyperparameters
    returns: ClassVar[str]  # what it returns, in words
    optional: ClassVar[str] = ""  # the part of a result that a function may leave out
    at_work: ClassVar[Mapping[str, Any]]  # hyperparameters unlike one another, and unlike what anybody has built in

    def arguments(self, rule: type[Spec]) -> tuple[str, ...]:
        """The arguments that the function for this rule takes before the hyperparameters."""
        return self.takes

    @abstractmethod
    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        """Inputs that tell specs apart, which have their hyperparameters in common; no input changes those `held`."""

    @abstractmethod
    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        """The parts of what the function makes of the input, given the hyperparameters `names` of the spec.

        Raises Unusable for what no function for this task returns.
        """

    @abstractmethod
    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        """The parts of what the rule makes of the input: running-error arrays, or float64 ones where singular."""

    @abstractmethod
    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        """The subject's rule as such a function; build(**hyperparameters) is the spec to ask it for."""

    def target(self, subject: Subject, rule: type[Spec]) -> Target:
        """The arithmetic of a subject's rule, which is of this kind."""
        return subject.target_of(rule)

    def part(self, what: str, where: Mapping[str, Any], numbers: Any, shape: tuple[int, ...]) -> Part:
        """A part of a result: an array of its own, of this shape. Raises Unusable for any other."""
        try:
            array = np.array(numbers)
        except Exception as problem:  # of whatever kind a library has for what is no array
            raise self.unusable(f"{what}: {problem}", where) from problem
        if array.shape != shape or str(array.dtype) not in FORMATS:
            allowed = f"an array of floats of shape {shape}" if shape else "one float"
            got = f"{array.dtype} of shape {array.shape}" if array.dtype.kind in "biufc" else described(numbers)
            raise self.unusable(f"{what} must be {allowed}, got {got}", where)
        return Part(what, where, array)

    def unusable(self, problem: str, where: Mapping[str, Any]) -> Unusable:
        """The error for a result that is not what a function for this task `returns`, or has this problem."""
        place = "".join(f" {name} {value}," for name, value in where.items())
        return Unusable(f"the function must return {self.returns}:{place} {problem}")

    def several(self, names: Sequence[str], result: Any, shapes: Sequence[tuple[int, ...]]) -> list[Part]:
        """The parts of a result that is one array, or a tuple of arrays of which the last may be missing."""
        parts = result if isinstance(result, tuple) else (result,)
        if not 1 <= len(parts) <= len(names):
            raise self.unusable(f"got a tuple of {len(parts)}", {})
        named = zip(names, parts, shapes, strict=False)  # fewer parts are allowed, more are not
        return [self.part(what, {}, numbers, shape) for what, numbers, shape in named]

    def check(self, compare: Comparison, actual: Part, expected: Part) -> None:
        """Raises Mismatch where a part is not what is expected."""
        if isinstance(expected.numbers, RunningError):
            compare.within(actual.numbers, expected.numbers, expected.what, **expected.where)
        else:
            _check_singular(actual, expected)
            compare.tally.comparisons += np.size(expected.numbers)

    def distinguishable(self, first: Part, second: Part) -> bool:
        """Whether no result can be right by both, wherever rounding takes it."""
        one, other = first.numbers, second.numbers
        if isinstance(one, RunningError):
            with np.errstate(invalid="ignore"):
                return bool(np.any(np.abs(one.value - other.value) > one.bound + other.bound))
        return not np.array_equal(_kinds(one), _kinds(other))


def described(value: Any) -> str:
    """What a function returned: its type, and its shape or length."""
    if isinstance(value, (list, tuple, dict)):
        return f"{type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} of shape {value.shape}" if hasattr(value, "shape") else type(value).__name__


def _check_singular(actual: Part, expected: Part) -> None:
    """Zeros, infinities and NaN where they are expected, and there alone."""
    got, right = np.asarray(actual.numbers), np.asarray(expected.numbers)
    if got.shape != right.shape:
        raise Mismatch(expected.what, {**expected.where, "expected": f"shape {right.shape}", "got": f"{got.shape}"})
    wrong = _kinds(got) != _kinds(right)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        facts = {"element": index, "expected": float(right[index]), "got": float(got[index])}
        raise Mismatch(expected.what, {**expected.where, **facts})


def _kinds(numbers: Any) -> np.ndarray:
    """0 for zeros, 1 for other finite numbers, 2 and 3 for infinities, 4 for NaN."""
    x = np.asarray(numbers, dtype=np.float64)
    return np.select([np.isnan(x), np.isposinf(x), np.isneginf(x), x != 0], [4, 2, 3, 1], 0)
