"""Gains of a product of given matrices, as logarithms, with a bound on their rounding error at any depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import factors, finite_array, number, square_factors
from refimpl.propagation.enclosed_product import EnclosedProduct, enclosed_product
from refimpl.propagation.rounding import UNIT_ROUNDOFF, gamma, rescaled, rounding_of_lapack


def log_gain(matrices: Any, vector: Any) -> Bracket:
    """log(||P v|| / ||v||) for P = matrices[-1] ... matrices[0] and a vector; -inf where P v is certainly zero.

    matrices: of shapes (outputs, inputs), the first one applied first. For a cotangent pass the transposes, last layer
    first. The bracket holds the exact value: each rounding counts with what the layers above make of it, at most. No
    depth and no range of entries overflows or vanishes; the width is about 1e-13 per layer of width 10. The lower end
    is -inf where rounding leaves open whether P v is zero.
    Raises TypeError or ValueError unless all is real and finite, the shapes fit and the vector is not zero.
    """
    matrices, vector = factors(matrices), finite_array("vector", vector, axes=1)
    if matrices[0].shape[1] != len(vector):
        raise ValueError(f"vector must have the {matrices[0].shape[1]} inputs of matrices[0], got {len(vector)}")
    if not vector.any():
        raise ValueError("vector must not be zero: it has no direction")
    product = enclosed_product(matrices, vector[:, np.newaxis])
    scaled, exponent = rescaled(vector)
    size, start = float(np.linalg.norm(product.matrix)), float(np.linalg.norm(scaled))
    rounding = gamma(4 * len(vector) + 4 * len(product.matrix)) * size
    return _log_bracket(size, rounding, product, exponent, math.log(start))


def log_norm(matrices: Any) -> Bracket:
    """log ||P||_2 for P = matrices[-1] ... matrices[0]: the largest gain of any vector; see `log_gain`."""
    matrices = factors(matrices)
    product = enclosed_product(matrices, np.eye(matrices[0].shape[1]))
    size = float(np.linalg.norm(product.matrix, 2))
    return _log_bracket(size, rounding_of_lapack(product.matrix), product, 0, 0.0)


def _log_bracket(size: float, rounding: float, product: EnclosedProduct, exponent: int, log_start: float) -> Bracket:
    """log(size) of the product less exponent * log(2) and log_start, for what is off by the rounding and its error."""
    error, of_error = product.error
    common = max(product.exponent, of_error) if size and error else product.exponent if size else of_error
    size, rounding = (math.ldexp(value, max(product.exponent - common, -4096)) for value in (size, rounding))
    error = rounding + math.ldexp(error, max(of_error - common, -4096))
    shift = (common - exponent) * math.log(2)

    def logarithm(number: float, direction: int) -> float:
        if number <= 0:
            return -math.inf
        own = math.log(number)
        outward = 4 * UNIT_ROUNDOFF * (max(1.0, abs(own)) + abs(shift) + abs(log_start))
        return own + shift - log_start + direction * outward

    return Bracket(logarithm(size - error, -1), logarithm(size + error, +1))


def log_singular_value_bounds(matrices: Any, slopes: tuple[float, float] = (1.0, 1.0)) -> Bracket:
    """Bounds on log(||P v|| / ||v||) for every v: sums of the logarithms of least and largest singular values.

    slopes: least and largest |derivative| of the activation after each matrix, (0, 1) for ReLU and tanh. The lower
    bound is -inf where a matrix has fewer outputs than inputs, or where it may be singular in float64. An upper bound
    below zero suffices for gradients to vanish; one above zero is necessary for them to explode (Pascanu, Mikolov &
    Bengio 2013, section 2.1). For cotangents pass the transposes.
    Raises TypeError or ValueError unless all is real and finite, the shapes fit and 0 <= least <= largest.
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
    return Bracket(_summed(lower, -1), _summed(upper, +1))


def mean_log_singular_value(matrices: Any) -> Bracket:
    """log |det P|^(1/n) for square P = matrices[-1] ... matrices[0]: the mean of the logarithms of its singular values.

    So ||P|| is at least, and the least gain at most, the exponential of this. The lower end is -inf where a matrix may
    be singular in float64. Raises TypeError or ValueError unless all are real, finite and square, of one shape.
    """
    matrices = square_factors(matrices)
    lower, upper = [], []
    for matrix in matrices:
        low, high, exponent = _singular_values(matrix)
        lower += [*map(_log, low), exponent * len(matrix) * math.log(2)]
        upper += [*map(_log, high), exponent * len(matrix) * math.log(2)]
    n = len(matrices[0])
    return Bracket(_summed(lower, -1, n), _summed(upper, +1, n))


def _singular_values(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Lower and upper bounds of the singular values, from the largest, and the exponent that they are scaled by."""
    scaled, exponent = rescaled(matrix)
    values, rounding = np.linalg.svd(scaled, compute_uv=False), rounding_of_lapack(scaled)
    return np.maximum(values - rounding, 0.0), values + (rounding if scaled.any() else 0.0), exponent


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _summed(logarithms: list[float], direction: int, parts: int = 1) -> float:
    """Their sum divided by `parts`, rounded outward: each is off by an ulp at most, sum and quotient by half of one."""
    if -math.inf in logarithms:
        return -math.inf
    outward = 4 * UNIT_ROUNDOFF * math.fsum(map(abs, logarithms))
    total = math.nextafter(math.fsum(logarithms) + direction * outward, direction * math.inf)
    return total if parts == 1 else math.nextafter(total / parts, direction * math.inf)
