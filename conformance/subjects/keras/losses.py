"""The losses of keras.losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from refimpl.losses import BinaryCrossEntropyWithLogits, Hinge, Huber, MeanSquaredError, SoftmaxCrossEntropy

_REDUCTIONS = {"mean": "sum_over_batch_size", "sum": "sum"}


def _cross_entropy(spec: SoftmaxCrossEntropy) -> Callable[[Any, Any], Any]:
    reduction = _REDUCTIONS[spec.reduction]
    of_indices = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
    of_weights = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=spec.label_smoothing, reduction=reduction
    )
    if spec.labels == "one_hot":
        return of_weights
    if spec.label_smoothing == 0:
        return of_indices

    def smoothed(target: Any, prediction: Any) -> Any:  # which Keras has for weights alone
        return of_weights(keras.ops.one_hot(target, prediction.shape[-1], dtype=prediction.dtype), prediction)

    return smoothed


LOSSES: dict[type, Callable[[Any], Callable[[Any, Any], Any]]] = {
    MeanSquaredError: lambda s: keras.losses.MeanSquaredError(_REDUCTIONS[s.reduction]),
    Huber: lambda s: keras.losses.Huber(s.delta, _REDUCTIONS[s.reduction]),
    Hinge: lambda s: keras.losses.Hinge(_REDUCTIONS[s.reduction]),
    BinaryCrossEntropyWithLogits: lambda s: keras.losses.BinaryCrossentropy(
        from_logits=True, reduction=_REDUCTIONS[s.reduction]
    ),
    SoftmaxCrossEntropy: _cross_entropy,
}


def loss(spec: Any) -> Callable[[Any, Any], Any]:
    """The function of target and prediction."""
    return LOSSES[type(spec)](spec)
