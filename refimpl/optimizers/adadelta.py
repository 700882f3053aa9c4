"""Adadelta: steps of the size that recent steps had, over the size that recent gradients had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient, rsqrt
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import hyperparameter


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

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        second = moving_average(state["second_moment"], gradient**2, h.decay)
        shifted, size = second + h.epsilon, np.sqrt(state["squared_steps"] + h.epsilon)
        direction = forms(
            lambda: quotient(size, np.sqrt(shifted)) * gradient,
            lambda: size * rsqrt(shifted) * gradient,
        )
        squared = moving_average(state["squared_steps"], direction**2, h.decay)
        return parameter - h.learning_rate * direction, {"second_moment": second, "squared_steps": squared}
