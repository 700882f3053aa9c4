"""The evaluation orders of layers and of their gradients."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import mean_of_sum, product
from refimpl.types import Array, Scalar

# --- dense layer ---


def bias_as_a_term_of_the_product(x: Array, matrix: Array, bias: Array) -> Array:
    """The bias as one more term of the inner product, where accumulation may start with it: BLAS with beta = 1."""
    ones = np.ones_like(x[..., :1])
    return np.concatenate([x, ones], axis=-1) @ np.concatenate([matrix, bias[np.newaxis]])


DENSE = (bias_as_a_term_of_the_product,)

# --- residual block ---

# A library adds the cotangents of all uses of x in any order, and the first layer of a branch may use it seven times.
_ADDENDS = 8


def sum_of_all_uses(cotangent: Array, branch_cotangent: Array) -> Array:
    """The sum, in any order, of the cotangents of up to eight uses of x: automatic differentiation."""
    unused = [np.zeros_like(branch_cotangent)] * (_ADDENDS - 2)
    return np.sum(np.stack([cotangent, branch_cotangent, *unused]), axis=0)


RESIDUAL_COTANGENT = (sum_of_all_uses,)

# --- batch normalization; deviation is rows - mean, inverse 1 / sqrt(variance + epsilon) ---


def reciprocal_of_root(spread: Array) -> Array:
    """1 / sqrt(variance + epsilon), as two operations: PyTorch."""
    return 1 / np.sqrt(spread)


def one_factor_and_one_term(rows: Array, mean: Array, inverse: Array, scale: Array, shift: Array) -> Array:
    """rows * factor + (shift - mean * factor), where factor = inverse * scale: PyTorch on CPUs."""
    factor = inverse * scale
    return rows * factor + (shift - mean * factor)


def inverse_after_the_sum(cotangent: Array, deviation: Array, inverse: Array) -> Array:
    """sum(cotangent * deviation) * inverse: PyTorch."""
    return np.sum(cotangent * deviation, axis=0) * inverse


def mean_after_variance(
    cotangent: Array,
    through_mean: Array,
    through_variance: Array,
    deviation: Array,
    variance: Array,
    epsilon: Scalar,
    inverse: Array,
    scale: Array,
) -> Array:
    """(cotangent - through_variance - through_mean) * inverse * scale: PyTorch."""
    return product(cotangent - through_variance - through_mean, inverse, scale)


def sum_of_four_uses(
    cotangent: Array,
    through_mean: Array,
    through_variance: Array,
    deviation: Array,
    variance: Array,
    epsilon: Scalar,
    inverse: Array,
    scale: Array,
) -> Array:
    """Ioffe & Szegedy 2015, section 3, formula by formula: automatic differentiation, as of JAX.

    x is used four times: in x - mean(x), and in mean((x - mean(x))**2), each time by itself and in the mean.
    """
    count = np.shape(deviation)[0]
    inverse_cotangent = np.sum(product(cotangent, scale, deviation), axis=0)
    variance_cotangent = inverse_cotangent * (-0.5 * (inverse / (variance + epsilon)))
    by_deviation = product(cotangent, scale, inverse)
    by_square = product(mean_of_sum(variance_cotangent, count), 2.0, deviation)
    by_means = [-mean_of_sum(np.sum(x, axis=0), count) for x in (by_deviation, by_square)]
    uses = [by_deviation, by_square, *(np.broadcast_to(x, np.shape(deviation)) for x in by_means)]
    return np.sum(np.stack(uses), axis=0)


def biased_times_ratio(biased: Array, count: int) -> Array:
    """biased * (rows / (rows - 1)): Keras, Flax."""
    return biased * (count / (count - 1))


INVERSE_ROOT = (reciprocal_of_root,)
NORMALIZED = (one_factor_and_one_term,)
SCALE_GRADIENT = (inverse_after_the_sum,)
BATCH_NORMALIZATION_COTANGENT = (mean_after_variance, sum_of_four_uses)
UNBIASED_VARIANCE = (biased_times_ratio,)
