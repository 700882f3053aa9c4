"""Adadelta: steps of the size that recent steps had, over the size that recent gradients had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.optimizers.evaluation_orders import ADADELTA_DIRECTION
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012, algorithm 1), its steps multiplied by a learning rate, which is 1 there.

    learning_rate >= 0; decay in [0, 1), of both averages; epsilon >= 0.
    State: "second_moment", of gradients; "squared_steps", the average of squared steps before the learning rate.
    """

    learning_rate: float = hyperparameter(1.0, at_least=0)
    decay: float = hyperparameter(0.9, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-6, at_least=0)

    def slots(self) -> tuple[str, ...]:
        return ("second_moment", "squared_steps")

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Average of squared gradients
        second_moment = moving_average(state["second_moment"], gradient**2, self.decay)

        # Direction: root mean square of recent steps over that of recent gradients, times the gradient
        root_of_steps = np.sqrt(state["squared_steps"] + self.epsilon)
        shifted = second_moment + self.epsilon
        direction = quotient(root_of_steps, np.sqrt(shifted)) * gradient
        direction = covering(direction, ADADELTA_DIRECTION, root_of_steps, shifted, gradient)

        # Average of squared steps
        squared_steps = moving_average(state["squared_steps"], direction**2, self.decay)

        # Update
        increment = self.learning_rate * direction
        return parameter - increment, {"second_moment": second_moment, "squared_steps": squared_steps}
