"""The losses of torch.nn.functional, and their gradients by the prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from conformance.subjects.torch.differentiation import differentiated
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Hinge,
    Huber,
    KLDivergence,
    MeanSquaredError,
    NegativeLogLikelihood,
    SmoothL1,
    SoftmaxCrossEntropy,
)


def _cross_entropy(spec: SoftmaxCrossEntropy, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    classes = prediction.shape[-1]
    target = target.reshape(-1, classes) if spec.labels == "one_hot" else target.long().reshape(-1)
    return functional.cross_entropy(
        _by_rows(prediction),
        target,
        weight=_tensor(spec.class_weights, prediction),
        reduction=spec.reduction,
        label_smoothing=spec.label_smoothing,
    )


def _negative_log_likelihood(
    spec: NegativeLogLikelihood, prediction: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    labels = target.long().reshape(-1)
    return functional.nll_loss(
        _by_rows(prediction), labels, weight=_tensor(spec.class_weights, prediction), reduction=spec.reduction
    )


def _divergence(spec: KLDivergence, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    by_logarithm = spec.target_as == "logarithm"
    if spec.reduction == "mean" and spec.mean_over == "elements":
        # reduction="mean" warns that it is not the divergence, and takes this mean.
        return functional.kl_div(prediction, target, reduction="none", log_target=by_logarithm).mean()
    reduction = "batchmean" if spec.reduction == "mean" else "sum"
    return functional.kl_div(_by_rows(prediction), _by_rows(target), reduction=reduction, log_target=by_logarithm)


def _by_rows(array: torch.Tensor) -> torch.Tensor:
    """Of shape (rows, classes): PyTorch has classes along the second axis, and counts the first."""
    return array.reshape(-1, array.shape[-1])


def _tensor(weights: tuple[float, ...] | None, prediction: torch.Tensor) -> torch.Tensor | None:
    return None if weights is None else prediction.new_tensor(weights)


LOSSES: dict[type, Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    MeanSquaredError: lambda s, prediction, target: functional.mse_loss(prediction, target, reduction=s.reduction),
    BinaryCrossEntropy: lambda s, prediction, target: functional.binary_cross_entropy(
        prediction, target, reduction=s.reduction
    ),
    BinaryCrossEntropyWithLogits: lambda s, prediction, target: functional.binary_cross_entropy_with_logits(
        prediction, target, reduction=s.reduction, pos_weight=_tensor(s.positive_weights, prediction)
    ),
    SoftmaxCrossEntropy: _cross_entropy,
    NegativeLogLikelihood: _negative_log_likelihood,
    KLDivergence: _divergence,
    Huber: lambda s, prediction, target: functional.huber_loss(
        prediction, target, reduction=s.reduction, delta=s.delta
    ),
    SmoothL1: lambda s, prediction, target: functional.smooth_l1_loss(
        prediction, target, reduction=s.reduction, beta=s.beta
    ),
    # max(0, -target * (first - second) + margin)
    Hinge: lambda s, prediction, target: functional.margin_ranking_loss(
        prediction, torch.zeros_like(prediction), target, margin=1.0, reduction=s.reduction
    ),
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
