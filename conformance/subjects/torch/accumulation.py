"""Gradients that backward adds up in PyTorch's tensors, and an optimizer that steps after every few of them."""

from __future__ import annotations

import numpy as np
import torch

from conformance.subjects.subject import Saved, SteppedRule, Unsupported
from conformance.subjects.torch import optimizers
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.optimizers import GradientAccumulation
from refimpl.trees import map_leaves
from refimpl.types import Array, State, Tree


class Run(optimizers.Run):
    """The loop that PyTorch's users write: the loss, or its share, is differentiated `every` times between steps."""

    def __init__(self, spec: GradientAccumulation, variant: str, parameters: Tree, device: str) -> None:
        super().__init__(spec.rule, variant, parameters, device)
        self._accumulation, self._before = spec, 0

    def step(self, gradients: Tree) -> None:
        map_leaves(self._backward, self._parameters, gradients)
        self._before = (self._before + 1) % self._accumulation.every
        if self._before == 0:
            self._optimizer.step()
            self._optimizer.zero_grad()

    def _backward(self, parameter: torch.Tensor, gradient: Array) -> None:
        loss = (parameter * to_torch(gradient, self._device)).sum()  # whose gradient that is
        share = loss / self._accumulation.every if self._accumulation.accumulated == "shares" else loss
        share.backward()

    def state(self) -> State:
        slots = super().state()
        if set(slots) != set(self._spec.slots()):
            return {}  # before the rule's first step
        return slots | {"accumulated": map_leaves(_gradient, self._parameters)}

    def change(self, spec: SteppedRule) -> None:
        raise Unsupported("torch: the loop over backward has no hyperparameters to change")

    def save(self) -> Saved:
        return super().save(), self._before

    def restore(self, saved: Saved) -> None:
        rule_saved, self._before = saved
        super().restore(rule_saved)


def _gradient(parameter: torch.Tensor) -> np.ndarray:
    return to_numpy(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
