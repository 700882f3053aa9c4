"""Questions that rounding must not decide, in integers: the rank of a matrix, and whether a norm is below 1."""

from __future__ import annotations

import numpy as np

from refimpl.types import Float64Array, ObjectArray

_LARGEST_WORK = 2**20  # bits of an entry times n^4: milliseconds


def rank(matrix: Float64Array) -> int:
    """The exact rank of a matrix of floats."""
    rows, _ = _as_integers(matrix)
    independent, last_pivot = 0, 1
    for column in range(matrix.shape[1]):
        pivots = [i for i in range(independent, len(rows)) if rows[i, column]]
        if pivots:
            rows[[independent, pivots[0]]] = rows[[pivots[0], independent]]
            last_pivot = _eliminate(rows, independent, column, last_pivot)
            independent += 1
    return independent


def power_is_below_one(matrix: Float64Array, power: int) -> bool | None:
    """Whether ||A^power||_2 < 1 for a square A; None where the computation would be too long."""
    integers, exponent = _as_integers(matrix)
    bits = max(abs(entry).bit_length() for entry in integers.ravel())
    if (bits + abs(exponent)) * power * len(matrix) ** 4 > _LARGEST_WORK:
        return None
    product = np.linalg.matrix_power(integers, power)
    scale = -2 * exponent * power
    gap = 2 ** max(scale, 0) * np.diag([1] * len(matrix)).astype(object) - product.T.dot(product) * 2 ** max(-scale, 0)
    last_pivot = 1
    for i in range(len(gap)):  # the pivots are the leading minors: all are positive where I - A^T A is definite
        if gap[i, i] <= 0:
            return False
        last_pivot = _eliminate(gap, i, i, last_pivot)
    return True


def _as_integers(matrix: Float64Array) -> tuple[ObjectArray, int]:
    """Python integers, and the exponent of two that they are multiplied by."""
    ratios = [entry.as_integer_ratio() for entry in matrix.ravel().tolist()]
    exponent = min(_trailing_zeros(numerator) - (denominator.bit_length() - 1) for numerator, denominator in ratios)
    integers = [
        numerator * 2 ** max(0, -exponent) // denominator // 2 ** max(0, exponent) for numerator, denominator in ratios
    ]
    return np.array(integers, dtype=object).reshape(matrix.shape), exponent


def _trailing_zeros(number: int) -> int:
    """The exponent of two in an integer; for zero, one above all others."""
    return (number & -number).bit_length() - 1 if number else 2**12


def _eliminate(rows: ObjectArray, pivot: int, column: int, last_pivot: int) -> int:
    """Clears the column below the pivot without fractions (Bareiss 1968), and returns the entry at the pivot."""
    top = rows[pivot].copy()
    for i in range(pivot + 1, len(rows)):
        rows[i] = (rows[i] * top[column] - top * rows[i, column]) // last_pivot
    return int(top[column])
