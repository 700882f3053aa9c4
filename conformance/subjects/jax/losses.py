"""The losses of optax, which are arrays of terms, reduced as people do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax

from refimpl.losses import (
    BinaryCrossEntropyWithLogits,
    Hinge,
    Huber,
    KLDivergence,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)


def _cross_entropies(spec: SoftmaxCrossEntropy, prediction: jax.Array, target: jax.Array) -> jax.Array:
    if spec.largest_logit == "added_back":
        return optax.losses.softmax_cross_entropy_with_integer_labels(prediction, target)
    if spec.labels == "index":
        target = jax.nn.one_hot(target, prediction.shape[-1], dtype=prediction.dtype)
    if spec.label_smoothing > 0:
        target = optax.losses.smooth_labels(target, spec.label_smoothing)
    return optax.losses.softmax_cross_entropy(prediction, target)


def _divergences(spec: KLDivergence, prediction: jax.Array, target: jax.Array) -> jax.Array:
    if spec.target_as == "logarithm":
        return optax.losses.kl_divergence_with_log_targets(prediction, target)
    return optax.losses.kl_divergence(prediction, target)


TERMS: dict[type, Callable[[Any, jax.Array, jax.Array], jax.Array]] = {
    MeanSquaredError: lambda s, prediction, target: optax.losses.squared_error(prediction, target),
    BinaryCrossEntropyWithLogits: lambda s, prediction, target: optax.losses.sigmoid_binary_cross_entropy(
        prediction, target
    ),
    SoftmaxCrossEntropy: _cross_entropies,
    KLDivergence: _divergences,
    Huber: lambda s, prediction, target: optax.losses.huber_loss(prediction, target, delta=s.delta),
    Hinge: lambda s, prediction, target: optax.losses.hinge_loss(prediction, target),
}


def loss(spec: Any, prediction: jax.Array, target: jax.Array) -> jax.Array:
    """The loss, 0-d."""
    terms = TERMS[type(spec)](spec, prediction, target)
    return terms.mean() if spec.reduction == "mean" else terms.sum()


def differentiated(spec: Any) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of prediction and target that gives the loss and its gradient by the prediction."""
    return jax.value_and_grad(lambda prediction, target: loss(spec, prediction, target))
