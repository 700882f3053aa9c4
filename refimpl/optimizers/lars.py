"""LARS: momentum with a learning rate of its own for each array, by the ratio of its length and its gradient's."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from refimpl.clipping import global_norm
from refimpl.optimizers.optimizer import COUPLED, DECOUPLED, Optimizer
from refimpl.optimizers.trust_ratio import trust_ratio
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class LARS(Optimizer):
    """LARS (You, Gitman & Ginsburg 2017, algorithm 1).

    learning_rate >= 0; momentum in [0, 1); trust_coefficient >= 0; epsilon >= 0, added to the gradient's length.
    State: "velocity", which sums steps. The ratio is 1 where the length of parameter or gradient is zero.
    """

    elementwise: ClassVar[bool] = False

    learning_rate: float = hyperparameter(1e-2, at_least=0)
    momentum: float = hyperparameter(0.9, at_least=0, below=1)
    trust_coefficient: float = hyperparameter(1e-3, at_least=0)
    epsilon: float = hyperparameter(0.0, at_least=0)
    _: KW_ONLY
    weight_decay_kind: str = convention(
        {"lengths": "as coupled, but the ratio is by the sum of the gradient's length and the decay's (equation 6)"}
        | COUPLED
        | DECOUPLED
    )

    def slots(self) -> tuple[str, ...]:
        return ("velocity",)

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Local rate
        size, length = global_norm(parameter), global_norm(gradient)
        if self.weight_decay > 0 and self.weight_decay_kind == "lengths":
            length = length + h.weight_decay * size
            gradient = gradient + h.weight_decay * parameter
        ratio = trust_ratio(size, length, h.trust_coefficient, h.epsilon)

        # Velocity and update
        velocity = h.momentum * state["velocity"] + h.learning_rate * (ratio * gradient)
        return parameter - velocity, {"velocity": velocity}
