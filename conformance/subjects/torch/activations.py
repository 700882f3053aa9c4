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
    CELU,
    ELU,
    GELU,
    SELU,
    HardShrink,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SoftShrink,
    Softsign,
    Tanh,
)

ACTIVATIONS: dict[type, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    Identity: lambda s, x: torch.nn.Identity()(x),
    ReLU: lambda s, x: functional.relu(x) if s.derivative_at_zero == 0 else torch.maximum(x, torch.zeros_like(x)),
    ReLU6: lambda s, x: functional.relu6(x),
    HardTanh: lambda s, x: functional.hardtanh(x) if s.derivative_at_limits == 0 else torch.clamp(x, -1, 1),
    HardSigmoid: lambda s, x: functional.hardsigmoid(x),
    HardSwish: lambda s, x: functional.hardswish(x),
    SoftShrink: lambda s, x: functional.softshrink(x, s.threshold),
    HardShrink: lambda s, x: functional.hardshrink(x, s.threshold),
    Softsign: lambda s, x: functional.softsign(x),
    LeakyReLU: lambda s, x: functional.leaky_relu(x, s.slope),
    Sigmoid: lambda s, x: functional.sigmoid(x),
    Tanh: lambda s, x: functional.tanh(x),
    ELU: lambda s, x: functional.elu(x, s.alpha),
    CELU: lambda s, x: functional.celu(x, s.alpha),
    SELU: lambda s, x: functional.selu(x),
    LogSigmoid: lambda s, x: functional.logsigmoid(x),
    Mish: lambda s, x: functional.mish(x),
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
