"""Sign descent: steps of one size, along the sign of the gradient or of its moving average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import moving_average
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class SignDescent(Optimizer):
    """signSGD and, where momentum > 0, Signum (Bernstein et al. 2018, algorithms 1 and 2).

    learning_rate >= 0; momentum in [0, 1), the decay of the average. State: "first_moment", only where momentum > 0.
    """

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    momentum: float = hyperparameter(0.0, at_least=0, below=1)

    def slots(self) -> tuple[str, ...]:
        return ("first_moment",) if self.momentum > 0 else ()

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        if self.declared.momentum == 0:
            return parameter - self.learning_rate * np.sign(gradient), {}

        # Moment
        m = moving_average(state["first_moment"], gradient, self.momentum)

        # Update
        return parameter - self.learning_rate * np.sign(m), {"first_moment": m}
