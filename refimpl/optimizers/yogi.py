"""Yogi: Adam whose second moment moves by an amount that does not depend on how far it has to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


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
    first_start: str = convention(
        {
            "zero": "the first moment starts at zero (algorithm 2)",
            "accumulator": "the first moment starts at initial_accumulator as well (optax)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def start(self, slot: str, parameter: Any) -> Any:
        zero = slot == "first_moment" and self.first_start == "zero"
        return np.full_like(parameter, 0.0 if zero else self.initial_accumulator)

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments
        first, square = moving_average(state["first_moment"], gradient, h.beta1), gradient**2
        second = state["second_moment"] - (1 - h.beta2) * np.sign(state["second_moment"] - square) * square

        # Update
        average, divisor = first, second
        if self.corrected:
            average = quotient(first, bias_correction(h.beta1, step))
            divisor = quotient(second, bias_correction(h.beta2, step))
        change = h.learning_rate * quotient(average, np.sqrt(divisor) + h.epsilon)
        return parameter - change, {"first_moment": first, "second_moment": second}
