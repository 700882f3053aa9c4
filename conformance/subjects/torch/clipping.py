"""Clipping by torch.nn.utils, in place on the gradients of parameters, and of weights by clamping."""

from __future__ import annotations

import torch

from conformance.subjects.subject import ClippingRule
from conformance.subjects.torch.table import TABLE
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.clipping import ClipByNorm, WeightClipping
from refimpl.trees import leaves, map_leaves
from refimpl.types import Array, Tree


def clipped(spec: ClippingRule, variant: str, gradients: Tree, device: str) -> Tree:
    """The clipped tree of gradients, each the .grad of a parameter; for WeightClipping the tree is the parameters."""

    def parameter(array: Array) -> torch.Tensor:
        tensor = to_torch(array, device)
        zeros = torch.zeros_like(tensor, requires_grad=True)
        zeros.grad = tensor
        return zeros

    parameters = map_leaves(parameter, gradients)
    tensors = [tensor for _, tensor in leaves(parameters)]
    if isinstance(spec, WeightClipping):
        for tensor in tensors:
            tensor.grad.clamp_(-spec.limit, spec.limit)
    else:
        for together in tensors if isinstance(spec, ClipByNorm) else [tensors]:
            TABLE[type(spec)].call(spec, together, foreach=variant == "foreach")
    return map_leaves(lambda tensor: to_numpy(tensor.grad), parameters)
