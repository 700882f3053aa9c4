"""The matrices of the catalogue, by name: what it says of matrices is held for all of them, not for its own example."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def thrice_nilpotent(size: int) -> np.ndarray:
    """3 C, for C the companion matrix of (x + 1)^size plus the identity: integers, and C^size is exactly 0."""
    matrix = np.eye(size) + np.diag(np.ones(size - 1), 1)
    matrix[-1] -= [math.comb(size, j) for j in range(size)]
    return 3 * matrix


def jordan(eigenvalue: float, size: int = 2) -> np.ndarray:
    """A Jordan block, ones above the diagonal."""
    return eigenvalue * np.eye(size) + np.diag(np.ones(size - 1), 1)


def turn(eigenvalue: complex) -> np.ndarray:
    """What multiplies the plane by a complex number, which is an eigenvalue together with its conjugate."""
    return np.array([[eigenvalue.real, -eigenvalue.imag], [eigenvalue.imag, eigenvalue.real]])


# Orthogonal, symmetric, of entries +-1/2.
ORTHOGONAL = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2

_MATRICES: dict[str, list[Any]] = {
    # repeated, eigenvalues below 1
    "Jordan block with 1024": [[[0.5, 0.0], [1024.0, 0.5]]],
    **{f"Jordan block of {x}": [jordan(x)] for x in (0.5, 0.51, 0.669, 0.75, 0.973, 63 / 64, 0.99)},
    "Jordan block of size 3": [jordan(0.75, 3)],
    "short Jordan block": [[[0.5, 0.75], [0.0, 0.5]]],
    "oblique reflection": [[[0.5, -1023 / 64], [0.0, -0.5]]],
    "nilpotent": [[[0.0, 6.0], [0.0, 0.0]]],
    "nilpotent of size 3": [np.diag([2.0, 2.0], 1)],
    "nilpotent integers": [np.outer([97.0, 101.0], [101.0, -97.0])],
    "nilpotent integers of size 12": [thrice_nilpotent(12)],
    "transient": [[[0.875, 4.0], [0.0, 0.625]]],
    "minus a half": [turn(-0.5 + 0j)],
    "half a quarter turn": [turn(0.5j)],
    "decaying symmetric": [[[0.5, 0.25], [0.25, 0.5]]],
    # repeated, eigenvalues of 1 and above
    "quarter turn": [turn(1j)],
    "three quarter turns": [turn(3j)],
    "growing turn": [turn(0.75 + 1j)],
    "growth of a component": [[[0.5, 1.5], [0.0, 2.0]]],
    "growth of a generalized component": [[[2.0, 1.0, 0.5], [0.0, 2.0, 1.5], [0.0, 0.0, 0.5]]],
    "half and double": [np.diag([0.5, 2.0])],
    "double and half": [np.diag([2.0, 0.5])],
    "unit Jordan block": [jordan(1.0)],
    # in turn
    "nilpotent pair": [[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 0.0]]],
    "expansive pair": [np.diag([2.0, 0.125]), np.diag([0.125, 2.0])],
    "shears": [jordan(1.0), jordan(1.0).T],
    "stretched shears": [[[0.5, 2.0], [0.0, 0.5]], [[0.5, 0.0], [0.125, 0.5]]],
    "halving pair": [[[0.0, -8.0], [0.5, 4.0]], [[4.0, 0.5], [-8.0, 0.0]]],
    "doubling pair": [[[0.0, -0.125], [2.0, 1.0]], [[1.0, 2.0], [-0.125, 0.0]]],  # its inverses
    "decay": [[[0.75, 0.25], [-0.125, 0.5]], [[0.5, -0.25], [0.375, 0.625]]],  # singular values below 1
    "growth": [[[1.5, 0.5], [-0.25, 1.25]], [[1.25, -0.5], [0.25, 1.75]]],  # above 1
    "different matrices": [[[0.5, 2.0], [0.0, 0.25]], [[0.25, 0.0], [2.0, 0.5]]],  # eigenvalues below 1
    "normal pair": [[[0.5, 0.25], [0.25, -0.125]], turn(0.25 + 0.5j)],
    "rectangular": [
        ORTHOGONAL[:, :2] @ np.diag([4.0, 0.5]),
        ORTHOGONAL @ np.diag([3.0, 0.5, 1.0, 2.0]) @ ORTHOGONAL,
        np.vstack([ORTHOGONAL, np.zeros(4)]),
    ],
    "turn and shear": [[[1.0, -1.0], [2.0, 1.0]], [[2.0, 1.0], [0.0, -1.0]]],
    # weights below gates, and what multiplies gradients there
    "gated": [[[2.0, 2.0], [-2.0, -2.0]]],
    "Jacobian of the gated": [[[2.0, 0.0], [-2.0, 0.0]]],
    "gated in turn": [[[0.0, 2.0, 0.5], [2.0, 0.0, -1.5], [1.0, 3.0, 0.0]]],
    "Jacobians of the gated in turn": [
        [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]],
    ],
}

# Of one matrix, repeated, or of several in turn, the first of which acts first.
WITNESSES: dict[str, tuple[np.ndarray, ...]] = {
    name: tuple(np.asarray(matrix, dtype=np.float64) for matrix in matrices) for name, matrices in _MATRICES.items()
}
