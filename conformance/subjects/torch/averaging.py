"""Runs of torch.optim.swa_utils.AveragedModel, whose model has the parameters that a step passes in."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.optim import swa_utils

from conformance.subjects.subject import OptimizerRun, Saved
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.averaging import ParameterAverage
from refimpl.trees import leaves, rebuilt
from refimpl.types import Tree

CHOICES = {
    "for-loop": lambda decay: {"avg_fn": swa_utils.get_ema_avg_fn(decay)},
    "foreach": lambda decay: {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(decay)},
}


class Run(OptimizerRun):
    """Exponential averages of a model's parameters, by a function of one of them or of all."""

    def __init__(self, spec: ParameterAverage, variant: str, parameters: Tree, device: str) -> None:
        self._tree, self._device = parameters, device
        tensors = [to_torch(leaf, device) for _, leaf in leaves(parameters)]
        self._model = torch.nn.ParameterList(torch.nn.Parameter(tensor) for tensor in tensors)
        self._averaged = swa_utils.AveragedModel(self._model, **CHOICES[variant](spec.decay))

    def step(self, gradients: Tree) -> None:
        with torch.no_grad():
            for parameter, (_, leaf) in zip(self._model, leaves(gradients), strict=True):
                parameter.copy_(to_torch(leaf, self._device))
        self._averaged.update_parameters(self._model)

    def parameters(self) -> Tree:
        return rebuilt(self._tree, [to_numpy(tensor) for tensor in self._averaged.module])

    def save(self) -> Saved:
        return deepcopy(self._averaged.state_dict())

    def restore(self, saved: Saved) -> None:
        self._averaged.load_state_dict(saved)
