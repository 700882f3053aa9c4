"""The losses of torch.nn.functional, and their gradients by the prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from conformance.subjects.torch.differentiation import differentiated
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy


def _cross_entropy(spec: SoftmaxCrossEntropy, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    classes = prediction.shape[-1]  # PyTorch has them along the second axis
    target = target.reshape(-1, classes) if spec.labels == "one_hot" else target.long().reshape(-1)
    return functional.cross_entropy(prediction.reshape(-1, classes), target, reduction=spec.reduction)


LOSSES: dict[type, Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    MeanSquaredError: lambda s, prediction, target: functional.mse_loss(prediction, target, reduction=s.reduction),
    BinaryCrossEntropy: lambda s, prediction, target: functional.binary_cross_entropy(
        prediction, target, reduction=s.reduction
    ),
    BinaryCrossEntropyWithLogits: lambda s, prediction, target: functional.binary_cross_entropy_with_logits(
        prediction, target, reduction=s.reduction
    ),
    SoftmaxCrossEntropy: _cross_entropy,
}


def loss(spec: Any, target: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss as a function of the prediction."""
    return lambda prediction: LOSSES[type(spec)](spec, prediction, target)


def with_gradient(
    spec: Any, variant: str, prediction: np.ndarray, target: np.ndarray, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """The loss, and its gradient by the prediction."""
    of_prediction = loss(spec, to_torch(target, device))
    value, (gradient,) = differentiated(variant, of_prediction, [to_torch(prediction, device)])
    return to_numpy(value), to_numpy(gradient)
