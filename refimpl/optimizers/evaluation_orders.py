"""The orders in which libraries evaluate the steps of optimizers, by name."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import constant, quotient, rsqrt
from refimpl.types import Array, Scalar

# --- Adam, AdamW, AMSGrad and Adamax ---


def corrected_rate_and_root(
    learning_rate: Scalar, m: Array, m_correction: Scalar, v: Array, v_correction: Scalar, epsilon: Scalar
) -> Array:
    """(rate / (1 - beta1**t)) * m / (sqrt(v) / sqrt(1 - beta2**t) + epsilon): PyTorch."""
    rate, root = learning_rate / m_correction, np.sqrt(v_correction)
    return quotient(rate * m, np.sqrt(v) / root + epsilon)


def corrected_rate(learning_rate: Scalar, m: Array, m_correction: Scalar, denominator: Array) -> Array:
    """(rate / (1 - beta1**t)) * m / denominator: PyTorch."""
    rate = learning_rate / m_correction
    return quotient(rate * m, denominator)


def quotient_of_moment_first(rate: Scalar, m: Array, denominator: Array) -> Array:
    """rate * (m / denominator), the quotient before the product."""
    return rate * quotient(m, denominator)


ADAM_EPSILON_OUTSIDE = (corrected_rate_and_root,)
ADAM_EPSILON_INSIDE = (corrected_rate,)
ADAM_EPSILON_UNCORRECTED = (quotient_of_moment_first,)
ADAMAX = (corrected_rate,)

# --- NAdam ---

_Term = tuple[Array, Array, Array]  # a vector, its weight, and what corrects its bias


def root_over_root_of_correction(v: Array, v_correction: Scalar, epsilon: Scalar) -> Array:
    """sqrt(v) / sqrt(1 - beta2**t) + epsilon: PyTorch."""
    return np.sqrt(v) / np.sqrt(v_correction) + epsilon


def one_term_after_the_other(
    parameter: Array, learning_rate: Scalar, terms: tuple[_Term, _Term], denominator: Array
) -> Array:
    """The step along the gradient is subtracted from the parameter, then the one along m: PyTorch."""
    for vector, weight, correction in terms:
        parameter = parameter - learning_rate * weight / correction * quotient(vector, denominator)
    return parameter


def corrected_terms_first(
    parameter: Array, learning_rate: Scalar, terms: tuple[_Term, _Term], denominator: Array
) -> Array:
    """parameter - rate * (m_bar / denominator), m_bar = (1 - mu) * g_hat + next_mu * m_hat: optax."""
    along_gradient, along_m = (weight * quotient(vector, correction) for vector, weight, correction in terms)
    return parameter - learning_rate * quotient(along_gradient + along_m, denominator)


NADAM_DENOMINATOR = (root_over_root_of_correction,)
NADAM = (one_term_after_the_other, corrected_terms_first)

# --- RAdam ---


def rectification_last(
    learning_rate: Scalar,
    r: Scalar,
    m: Array,
    m_correction: Scalar,
    m_hat: Array,
    root_of_correction: Scalar,
    denominator: Array,
) -> Array:
    """m_hat * rate * (sqrt(1 - beta2**t) / denominator) * r: PyTorch."""
    return m_hat * learning_rate * quotient(root_of_correction, denominator) * r


def scalars_first(
    learning_rate: Scalar,
    r: Scalar,
    m: Array,
    m_correction: Scalar,
    m_hat: Array,
    root_of_correction: Scalar,
    denominator: Array,
) -> Array:
    """m * ((sqrt(1 - beta2**t) * rate * r / (1 - beta1**t)) / denominator): PyTorch's foreach."""
    return m * quotient(root_of_correction * (learning_rate * r) / m_correction, denominator)


def rectified_moment_first(learning_rate: Scalar, r: Scalar, m_hat: Array, denominator: Array) -> Array:
    """rate * (r * m_hat / denominator): optax."""
    return learning_rate * quotient(r * m_hat, denominator)


def corrected_rate_times_moment(learning_rate: Scalar, m: Array, m_correction: Scalar) -> Array:
    """(rate / (1 - beta1**t)) * m: PyTorch's foreach."""
    return learning_rate / m_correction * m


RADAM_EPSILON_UNCORRECTED = (rectification_last, scalars_first)
RADAM_EPSILON_OUTSIDE = (rectified_moment_first,)
RADAM_UNRECTIFIED = (corrected_rate_times_moment,)

# --- AdaBelief ---


def distance_from_new_moment(gradient: Array, new_moment: Array) -> Array:
    """g - m, from the new first moment: algorithm 2, optax."""
    return gradient - new_moment


ADABELIEF_DISTANCE = (distance_from_new_moment,)

# --- Adagrad, RMSprop and Adadelta ---


def product_with_reciprocal_root(gradient: Array, square: Array) -> Array:
    """gradient * rsqrt(square): optax, XLA."""
    return gradient * rsqrt(square)


def reciprocal_root_of_squared_gradients(root_of_steps: Array, squared_gradients: Array, gradient: Array) -> Array:
    """sqrt(average of steps + epsilon) * rsqrt(average of gradients + epsilon) * gradient: XLA."""
    return root_of_steps * rsqrt(squared_gradients) * gradient


OVER_ROOT = (product_with_reciprocal_root,)
ADADELTA_DIRECTION = (reciprocal_root_of_squared_gradients,)

# --- gradient accumulation ---


def product_with_reciprocal_count(total: Array, count: int) -> Array:
    """total * (1 / count), with the reciprocal rounded: XLA, of a division by a constant."""
    return total * (1 / constant(float(count), total))


SHARE = (product_with_reciprocal_count,)
