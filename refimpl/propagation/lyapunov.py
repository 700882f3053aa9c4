"""Lyapunov exponents of random products of matrices: in closed form for Gaussian weights, and by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from refimpl.propagation.accuracy import Estimate
from refimpl.propagation.arguments import LARGEST_WIDTH, number, square_matrix, whole_number
from refimpl.propagation.exact_decisions import rank
from refimpl.propagation.polygamma import digamma
from refimpl.propagation.rounding import lapack_rounding, rescaled
from refimpl.types import ArrayLike, Float64Array


def lyapunov_exponents_gaussian(width: int, variance: float) -> Float64Array:
    """All exponents of products of square matrices of iid N(0, variance / width), the largest first: shape (width,).

    (log(2 variance / n) + psi((n - i + 1) / 2)) / 2 for i = 1..n (Newman 1986); errors as those of `Growth`.
    Raises TypeError or ValueError unless 1 <= width <= 2^20 and variance > 0.
    """
    n, variance = whole_number("width", width, at_most=LARGEST_WIDTH), number("variance", variance, above=0)
    return np.array([(math.log(variance) - math.log(n / 2) + digamma((n - i) / 2)) / 2 for i in range(n)])


_BATCHES = 32
_TOGETHER = 256  # steps whose factors are checked for singular ones together
_HEADROOM = 500  # the exponent of the largest entry: squares of it are floats, and so are those of far smaller ones


def lyapunov_exponents(draw: Callable[[], ArrayLike], depth: int) -> Estimate[Float64Array]:
    """Exponents of the product of `depth` (>= 320) random square matrices, the largest first: shape (n,).

    draw: a function without arguments that returns the next matrix, shape (n, n). The product is made orthogonal by QR
    at each step (Benettin et al. 1980), so that nothing overflows at any depth. error: the standard error from 32
    batches of steps; the start adds a bias of the order of 1 / depth. Where a factor is singular, the last exponents
    are -inf with error 0, as many as the lowest rank leaves, by exact elimination.

    Raises TypeError or ValueError unless depth >= 320 and factors are real, finite and square, of one shape. Raises
    ValueError where rounding decides whether a factor is singular, or which exponents are -inf.
    """
    depth = whole_number("depth", depth, at_least=10 * _BATCHES)
    if not callable(draw):
        raise TypeError(f"draw must be a function without arguments that returns a matrix, got {type(draw).__name__}")
    increments = np.concatenate(list(_increments(draw, depth)))
    value = increments.mean(axis=0)
    means = np.array([batch.mean(axis=0) for batch in np.array_split(increments, _BATCHES)])
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(value), means.std(axis=0, ddof=1) / math.sqrt(_BATCHES), 0.0)
    order = np.argsort(-value, kind="stable")
    return Estimate(value[order], error[order])


def _increments(draw: Callable[[], ArrayLike], depth: int) -> Iterator[Float64Array]:
    """Logarithms of the diagonal of R, of shape (steps, n), for some steps at a time."""
    q = None
    for first in range(0, depth, _TOGETHER):
        matrices, exponents, diagonals = [], [], []
        for step in range(first, min(first + _TOGETHER, depth)):
            matrix = square_matrix(f"draw() number {step}", draw())
            if q is not None and matrix.shape != q.shape:
                raise ValueError(f"draw() number {step} has shape {matrix.shape}, the first had {q.shape}")
            exponents.append(rescaled(matrix)[1] - _HEADROOM)
            matrices.append(np.ldexp(matrix, -exponents[-1]))
            q, r = np.linalg.qr(matrices[-1] if q is None else matrices[-1] @ q)
            diagonals.append(np.abs(np.diagonal(r)))
        with np.errstate(divide="ignore"):
            logarithms = np.log(_without_rounding(np.array(matrices), np.array(diagonals), first))
        yield logarithms + np.array(exponents)[:, np.newaxis] * math.log(2)


def _without_rounding(matrices: Float64Array, diagonals: Float64Array, first: int) -> Float64Array:
    """Diagonals of R, with 0 in place of the entries of a singular matrix that are nothing but rounding."""
    rows = np.ldexp(matrices, -np.frexp(np.abs(matrices).max(axis=2, keepdims=True))[1])
    even = np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1, keepdims=True))[1])  # scaling keeps the rank
    smallest = np.linalg.svd(even, compute_uv=False)[:, -1]
    surely_regular = (smallest > lapack_rounding(even)) & (diagonals > 0).all(axis=1)
    cleared = diagonals.copy()
    for i in np.flatnonzero(~surely_regular):
        lost = np.argsort(diagonals[i])[: len(diagonals[i]) - rank(matrices[i])]
        cleared[i, lost] = 0.0
        unsure = 4 * len(diagonals[i]) * lapack_rounding(matrices[i])
        if len(lost) == 0 or (diagonals[i, lost] > unsure).any() or (np.delete(diagonals[i], lost) <= unsure).any():
            raise ValueError(
                f"draw() number {first + i} is singular, or nearly so, and rounding decides on which exponents are "
                "-inf: take factors that are well conditioned, or plainly singular"
            )
    return cleared
