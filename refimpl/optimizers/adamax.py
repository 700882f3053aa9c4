"""Adamax: Adam with the largest recent gradient in the place of the root of the second moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.evaluation_orders import ADAMAX
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adamax (Kingma & Ba 2015, algorithm 2, which has no epsilon).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0. State: "first_moment", not corrected; "infinity_norm".
    """

    learning_rate: float = hyperparameter(2e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    epsilon_placement: Literal["inside", "outside"] = convention(
        {
            "inside": "added to each |gradient| before the maximum (PyTorch, optax)",
            "outside": "added to the maximum where it divides (Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "infinity_norm")

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # First moment and infinity norm
        m = moving_average(state["first_moment"], gradient, self.beta1)
        inside = self.epsilon_placement == "inside"
        magnitude = np.abs(gradient) + self.epsilon if inside else np.abs(gradient)
        u = np.maximum(self.beta2 * state["infinity_norm"], magnitude)

        # Bias correction
        m_correction = bias_correction(self.beta1, step)
        m_hat = quotient(m, m_correction)

        # Update
        denominator = u if inside else u + self.epsilon
        increment = self.learning_rate * quotient(m_hat, denominator)
        increment = covering(increment, ADAMAX, self.learning_rate, m, m_correction, denominator)
        return parameter - increment, {"first_moment": m, "infinity_norm": u}
