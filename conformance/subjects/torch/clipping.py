"""Clipping by torch.nn.utils, in place on the gradients of parameters, and of weights by clamping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from conformance.subjects.subject import Unsupported
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.trees import leaves, map_leaves


def clipped(spec: Any, variant: str, gradients: Any, device: str) -> Any:
    """The clipped tree of gradients, each the .grad of a parameter; for WeightClipping the tree is the parameters."""

    def parameter(array: Any) -> torch.Tensor:
        tensor = to_torch(array, device)
        zeros = torch.zeros_like(tensor, requires_grad=True)
        zeros.grad = tensor
        return zeros

    parameters = map_leaves(parameter, gradients)
    RULES[type(spec)](spec, [tensor for _, tensor in leaves(parameters)], variant == "foreach")
    return map_leaves(lambda tensor: to_numpy(tensor.grad), parameters)


def _each_norm(spec: ClipByNorm, parameters: list[torch.Tensor], foreach: bool) -> None:
    for parameter in parameters:
        clip_grad_norm_(parameter, spec.max_norm, spec.order, foreach=foreach)


def _clamp(spec: WeightClipping, parameters: list[torch.Tensor], foreach: bool) -> None:
    if foreach:
        raise Unsupported("torch has no foreach implementation of clamp for weights")
    for parameter in parameters:
        parameter.grad.clamp_(-spec.limit, spec.limit)


RULES: dict[type, Callable[[Any, list[torch.Tensor], bool], Any]] = {
    ClipByGlobalNorm: lambda s, parameters, foreach: clip_grad_norm_(parameters, s.max_norm, s.order, foreach=foreach),
    ClipByNorm: _each_norm,
    ClipByValue: lambda s, parameters, foreach: clip_grad_value_(parameters, s.limit, foreach=foreach),
    WeightClipping: _clamp,
}
