"""Yogi: Adam whose second moment moves by an amount that does not depend on how far it has to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class Yogi(Optimizer):
    """Yogi (Zaheer et al. 2018, algorithm 2).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0; initial_accumulator >= 0, where the second moment starts.
    State: "first_moment", "second_moment", neither corrected.
    """

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-3, at_least=0)
    initial_accumulator: float = hyperparameter(1e-6, at_least=0)
    corrected: bool = convention({False: "moments as they are (algorithm 2)", True: "corrected as Adam's (optax)"})
    first_start: Literal["zero", "accumulator"] = convention(
        {
            "zero": "the first moment starts at zero (algorithm 2)",
            "accumulator": "the first moment starts at initial_accumulator as well (optax)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def start(self, slot: str, parameter: Array) -> Array:
        zero = slot == "first_moment" and self.first_start == "zero"
        return np.full_like(parameter, 0.0 if zero else self.initial_accumulator)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        old, square = state["second_moment"], gradient**2
        m = moving_average(state["first_moment"], gradient, self.beta1)
        v = old - (1 - self.beta2) * np.sign(old - square) * square

        # Bias correction
        m_hat, v_hat = m, v
        if self.corrected:
            m_hat = quotient(m, bias_correction(self.beta1, step))
            v_hat = quotient(v, bias_correction(self.beta2, step))

        # Update
        increment = self.learning_rate * quotient(m_hat, np.sqrt(v_hat) + self.epsilon)
        return parameter - increment, {"first_moment": m, "second_moment": v}
