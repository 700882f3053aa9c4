"""Comparing a subject's numbers with the reference, and counting what was compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from refimpl.arithmetic import FORMATS, Format, RunningError
from refimpl.trees import leaves


class Mismatch(AssertionError):
    """The first element at which the subject is outside what the reference allows."""

    def __init__(self, what: str, facts: Mapping[str, Any]) -> None:
        self.what, self.facts = what, dict(facts)
        super().__init__(f"{what}: " + ", ".join(f"{name} {value}" for name, value in self.facts.items()))


@dataclass
class Tally:
    """What one case compared so far.

    comparisons: elements held against a bound. masked: elements where no bound can be claimed. undecided: compared
    elements whose bound covers both sides of a decision that rounding can turn over. diverging: elements that a
    declared divergence accounts for. worst_ulp counts units in the last place of the subject's format.
    """

    examples: int = 0
    comparisons: int = 0
    masked: int = 0
    undecided: int = 0
    diverging: int = 0
    worst_error_over_bound: float = 0.0
    worst_ulp: float = 0.0


# What a divergence may account for. Anything else a subject does wrong fails.
NON_FINITE_WITHOUT_BOUND = "non-finite where rounding can leave the domain"
LESS_ACCURATE = "less accurate than its elementary functions"


@dataclass
class Comparison:
    """Compares in the format of one subject; raises Mismatch at the first element outside its bound.

    accepted: the kind of failure a declared divergence accounts for, or None; up to `factor` times the bound where
    the subject is declared to be less accurate.
    """

    dtype: str
    accepted: str | None = None
    factor: float = 1.0
    tally: Tally = field(default_factory=Tally)
    context: dict[str, Any] = field(default_factory=dict)

    def example(self, **context: Any) -> None:
        """Begins an example; the context is shown when it fails."""
        self.tally.examples += 1
        self.context = context

    def within(self, subject: Any, expected: RunningError, what: str, **where: Any) -> None:
        """Holds every element of `subject` against the value and bound of `expected`.

        A NaN or an infinity where the exact result is finite and in the format's range is a failure, whether or not
        a bound can be claimed. Elements without a bound are counted as masked.
        """
        format_ = expected.target.format
        actual = self._received(subject, expected.shape, format_, what, where)
        value, bound = expected.value, expected.bound
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(actual - value)
            claimed = np.isfinite(bound)
            beyond = claimed & ~(error <= bound)
            outside = claimed & ~(error <= self.factor * bound) if self.accepted == LESS_ACCURATE else beyond
            finite_expected = np.isfinite(value) & ~np.isinf(bound)
            non_finite = ~np.isfinite(actual) & finite_expected & ~claimed
        if outside.any() or (non_finite.any() and self.accepted != NON_FINITE_WITHOUT_BOUND):
            self._fail(actual, expected.value, expected.bound, outside | non_finite, what, where)
        compared = int(np.count_nonzero(claimed))
        self.tally.comparisons += compared
        self.tally.diverging += int(np.count_nonzero(non_finite | beyond))
        self.tally.masked += actual.size - compared - int(np.count_nonzero(non_finite))
        if expected.undecided is not None:
            self.tally.undecided += int(np.count_nonzero(expected.undecided & claimed))
        if compared:
            self._record(error[claimed], bound[claimed], value[claimed], format_)

    def equal(self, subject: Any, expected: Any, what: str, **where: Any) -> None:
        """Holds every element of `subject` against an exact result: tolerance 0, infinities equal; no NaN matches."""
        expected = np.asarray(expected, dtype=np.float64)
        actual = self._received(subject, expected.shape, FORMATS[self.dtype], what, where)
        wrong = ~(actual == expected)
        if wrong.any():
            self._fail(actual, expected, np.zeros(expected.shape), wrong, what, where)
        self.tally.comparisons += actual.size

    def tree(self, subject: Any, expected: Any, what: str, **where: Any) -> None:
        """Holds every leaf of a subject's tree against a tree of running-error arrays of the same structure."""
        certified = dict(leaves(expected))
        if sorted(path for path, _ in leaves(subject)) != sorted(certified):
            facts = {**where, "expected": sorted(certified), "got": sorted(path for path, _ in leaves(subject))}
            raise Mismatch(f"{what}: wrong structure", facts | self.context)
        for path, leaf in leaves(subject):
            self.within(leaf, certified[path], f"{what}{path}", **where)

    def at_most(self, statistic: float, limit: float, what: str, **where: Any) -> None:
        """Holds one test statistic against the limit that its stated false-alarm rate allows."""
        statistic, limit = float(statistic), float(limit)
        if not statistic <= limit:
            raise Mismatch(what, {**where, "statistic": statistic, "limit": limit, **self.context})
        self.tally.comparisons += 1
        self.tally.worst_error_over_bound = max(self.tally.worst_error_over_bound, statistic / limit)

    def result(self) -> dict[str, Any]:
        """The tally as plain numbers."""
        return asdict(self.tally)

    def _received(
        self, subject: Any, shape: tuple[int, ...], format_: Format, what: str, where: Mapping[str, Any]
    ) -> np.ndarray:
        dtype = getattr(subject, "dtype", None)
        if dtype is None or str(dtype) != format_.name or np.shape(subject) != shape:
            got = f"{dtype} {np.shape(subject)}" if dtype is not None else type(subject).__name__
            facts = {**where, "expected": f"an array of {format_.name} {shape}", "got": got, **self.context}
            raise Mismatch(f"{what}: wrong type or shape", facts)
        return np.asarray(subject, dtype=np.float64)

    def _record(self, error: np.ndarray, bound: np.ndarray, value: np.ndarray, format_: Format) -> None:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(error > 0, error / bound, 0.0)
            ulps = error / format_.ulp(np.abs(value))
        self.tally.worst_error_over_bound = max(self.tally.worst_error_over_bound, float(ratio.max()))
        self.tally.worst_ulp = max(self.tally.worst_ulp, float(ulps.max()))

    def _fail(
        self,
        actual: np.ndarray,
        value: np.ndarray,
        bound: np.ndarray,
        wrong: np.ndarray,
        what: str,
        where: Mapping[str, Any],
    ) -> None:
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        error = abs(float(actual[index]) - float(value[index]))
        allowed = float(bound[index])
        facts = {
            **where,
            "lane": index,
            "expected": float(value[index]),
            "got": float(actual[index]),
            "error": error,
            "bound": allowed if math.isfinite(allowed) else "none can be claimed",
            "error_over_bound": error / allowed if 0 < allowed < math.inf else math.inf,
            "elements_wrong": f"{int(np.count_nonzero(wrong))} of {actual.size}",
            **self.context,
        }
        raise Mismatch(what, facts)
