"""LAMB: Adam whose step is given the norm of the parameter, array by array."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

import numpy as np

from refimpl.arithmetic import moving_average, quotient
from refimpl.clipping import global_norm
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import COUPLED, DECOUPLED, Optimizer
from refimpl.optimizers.trust_ratio import trust_ratio
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots

IN_STEP: dict[Literal["in_step"], str] = {
    "in_step": "weight_decay * parameter is added to Adam's step before its norm is taken (algorithm 2; optax)"
}


@dataclass(frozen=True)
class LAMB(Optimizer):
    """LAMB (You et al. 2020, algorithm 2, with the identity as scaling function).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0. State: "first_moment", "second_moment", neither corrected.
    The step is as it is where its norm or the parameter's is zero.
    """

    elementwise: ClassVar[bool] = False

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-6, at_least=0)
    _: KW_ONLY
    weight_decay_kind: Literal["in_step", "decoupled", "unscaled", "coupled"] = convention(  # type: ignore[assignment]
        IN_STEP | DECOUPLED | COUPLED
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        m = moving_average(state["first_moment"], gradient, self.beta1)
        v = moving_average(state["second_moment"], gradient**2, self.beta2)

        # Bias correction
        m_hat = quotient(m, bias_correction(self.beta1, step))
        v_hat = quotient(v, bias_correction(self.beta2, step))

        # Direction: Adam's, and decay
        direction = quotient(m_hat, np.sqrt(v_hat) + self.epsilon)
        if self.declared.weight_decay > 0 and self.weight_decay_kind == "in_step":
            direction = direction + self.weight_decay * parameter

        # Update
        ratio = trust_ratio(global_norm(parameter), global_norm(direction))
        increment = self.learning_rate * (ratio * direction)
        return parameter - increment, {"first_moment": m, "second_moment": v}
