"""What rounding must not decide on, in whole numbers: the rank of a matrix, and whether a power of it shrinks all."""

from __future__ import annotations

import numpy as np

_LARGEST_WORK = 2**20  # bits of an entry times n^4: milliseconds


def rank(matrix: np.ndarray) -> int:
    """The number of independent rows."""
    rows, _ = _whole(matrix)
    found, last = 0, 1
    for column in range(matrix.shape[1]):
        pivots = [i for i in range(found, len(rows)) if rows[i, column]]
        if pivots:
            rows[[found, pivots[0]]] = rows[[pivots[0], found]]
            last = _eliminate(rows, found, column, last)
            found += 1
    return found


def power_is_below_one(matrix: np.ndarray, power: int) -> bool | None:
    """Whether ||A^power||_2 < 1 for a square A; None where that is too long a computation."""
    whole, exponent = _whole(matrix)
    bits = max(abs(entry).bit_length() for entry in whole.ravel())
    if (bits + abs(exponent)) * power * len(matrix) ** 4 > _LARGEST_WORK:
        return None
    product = np.linalg.matrix_power(whole, power)
    scale = -2 * exponent * power
    gap = 2 ** max(scale, 0) * np.diag([1] * len(matrix)).astype(object) - product.T.dot(product) * 2 ** max(-scale, 0)
    last = 1
    for i in range(len(gap)):  # the pivots are the leading minors: all are positive where I - A^T A is definite
        if gap[i, i] <= 0:
            return False
        last = _eliminate(gap, i, i, last)
    return True


def _whole(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """Python integers, and the exponent of two that they are to be multiplied by."""
    ratios = [entry.as_integer_ratio() for entry in matrix.ravel().tolist()]
    exponent = min(_twos(numerator) - (denominator.bit_length() - 1) for numerator, denominator in ratios)
    whole = [
        numerator * 2 ** max(0, -exponent) // denominator // 2 ** max(0, exponent) for numerator, denominator in ratios
    ]
    return np.array(whole, dtype=object).reshape(matrix.shape), exponent


def _twos(number: int) -> int:
    """How often two divides it; of zero, a number above all others."""
    return (number & -number).bit_length() - 1 if number else 2**12


def _eliminate(rows: np.ndarray, pivot: int, column: int, last: int) -> int:
    """Clears the column below the pivot with no fractions, by its last pivot (Bareiss 1968); the new one."""
    top = rows[pivot].copy()
    for i in range(pivot + 1, len(rows)):
        rows[i] = (rows[i] * top[column] - top * rows[i, column]) // last
    return top[column]
