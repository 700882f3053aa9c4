"""Adagrad: steps scaled by the root of the sum of all squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering, quotient
from refimpl.optimizers.evaluation_orders import OVER_ROOT
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011, figure 1, diagonal form).

    learning_rate >= 0, divided by 1 + (step - 1) * learning_rate_decay; epsilon >= 0; initial_accumulator >= 0.
    State: "accumulator".
    """

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    learning_rate_decay: float = hyperparameter(0.0, at_least=0)
    epsilon: float = hyperparameter(1e-10, at_least=0)
    initial_accumulator: float = hyperparameter(0.0, at_least=0)
    epsilon_placement: Literal["outside", "inside", "inside_where_positive"] = convention(
        {
            "outside": "gradient / (sqrt(accumulator) + epsilon) (PyTorch)",
            "inside": "gradient / sqrt(accumulator + epsilon) (Keras)",
            "inside_where_positive": "gradient / sqrt(accumulator + epsilon), no step while accumulator = 0 (optax)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("accumulator",)

    def start(self, slot: str, parameter: Array) -> Array:
        return np.full_like(parameter, self.initial_accumulator)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Sum of squared gradients
        accumulator = state["accumulator"] + gradient**2

        # Direction
        if self.epsilon_placement == "outside":
            direction = quotient(gradient, np.sqrt(accumulator) + self.epsilon)
        else:
            shifted = accumulator + self.epsilon
            direction = covering(gradient / np.sqrt(shifted), OVER_ROOT, gradient, shifted)
            if self.epsilon_placement == "inside_where_positive":
                direction = np.where(accumulator > 0, direction, 0.0 * gradient)  # NaN where that is

        # Update
        rate = self.learning_rate / (1 + (step - 1) * self.learning_rate_decay)
        return parameter - rate * direction, {"accumulator": accumulator}
