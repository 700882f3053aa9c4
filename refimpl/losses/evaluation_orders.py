"""The evaluation orders of losses and of their gradients."""

from __future__ import annotations

import numpy as np

from refimpl.activations import Softplus
from refimpl.arithmetic import covering, quotient
from refimpl.losses.reduction import reduced, share
from refimpl.types import Array, Scalar

# --- Huber and smooth L1 ---


def huber_by_half_of_near(error: Array, near: Array, delta: Array) -> Array:
    """near * (error - near / 2): PyTorch, beyond delta."""
    return near * (error - near / 2)


def huber_gradient_of_two_parts(clipped: Array, delta: Array, divisor: Scalar | None) -> Array:
    """(clipped + delta) / terms - delta / terms: automatic differentiation of square and line, as of optax."""
    return share(clipped + delta, divisor) - share(delta, divisor)


def square_over_beta(error: Array, near: Array, beta: Array) -> Array:
    """near * near / 2 / beta + (error - near), the square first: PyTorch."""
    return near * near / 2 / beta + (error - near)


def share_over_beta(clipped: Array, beta: Array, divisor: Scalar | None) -> Array:
    """(clipped / terms) / beta: PyTorch."""
    return quotient(share(clipped, divisor), beta)


HUBER = (huber_by_half_of_near,)
HUBER_GRADIENT = (huber_gradient_of_two_parts,)
SMOOTH_L1 = (square_over_beta,)
SMOOTH_L1_GRADIENT = (share_over_beta,)

# --- binary cross-entropy ---


def difference_of_quotients(prediction: Array, target: Array, zero: Array, one: Array) -> Array:
    """zero / (1 - prediction) - one / prediction, for the weights of both classes; 0 / 0 = 0."""
    of_zero = np.where(target < 1, zero / (1 - prediction), 0.0)
    return of_zero - np.where(target > 0, one / prediction, 0.0)


def as_difference_of_quotients(quotients: Array) -> Array:
    """(1 - target) / (1 - prediction) - target / prediction: automatic differentiation, as of Keras."""
    return quotients


def difference_of_shares_over_probabilities(prediction: Array, target: Array, divisor: Scalar | None) -> Array:
    """The same of (1 - target) / terms and target / terms: automatic differentiation, as of Keras."""
    return difference_of_quotients(prediction, target, share(1 - target, divisor), share(target, divisor))


BINARY_CROSS_ENTROPY_SLOPE = (as_difference_of_quotients,)
BINARY_CROSS_ENTROPY_GRADIENT = (difference_of_shares_over_probabilities,)

# --- binary cross-entropy of logits; weights: those of target * log(sigmoid), or None ---


def one_softplus_of_both_classes(prediction: Array, target: Array, weights: Array | None) -> Array:
    """(1 - target) * x + (weight * target + 1 - target) * softplus(-x): PyTorch."""
    return (1 - target) * prediction + _of_both(Softplus().forward(-prediction), target, weights)


def maximum_and_logarithm(prediction: Array, target: Array, weights: Array | None) -> Array:
    """max(x, 0) - x * target + log(1 + exp(-|x|)), and with weights what follows from it: TensorFlow, Keras."""
    decay = np.log1p(np.exp(-np.abs(prediction)))
    if weights is None:
        return np.maximum(prediction, 0.0) - prediction * target + decay
    return (1 - target) * prediction + _of_both(np.maximum(-prediction, 0.0) + decay, target, weights)


def sigmoid_of_both_minus_one(
    target: Array, positive: Array, sigmoid: Array, complement: Array, weights: Array | None
) -> Array:
    """(weight * target + 1 - target) * sigmoid(x) - weight * target: PyTorch."""
    return _of_both(sigmoid, target, weights) - positive


def zero_minus_complement_of_both(
    target: Array, positive: Array, sigmoid: Array, complement: Array, weights: Array | None
) -> Array:
    """(1 - target) - (weight * target + 1 - target) * sigmoid(-x)."""
    return (1 - target) - _of_both(complement, target, weights)


def difference_of_shares_times_sigmoids(
    target: Array, positive: Array, sigmoid: Array, complement: Array, divisor: Scalar | None
) -> Array:
    """(1 - target) / terms * sigmoid(x) - weight * target / terms * sigmoid(-x): optax."""
    return share(1 - target, divisor) * sigmoid - share(positive, divisor) * complement


def one_plus_excess_weight(target: Array, weights: Array) -> Array:
    """(weight - 1) * target + 1: PyTorch, TensorFlow."""
    return (weights - 1) * target + 1


LOGITS_CROSS_ENTROPY = (one_softplus_of_both_classes, maximum_and_logarithm)
LOGITS_CROSS_ENTROPY_SLOPE = (sigmoid_of_both_minus_one, zero_minus_complement_of_both)
LOGITS_CROSS_ENTROPY_GRADIENT = (difference_of_shares_times_sigmoids,)
WEIGHT_OF_BOTH_CLASSES = (one_plus_excess_weight,)


def _of_both(part: Array, target: Array, weights: Array | None) -> Array:
    """The part times the weights of both classes together, which are 1 without weights."""
    if weights is None:
        return part
    return part * covering(weights * target + (1 - target), WEIGHT_OF_BOTH_CLASSES, target, weights)


# --- losses of several classes ---


def difference_of_two_products(target: Array, logarithm: Array, prediction: Array) -> Array:
    """target * log(target) - target * prediction: PyTorch."""
    return target * logarithm - target * prediction


def softmax_times_total_minus_target(softmax: Array, target: Array, divisor: Scalar | None) -> Array:
    """(softmax * sum(target) - target) / terms, of a rounded softmax: TensorFlow."""
    return reduced(softmax * np.sum(target, axis=-1, keepdims=True) - target, divisor)


def softmax_times_total_minus_share(softmax: Array, target: Array, divisor: Scalar | None) -> Array:
    """softmax * sum(target / terms) - target / terms, of a rounded softmax: PyTorch, optax."""
    shared = share(target, divisor)
    return softmax * np.sum(shared, axis=-1, keepdims=True) - shared


KL_DIVERGENCE = (difference_of_two_products,)
SOFTMAX_CROSS_ENTROPY_GRADIENT = (softmax_times_total_minus_target, softmax_times_total_minus_share)
