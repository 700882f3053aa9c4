"""Gains of a product of given matrices, as logarithms, with a bound on their rounding error at any depth."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import factors, finite_array, number, square_factors
from refimpl.propagation.enclosed_product import EnclosedProduct, enclosed_product
from refimpl.propagation.rounding import UNIT_ROUNDOFF, gamma, lapack_rounding, rescaled
from refimpl.types import ArrayLike, Float64Array


def log_gain(matrices: ArrayLike, vector: ArrayLike) -> Bracket:
    """log(||P v|| / ||v||) for P = matrices[-1] ... matrices[0] and a vector v, in the Euclidean norm.

    matrices: of shapes (outputs, inputs), the first one applied first. vector: shape (inputs of the first,), not zero.
    For a cotangent, pass the transposes, the last layer first.

    The bracket holds the exact value: it counts each rounding with the largest factor that the layers above can give
    it. Nothing overflows or vanishes, at any depth and for entries of any size. The width is about 1e-13 per layer of
    width 10. Both ends are -inf where P v is certainly zero, and the lower end is where rounding leaves that open.

    Raises TypeError or ValueError unless all entries are real and finite, the shapes fit and the vector is not zero.
    """
    matrices, vector = factors(matrices), finite_array("vector", vector, axes=1)
    if matrices[0].shape[1] != len(vector):
        raise ValueError(f"vector must have the {matrices[0].shape[1]} inputs of matrices[0], got {len(vector)}")
    if not vector.any():
        raise ValueError("vector must not be zero: it has no direction")
    product = enclosed_product(matrices, vector[:, np.newaxis])
    scaled, exponent = rescaled(vector)
    norm, start_norm = float(np.linalg.norm(product.matrix)), float(np.linalg.norm(scaled))
    rounding = gamma(4 * len(vector) + 4 * len(product.matrix)) * norm
    return _log_bracket(norm, rounding, product, exponent, math.log(start_norm))


def log_norm(matrices: ArrayLike) -> Bracket:
    """log ||P||_2 for P = matrices[-1] ... matrices[0]: the largest gain of any vector. For the rest see `log_gain`."""
    matrices = factors(matrices)
    product = enclosed_product(matrices, np.eye(matrices[0].shape[1]))
    norm = float(np.linalg.norm(product.matrix, 2))
    return _log_bracket(norm, lapack_rounding(product.matrix), product, 0, 0.0)


def _log_bracket(norm: float, rounding: float, product: EnclosedProduct, exponent: int, log_start: float) -> Bracket:
    """log(norm * 2^(product.exponent - exponent)) - log_start.

    rounding: the error of the norm, to which that of the product is added.
    """
    error, error_exponent = product.error
    common = max(product.exponent, error_exponent) if norm and error else product.exponent if norm else error_exponent
    norm, rounding = (math.ldexp(value, max(product.exponent - common, -4096)) for value in (norm, rounding))
    error = rounding + math.ldexp(error, max(error_exponent - common, -4096))
    shift = (common - exponent) * math.log(2)

    def logarithm(number: float, direction: int) -> float:
        if number <= 0:
            return -math.inf
        log_number = math.log(number)
        outward = 4 * UNIT_ROUNDOFF * (max(1.0, abs(log_number)) + abs(shift) + abs(log_start))
        return log_number + shift - log_start + direction * outward

    return Bracket(logarithm(norm - error, -1), logarithm(norm + error, +1))


def log_singular_value_bounds(matrices: ArrayLike, slopes: tuple[float, float] = (1.0, 1.0)) -> Bracket:
    """Bounds on log(||P v|| / ||v||) for every v: sums of the logarithms of least and largest singular values.

    matrices: of shapes (outputs, inputs), the first one applied first; for cotangents pass the transposes, the last
    layer first. slopes: the least and the largest |derivative| of the activation after each matrix, such as (0, 1) for
    ReLU and tanh.

    An upper bound below zero suffices for gradients to vanish. One above zero is necessary for them to explode
    (Pascanu, Mikolov & Bengio 2013, section 2.1). The lower bound is -inf where a matrix has fewer outputs than inputs,
    or where rounding leaves open whether it is singular.

    Raises TypeError or ValueError unless all entries are real and finite, the shapes fit and 0 <= least <= largest.
    """
    if not isinstance(slopes, tuple) or len(slopes) != 2:
        raise TypeError(f"slopes must be a tuple (least, largest), got {slopes!r}")
    least, largest = (number(f"slopes[{i}]", slope, at_least=0) for i, slope in enumerate(slopes))
    if least > largest:
        raise ValueError(f"slopes must be (least, largest), got {slopes!r}")
    lower, upper = [], []
    for matrix in factors(matrices):
        low, high, exponent = _singular_values(matrix)
        has_inverse = matrix.shape[0] >= matrix.shape[1]
        lower += [_log(low[-1] if has_inverse else 0.0), _log(least), exponent * math.log(2)]
        upper += [_log(high[0]), _log(largest), exponent * math.log(2)]
    return Bracket(_sum_outward(lower, -1), _sum_outward(upper, +1))


def mean_log_singular_value(matrices: ArrayLike) -> Bracket:
    """log |det P|^(1/n) for square P = matrices[-1] ... matrices[0]: the mean of the logarithms of its singular values.

    The largest gain of P is at least the exponential of this, and the least gain at most. The lower end is -inf where
    rounding leaves open whether a matrix is singular.

    Raises TypeError or ValueError unless all matrices are real, finite and square, of one shape.
    """
    matrices = square_factors(matrices)
    lower, upper = [], []
    for matrix in matrices:
        low, high, exponent = _singular_values(matrix)
        lower += [*map(_log, low), exponent * len(matrix) * math.log(2)]
        upper += [*map(_log, high), exponent * len(matrix) * math.log(2)]
    n = len(matrices[0])
    return Bracket(_sum_outward(lower, -1, n), _sum_outward(upper, +1, n))


class _SingularValues(NamedTuple):
    """Lower and upper bounds on singular values from the largest, both to be multiplied by 2^exponent."""

    lower: Float64Array
    upper: Float64Array
    exponent: int


def _singular_values(matrix: Float64Array) -> _SingularValues:
    scaled, exponent = rescaled(matrix)
    values = np.asarray(np.linalg.svd(scaled, compute_uv=False), dtype=np.float64)
    rounding = lapack_rounding(scaled)
    return _SingularValues(np.maximum(values - rounding, 0.0), values + (rounding if scaled.any() else 0.0), exponent)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _sum_outward(logarithms: list[float], direction: int, parts: int = 1) -> float:
    """The sum of logarithms divided by `parts`, rounded up (+1) or down (-1).

    Each logarithm is off by an ulp at most, and the sum and the quotient by half of one.
    """
    if -math.inf in logarithms:
        return -math.inf
    outward = 4 * UNIT_ROUNDOFF * math.fsum(map(abs, logarithms))
    total = math.nextafter(math.fsum(logarithms) + direction * outward, direction * math.inf)
    return total if parts == 1 else math.nextafter(total / parts, direction * math.inf)
