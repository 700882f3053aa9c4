"""LAMB: Adam whose step is given the length of the parameter, array by array."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from refimpl.arithmetic import moving_average, quotient
from refimpl.clipping import global_norm
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import COUPLED, DECOUPLED, Optimizer
from refimpl.optimizers.trust_ratio import trust_ratio
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class LAMB(Optimizer):
    """LAMB (You et al. 2020, algorithm 2, with the identity as scaling function).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0. State: "first_moment", "second_moment", neither corrected.
    The step is as it is where its length or the parameter's is zero.
    """

    elementwise: ClassVar[bool] = False

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-6, at_least=0)
    _: KW_ONLY
    weight_decay_kind: str = convention(
        {"in_step": "weight_decay * parameter is added to Adam's step before its length is taken (algorithm 2; optax)"}
        | DECOUPLED
        | COUPLED
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments
        first = moving_average(state["first_moment"], gradient, h.beta1)
        second = moving_average(state["second_moment"], gradient**2, h.beta2)

        # Adam's step and decay
        corrected = quotient(first, bias_correction(h.beta1, step))
        direction = quotient(corrected, np.sqrt(quotient(second, bias_correction(h.beta2, step))) + h.epsilon)
        if self.weight_decay > 0 and self.weight_decay_kind == "in_step":
            direction = direction + h.weight_decay * parameter

        # Update
        change = h.learning_rate * (trust_ratio(global_norm(parameter), global_norm(direction)) * direction)
        return parameter - change, {"first_moment": first, "second_moment": second}
