"""Comparing a subject's numbers with the reference, and counting what was compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
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

    draws, discarded: draws of Hypothesis that the case used, or discarded. comparisons: elements compared with a
    bound. masked: elements where no bound can be claimed. loose: compared elements with a bound above themselves or,
    where they are zero, above all of their array and the terms of their sum. undecided: compared elements whose bound
    covers both sides of a decision that rounding can turn over. diverging: elements that a declared divergence accounts
    for. worst_ulp counts units in the last place of the subject's format.
    """

    examples: int = 0
    draws: int = 0
    discarded: int = 0
    comparisons: int = 0
    masked: int = 0
    loose: int = 0
    undecided: int = 0
    diverging: int = 0
    worst_error_over_bound: float = 0.0
    worst_ulp: float = 0.0


@dataclass(frozen=True)
class Observation:
    """A comparison as it was made: what was compared and where (step, layer, ...), the numbers, and how they must
    relate: "=" within the bound (0 for exact ones), "~" within standard errors, "<=" or ">". context: what the case
    said of its example."""

    what: str
    where: Mapping[str, Any]
    relation: str
    found: np.ndarray
    expected: np.ndarray
    bound: np.ndarray
    context: Mapping[str, Any] = field(default_factory=dict)


FALSE_ALARM_RATE = 1e-9  # of each single statistical comparison
STANDARD_ERRORS = NormalDist().inv_cdf(1 - FALSE_ALARM_RATE / 2)  # that a mean may be off by, at that rate

# How far `Comparison.perturbed` moves what is expected: the suite's own tests see every closed form fail so.
PERTURBATION = 1e-6  # relative
STATISTICAL_PERTURBATION = 1e3  # standard errors

# What a divergence may account for. Anything else a subject does wrong fails.
NON_FINITE_WITHOUT_BOUND = "non-finite where rounding can leave the domain"
LESS_ACCURATE = "less accurate than its elementary functions"
ONE_STEP_LATE = "one step late at the declared steps"
ONE_STEP_EARLY = "one step early at the declared steps"
OTHERWISE_RESTORED = "a restored run continues otherwise"


@dataclass(repr=False)  # Hypothesis writes out the arguments of a failing case
class Comparison:
    """Compares in the format of one subject; raises Mismatch at the first element outside its bound.

    accepted: the kind of failure a declared divergence accounts for, or None; up to `factor` times the bound where
    the subject is declared to be less accurate, at the indices `steps` where it is declared late or early. journal:
    where every comparison is written down, if anywhere. perturbed: what is expected wrongly on purpose.
    """

    dtype: str
    accepted: str | None = None
    factor: float = 1.0
    steps: tuple[int, ...] = ()
    tally: Tally = field(default_factory=Tally)
    context: dict[str, Any] = field(default_factory=dict)
    journal: list[Observation] | None = None
    perturbed: str | None = None

    def example(self, **context: Any) -> None:
        """Begins an example; the context is shown when it fails."""
        self.tally.examples += 1
        self.context = context

    def within(self, subject: Any, expected: RunningError, what: str, *, terms: Any = 0.0, **where: Any) -> None:
        """Checks every element of `subject` against the value and bound of `expected`.

        A NaN or an infinity where the exact result is finite and in the format's range is a failure, whether or not
        a bound can be claimed. Elements without a bound are counted as masked.

        terms: where all elements may be sums that cancel to zero, the size of the terms, >= 0, which tells a bound on
        their rounding from one that says nothing.
        """
        if not isinstance(expected, RunningError):
            raise TypeError(
                f"expected must be a RunningError, got {type(expected).__name__}: use equal for exact results"
            )
        format_ = expected.target.format
        actual = self._received(subject, expected.shape, format_, what, where)
        value, bound = self._expected(expected.value, what), expected.bound
        self._write(what, where, "=", actual, value, bound)
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(actual - value)
            claimed = np.isfinite(bound)
            beyond = claimed & ~(error <= bound)
            shifted = beyond & self._shifted(actual, value, bound)
            outside = claimed & ~shifted & ~(error <= self.factor * bound)
            finite_expected = (np.abs(value) <= format_.largest) & ~np.isinf(bound)
            non_finite = ~np.isfinite(actual) & finite_expected & ~claimed
        if outside.any() or (non_finite.any() and self.accepted != NON_FINITE_WITHOUT_BOUND):
            self._fail(actual, value, bound, outside | non_finite, what, where)
        compared = int(np.count_nonzero(claimed))
        self.tally.comparisons += compared
        # The bound of a sum that cancels is that of its terms, which a zero has the size of, or of its neighbours.
        neighbours = np.max(np.abs(value), where=claimed, initial=0.0)
        size = np.where(value != 0, np.abs(value), np.maximum(neighbours, terms))
        self.tally.loose += int(np.count_nonzero(claimed & (bound > size)))
        self.tally.diverging += int(np.count_nonzero(non_finite | beyond))
        self.tally.masked += actual.size - compared - int(np.count_nonzero(non_finite))
        if expected.undecided is not None:
            self.tally.undecided += int(np.count_nonzero(expected.undecided & claimed))
        on_time = claimed & ~shifted
        if on_time.any():
            self._record(error[on_time], bound[on_time], value[on_time], format_)

    def equal(self, subject: Any, expected: Any, what: str, **where: Any) -> None:
        """Checks every element of `subject` against an exact result: tolerance 0, infinities equal, no NaN matches."""
        if isinstance(expected, RunningError):
            raise TypeError("expected must be exact numbers, got a RunningError: use within for its bounds")
        expected = self._expected(np.asarray(expected, dtype=np.float64), what)
        actual = self._received(subject, expected.shape, FORMATS[self.dtype], what, where)
        self._write(what, where, "=", actual, expected, np.zeros(expected.shape))
        wrong = ~(actual == expected)
        if self.accepted == OTHERWISE_RESTORED and "restart" in where:
            self.tally.diverging += int(np.count_nonzero(wrong))
        elif wrong.any():
            self._fail(actual, expected, np.zeros(expected.shape), wrong, what, where)
        self.tally.comparisons += actual.size

    def tree(self, subject: Any, expected: Any, what: str, **where: Any) -> None:
        """Checks every leaf of a subject's tree against a tree of running-error arrays of the same structure."""
        certified = dict(leaves(expected))
        if sorted(path for path, _ in leaves(subject)) != sorted(certified):
            facts = {**where, "expected": sorted(certified), "got": sorted(path for path, _ in leaves(subject))}
            raise Mismatch(f"{what}: wrong structure", facts | self.context)
        for path, leaf in leaves(subject):
            self.within(leaf, certified[path], f"{what}{path}", **where)

    def at_most(self, statistic: float, limit: float, what: str, **where: Any) -> None:
        """Checks a statistic against the limit of its stated false-alarm rate, or a number against a bound.

        Raises ValueError for the limit inf, which excludes no number.
        """
        self._relate(statistic, limit, float(statistic) <= float(limit), "<=", what, where)
        ratio = float(statistic) / float(limit) if limit > 0 else 0.0  # which for logarithms says nothing
        self.tally.worst_error_over_bound = max(self.tally.worst_error_over_bound, ratio)

    def exceeds(self, found: float, limit: float, what: str, **where: Any) -> None:
        """Checks that a number is above a stated bound. Raises ValueError for the limit -inf, which excludes none."""
        self._relate(found, limit, float(found) > float(limit), ">", what, where)

    def estimate(self, mean: float, expected: float, standard_error: float, what: str, **where: Any) -> None:
        """Checks the mean of many independent draws against its expectation, at FALSE_ALARM_RATE.

        standard_error: the known or estimated standard deviation of the mean, finite and > 0, otherwise ValueError;
        the mean is taken as normal.
        """
        if not 0 < standard_error < math.inf:
            raise ValueError(f"{what}: standard_error must be finite and > 0, got {standard_error}")
        if self.perturbed == what:
            expected = expected + STATISTICAL_PERTURBATION * standard_error
        limit = STANDARD_ERRORS * standard_error
        self._write(what, where, "~", np.asarray(mean), np.asarray(expected), np.asarray(standard_error))
        error = abs(float(mean) - float(expected))
        if not error <= limit:
            facts = {"mean": float(mean), "expected": float(expected), "standard_error": float(standard_error)}
            raise Mismatch(what, {**where, **facts, **self.context})
        self.tally.comparisons += 1
        self.tally.worst_error_over_bound = max(self.tally.worst_error_over_bound, error / limit)

    def _relate(
        self, found: float, limit: float, holds: bool, relation: str, what: str, where: Mapping[str, Any]
    ) -> None:
        if limit == {"<=": math.inf, ">": -math.inf}[relation]:
            raise ValueError(f"{what}: limit must exclude some number, got {limit}, which excludes none")
        self._write(what, where, relation, np.asarray(found), np.asarray(limit), np.zeros(()))
        if not holds:
            raise Mismatch(f"{what} must be {relation} the limit", {
                **where, "found": float(found), "limit": float(limit), **self.context
            })  # fmt: skip
        self.tally.comparisons += 1

    def _expected(self, value: np.ndarray, what: str) -> np.ndarray:
        if self.perturbed != what:
            return value
        return value * (1 + PERTURBATION) if np.any(value) else value + PERTURBATION

    def _write(
        self,
        what: str,
        where: Mapping[str, Any],
        relation: str,
        found: np.ndarray,
        expected: np.ndarray,
        bound: np.ndarray,
    ) -> None:
        if self.journal is not None:
            # As they are now: a case may overwrite an array after it is compared, to see who shares it.
            actual, wanted, within = (np.array(x) for x in (found, expected, bound))
            self.journal.append(Observation(what, dict(where), relation, actual, wanted, within, self.context))

    def result(self) -> dict[str, Any]:
        """The tally as plain numbers."""
        return asdict(self.tally)

    def _shifted(self, actual: np.ndarray, value: np.ndarray, bound: np.ndarray) -> np.ndarray:
        """Where `actual`, indexed by steps, is declared to have the value of the step before or after, and has it."""
        offset = {ONE_STEP_LATE: -1, ONE_STEP_EARLY: 1}.get(self.accepted or "")
        if offset is None:
            return np.zeros(actual.shape, dtype=bool)
        step = np.arange(len(actual))
        other = np.clip(step + offset, 0, len(actual) - 1)
        return np.isin(step, self.steps) & (np.abs(actual - value[other]) <= bound[other])

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
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
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
            "element": index,
            "expected": float(value[index]),
            "got": float(actual[index]),
            "error": error,
            "bound": allowed if math.isfinite(allowed) else "none can be claimed",
            "error_over_bound": error / allowed if 0 < allowed < math.inf else math.inf,
            "elements_wrong": f"{int(np.count_nonzero(wrong))} of {actual.size}",
            **self.context,
        }
        raise Mismatch(what, facts)
