"""Rprop: a step size of its own for each parameter, which grows while the gradient keeps its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Rprop (Riedmiller & Braun 1993, equations 4-6), which stands still where the sign flips (Igel & Huesken 2000).

    learning_rate >= 0, the first step size, between the smallest and the largest; growth > 1; shrinkage in (0, 1).
    State: "step_size"; "direction", the sign of the last gradient, or 0 where it had just flipped.
    """

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    growth: float = hyperparameter(1.2, above=1)
    shrinkage: float = hyperparameter(0.5, above=0, below=1)
    smallest_step: float = hyperparameter(1e-6, at_least=0)
    largest_step: float = hyperparameter(50.0, above=0)
    taken: Literal["current", "stale"] = convention(
        {
            "current": "the step that this gradient determines (the papers; PyTorch)",
            "stale": "the step of the gradient before, unless the sign has flipped (optax 0.2.8, a defect)",
        }
    )

    def check(self) -> None:
        if self.smallest_step > self.largest_step:
            self.refuse("smallest_step", self.smallest_step, f"at most largest_step = {self.largest_step!r}")
        if not self.smallest_step <= self.learning_rate <= self.largest_step:
            self.refuse("learning_rate", self.learning_rate, "between smallest_step and largest_step")

    def slots(self) -> tuple[str, ...]:
        return ("step_size", "direction")

    def start(self, slot: str, parameter: Array) -> Array:
        return np.full_like(parameter, self.learning_rate if slot == "step_size" else 0.0)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Step size
        size, direction, sign = state["step_size"], state["direction"], np.sign(gradient)
        moving = direction != 0
        same_sign, flipped = (sign == direction) & moving, (sign == -direction) & moving
        changed = np.where(same_sign, self.growth * size, np.where(flipped, self.shrinkage * size, size))
        new_size = np.minimum(np.maximum(changed, self.smallest_step), self.largest_step)
        new_direction = np.where(flipped, 0.0, sign)

        # Update
        stale = np.where(flipped, 0.0, size * direction)
        increment = new_size * new_direction if self.taken == "current" else stale
        return parameter - increment, {"step_size": new_size, "direction": new_direction}
