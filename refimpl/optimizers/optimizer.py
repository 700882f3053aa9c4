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
        """The state before the first step.

        Raises TypeError for parameters that are not real floating point, ValueError for an empty tree.
        """
        parameters = as_arrays("parameters", parameters)
        slots = {slot: map_leaves(lambda p, slot=slot: self.start(slot, p), parameters) for slot in self.slots()}
        return {"step": 0} | slots

    def step(self, parameters: Any, gradients: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Parameters and state after one more step, as new float64 arrays; nothing passed in is changed.

        Infinities and NaN are what the formula makes of them, without a warning. Raises TypeError for arrays that are
        not real floating point, ValueError for gradients or a state that do not fit the parameters, or another rule's.
        """
        parameters, gradients = as_arrays("parameters", parameters), as_arrays("gradients", gradients)
        same_structure("gradients", gradients, parameters)
        count, slots = self._checked(state, parameters)
        gradient_at, slots_at = dict(leaves(gradients)), {slot: dict(leaves(tree)) for slot, tree in slots.items()}
        with np.errstate(all="ignore"):
            updated = [
                self.update(
                    parameter,
                    gradient_at[path],
                    {slot: at[path] for slot, at in slots_at.items()},
                    count + 1,
                    self.hyperparameters(parameter),
                )
                for path, parameter in leaves(parameters)
            ]
        new_slots = {slot: rebuilt(parameters, [kept[slot] for _, kept in updated]) for slot in slots}
        return rebuilt(parameters, [parameter for parameter, _ in updated]), {"step": count + 1} | new_slots

    def _checked(self, state: Any, parameters: Any) -> tuple[int, dict[str, Any]]:
        """The steps taken and the slots of a state that fits this rule and these parameters."""
        expected = ["step", *self.slots()]
        if not isinstance(state, dict) or set(state) != set(expected):
            found = f"one with {list(state)}" if isinstance(state, dict) else repr(state)
            message = f"{type(self).__name__}: state must be a dict with {expected}, got {found}"
            raise ValueError(message + "; make it with init(parameters)")
        slots = {slot: as_arrays(f"state[{slot!r}]", state[slot]) for slot in self.slots()}
        for slot, tree in slots.items():
            same_structure(f"state[{slot!r}]", tree, parameters)
        return self._integer("state['step']", state["step"], at_least=0), slots
