"""Gradient accumulation: the gradients of several steps, applied once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import constant, covering, moving_average
from refimpl.optimizers.evaluation_orders import SHARE
from refimpl.optimizers.optimizer import Optimizer, steps_and_slots
from refimpl.optimizers.sgd import SGD
from refimpl.spec import Spec, convention, whole
from refimpl.trees import as_arrays, map_leaves, same_structure
from refimpl.types import Array, State, Tree


@dataclass(frozen=True)
class GradientAccumulation(Spec):
    """An optimizer that steps once in `every` (>= 1) gradients, along their mean or sum; nothing moves before.

    The steps that `rule` counts, in its bias corrections for one, are its own: one for every `every` gradients.
    State: "step", of gradients; "accumulated", zero after each step of the rule; and the slots of the rule.
    """

    rule: Optimizer = SGD()  # noqa: RUF009 -- frozen
    every: int = whole(2, at_least=1)
    accumulated: Literal["mean", "total", "shares", "sum"] = convention(
        {
            "mean": "the mean of the gradients so far: the mean of all is applied (optax.MultiSteps)",
            "total": "their sum, divided by `every` where it is applied (Keras)",
            "shares": "their sum, each divided by `every` first (PyTorch, a loop over backward of loss / every)",
            "sum": "their sum, applied as it is (PyTorch, a loop over backward of the loss)",
        }
    )

    def check(self) -> None:
        if not isinstance(self.rule, Optimizer):
            self.refuse("rule", self.rule, "an Optimizer, such as SGD(learning_rate=0.1)")

    @property
    def elementwise(self) -> bool:
        """Whether the rule treats each element by itself."""
        return self.rule.elementwise

    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that are kept for every parameter."""
        return ("accumulated", *self.rule.slots())

    def init(self, parameters: Tree) -> State:
        """The state before the first gradient. Raises as the rule does."""
        parameters = as_arrays("parameters", parameters)
        return self.rule.init(parameters) | {"accumulated": map_leaves(np.zeros_like, parameters)}

    def step(self, parameters: Tree, gradients: Tree, state: State) -> tuple[Tree, State]:
        """Parameters and state after one more gradient, as new float64 arrays. Raises as the rule does."""
        parameters, gradients = as_arrays("parameters", parameters), as_arrays("gradients", gradients)
        same_structure("gradients", gradients, parameters)
        count, slots = steps_and_slots(self, self.slots(), state, parameters)
        updates, before = divmod(count, self.every)
        with np.errstate(all="ignore"):
            accumulated = map_leaves(
                lambda old, gradient: self._accumulated(old, gradient, before), slots.pop("accumulated"), gradients
            )
            if before + 1 < self.every:
                return parameters, {"step": count + 1, "accumulated": accumulated} | slots
            applied = map_leaves(self._share, accumulated) if self.accumulated == "total" else accumulated
        parameters, new_state = self.rule.step(parameters, applied, {"step": updates} | slots)
        return parameters, new_state | {"step": count + 1, "accumulated": map_leaves(np.zeros_like, parameters)}

    def _accumulated(self, old: Array, gradient: Array, before: int) -> Array:
        """What is kept of the gradients, of which there were so many before since the rule's last step."""
        if self.accumulated == "mean":
            return moving_average(old, gradient, constant(float(before), gradient) / (before + 1))
        return old + (self._share(gradient) if self.accumulated == "shares" else gradient)

    def _share(self, total: Array) -> Array:
        """total / every."""
        return covering(total / self.every, SHARE, total, self.every)
