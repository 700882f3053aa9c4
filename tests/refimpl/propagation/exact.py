"""Exact products of matrices, of integers and of any floats, and their norms to 50 digits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from refimpl.propagation import Bracket

DIGITS = 50


def exact_product(matrices: list[np.ndarray], start: np.ndarray) -> np.ndarray:
    """matrices[-1] @ ... @ matrices[0] @ start in Python's integers; all entries are integers."""
    product = start.astype(int).astype(object)
    for matrix in matrices:
        product = matrix.astype(int).astype(object) @ product
    return product


def whole(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """Any finite floats as Python integers times 2^-1074: the matrix of integers, and that exponent."""
    integers = [int(Fraction(entry) * 2**1074) for entry in matrix.ravel().tolist()]
    return np.array(integers, dtype=object).reshape(matrix.shape), -1074


def exact_product_of_floats(matrices: list[np.ndarray], start: np.ndarray) -> tuple[np.ndarray, int]:
    """matrices[-1] @ ... @ matrices[0] @ start as integers, and the exponent of two that they are multiplied by."""
    product, exponent = whole(start)
    for matrix in matrices:
        factor, factor_exponent = whole(matrix)
        product, exponent = factor.dot(product), exponent + factor_exponent
        common = min(((int(entry) & -int(entry)).bit_length() - 1 for entry in product.ravel() if entry), default=0)
        product, exponent = product // 2**common, exponent + common
    return product, exponent


def log_of_float_norm(product: np.ndarray, exponent: int) -> mpmath.mpf:
    """log ||P||_2 of a product of integers times 2^exponent, with two columns or rows at most; -inf of zeros."""
    small = product.T.dot(product) if product.shape[1] <= product.shape[0] else product.dot(product.T)
    if not any(small.ravel()):
        return -mpmath.inf
    trace = sum(small[i, i] for i in range(len(small)))
    minors = sum(
        small[i, i] * small[j, j] - small[i, j] * small[j, i] for i in range(len(small)) for j in range(i)
    )  # of order two: the square of the one determinant
    with mpmath.workprec(400):
        ratio = mpmath.mpf(int(4 * minors)) / mpmath.mpf(int(trace)) ** 2
        larger = mpmath.mpf(int(trace)) * (1 + mpmath.sqrt(max(mpmath.mpf(0), 1 - ratio))) / 2
        return mpmath.log(larger) / 2 + exponent * mpmath.log(2)


def log_euclidean(vector: np.ndarray) -> mpmath.mpf:
    """The logarithm of the Euclidean norm of a vector of integers."""
    with mpmath.workdps(DIGITS):
        return mpmath.log(mpmath.mpf(int(sum(int(entry) ** 2 for entry in vector.ravel())))) / 2


def log_norm_of_two_by_two(matrix: np.ndarray) -> mpmath.mpf:
    """log ||A||_2 from trace t and determinant d^2 of A^T A: the square is (t + sqrt(t^2 - 4 d^2)) / 2."""
    (a, b), (c, d) = matrix
    with mpmath.workdps(DIGITS):
        trace, determinant = mpmath.mpf(a * a + b * b + c * c + d * d), mpmath.mpf(a * d - b * c)
        return mpmath.log((trace + mpmath.sqrt(trace**2 - 4 * determinant**2)) / 2) / 2


def holds(bracket: Bracket, value: Any, width: float) -> bool:
    """Whether the value is in the bracket, and the bracket no wider than this."""
    assert bracket.upper - bracket.lower <= width
    return bool(bracket.lower <= value <= bracket.upper)
