"""AdaBelief: Adam with the distance of the gradient from its average in the place of the gradient's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import hyperparameter


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

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments; the distance from the new average is beta1 times that from the old one
        first = moving_average(state["first_moment"], gradient, h.beta1)
        distance = forms(lambda: h.beta1 * (gradient - state["first_moment"]), lambda: gradient - first)
        second = moving_average(state["second_moment"], distance**2, h.beta2) + h.epsilon_root

        # Update
        corrected = quotient(first, bias_correction(h.beta1, step))
        scale = np.sqrt(quotient(second, bias_correction(h.beta2, step))) + h.epsilon
        change = h.learning_rate * quotient(corrected, scale)
        return parameter - change, {"first_moment": first, "second_moment": second}
