"""Identifying initializers: the distribution of entries at a stated false-alarm rate, and where weights are zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task
from conformance.judging.comparison import FALSE_ALARM_RATE, Comparison
from conformance.subjects import Subject
from refimpl.arithmetic import Target
from refimpl.initializers import Distribution, Initializer, Sparse
from refimpl.initializers.initializer import IdenticallyDistributed

# The fans of any two modes and layouts are equal or differ by a third or more.
CONVOLUTION = (2, 12, 18, 100)

# Shapes and how many are drawn.
INDEPENDENT = CONVOLUTION, 4
DEPENDENT = (1, 50, 50), 400  # of which the first entry of each draw is looked at
CHANNELS = (6, 4, 2, 2), 1  # no more inputs than outputs in either layout


class Initializers(Task):
    """draw(shape, seed, **hyperparameters) -> array."""

    rules = (Initializer,)
    capability = "initializer"
    takes = ("shape", "seed")
    returns = "an array of the shape that it is given, drawn from the seed"
    at_work = {  # noqa: RUF012
        "mean": 0.25, "standard_deviation": 0.5, "lower": -0.75, "upper": 1.5, "low": -0.25, "high": 1.0,
        "scale": 1.5, "gain": 1.5, "sparsity": 0.4,
    }  # fmt: skip

    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        if isinstance(specs[0], Sparse):
            raise ValueError("the zeros of Sparse are random, and distinguish no conventions")
        if not isinstance(specs[0], IdenticallyDistributed):
            return [Input(f"weights of shape {CHANNELS[0]}", CHANNELS, singular=True)]
        shape, draws = INDEPENDENT if _independent(specs[0]) else DEPENDENT
        return [Input(f"{draws} draws of shape {shape}", (shape, draws))]

    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        shape, draws = given.data
        hyperparameters = {name: getattr(spec, name) for name in names}
        results = [function(shape, seed, **hyperparameters) for seed in range(draws)]
        drawn = [self.part("weights", {"seed": n}, result, shape).numbers for n, result in enumerate(results)]
        if not np.isfinite(drawn).all():
            raise self.unusable("weights must be finite", {})
        if given.singular:
            return [Part("weights", {}, drawn[0])]
        if np.array_equal(drawn[0], drawn[1]):
            raise self.unusable("the seeds 0 and 1 give the same weights", {})
        looked_at = drawn if _independent(spec) else [weights.flat[0] for weights in drawn]
        return [Part("entries", {}, np.sort(np.array(looked_at, dtype=np.float64), axis=None))]

    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        shape, _ = given.data
        if not given.singular:
            return [Part("entries", {}, spec.entry_distribution(shape))]
        return [Part("weights", {}, spec.sample(shape, np.random.default_rng(1)))]

    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        return lambda shape, seed, **hyperparameters: subject.initializer(build(**hyperparameters), shape, seed)

    def check(self, compare: Comparison, actual: Part, expected: Part) -> None:
        if not isinstance(expected.numbers, Distribution):
            super().check(compare, actual, expected)
            return
        distance = _distance(actual.numbers, expected.numbers)
        probability = 2 * math.exp(-2 * actual.numbers.size * distance**2)  # at most: Massart 1990, corollary 1
        where = {"distribution": expected.numbers, "distance": distance}
        compare.exceeds(probability, FALSE_ALARM_RATE, "probability of entries so far from the distribution", **where)

    def distinguishable(self, first: Part, second: Part) -> bool:
        one, other = first.numbers, second.numbers
        if not isinstance(one, Distribution):
            return super().distinguishable(first, second)
        return one != other


def _independent(spec: Any) -> bool:
    return type(spec)._sample is IdenticallyDistributed._sample


def _distance(entries: np.ndarray, distribution: Distribution) -> float:
    """Of the distribution functions, as far as some of the sorted entries show it: at most Kolmogorov's statistic."""
    shown = np.unique(np.linspace(0, entries.size - 1, 250).astype(int))
    at = np.asarray(distribution.cdf(entries[shown]))
    return float(max(np.max((shown + 1) / entries.size - at), np.max(at - shown / entries.size)))
