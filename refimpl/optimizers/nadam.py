"""NAdam: Adam with Nesterov's momentum, which may rise over the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.evaluation_orders import NADAM, NADAM_DENOMINATOR
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


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
    momentum_schedule: Literal["rising", "constant"] = convention(
        {
            "rising": "beta1 * (1 - 0.96**(step * momentum_decay) / 2) (PyTorch; Keras, its momentum_decay being 1)",
            "constant": "beta1 (optax)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment") + ("momentum_product",) * (self.momentum_schedule == "rising")

    def start(self, slot: str, parameter: Array) -> Array:
        return np.ones_like(parameter) if slot == "momentum_product" else super().start(slot, parameter)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        m = moving_average(state["first_moment"], gradient, self.beta1)
        v = moving_average(state["second_moment"], gradient**2, self.beta2)
        new_slots = {"first_moment": m, "second_moment": v}

        # Momenta mu of this step and the next; bias correction, of gradient and m by the product of the momenta
        if self.momentum_schedule == "constant":
            mu = next_mu = self.beta1
            g_correction, m_correction = bias_correction(self.beta1, step), bias_correction(self.beta1, step + 1)
        else:
            mu, next_mu = (self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay)) for t in (step, step + 1))
            product = new_slots["momentum_product"] = state["momentum_product"] * mu
            g_correction, m_correction = 1 - product, 1 - product * next_mu
        v_correction = bias_correction(self.beta2, step)
        v_hat = quotient(v, v_correction)

        # Update, along (1 - mu) * gradient / g_correction + next_mu * m / m_correction
        denominator = covering(np.sqrt(v_hat) + self.epsilon, NADAM_DENOMINATOR, v, v_correction, self.epsilon)
        gradient_rate = self.learning_rate * (1 - mu) / g_correction
        m_rate = self.learning_rate * next_mu / m_correction
        increment = gradient_rate * quotient(gradient, denominator) + m_rate * quotient(m, denominator)
        terms = (gradient, 1 - mu, g_correction), (m, next_mu, m_correction)
        moved = covering(parameter - increment, NADAM, parameter, self.learning_rate, terms, denominator)
        return moved, new_slots
