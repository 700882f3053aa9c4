"""What every optimizer has in common: init and step over trees of parameters, pure and without aliasing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from refimpl.arithmetic import decayed_parameter, fused_decay
from refimpl.spec import Spec, convention, hyperparameter
from refimpl.trees import as_arrays, leaves, map_leaves, rebuilt, same_structure

COUPLED = {"coupled": "weight_decay * parameter is added to the gradient: an L2 penalty"}
DECOUPLED = {
    "decoupled": "the parameter shrinks by learning_rate * weight_decay of itself before its step "
    "(PyTorch, optax, Keras)",
    "unscaled": "the parameter shrinks by weight_decay of itself before its step, whatever the learning rate "
    "(Loshchilov & Hutter 2019, algorithm 2, by a schedule multiplier of 1; TensorFlow Addons)",
}


@dataclass(frozen=True)
class Optimizer(Spec):
    """An update rule. Its state is a dict: "step" (steps taken, int) and a tree like the parameters per slot.

    learning_rate >= 0. Every rule has, by keyword: weight_decay >= 0 and its kind, maximize.
    """

    elementwise: ClassVar[bool] = True  # else it measures whole arrays

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    _: KW_ONLY
    weight_decay: float = hyperparameter(0.0, at_least=0)
    weight_decay_kind: str = convention(COUPLED | DECOUPLED)
    maximize: bool = convention(
        {
            False: "descend along the gradient",
            True: "ascend: the gradient is negated before any decay, which shrinks parameters all the same (PyTorch)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps for every parameter."""
        return ()

    def start(self, slot: str, parameter: Any) -> Any:
        """The slot's value before the first step, of the parameter's shape; zeros unless a rule says otherwise."""
        return np.zeros_like(parameter)

    @abstractmethod
    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        """The rule for one parameter at step 1, 2, ...: the new parameter and the new slots.

        The gradient is one to descend along. Decay is done, but for kinds that only this rule has. `h` has the
        fields of this spec as numbers of the arithmetic in use.
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
        count, slots = checked(self, state, parameters)
        gradient_at, slots_at = dict(leaves(gradients)), {slot: dict(leaves(tree)) for slot, tree in slots.items()}
        with np.errstate(all="ignore"):
            updated = [
                self._updated(
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

    def _updated(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        """What is the same for all rules, and then the rule."""
        if self.maximize:
            gradient = -gradient
        shares: tuple[Any, ...] = ()
        if self.weight_decay > 0:
            if self.weight_decay_kind == "coupled":
                gradient = gradient + h.weight_decay * parameter
            elif self.weight_decay_kind == "decoupled":
                shares = (h.learning_rate, h.weight_decay)
            elif self.weight_decay_kind == "unscaled":
                shares = (h.weight_decay,)
        if not shares:
            return self.update(parameter, gradient, state, step, h)
        left = decayed_parameter(parameter, *shares)
        moved, kept = self.update(left, gradient, state, step, h)
        return fused_decay(moved, left, parameter, *shares), kept


def checked(rule: Any, state: Any, parameters: Any) -> tuple[int, dict[str, Any]]:
    """The steps taken and the slots of a state that fits the rule and these parameters. Raises as `Optimizer.step`."""
    expected = ["step", *rule.slots()]
    if not isinstance(state, dict) or set(state) != set(expected):
        found = f"one with {list(state)}" if isinstance(state, dict) else repr(state)
        message = f"{type(rule).__name__}: state must be a dict with {expected}, got {found}"
        raise ValueError(message + "; make it with init(parameters)")
    slots = {slot: as_arrays(f"state[{slot!r}]", state[slot]) for slot in rule.slots()}
    for slot, tree in slots.items():
        same_structure(f"state[{slot!r}]", tree, parameters)
    return rule._integer("state['step']", state["step"], at_least=0), slots
