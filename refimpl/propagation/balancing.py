"""Scaling of square matrices by powers of two, and a similarity by them where entries lie too far apart for floats."""

from __future__ import annotations

import numpy as np

from refimpl.propagation.rounding import SMALLEST, rescaled

_SWEEPS = 64


def balanced(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Matrices 2^-e D^-1 A D of a stack or alone, a bound on their rounding, elementwise, and e.

    The largest entry is in [1/2, 1). D is the identity where all entries then are floats; elsewhere a diagonal of
    powers of two, one for all, that brings rows and columns to like sizes (Osborne 1960). No product of them changes
    its eigenvalues.
    """
    scaled, exponent = rescaled(matrices)
    if np.array_equal(np.ldexp(scaled, exponent), matrices):
        return scaled, np.zeros_like(scaled), exponent
    return similar(matrices)[:3]


def similar(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """The same with a D that always brings rows and columns to like sizes, and the exponents of that."""
    mantissas, exponents = np.frexp(matrices)
    if not mantissas.any():
        return matrices, np.zeros_like(matrices), 0, np.zeros(matrices.shape[-1], dtype=np.int64)
    exponents = exponents.astype(np.int64)
    shifts = _shifts(np.where(mantissas == 0, _NONE, exponents).reshape(-1, *matrices.shape[-2:]).max(axis=0))
    exponents += shifts - shifts[:, np.newaxis]
    exponent = int(exponents[mantissas != 0].max())
    exponents = np.clip(exponents - exponent, -4096, 0).astype(np.intc)
    scaled = np.ldexp(mantissas, exponents)
    lost = np.ldexp(scaled, -np.maximum(exponents, -1074)) != mantissas
    return scaled, SMALLEST * lost, exponent, shifts


_NONE = -(2**40)  # the exponent of a zero


def _shifts(exponents: np.ndarray) -> np.ndarray:
    """The exponents of D: each row of D^-1 A D about as large as its column, the diagonal left out."""
    lowest = int(exponents[exponents > _NONE].min())
    shifts, off = np.zeros(len(exponents), dtype=np.int64), np.where(np.eye(len(exponents)) == 1, _NONE, exponents)
    for _ in range(_SWEEPS):
        before = shifts.copy()
        for i in range(len(shifts)):
            row, column = (off[i] + shifts).max() - shifts[i], (off[:, i] - shifts).max() + shifts[i]
            if max(row, column) > _NONE // 2:  # of the two, one may have no entries: it counts as the smallest there is
                shifts[i] += (max(row, lowest) - max(column, lowest)) // 2
        if np.array_equal(before, shifts):
            break
    return shifts
