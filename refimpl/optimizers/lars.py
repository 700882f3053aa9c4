"""LARS: momentum with a learning rate of its own for each array, by the ratio of its norm and its gradient's."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from refimpl.clipping import global_norm
from refimpl.optimizers.optimizer import COUPLED, DECOUPLED, Optimizer
from refimpl.optimizers.trust_ratio import trust_ratio
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Slots

LENGTHS: dict[Literal["lengths"], str] = {
    "lengths": "as coupled, but the ratio is by the sum of the gradient's norm and the decay's (equation 6)"
}


@dataclass(frozen=True)
class LARS(Optimizer):
    """LARS (You, Gitman & Ginsburg 2017, algorithm 1).

    learning_rate >= 0; momentum in [0, 1); trust_coefficient >= 0; epsilon >= 0, added to the gradient's norm.
    State: "velocity", which sums steps. The ratio is 1 where the norm of parameter or gradient is zero.
    """

    elementwise: ClassVar[bool] = False

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    momentum: float = hyperparameter(0.9, at_least=0, below=1)
    trust_coefficient: float = hyperparameter(1e-3, at_least=0)
    epsilon: float = hyperparameter(0.0, at_least=0)
    _: KW_ONLY
    weight_decay_kind: Literal["lengths", "coupled", "decoupled", "unscaled"] = convention(  # type: ignore[assignment]
        LENGTHS | COUPLED | DECOUPLED
    )

    def slots(self) -> tuple[str, ...]:
        return ("velocity",)

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Local learning rate
        parameter_norm, update_norm = global_norm(parameter), global_norm(gradient)
        if self.declared.weight_decay > 0 and self.weight_decay_kind == "lengths":
            update_norm = update_norm + self.weight_decay * parameter_norm
            gradient = gradient + self.weight_decay * parameter
        ratio = trust_ratio(parameter_norm, update_norm, self.trust_coefficient, self.epsilon)

        # Velocity
        velocity = self.momentum * state["velocity"] + self.learning_rate * (ratio * gradient)

        # Update
        return parameter - velocity, {"velocity": velocity}
