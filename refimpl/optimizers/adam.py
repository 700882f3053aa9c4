"""Adam and AdamW: moving averages of the gradient and its square, corrected for starting at zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0; weight_decay >= 0, an L2 penalty added to the gradient.
    State: "first_moment", "second_moment", neither corrected.
    """

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    weight_decay: float = hyperparameter(0.0, at_least=0)
    epsilon_placement: str = convention(
        {
            "outside": "added to the root of the corrected second moment (algorithm 1; PyTorch, optax)",
            "inside": "added to the corrected second moment under the root (optax's eps_root)",
            "uncorrected": "added to the root of the uncorrected second moment: 'epsilon hat' (section 2; Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        if self.weight_decay > 0:
            gradient = gradient + h.weight_decay * parameter
        return self._adam(parameter, gradient, state, step, h)

    def _adam(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments
        first = moving_average(state["first_moment"], gradient, h.beta1)
        second = moving_average(state["second_moment"], gradient**2, h.beta2)

        # Bias correction (section 3)
        first_correction = bias_correction(h.beta1, step)
        second_correction = bias_correction(h.beta2, step)

        # Update
        if self.epsilon_placement == "uncorrected":
            rate = h.learning_rate * np.sqrt(second_correction) / first_correction
            scale = np.sqrt(second) + h.epsilon
            change = forms(lambda: quotient(rate * first, scale), lambda: rate * quotient(first, scale))
        else:
            corrected = quotient(second, second_correction)
            inside = self.epsilon_placement == "inside"
            scale = np.sqrt(corrected + h.epsilon) if inside else np.sqrt(corrected) + h.epsilon
            rate, root = h.learning_rate / first_correction, np.sqrt(second_correction)
            change = forms(
                lambda: h.learning_rate * quotient(quotient(first, first_correction), scale),
                lambda: quotient(rate * first, scale if inside else np.sqrt(second) / root + h.epsilon),  # PyTorch
            )
        return parameter - change, {"first_moment": first, "second_moment": second}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, line 12).

    As Adam, but weight_decay >= 0 shrinks the parameter by learning_rate * weight_decay of itself at each step, so
    that it follows the learning rate as in PyTorch, optax and Keras.
    """

    weight_decay: float = hyperparameter(1e-2, at_least=0)

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # As one product: with the parameter in two terms, error bounds would grow by 1 + rate * decay at each step.
        decayed = parameter * (1 - h.learning_rate * h.weight_decay)
        return self._adam(decayed, gradient, state, step, h)
