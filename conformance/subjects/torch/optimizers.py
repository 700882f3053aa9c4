"""Runs of torch.optim's optimizers: one loop per parameter, horizontally fused (foreach), or in one kernel (fused)."""

from __future__ import annotations

import inspect
from copy import deepcopy

import numpy as np
import torch

from conformance.subjects.subject import OptimizerRun, Saved, SteppedRule, Unsupported
from conformance.subjects.torch.table import TABLE
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.optimizers import NAdam
from refimpl.trees import leaves, map_leaves
from refimpl.types import Array, State, Tree

CHOICES = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}


class Run(OptimizerRun):
    """A run of an optimizer in one of the variants in CHOICES, on a tree of tensors of its own."""

    def __init__(self, spec: SteppedRule, variant: str, parameters: Tree, device: str) -> None:
        self._spec, self._row, self._device = spec, TABLE[type(spec)], device
        if not CHOICES[variant].keys() <= inspect.signature(self._row.resolved).parameters.keys():
            raise Unsupported(f"torch.optim has no {variant} implementation of {type(spec).__name__}")
        self._keywords = self._row.keywords(spec) | CHOICES[variant]
        self._begin(map_leaves(lambda array: to_torch(array, device).requires_grad_(), parameters))

    def _begin(self, parameters: Tree) -> None:
        self._parameters = parameters
        self._optimizer = self._row.resolved([tensor for _, tensor in leaves(parameters)], **self._keywords)

    def step(self, gradients: Tree) -> None:
        def receive(parameter: torch.Tensor, gradient: Array) -> None:
            parameter.grad = to_torch(gradient, self._device)

        map_leaves(receive, self._parameters, gradients)
        self._optimizer.step()

    def parameters(self) -> Tree:
        return map_leaves(to_numpy, self._parameters)

    def state(self) -> State:
        if not self._optimizer.state:
            return {}  # most optimizers create their slots at the first step
        if isinstance(self._spec, NAdam) and next(leaves(self._parameters))[1].dtype == torch.float64:
            return {}  # its product is of float32 there, and off by all of itself where it underflows
        return {
            slot: map_leaves(lambda parameter, slot=slot: self._slot(slot, parameter), self._parameters)
            for slot in self._spec.slots()
        }

    def _slot(self, slot: str, parameter: torch.Tensor) -> np.ndarray:
        """One slot of one parameter, as the rule has it."""
        name, sign = self._row.slot(slot)
        array: np.ndarray = sign * to_numpy(self._optimizer.state[parameter][name])
        if slot == "direction":
            return np.asarray(np.sign(array))  # Rprop keeps the gradient, of which its rule needs the sign alone
        model = to_numpy(parameter)
        return np.broadcast_to(array, model.shape).astype(model.dtype)  # NAdam has one number for each parameter

    def change(self, spec: SteppedRule) -> None:
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise Unsupported(f"torch: the state of {self._spec} does not fit {spec}")
        self._spec = spec
        for group in self._optimizer.param_groups:
            group.update(self._row.keywords(spec))

    def save(self) -> Saved:
        return deepcopy((self._spec, self._parameters, self._optimizer.state_dict()))

    def restore(self, saved: Saved) -> None:
        # Copied again: load_state_dict keeps the tensors that it is given.
        self._spec, parameters, state = deepcopy(saved)
        self._begin(parameters)
        self._optimizer.load_state_dict(state)
