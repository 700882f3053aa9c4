"""Rates that stay, that change in equal steps, and that decay by a power of the steps left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, to_double_double
from refimpl.schedules.schedule import EVALUATION, Schedule, number, recursive
from refimpl.spec import convention, hyperparameter, whole


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at each step; learning_rate >= 0."""

    learning_rate: float = hyperparameter(1e-3, at_least=0)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        return np.broadcast_to(h.learning_rate, step.shape)


@dataclass(frozen=True)
class Linear(Schedule):
    """From start (>= 0, at step 0) to end (>= 0, at step `steps` >= 1 and after) in equal steps, up or down.

    The recursive evaluation divides by the start, which must then be > 0.
    """

    start: float = hyperparameter(1e-1, at_least=0)
    end: float = hyperparameter(0.0, at_least=0)
    steps: int = whole(1000, at_least=1)
    evaluation: str = convention(EVALUATION)

    def check(self) -> None:
        if self.evaluation == "recursive" and self.start == 0:
            self.refuse("evaluation", "recursive", "'closed' unless start > 0")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        return line(h.start, h.end, step, self.steps, self.evaluation, like)


@dataclass(frozen=True)
class Polynomial(Schedule):
    """end + (initial - end) * (1 - step / steps) ** power, and the end from step `steps` (>= 1) on.

    initial >= end >= 0, power > 0. Linear is the power 1, and rises too. The recursive evaluation multiplies, so that
    it needs the end 0, which is PyTorch's.
    """

    initial: float = hyperparameter(1e-1, at_least=0)
    end: float = hyperparameter(0.0, at_least=0)
    steps: int = whole(1000, at_least=1)
    power: float = hyperparameter(2.0, above=0)
    evaluation: str = convention(EVALUATION)

    def check(self) -> None:
        if self.end > self.initial:
            self.refuse("end", self.end, f"at most initial, which is {self.initial!r}")
        if self.evaluation == "recursive" and self.end > 0:
            self.refuse("evaluation", "recursive", "'closed' unless end = 0")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        step = np.minimum(step, self.steps)

        def remaining(now: Any) -> Any:  # a compiled quotient may be above 1 at the end, and a root of this NaN
            return 1 - number(now, like) / self.steps

        def closed() -> Any:
            # double-double, as a power magnifies the error
            left = to_double_double(number(self.steps - step, like)) / self.steps
            return forms(
                lambda: (h.initial - h.end) * left**h.power + h.end,
                lambda: (h.initial - h.end) * remaining(step) ** h.power + h.end,
            )

        def next_rate(rate: Any, now: int) -> Any:
            if now == self.steps:
                return 0 * rate
            return rate * (remaining(now) / remaining(now - 1)) ** h.power

        if self.evaluation == "closed":
            return closed()
        return forms(closed, lambda: recursive(h.initial, next_rate, step))


def line(start: Any, end: Any, step: np.ndarray, steps: int, evaluation: str, like: Any) -> Any:
    """From start to end in `steps` equal steps, then the end; every term of the first form has one sign."""
    step = np.minimum(step, steps)

    def closed() -> Any:
        passed = number(step, like) / steps
        return forms(
            lambda: start * (number(steps - step, like) / steps) + end * passed,
            lambda: (start - end) * (1 - passed) + end,
            lambda: start + (end - start) * passed,
        )

    def by_factors() -> Any:  # of the larger rate, which is PyTorch's parametrization
        base = np.maximum(start, end)
        first, change = start / base, (end - start) / base
        return recursive(
            base * first, lambda rate, now: rate * (1 + change / (steps * first + (now - 1) * change)), step
        )

    def by_differences() -> Any:
        change = (end - start) / steps
        return recursive(start, lambda rate, _: rate + change, step)

    return closed() if evaluation == "closed" else forms(closed, by_factors, by_differences)
