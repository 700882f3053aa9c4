"""Scaling of square matrices by powers of two, and by a diagonal similarity where entries are too far apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from refimpl.propagation.rounding import SMALLEST, Enclosure, rescaled
from refimpl.types import Float64Array, Int64Array

_SWEEPS = 64
_NONE = -(2**40)  # the exponent of a zero


class Balanced(NamedTuple):
    """Matrices D^-1 A D and the exponents of the diagonal D, whose entries are powers of two.

    No product of the matrices changes its eigenvalues by this similarity. The largest entry of `enclosure.matrix` is
    in [1/2, 1).
    """

    enclosure: Enclosure
    diagonal_exponents: Int64Array


def scaled_or_balanced(matrices: Float64Array) -> Enclosure:
    """`matrices`, one or a stack, scaled by one power of two, or as `balanced` where an entry then is not a float."""
    scaled, exponent = rescaled(matrices)
    if np.array_equal(np.ldexp(scaled, exponent), matrices):
        return Enclosure(scaled, np.zeros_like(scaled), exponent)
    return balanced(matrices).enclosure


def balanced(matrices: Float64Array) -> Balanced:
    """`matrices`, one or a stack, with one D for all that brings rows and columns to similar size (Osborne 1960)."""
    mantissas, exponents = np.frexp(matrices)
    if not mantissas.any():
        zeros = Enclosure(matrices, np.zeros_like(matrices), 0)
        return Balanced(zeros, np.zeros(matrices.shape[-1], dtype=np.int64))
    exponents = exponents.astype(np.int64)
    shifts = _diagonal_exponents(
        np.where(mantissas == 0, _NONE, exponents).reshape(-1, *matrices.shape[-2:]).max(axis=0)
    )
    exponents += shifts - shifts[:, np.newaxis]
    exponent = int(exponents[mantissas != 0].max())
    exponents = np.clip(exponents - exponent, -4096, 0).astype(np.intc)
    scaled = np.ldexp(mantissas, exponents)
    rounded = np.ldexp(scaled, -np.maximum(exponents, -1074)) != mantissas
    return Balanced(Enclosure(scaled, SMALLEST * rounded, exponent), shifts)


def _diagonal_exponents(exponents: Int64Array) -> Int64Array:
    """The exponents of D: each row of D^-1 A D is about as large as its column, the diagonal left out."""
    lowest = int(exponents[exponents > _NONE].min())
    shifts, off = np.zeros(len(exponents), dtype=np.int64), np.where(np.eye(len(exponents)) == 1, _NONE, exponents)
    for _ in range(_SWEEPS):
        before = shifts.copy()
        for i in range(len(shifts)):
            row, column = (off[i] + shifts).max() - shifts[i], (off[:, i] - shifts).max() + shifts[i]
            if max(row, column) > _NONE // 2:  # a row or column without entries counts as the smallest there is
                shifts[i] += (max(row, lowest) - max(column, lowest)) // 2
        if np.array_equal(before, shifts):
            break
    return shifts
