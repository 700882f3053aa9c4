"""The activations of torch.nn, and the cotangents that PyTorch propagates back through them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from conformance.subjects.torch.differentiation import vjp
from conformance.subjects.torch.table import TABLE
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.activations import Activation, HardTanh, ReLU


def activation(spec: Activation) -> Callable[[torch.Tensor], torch.Tensor]:
    """The activation as a function of a tensor."""
    match spec:
        case ReLU(derivative_at_zero=0.5):
            return lambda x: torch.maximum(x, torch.zeros_like(x))
        case HardTanh(derivative_at_limits=1.0):
            return lambda x: torch.clamp(x, -1, 1)
    module: Callable[[torch.Tensor], torch.Tensor] = TABLE[type(spec)].call(spec)
    return module


def with_cotangent(
    spec: Activation, variant: str, x: np.ndarray, cotangent: np.ndarray, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """The activation of `x`, and the cotangent of `x`."""
    result, x_cotangent = vjp(variant, activation(spec), to_torch(x, device), to_torch(cotangent, device))
    return to_numpy(result), to_numpy(x_cotangent)
