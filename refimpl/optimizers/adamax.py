"""Adamax: Adam with the largest recent gradient in the place of the root of the second moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adamax (Kingma & Ba 2015, algorithm 2, which has no epsilon).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0. State: "first_moment", not corrected; "infinity_norm".
    """

    learning_rate: float = hyperparameter(2e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    epsilon_placement: str = convention(
        {
            "inside": "added to each |gradient| before the maximum (PyTorch, optax)",
            "outside": "added to the maximum where it divides (Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "infinity_norm")

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moment and norm
        first = moving_average(state["first_moment"], gradient, h.beta1)
        size = np.abs(gradient) + h.epsilon if self.epsilon_placement == "inside" else np.abs(gradient)
        norm = np.maximum(h.beta2 * state["infinity_norm"], size)

        # Update
        correction = bias_correction(h.beta1, step)
        scale = norm if self.epsilon_placement == "inside" else norm + h.epsilon
        rate = h.learning_rate / correction
        change = forms(
            lambda: h.learning_rate * quotient(quotient(first, correction), scale),
            lambda: quotient(rate * first, scale),
        )
        return parameter - change, {"first_moment": first, "infinity_norm": norm}
