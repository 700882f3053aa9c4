"""How rules of one kind are identified: the function expected, and the inputs that tell conventions apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from conformance.comparison import Comparison, Mismatch
from conformance.subjects import Subject
from refimpl.arithmetic import RunningError, Target
from refimpl.spec import Spec


@dataclass(frozen=True)
class Input:
    """What is given to a function beside hyperparameters, under the name that a report has for it.

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


class Form(ABC):
    """Rules of one kind, and the function that is expected of each."""

    rules: ClassVar[tuple[type[Spec], ...]]
    capability: ClassVar[str]
    optional: ClassVar[str] = ""  # the part of a result that a function may leave out
    at_work: ClassVar[Mapping[str, Any]]  # hyperparameters unlike one another, and unlike what anybody has built in

    def arguments(self, rule: type[Spec]) -> int:
        """How many arguments the function takes before the hyperparameters."""
        return 1

    @abstractmethod
    def inputs(self, specs: Sequence[Any], dtype: str) -> list[Input]:
        """Inputs that tell specs apart; they have their hyperparameters in common."""

    @abstractmethod
    def found(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        """The parts of what the function makes of the input, given the hyperparameters `names` of the spec."""

    @abstractmethod
    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        """The parts of what the rule makes of the input: running-error arrays, or float64 ones where singular."""

    @abstractmethod
    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        """The subject's rule as such a function; build(**hyperparameters) is the spec to ask it for."""

    def target(self, subject: Subject) -> Target:
        """The arithmetic of a subject's rules of this kind."""
        return subject.target

    def hold(self, compare: Comparison, found: Part, expected: Part) -> None:
        """Raises Mismatch where a part is not what is expected."""
        if isinstance(expected.numbers, RunningError):
            compare.within(found.numbers, expected.numbers, expected.what, **expected.where)
        else:
            _hold_singular(found, expected)
            compare.tally.comparisons += np.size(expected.numbers)

    def apart(self, first: Part, second: Part) -> bool:
        """Whether no result can be right by both, wherever rounding takes it."""
        one, other = first.numbers, second.numbers
        if isinstance(one, RunningError):
            with np.errstate(invalid="ignore"):
                return bool(np.any(np.abs(one.value - other.value) > one.bound + other.bound))
        return not np.array_equal(_kinds(one), _kinds(other))


def _hold_singular(found: Part, expected: Part) -> None:
    """Zeros, infinities and NaN where they are expected, and there alone."""
    got, right = np.asarray(found.numbers), np.asarray(expected.numbers)
    if got.shape != right.shape:
        raise Mismatch(expected.what, {**expected.where, "expected": f"shape {right.shape}", "got": f"{got.shape}"})
    wrong = _kinds(got) != _kinds(right)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        facts = {"lane": index, "expected": float(right[index]), "got": float(got[index])}
        raise Mismatch(expected.what, {**expected.where, **facts})


def _kinds(numbers: Any) -> np.ndarray:
    """0 for zeros, 1 for other finite numbers, 2 and 3 for infinities, 4 for NaN."""
    x = np.asarray(numbers, dtype=np.float64)
    return np.select([np.isnan(x), np.isposinf(x), np.isneginf(x), x != 0], [4, 2, 3, 1], 0)
