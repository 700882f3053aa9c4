"""What every schedule is: the learning rate as a function of the steps taken before, conventions as named fields."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.spec import LARGEST_COUNT, Spec

EVALUATION = {
    "closed": "each rate from its step alone (optax, Keras)",
    "recursive": "each rate from the one before (PyTorch's schedulers)",
}


@dataclass(frozen=True)
class Schedule(Spec):
    """A learning rate that depends on the steps taken before: the first update uses rate(0).

    Where a schedule has the convention `evaluation`, both values mean the same rates; bounds of a running-error
    evaluation cover the roundings of the recursion where it is declared, at a cost that grows with the step.
    """

    def rate(self, step: Any, like: Any = None) -> Any:
        """The rate at `step`, an integer in [0, 2**53] or an integer array of any shape: a float, or a float64 array.

        With `like`, a running-error or multiprecision array, the rate comes in the arithmetic of its hyperparameters.
        Raises TypeError for steps that are not integers, ValueError for steps out of range.
        """
        step = _counts(step)
        rate = self._rate(step, self.hyperparameters(like), like)
        if isinstance(like, DuckArray):
            return rate
        return np.array(rate, dtype=np.float64) if step.ndim else float(rate)

    @abstractmethod
    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        """The rates at an int64 array of steps; `h` has the fields as numbers of the arithmetic of `like`."""


def recursive(first: Any, next_rate: Callable[[Any, int], Any], step: np.ndarray) -> Any:
    """The rates at `step`, from the first one and next_rate(rate before, its step)."""
    rates = [first]
    for now in range(1, int(step.max(initial=0)) + 1):
        rates.append(next_rate(rates[-1], now))
    return np.stack(rates)[step]


def number(count: Any, like: Any) -> Any:
    """Integers, exact in float64, as numbers of the arithmetic that the hyperparameters of `like` are computed in."""
    return (
        like.hyperparameter(0.0).constant(count) if isinstance(like, DuckArray) else np.asarray(count, dtype=np.float64)
    )


def check_boundaries(spec: Spec, boundaries: Any, count: int) -> None:
    """Raises ValueError, naming the field, unless there are `count` boundaries: increasing steps in [1, 2**53]."""
    whole_numbers = isinstance(boundaries, tuple) and all(type(step) is int for step in boundaries)
    if not whole_numbers or len(boundaries) != count or any(a >= b for a, b in pairwise((0, *boundaries))):
        spec.refuse("boundaries", boundaries, f"a tuple of {count} increasing integers >= 1")
    if count and boundaries[-1] > LARGEST_COUNT:
        spec.refuse("boundaries", boundaries, "at most 2**53, each of them")


def _counts(step: Any) -> np.ndarray:
    counts = np.asarray(step)
    if counts.dtype.kind not in "iu":
        raise TypeError(f"step must be an integer >= 0 or an array of them, got {type(step).__name__} {step!r}")
    if counts.size and not (counts.min() >= 0 and counts.max() <= LARGEST_COUNT):
        raise ValueError(f"step must be in [0, 2**53], got {step!r}")
    return counts.astype(np.int64)
