"""RMSprop: steps scaled by the root of a moving average of squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient, rsqrt
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


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
    epsilon_placement: str = convention(
        {
            "outside": "gradient / (sqrt(average) + epsilon) (PyTorch)",
            "inside": "gradient / sqrt(average + epsilon) (optax, Keras)",
        }
    )
    rate: str = convention(
        {
            "outside": "the velocity sums scaled gradients; the current learning rate multiplies it (PyTorch)",
            "inside": "the velocity sums steps, each with the learning rate of its time (optax, Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("second_moment",) + ("mean",) * self.centered + ("velocity",) * (self.momentum > 0)

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:

        # Moments
        new = {"second_moment": moving_average(state["second_moment"], gradient**2, h.decay)}
        average = new["second_moment"]
        if self.centered:
            new["mean"] = moving_average(state["mean"], gradient, h.decay)
            average = average - new["mean"] ** 2

        # Direction
        if self.epsilon_placement == "outside":
            direction = quotient(gradient, np.sqrt(average) + h.epsilon)
        else:
            shifted = average + h.epsilon
            direction = forms(lambda: gradient / np.sqrt(shifted), lambda: gradient * rsqrt(shifted))

        # Update
        if self.momentum == 0:
            return parameter - h.learning_rate * direction, new
        impulse = h.learning_rate * direction if self.rate == "inside" else direction
        new["velocity"] = h.momentum * state["velocity"] + impulse
        change = new["velocity"] if self.rate == "inside" else h.learning_rate * new["velocity"]
        return parameter - change, new
