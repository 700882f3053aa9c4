"""Rates that follow a cosine from peak to floor, once or with restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, from_double_double, pi, to_double_double
from refimpl.schedules.schedule import EVALUATION, Schedule, number, recursive
from refimpl.spec import LARGEST_COUNT, convention, hyperparameter, whole


@dataclass(frozen=True)
class Cosine(Schedule):
    """floor + (peak - floor) * (1 + cos(pi * step / steps)) / 2 (Loshchilov & Hutter 2017, equation 5).

    peak > 0 (at step 0), floor >= 0 (at step `steps` >= 1). Cosine(floor, peak, ...) rises.
    """

    peak: float = hyperparameter(1e-1, above=0)
    floor: float = hyperparameter(0.0, at_least=0)
    steps: int = whole(1000, at_least=1)
    after_end: str = convention(
        {
            "holds": "stays at the floor (optax, Keras)",
            "rises": "follows the cosine back to the peak, and so on (PyTorch)",
        }
    )
    evaluation: str = convention(EVALUATION)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        if self.after_end == "holds":
            step = np.minimum(step, self.steps)
        phase = step % (2 * self.steps)
        passed = np.minimum(phase, 2 * self.steps - phase)

        def closed() -> Any:
            return _annealed(h.peak, h.floor, passed, step, self.steps, like)

        def next_rate(rate: Any, now: int) -> Any:
            if (now - 1 - self.steps) % (2 * self.steps) == 0:  # the rate before was the floor: no ratio leads on
                return rate + (h.peak - h.floor) * (1 - _raised_cosine(1, self.steps, like))
            ratio = _raised_cosine(now, self.steps, like) / _raised_cosine(now - 1, self.steps, like)
            return ratio * (rate - h.floor) + h.floor

        if self.evaluation == "closed":
            return closed()
        first = h.floor + (h.peak - h.floor) * _raised_cosine(0, self.steps, like)
        return forms(closed, lambda: recursive(first, next_rate, step))


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """The cosine from peak to floor in cycles, each `growth` (>= 1) times as long as the one before (Loshchilov &
    Hutter 2017, equation 5 and section 4).

    peak > 0, floor in [0, peak], period >= 1: the steps of the first cycle, whose last rate lies above the floor, as
    step `period` is the first one of the next cycle. factor > 0: each cycle is `factor` times as high above the floor
    as the one before (Keras's m_mul; 1 in PyTorch). A rate within a cycle of more than 2**53 steps is refused.
    """

    peak: float = hyperparameter(1e-1, above=0)
    floor: float = hyperparameter(0.0, at_least=0)
    period: int = whole(1000, at_least=1)
    growth: int = whole(1, at_least=1)
    factor: float = hyperparameter(1.0, above=0)

    def check(self) -> None:
        if self.floor > self.peak:
            self.refuse("floor", self.floor, f"at most peak, which is {self.peak!r}")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        cycle, passed, length = _cycles(step, self.period, self.growth)
        peak = h.peak
        if self.factor != 1:
            peak = (to_double_double(peak) - h.floor) * h.factor ** number(cycle, like) + h.floor
        return _annealed(peak, h.floor, passed, passed, length, like)


def _cycles(step: np.ndarray, period: int, growth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each step the number of its cycle, from 0 on, the steps taken in it before, and its length."""
    if growth == 1:
        return step // period, step % period, np.full(step.shape, period)
    starts, lengths, length = [0], [period], period
    while starts[-1] + length <= step.max(initial=0):
        starts.append(starts[-1] + length)
        length *= growth
        lengths.append(length)
    if length > LARGEST_COUNT:
        allowed = f"such that the cycle of step {step.max()} has at most 2**53 steps"
        raise ValueError(f"CosineRestarts: growth must be {allowed}, got {growth!r}: pass earlier steps only")
    cycle = np.searchsorted(starts, step, side="right") - 1
    return cycle, step - np.array(starts)[cycle], np.array(lengths)[cycle]


def _annealed(first: Any, last: Any, passed: np.ndarray, count: np.ndarray, length: Any, like: Any) -> Any:
    """From the first rate, at passed = 0, to the last, at passed = length, all integers; libraries take the cosine of
    `count`, which may go round beyond the length."""
    done, left = number(passed, like), number(length - passed, like)

    def by_ratio() -> Any:
        ratio = last / first
        return first * ((1 - ratio) * _raised_cosine(count, length, like) + ratio)

    return forms(
        lambda: from_double_double(first * share(left, length) + last * share(done, length)),
        lambda: last + (first - last) * _raised_cosine(count, length, like),
        by_ratio,
    )


def _raised_cosine(count: Any, length: Any, like: Any) -> Any:
    return (1 + np.cos(np.pi * number(count, like) / length)) / 2


def share(part: Any, length: Any) -> Any:
    """(1 - cos(pi * part / length)) / 2, which cancels where part is small."""
    part = to_double_double(part)
    sine = np.sin(part * pi(part) / (2 * length))  # double-double: a square doubles the error
    return sine * sine
