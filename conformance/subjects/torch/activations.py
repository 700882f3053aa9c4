"""The activations of torch.nn.functional, and the cotangents that PyTorch pulls back through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from conformance.subjects.torch.differentiation import pulled_back
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

ACTIVATIONS: dict[type, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    Identity: lambda s, x: torch.nn.Identity()(x),
    ReLU: lambda s, x: functional.relu(x),
    LeakyReLU: lambda s, x: functional.leaky_relu(x, s.slope),
    Sigmoid: lambda s, x: functional.sigmoid(x),
    Tanh: lambda s, x: functional.tanh(x),
    ELU: lambda s, x: functional.elu(x, s.alpha),
    Softplus: lambda s, x: functional.softplus(x),
    SiLU: lambda s, x: functional.silu(x),
    GELU: lambda s, x: functional.gelu(x, approximate=s.approximation),
    Softmax: lambda s, x: functional.softmax(x, s.axis),
    LogSoftmax: lambda s, x: functional.log_softmax(x, s.axis),
}


def activation(spec: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """The activation as a function of a tensor."""
    return lambda x: ACTIVATIONS[type(spec)](spec, x)


def with_cotangent(
    spec: Any, variant: str, x: np.ndarray, cotangent: np.ndarray, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """The activation of `x`, and the cotangent of `x`."""
    result, of_x = pulled_back(variant, activation(spec), to_torch(x, device), to_torch(cotangent, device))
    return to_numpy(result), to_numpy(of_x)
