"""Rounding errors of matrix products and of LAPACK, and scaling that makes none."""

from __future__ import annotations

import math
import sys

import numpy as np

UNIT_ROUNDOFF = 2.0**-53
SMALLEST = 2.0**-1074


def gamma(operations: int) -> float:
    """n u / (1 - n u): the relative error of n roundings, in any order (Higham 2002, lemma 3.1)."""
    return operations * UNIT_ROUNDOFF / (1 - operations * UNIT_ROUNDOFF)


def rescaled(array: np.ndarray) -> tuple[np.ndarray, int]:
    """The array divided by a power of two so that its largest entry is in [1/2, 1), and the exponent; 0 for zeros."""
    exponent = math.frexp(float(np.max(np.abs(array))))[1]
    return np.ldexp(array, -exponent), exponent


def rescaled_enclosure(matrix: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """A matrix and the bound on its error, scaled as `rescaled` does; what falls below the floats adds to the bound."""
    scaled, exponent = rescaled(matrix)
    error = np.ldexp(error, -exponent)
    if exponent > 0:
        error = error + SMALLEST * ((np.ldexp(scaled, exponent) != matrix) | (error != 0))
    return scaled, error, exponent


def ldexp_outward(number: float, exponent: int, direction: int) -> float:
    """number * 2^exponent for number >= 0, rounded up (+1) or down (-1) where it is no float."""
    try:
        found = math.ldexp(number, exponent)
    except OverflowError:
        return math.inf if direction > 0 else sys.float_info.max
    outward = math.ldexp(found, -exponent) - number
    return found if outward * direction >= 0 else math.nextafter(found, math.inf * direction)


def norm_above(array: np.ndarray) -> float:
    """The Frobenius norm of a matrix or the Euclidean one of a vector, rounded; never 0 for one that is not."""
    scaled, exponent = rescaled(array)
    return ldexp_outward(float(np.linalg.norm(scaled)), exponent, +1)


def product_above(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A bound on a @ b, elementwise, for a, b >= 0: rounded up, underflow included."""
    return (a @ b) * (1 + gamma(2 * a.shape[-1] + 4)) + 2 * SMALLEST * _terms(a, b)


def rounding_of_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A bound on |fl(a @ b) - a @ b|, elementwise, of any shape that `@` takes (Higham 2002, equation 3.13).

    Where no term differs from zero there is no error, underflow included.
    """
    of_sum = gamma(2 * a.shape[-1] + 4)  # twice what the product needs: covers the rounding of this bound too
    return of_sum * (np.abs(a) @ np.abs(b)) + 2 * SMALLEST * _terms(a, b)


def _terms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many products that are not zero each entry of a @ b is the sum of."""
    return (a != 0).astype(np.float64) @ (b != 0).astype(np.float64)


def rounding_of_lapack(matrix: np.ndarray) -> float:
    """p(n) u ||A||, how far computed singular values and Hermitian eigenvalues may be off; of a stack, the largest.

    LAPACK Users' Guide (1999), sections 4.7 and 4.9, with the "modestly growing function" p(n) = 10 n.
    """
    return 10 * max(matrix.shape[-2:]) * UNIT_ROUNDOFF * float(np.max(np.linalg.norm(matrix, axis=(-2, -1))))
