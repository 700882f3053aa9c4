"""Bounds on the rounding of matrix products and of LAPACK, and scaling by powers of two, which does not round."""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np

from refimpl.types import Float64Array

UNIT_ROUNDOFF = 2.0**-53
SMALLEST = 2.0**-1074


class Enclosure(NamedTuple):
    """The set of matrices that differ from 2^exponent * matrix by at most 2^exponent * error, elementwise.

    Both arrays may be stacks of matrices.
    """

    matrix: Float64Array
    error: Float64Array
    exponent: int


def gamma(operations: int) -> float:
    """n u / (1 - n u): the relative error of n roundings, in any order (Higham 2002, lemma 3.1)."""
    return operations * UNIT_ROUNDOFF / (1 - operations * UNIT_ROUNDOFF)


def rescaled(array: Float64Array) -> tuple[Float64Array, int]:
    """The array divided by a power of two so that its largest entry is in [1/2, 1), and the exponent; 0 for zeros."""
    exponent = math.frexp(float(np.max(np.abs(array))))[1]
    return np.ldexp(array, -exponent), exponent


def rescaled_enclosure(matrix: Float64Array, error: Float64Array) -> Enclosure:
    """The matrices within `error` of `matrix`, scaled as `rescaled` does.

    The error grows where scaling makes an entry subnormal and rounds it.
    """
    scaled, exponent = rescaled(matrix)
    error = np.ldexp(error, -exponent)
    if exponent > 0:
        error = error + SMALLEST * ((np.ldexp(scaled, exponent) != matrix) | (error != 0))
    return Enclosure(scaled, error, exponent)


def ldexp_outward(number: float, exponent: int, direction: int) -> float:
    """number * 2^exponent for number >= 0, rounded up (+1) or down (-1) where that is not a float."""
    try:
        scaled = math.ldexp(number, exponent)
    except OverflowError:
        return math.inf if direction > 0 else sys.float_info.max
    outward = math.ldexp(scaled, -exponent) - number
    return scaled if outward * direction >= 0 else math.nextafter(scaled, math.inf * direction)


def norm_above(array: Float64Array) -> float:
    """The Frobenius norm of a matrix or the Euclidean norm of a vector, rounded; never 0 for one that is not."""
    scaled, exponent = rescaled(array)
    return ldexp_outward(float(np.linalg.norm(scaled)), exponent, +1)


def product_above(a: Float64Array, b: Float64Array) -> Float64Array:
    """An upper bound on a @ b, elementwise, for a, b >= 0, underflow included."""
    bound: Float64Array = (a @ b) * (1 + gamma(2 * a.shape[-1] + 4)) + 2 * SMALLEST * _nonzero_terms(a, b)
    return bound


def product_rounding(a: Float64Array, b: Float64Array) -> Float64Array:
    """A bound on |fl(a @ b) - a @ b|, elementwise, for all shapes that `@` takes (Higham 2002, equation 3.13).

    Underflow is included. Where every term is zero there is no error.
    """
    relative = gamma(2 * a.shape[-1] + 4)  # twice what the product needs: covers the rounding of this bound too
    bound: Float64Array = relative * (np.abs(a) @ np.abs(b)) + 2 * SMALLEST * _nonzero_terms(a, b)
    return bound


def _nonzero_terms(a: Float64Array, b: Float64Array) -> Float64Array:
    """The number of products in each entry of a @ b that are not zero."""
    count: Float64Array = (a != 0).astype(np.float64) @ (b != 0).astype(np.float64)
    return count


def lapack_rounding(matrix: Float64Array) -> float:
    """p(n) u ||A||: a bound on the error of computed singular values and Hermitian eigenvalues.

    Of a stack of matrices, the largest bound. LAPACK Users' Guide (1999), sections 4.7 and 4.9, with 10 n for the
    "modestly growing function" p(n).
    """
    n: int = max(matrix.shape[-2:])
    return 10 * n * UNIT_ROUNDOFF * float(np.max(np.linalg.norm(matrix, axis=(-2, -1))))
