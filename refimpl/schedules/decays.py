"""Rates that decay by factors, at each step or by stairs, and in inverse proportion to time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, from_double_double, product, quotient, to_double_double
from refimpl.schedules.schedule import EVALUATION, Schedule, check_boundaries, number, recursive
from refimpl.spec import convention, hyperparameter, several, whole


@dataclass(frozen=True)
class Exponential(Schedule):
    """initial * decay ** (step / decay_steps): initial >= 0, decay > 0 (above 1 it grows), decay_steps >= 1.

    The recursive evaluation multiplies by decay, so that it needs the staircase or decay_steps = 1.
    """

    initial: float = hyperparameter(1e-1, at_least=0)
    decay: float = hyperparameter(0.96, above=0)
    decay_steps: int = whole(1, at_least=1)
    staircase: bool = convention({False: "decays at each step", True: "decays at each decay_steps-th step"})
    evaluation: str = convention(EVALUATION)

    def check(self) -> None:
        if self.evaluation == "recursive" and self.decay_steps > 1 and not self.staircase:
            self.refuse("evaluation", "recursive", "'closed' unless staircase is True or decay_steps = 1")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        periods, rest = np.divmod(step, self.decay_steps)
        decayed = _decayed(h.initial, h.decay, periods, self.evaluation, like)
        if self.staircase or self.decay_steps == 1:
            return decayed
        # A large exponent magnifies its own rounding, a whole one has none.
        return forms(
            lambda: decayed * h.decay ** (number(rest, like) / self.decay_steps),
            lambda: h.initial * h.decay ** (number(step, like) / self.decay_steps),
        )


@dataclass(frozen=True)
class StepDecay(Schedule):
    """initial (>= 0) times factor (> 0) once for every `every` (>= 1) steps."""

    initial: float = hyperparameter(1e-1, at_least=0)
    factor: float = hyperparameter(0.1, above=0)
    every: int = whole(30, at_least=1)
    boundary: str = convention(
        {
            "at": "the rate at step `every` is the first one decayed (PyTorch, optax)",
            "after": "the rate at step `every` + 1 is the first one decayed (Keras's PiecewiseConstantDecay)",
        }
    )
    evaluation: str = convention(EVALUATION)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        passed = step if self.boundary == "at" else np.maximum(step - 1, 0)
        return _decayed(h.initial, h.factor, passed // self.every, self.evaluation, like)


@dataclass(frozen=True)
class PiecewiseConstant(Schedule):
    """initial (>= 0), multiplied at each of the increasing `boundaries` (>= 1) by the next of the `factors` (> 0)."""

    initial: float = hyperparameter(1e-1, at_least=0)
    boundaries: tuple[int, ...] = (30, 60)
    factors: tuple[float, ...] = several((0.1, 0.1), above=0)
    boundary: str = convention(
        {
            "at": "the rate at a boundary is the first one with its factor (PyTorch, optax)",
            "after": "the rate one step after a boundary is the first one with its factor (Keras)",
        }
    )

    def check(self) -> None:
        check_boundaries(self, self.boundaries, len(self.factors))

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        passed = np.searchsorted(self.boundaries, step, side="right" if self.boundary == "at" else "left")
        factors = [to_double_double(number(factor, like)) for factor in self.factors]
        levels = [product(h.initial, 1.0, *factors[:count]) for count in range(len(factors) + 1)]
        return np.stack([from_double_double(level) for level in levels])[passed]


@dataclass(frozen=True)
class InverseTime(Schedule):
    """initial / (1 + decay * step / decay_steps): initial >= 0, decay >= 0, decay_steps >= 1."""

    initial: float = hyperparameter(1e-1, at_least=0)
    decay: float = hyperparameter(1.0, at_least=0)
    decay_steps: int = whole(1, at_least=1)
    staircase: bool = convention({False: "decays at each step", True: "decays at each decay_steps-th step"})

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        if self.staircase:
            return quotient(h.initial, 1 + h.decay * number(step // self.decay_steps, like))
        return forms(
            lambda: quotient(h.initial, 1 + h.decay * (number(step, like) / self.decay_steps)),
            lambda: quotient(h.initial, 1 + h.decay * number(step, like) / self.decay_steps),
        )


def _decayed(initial: Any, factor: Any, times: np.ndarray, evaluation: str, like: Any) -> Any:
    def closed() -> Any:
        return initial * factor ** number(times, like)

    if evaluation == "closed":
        return closed()
    return forms(closed, lambda: recursive(initial, lambda rate, _: rate * factor, times))
