"""Rounding errors of matrix products and of LAPACK, and scaling that makes none."""

from __future__ import annotations

import math

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


def rounding_of_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A bound on |fl(a @ b) - a @ b|, elementwise, of any shape that `@` takes (Higham 2002, equation 3.13).

    Where no term differs from zero there is no error, underflow included.
    """
    terms = (a != 0).astype(np.float64) @ (b != 0).astype(np.float64)
    of_sum = gamma(2 * a.shape[-1] + 4)  # twice what the product needs: covers the rounding of this bound too
    return of_sum * (np.abs(a) @ np.abs(b)) + 2 * SMALLEST * terms


def rounding_of_lapack(matrix: np.ndarray) -> float:
    """p(n) u ||A||, how far computed singular values and Hermitian eigenvalues may be off; of a stack, the largest.

    LAPACK Users' Guide (1999), sections 4.7 and 4.9, with the "modestly growing function" p(n) = 10 n.
    """
    return 10 * max(matrix.shape[-2:]) * UNIT_ROUNDOFF * float(np.max(np.linalg.norm(matrix, axis=(-2, -1))))
