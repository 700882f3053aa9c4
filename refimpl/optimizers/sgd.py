"""Stochastic gradient descent with momentum, dampening, Nesterov's form and L2 penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with heavy-ball momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013, equations 3-4).

    learning_rate >= 0; momentum in [0, 1); dampening in [0, 1].
    State: "velocity", only where momentum > 0. Nesterov needs momentum > 0 and dampening = 0.
    """

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    momentum: float = hyperparameter(0.0, at_least=0, below=1)
    dampening: float = hyperparameter(0.0, at_least=0, at_most=1)
    nesterov: bool = convention({False: "step along the velocity", True: "step along gradient + momentum * velocity"})
    first_velocity: Literal["gradient", "dampened"] = convention(
        {
            "gradient": "the first velocity is the gradient itself, not dampened (PyTorch)",
            "dampened": "the first velocity is (1 - dampening) * gradient, like every other",
        }
    )
    rate: Literal["outside", "inside"] = convention(
        {
            "outside": "the velocity sums gradients; the current learning rate multiplies it (PyTorch, optax)",
            "inside": "the velocity sums gradients times the learning rate of their step (Keras)",
        }
    )

    def check(self) -> None:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            self.refuse("nesterov", True, "False unless momentum > 0 and dampening = 0")

    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum > 0 else ()

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        if self.declared.momentum == 0:
            return parameter - self.learning_rate * gradient, {}

        # Velocity
        increment = self.learning_rate * gradient if self.rate == "inside" else gradient
        undampened = step == 1 and self.first_velocity == "gradient"
        dampened = increment if undampened else (1 - self.dampening) * increment
        velocity = self.momentum * state["velocity"] + dampened

        # Update
        direction = increment + self.momentum * velocity if self.nesterov else velocity
        update = direction if self.rate == "inside" else self.learning_rate * direction
        return parameter - update, {"velocity": velocity}
