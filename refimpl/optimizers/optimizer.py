"""What every optimizer has in common: init and step over trees of parameters, pure and without aliasing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.spec import Spec
from refimpl.trees import as_arrays, leaves, map_leaves, rebuilt, same_structure


@dataclass(frozen=True)
class Optimizer(Spec):
    """An update rule. Its state is a dict: "step" (steps taken, int) and a tree like the parameters per slot."""

    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps for every parameter."""
        return ()

    def start(self, slot: str, parameter: Any) -> Any:
        """The slot's value before the first step, of the parameter's shape; zeros unless a rule says otherwise."""
        return np.zeros_like(parameter)

    @abstractmethod
    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        """The rule for one parameter at step 1, 2, ...: the new parameter and the new slots.

        `h` has the fields of this spec as numbers of the arithmetic in use.
        """

    def init(self, parameters: Any) -> dict[str, Any]:
        """The state before the first step. Raises TypeError or ValueError for parameters that are not real arrays."""
        parameters = as_arrays("parameters", parameters)
        slots = {slot: map_leaves(lambda p, slot=slot: self.start(slot, p), parameters) for slot in self.slots()}
        return {"step": 0} | slots

    def step(self, parameters: Any, gradients: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Parameters and state after one more step, as new float64 arrays; nothing passed in is changed.

        Raises ValueError when the gradients or the state do not have the structure and shapes of the parameters.
        """
        parameters, gradients = as_arrays("parameters", parameters), as_arrays("gradients", gradients)
        same_structure("gradients", gradients, parameters)
        slots = {slot: dict(leaves(tree)) for slot, tree in self._checked(state, parameters).items()}
        count, gradient_at = state["step"] + 1, dict(leaves(gradients))
        h = self.hyperparameters(next(leaves(parameters))[1])
        new_parameters, new_slots = [], {slot: [] for slot in slots}
        for path, parameter in leaves(parameters):
            kept = {slot: by_path[path] for slot, by_path in slots.items()}
            parameter, kept = self.update(parameter, gradient_at[path], kept, count, h)
            new_parameters.append(parameter)
            for slot, array in kept.items():
                new_slots[slot].append(array)
        state = {"step": count} | {slot: rebuilt(parameters, arrays) for slot, arrays in new_slots.items()}
        return rebuilt(parameters, new_parameters), state

    def _checked(self, state: dict[str, Any], parameters: Any) -> dict[str, Any]:
        expected = {"step", *self.slots()}
        if not isinstance(state, dict) or set(state) != expected:
            found = sorted(state) if isinstance(state, dict) else type(state).__name__
            raise ValueError(
                f"{type(self).__name__}: state must have {sorted(expected)}, got {found}; make it with init(parameters)"
            )
        if isinstance(state["step"], bool) or not hasattr(state["step"], "__index__") or state["step"] < 0:
            raise ValueError(f"{type(self).__name__}: state['step'] must be an integer >= 0, got {state['step']!r}")
        slots = {}
        for slot in self.slots():
            slots[slot] = as_arrays(f"state[{slot!r}]", state[slot])
            same_structure(f"state[{slot!r}]", slots[slot], parameters)
        return slots
