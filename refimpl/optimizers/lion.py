"""Lion: steps of one size, along the sign of a moving average."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import moving_average
from refimpl.optimizers.optimizer import COUPLED, DECOUPLED, Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion (Chen et al. 2023, algorithm 2).

    learning_rate >= 0; beta1, beta2 in [0, 1): decays of the average whose sign is taken, and of the one that is kept.
    State: "first_moment".
    """

    learning_rate: float = hyperparameter(1e-4, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.99, at_least=0, below=1)
    _: KW_ONLY
    weight_decay_kind: Literal["decoupled", "unscaled", "coupled"] = convention(DECOUPLED | COUPLED)

    def slots(self) -> tuple[str, ...]:
        return ("first_moment",)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Direction
        direction = np.sign(moving_average(state["first_moment"], gradient, self.beta1))

        # Moment
        m = moving_average(state["first_moment"], gradient, self.beta2)

        # Update
        return parameter - self.learning_rate * direction, {"first_moment": m}
