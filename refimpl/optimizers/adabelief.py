"""AdaBelief: Adam with the distance of the gradient from its average in the place of the gradient's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.evaluation_orders import ADABELIEF_DISTANCE
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class AdaBelief(Optimizer):
    """AdaBelief (Zhuang et al. 2020, algorithm 2).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0, added to the root; epsilon_root >= 0, added to the
    average at each step and kept in it. The paper has one epsilon for both.
    State: "first_moment", "second_moment" (of the distances), neither corrected.
    """

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-16, at_least=0)
    epsilon_root: float = hyperparameter(1e-16, at_least=0)

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments; the distance from the new average is beta1 times that from the old one
        m = moving_average(state["first_moment"], gradient, self.beta1)
        distance = covering(self.beta1 * (gradient - state["first_moment"]), ADABELIEF_DISTANCE, gradient, m)
        v = moving_average(state["second_moment"], distance**2, self.beta2) + self.epsilon_root

        # Bias correction
        m_hat = quotient(m, bias_correction(self.beta1, step))
        v_hat = quotient(v, bias_correction(self.beta2, step))

        # Update
        denominator = np.sqrt(v_hat) + self.epsilon
        increment = self.learning_rate * quotient(m_hat, denominator)
        return parameter - increment, {"first_moment": m, "second_moment": v}
