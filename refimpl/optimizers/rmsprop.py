"""RMSprop: steps scaled by the root of a moving average of squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.optimizers.evaluation_orders import OVER_ROOT
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5), centered as in Graves 2013 (equations 38-45).

    learning_rate >= 0; decay in [0, 1), of the averages (PyTorch's alpha, Keras's rho); epsilon >= 0;
    momentum in [0, 1).
    State: "second_moment"; "mean" where centered; "velocity" where momentum > 0.
    """

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    decay: float = hyperparameter(0.99, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    momentum: float = hyperparameter(0.0, at_least=0, below=1)
    centered: bool = convention({False: "divide by the raw second moment", True: "divide by the variance's estimate"})
    epsilon_placement: Literal["outside", "inside"] = convention(
        {
            "outside": "gradient / (sqrt(average) + epsilon) (PyTorch)",
            "inside": "gradient / sqrt(average + epsilon) (optax, Keras)",
        }
    )
    rate: Literal["outside", "inside"] = convention(
        {
            "outside": "the velocity sums scaled gradients; the current learning rate multiplies it (PyTorch)",
            "inside": "the velocity sums steps, each with the learning rate of its time (optax, Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("second_moment",) + ("mean",) * self.centered + ("velocity",) * (self.momentum > 0)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        second_moment = moving_average(state["second_moment"], gradient**2, self.decay)
        new_slots = {"second_moment": second_moment}
        divisor = second_moment
        if self.centered:
            mean = new_slots["mean"] = moving_average(state["mean"], gradient, self.decay)
            divisor = second_moment - mean**2

        # Direction
        if self.epsilon_placement == "outside":
            direction = quotient(gradient, np.sqrt(divisor) + self.epsilon)
        else:
            shifted = divisor + self.epsilon
            direction = covering(gradient / np.sqrt(shifted), OVER_ROOT, gradient, shifted)
        if self.declared.momentum == 0:
            return parameter - self.learning_rate * direction, new_slots

        # Velocity
        increment = self.learning_rate * direction if self.rate == "inside" else direction
        velocity = new_slots["velocity"] = self.momentum * state["velocity"] + increment

        # Update
        update = velocity if self.rate == "inside" else self.learning_rate * velocity
        return parameter - update, new_slots
