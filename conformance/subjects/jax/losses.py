"""The losses of optax, which are arrays of terms, reduced as its users do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import optax

from conformance.subjects.jax.table import TABLE
from refimpl.losses import KLDivergence, Loss, SoftmaxCrossEntropy


def loss(spec: Loss, prediction: jax.Array, target: jax.Array) -> jax.Array:
    """The loss, 0-d."""
    terms = _terms(spec, prediction, target)
    return terms.mean() if spec.reduction == "mean" else terms.sum()


def _terms(spec: Loss, prediction: jax.Array, target: jax.Array) -> jax.Array:
    match spec:
        case SoftmaxCrossEntropy():
            return _cross_entropies(spec, prediction, target)
        case KLDivergence(target_as="logarithm"):
            return optax.losses.kl_divergence_with_log_targets(prediction, target)
    return TABLE[type(spec)].call(spec, prediction, target)


def _cross_entropies(spec: SoftmaxCrossEntropy, prediction: jax.Array, target: jax.Array) -> jax.Array:
    if spec.largest_logit == "added_back":
        return optax.losses.softmax_cross_entropy_with_integer_labels(prediction, target)
    if spec.labels == "index":
        target = jax.nn.one_hot(target, prediction.shape[-1], dtype=prediction.dtype)
    if spec.label_smoothing > 0:
        target = optax.losses.smooth_labels(target, spec.label_smoothing)
    return TABLE[SoftmaxCrossEntropy].call(spec, prediction, target)


def value_and_gradient(spec: Loss) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of prediction and target that gives the loss and its gradient with respect to the prediction."""
    function: Callable[..., tuple[jax.Array, jax.Array]] = jax.value_and_grad(partial(loss, spec))
    return function
