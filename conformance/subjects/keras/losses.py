"""The losses of keras.losses, with their gradients by jax.value_and_grad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from conformance.subjects.keras.backend import keras
from refimpl.losses import BinaryCrossEntropyWithLogits, Hinge, Huber, MeanSquaredError, SoftmaxCrossEntropy

_REDUCTIONS = {"mean": "sum_over_batch_size", "sum": "sum"}


def _cross_entropy(spec: SoftmaxCrossEntropy) -> Callable[[jax.Array, jax.Array], jax.Array]:
    reduction = _REDUCTIONS[spec.reduction]
    of_indices = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
    of_weights = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=spec.label_smoothing, reduction=reduction
    )
    if spec.labels == "one_hot":
        return of_weights
    if spec.label_smoothing == 0:
        return of_indices

    def smoothed(target: jax.Array, prediction: jax.Array) -> jax.Array:  # which Keras has for weights alone
        return of_weights(keras.ops.one_hot(target, prediction.shape[-1], dtype=prediction.dtype), prediction)

    return smoothed


LOSSES: dict[type, Callable[[Any], Callable[[jax.Array, jax.Array], jax.Array]]] = {
    MeanSquaredError: lambda s: keras.losses.MeanSquaredError(_REDUCTIONS[s.reduction]),
    Huber: lambda s: keras.losses.Huber(s.delta, _REDUCTIONS[s.reduction]),
    Hinge: lambda s: keras.losses.Hinge(_REDUCTIONS[s.reduction]),
    BinaryCrossEntropyWithLogits: lambda s: keras.losses.BinaryCrossentropy(
        from_logits=True, reduction=_REDUCTIONS[s.reduction]
    ),
    SoftmaxCrossEntropy: _cross_entropy,
}


def differentiated(spec: Any) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of prediction and target that gives the loss and its gradient by the prediction."""
    loss = LOSSES[type(spec)](spec)
    return jax.value_and_grad(lambda prediction, target: loss(target, prediction))
