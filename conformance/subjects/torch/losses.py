"""The losses of torch.nn, and their gradients with respect to the prediction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from conformance.subjects.torch.differentiation import value_and_gradients
from conformance.subjects.torch.table import TABLE
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.losses import Hinge, KLDivergence, Loss, NegativeLogLikelihood, SoftmaxCrossEntropy


def loss(spec: Loss, target: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss as a function of the prediction."""
    row = TABLE[type(spec)]

    def value(prediction: torch.Tensor) -> torch.Tensor:
        if isinstance(spec, KLDivergence):
            return _divergence(spec, prediction, target)
        keywords = row.keywords(spec)
        weights = {name: prediction.new_tensor(given) for name, given in keywords.items() if isinstance(given, tuple)}
        return row.call(spec, **weights)(*_inputs(spec, prediction, target))

    return value


def _inputs(spec: Loss, prediction: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What PyTorch's function takes: classes stand along the second axis, and the mean is one over the first."""
    match spec:
        case SoftmaxCrossEntropy(labels="one_hot"):
            return _rows(prediction), _rows(target)
        case SoftmaxCrossEntropy() | NegativeLogLikelihood():
            return _rows(prediction), target.long().reshape(-1)
        case Hinge():  # max(0, -target * (first - second) + margin)
            return prediction, torch.zeros_like(prediction), target
    return prediction, target


def _divergence(spec: KLDivergence, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    row = TABLE[KLDivergence]
    if spec.reduction == "mean" and spec.mean_over == "elements":
        # reduction="mean" takes this mean, with a warning that it is not the divergence.
        return row.call(spec, reduction="none")(prediction, target).mean()
    reduction = "batchmean" if spec.reduction == "mean" else "sum"
    return row.call(spec, reduction=reduction)(_rows(prediction), _rows(target))


def _rows(array: torch.Tensor) -> torch.Tensor:
    return array.reshape(-1, array.shape[-1])


def with_gradient(
    spec: Loss, variant: str, prediction: np.ndarray, target: np.ndarray, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """The loss, and its gradient with respect to the prediction."""
    function = loss(spec, to_torch(target, device))
    value, (gradient,) = value_and_gradients(variant, function, [to_torch(prediction, device)])
    return to_numpy(value), to_numpy(gradient)
