"""Adagrad: steps scaled by the root of the sum of all squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, quotient, rsqrt
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


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
    epsilon_placement: str = convention(
        {
            "outside": "gradient / (sqrt(accumulator) + epsilon) (PyTorch)",
            "inside": "gradient / sqrt(accumulator + epsilon) (Keras)",
            "inside_where_positive": "gradient / sqrt(accumulator + epsilon), no step while accumulator = 0 (optax)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("accumulator",)

    def start(self, slot: str, parameter: Any) -> Any:
        return np.full_like(parameter, self.initial_accumulator)

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        accumulator = state["accumulator"] + gradient**2

        # Update
        rate = h.learning_rate / (1 + (step - 1) * h.learning_rate_decay)
        if self.epsilon_placement == "outside":
            direction = quotient(gradient, np.sqrt(accumulator) + h.epsilon)
        else:
            shifted = accumulator + h.epsilon
            direction = forms(lambda: gradient / np.sqrt(shifted), lambda: gradient * rsqrt(shifted))
            if self.epsilon_placement == "inside_where_positive":
                direction = np.where(accumulator > 0, direction, 0.0 * gradient)  # NaN where that is
        return parameter - rate * direction, {"accumulator": accumulator}
