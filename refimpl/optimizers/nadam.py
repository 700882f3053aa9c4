"""NAdam: Adam with Nesterov's momentum, which may rise over the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class NAdam(Optimizer):
    """NAdam (Dozat 2016, algorithm 2, as libraries have it: without the factor beta2 on the second moment, and with a
    first moment that decays by beta1 where the momenta rise).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0; momentum_decay >= 0, which a constant momentum ignores.
    State: "first_moment", "second_moment", neither corrected; "momentum_product", of the momenta so far, where they
    rise.
    """

    learning_rate: float = hyperparameter(2e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    momentum_decay: float = hyperparameter(4e-3, at_least=0)
    momentum_schedule: str = convention(
        {
            "rising": "beta1 * (1 - 0.96**(step * momentum_decay) / 2) (PyTorch; Keras, its momentum_decay being 1)",
            "constant": "beta1 (optax)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment") + ("momentum_product",) * (self.momentum_schedule == "rising")

    def start(self, slot: str, parameter: Any) -> Any:
        return np.ones_like(parameter) if slot == "momentum_product" else super().start(slot, parameter)

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments
        new = {
            "first_moment": moving_average(state["first_moment"], gradient, h.beta1),
            "second_moment": moving_average(state["second_moment"], gradient**2, h.beta2),
        }

        # Momenta of this step and the next, and what the averages have gathered by them
        if self.momentum_schedule == "constant":
            now = following = h.beta1
            gathered, gathered_next = bias_correction(h.beta1, step), bias_correction(h.beta1, step + 1)
        else:
            now, following = (h.beta1 * (1 - 0.5 * 0.96 ** (s * h.momentum_decay)) for s in (step, step + 1))
            new["momentum_product"] = state["momentum_product"] * now
            gathered, gathered_next = 1 - new["momentum_product"], 1 - new["momentum_product"] * following

        # Update
        corrected = np.sqrt(quotient(new["second_moment"], bias_correction(h.beta2, step)))
        scale = forms(
            lambda: corrected + h.epsilon,
            lambda: np.sqrt(new["second_moment"]) / np.sqrt(bias_correction(h.beta2, step)) + h.epsilon,  # PyTorch
        )
        first = new["first_moment"]
        rates = h.learning_rate * (1 - now) / gathered, h.learning_rate * following / gathered_next
        moved = forms(
            lambda: parameter - (rates[0] * quotient(gradient, scale) + rates[1] * quotient(first, scale)),
            lambda: parameter - rates[0] * quotient(gradient, scale) - rates[1] * quotient(first, scale),  # PyTorch
            lambda: (
                parameter
                - h.learning_rate
                * quotient((1 - now) * quotient(gradient, gathered) + following * quotient(first, gathered_next), scale)
            ),
        )
        return moved, new
