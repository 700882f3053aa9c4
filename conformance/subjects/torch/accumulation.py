"""Gradients that backward adds up in PyTorch's tensors, and an optimizer that steps once in so many of them."""

from __future__ import annotations

from typing import Any

import torch

from conformance.subjects.subject import Unsupported
from conformance.subjects.torch import optimizers
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.optimizers import GradientAccumulation
from refimpl.trees import map_leaves


class Run(optimizers.Run):
    """The loop that PyTorch's users write: the loss, or its share, is differentiated `every` times between steps."""

    def __init__(self, spec: GradientAccumulation, variant: str, parameters: Any, device: str) -> None:
        super().__init__(spec.rule, variant, parameters, device)
        self._accumulation, self._before = spec, 0

    def step(self, gradients: Any) -> None:
        map_leaves(self._backward, self._parameters, gradients)
        self._before = (self._before + 1) % self._accumulation.every
        if self._before == 0:
            self._optimizer.step()
            self._optimizer.zero_grad()

    def _backward(self, parameter: torch.Tensor, gradient: Any) -> None:
        loss = (parameter * to_torch(gradient, self._device)).sum()  # whose gradient that is
        share = loss / self._accumulation.every if self._accumulation.accumulated == "shares" else loss
        share.backward()

    def state(self) -> dict[str, Any]:
        slots = super().state()
        if set(slots) != set(self._spec.slots()):
            return {}  # before the rule's first step
        return slots | {"accumulated": map_leaves(_gradient, self._parameters)}

    def change(self, spec: Any) -> None:
        raise Unsupported("torch: the loop over backward has no hyperparameters to change")

    def save(self) -> Any:
        return super().save(), self._before

    def restore(self, saved: Any) -> None:
        of_rule, self._before = saved
        super().restore(of_rule)


def _gradient(parameter: torch.Tensor) -> Any:
    return to_numpy(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
