"""Exact products of integer matrices, and their norms to 50 digits."""

from __future__ import annotations

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
