"""What every optimizer has in common: init and step over trees of parameters, pure and without aliasing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

import numpy as np

from refimpl.arithmetic import decayed_parameter, fused_decay
from refimpl.spec import Spec, convention, hyperparameter
from refimpl.trees import as_arrays, leaves, map_leaves, rebuilt, same_structure
from refimpl.types import Array, Scalar, Slots, State, Tree

COUPLED: dict[Literal["coupled"], str] = {"coupled": "weight_decay * parameter is added to the gradient: an L2 penalty"}
DECOUPLED: dict[Literal["decoupled", "unscaled"], str] = {
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
    weight_decay_kind: Literal["coupled", "decoupled", "unscaled"] = convention(COUPLED | DECOUPLED)
    maximize: bool = convention(
        {
            False: "descend along the gradient",
            True: "ascend: the gradient is negated before any decay, which shrinks parameters all the same (PyTorch)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps for every parameter."""
        return ()

    def start(self, slot: str, parameter: Array) -> Array:
        """The slot's value before the first step, of the parameter's shape; zeros unless a rule says otherwise."""
        return np.zeros_like(parameter)

    @abstractmethod
    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        """The rule for one parameter at step 1, 2, ...: the new parameter and the new slots.

        The gradient is one to descend along. Decay is done, but for kinds that only this rule has. `self` is the rule
        in the arithmetic of the parameter (see `Spec.in_arithmetic_of`).
        """

    def init(self, parameters: Tree) -> State:
        """The state before the first step.

        Raises TypeError for parameters that are not real floating point, ValueError for an empty tree.
        """
        parameters = as_arrays("parameters", parameters)
        slots = {slot: map_leaves(lambda p, slot=slot: self.start(slot, p), parameters) for slot in self.slots()}
        return {"step": 0} | slots

    def step(self, parameters: Tree, gradients: Tree, state: State) -> tuple[Tree, State]:
        """Parameters and state after one more step, as new float64 arrays; nothing passed in is changed.

        Infinities and NaN are what the formula makes of them, without a warning. Raises TypeError for arrays that are
        not real floating point, ValueError for gradients or a state that do not fit the parameters, or another rule's.
        """
        parameters, gradients = as_arrays("parameters", parameters), as_arrays("gradients", gradients)
        same_structure("gradients", gradients, parameters)
        count, slots = steps_and_slots(self, self.slots(), state, parameters)
        gradient_at, slots_at = dict(leaves(gradients)), {slot: dict(leaves(tree)) for slot, tree in slots.items()}
        with np.errstate(all="ignore"):
            updated = [
                self._updated(
                    parameter, gradient_at[path], {slot: at[path] for slot, at in slots_at.items()}, count + 1
                )
                for path, parameter in leaves(parameters)
            ]
        new_slots = {slot: rebuilt(parameters, [new[slot] for _, new in updated]) for slot in slots}
        return rebuilt(parameters, [parameter for parameter, _ in updated]), {"step": count + 1} | new_slots

    def _updated(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        """One parameter and its slots after a step: what all rules have in common, and then the rule."""
        rule = self.in_arithmetic_of(parameter)

        # Descent or ascent
        if self.maximize:
            gradient = -gradient

        # Weight decay
        shares: tuple[Scalar, ...] = ()
        if self.weight_decay > 0:
            if self.weight_decay_kind == "coupled":
                gradient = gradient + rule.weight_decay * parameter
            elif self.weight_decay_kind == "decoupled":
                shares = (rule.learning_rate, rule.weight_decay)
            elif self.weight_decay_kind == "unscaled":
                shares = (rule.weight_decay,)

        # Update
        if not shares:
            return rule.update(parameter, gradient, state, step)
        decayed = decayed_parameter(parameter, *shares)
        moved, new_slots = rule.update(decayed, gradient, state, step)
        return fused_decay(moved, decayed, parameter, *shares), new_slots


def steps_and_slots(rule: Spec, names: tuple[str, ...], state: State, parameters: Tree) -> tuple[int, dict[str, Tree]]:
    """The steps taken and the slots of a state, if it has these slots of the rule and they fit the parameters.

    Raises as `Optimizer.step` does.
    """
    expected = ["step", *names]
    if not isinstance(state, dict) or set(state) != set(expected):
        got = f"one with {list(state)}" if isinstance(state, dict) else repr(state)
        message = f"{type(rule).__name__}: state must be a dict with {expected}, got {got}"
        raise ValueError(message + "; make it with init(parameters)")
    slots = {name: as_arrays(f"state[{name!r}]", state[name]) for name in names}
    for name, tree in slots.items():
        same_structure(f"state[{name!r}]", tree, parameters)
    return rule._integer("state['step']", state["step"], at_least=0), slots
