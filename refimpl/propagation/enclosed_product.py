"""A product of given matrices, and how far off what float64 makes of it can be, whatever its depth and exponents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from refimpl.propagation.rounding import SMALLEST, gamma, rounding_of_product

_ZERO = -(2**60)  # the exponent of a row that is zero


class Sized(NamedTuple):
    """number * 2^exponent: a bound that may be far outside the range of floats."""

    number: float
    exponent: int


class EnclosedProduct(NamedTuple):
    """matrix * 2^exponent, off by at most `error` in the Frobenius norm; its largest entry is in [1/2, 1), or zero."""

    matrix: np.ndarray
    exponent: int
    error: Sized


class _Scaled(NamedTuple):
    """diag(2^exponents) @ matrix. Each row has its largest entry in [1/2, 1), or it is zero and its exponent _ZERO."""

    matrix: np.ndarray
    exponents: np.ndarray


class _Layer(NamedTuple):
    """W @ diag(2^of_inputs) @ below, with the first two as diag(2^of_outputs) @ weights."""

    weights: np.ndarray
    of_outputs: np.ndarray
    below: np.ndarray


def enclosed_product(matrices: list[np.ndarray], start: np.ndarray) -> EnclosedProduct:
    """matrices[-1] @ ... @ matrices[0] @ start.

    With F_l = W_l F_(l-1) + d_l for what is computed, its error is exactly the sum of A_l d_l, A_l = W_L ... W_(l+1)
    the exact product of the layers above, and ||A_l d||^2 = d^T K_l d for its Gram matrix K_l = A_l^T A_l.
    """
    factors = [_parts(matrix) for matrix in matrices]
    partial, layers = _scaled_rows(start, np.zeros(len(start), dtype=np.int64)), []
    for mantissas, exponents in factors:
        weights, of_outputs = _balanced(mantissas, exponents, partial.exponents)
        layers.append(_Layer(weights, of_outputs, partial.matrix))
        partial = _scaled_rows(weights @ partial.matrix, of_outputs)
    error = _summed(_magnified(run, grams) for run, grams in _runs(layers, _grams(factors)))
    exponent = int(partial.exponents.max())
    if exponent == _ZERO:
        return EnclosedProduct(partial.matrix, 0, error)
    return EnclosedProduct(_shifted(partial.matrix, partial.exponents - exponent), exponent, error)


def _parts(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mantissas in [1/2, 1) and exponents."""
    mantissas, exponents = np.frexp(matrix)
    return mantissas, np.where(mantissas == 0, _ZERO, exponents.astype(np.int64))


def _shifted(matrix: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """diag(2^exponents) @ matrix, of one or a stack."""
    return np.ldexp(matrix, np.clip(exponents, -4096, 4096).astype(np.intc)[..., np.newaxis])


def _scaled_rows(matrix: np.ndarray, exponents: np.ndarray) -> _Scaled:
    """diag(2^exponents) @ matrix."""
    largest, shifts = np.frexp(np.abs(matrix).max(axis=1))
    return _Scaled(np.ldexp(matrix, -shifts[:, np.newaxis]), np.where(largest == 0, _ZERO, exponents + shifts))


def _balanced(mantissas: np.ndarray, exponents: np.ndarray, of_inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W diag(2^of_inputs) as diag(2^of_outputs) @ weights, the largest of each row in [1/2, 1); and of_outputs.

    An entry below the smallest float becomes that or twice that: what is not zero never becomes zero.
    """
    shifts = exponents + of_inputs
    of_outputs = shifts.max(axis=1)
    shifts -= of_outputs[:, np.newaxis]
    return np.ldexp(mantissas, np.maximum(shifts, -1073).astype(np.intc)), of_outputs


def _grams(factors: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[_Scaled]:
    """For each layer from the last, a Gram matrix that is above that of the layers above it in the semidefinite order.

    It stays so at any depth: X <= Y makes W^T X W <= W^T Y W, and the rounding E of that has x^T E x <= |x|^T |E| |x|
    and |E| <= gamma p p^T for p = |W|^T diag(K)^(1/2), as |K_ij| <= (K_ii K_jj)^(1/2); so E <= n gamma diag(p^2).
    """
    outputs = len(factors[-1][0])
    gram = _Scaled(np.eye(outputs), np.zeros(outputs, dtype=np.int64))
    for mantissas, exponents in reversed(factors):
        yield gram
        transposed, of_inputs = _balanced(mantissas.T, exponents.T, gram.exponents)
        reach = np.abs(transposed) @ np.sqrt(gram.matrix.diagonal())
        found = transposed @ gram.matrix @ transposed.T
        found = (found + found.T) / 2
        inputs, outputs = transposed.shape
        diagonal = found.diagonal() + inputs * gamma(4 * outputs + 16) * reach**2
        found.ravel()[:: inputs + 1] = diagonal
        halves = (np.frexp(diagonal)[1] + 1) // 2
        scaled = np.ldexp(found, -(halves[:, np.newaxis] + halves))
        gram = _Scaled(scaled, np.where(diagonal == 0, _ZERO, of_inputs + halves))


_TOGETHER = 256  # layers in one stack: enough to be quick, few enough to be small


def _runs(layers: list[_Layer], grams: Iterator[_Scaled]) -> Iterator[tuple[_Layer, _Scaled]]:
    """Layers of one shape that follow each other, from the last, and their Gram matrices, in stacks."""
    numbered = enumerate(zip(reversed(layers), grams, strict=True))
    for _, run in groupby(numbered, lambda item: (item[0] // _TOGETHER, item[1][0].weights.shape)):
        own, of_own = zip(*(pair for _, pair in run), strict=True)
        yield _Layer(*map(np.stack, zip(*own, strict=True))), _Scaled(*map(np.stack, zip(*of_own, strict=True)))


def _magnified(layers: _Layer, grams: _Scaled) -> Sized:
    """A bound on the sum of Frobenius norms of A_l d_l, for A_l with A_l^T A_l <= K_l and the rounding d_l of a layer.

    That is the rounding of the product, of weights below the smallest float, and of scaling the rows of the result.
    """
    rounding = rounding_of_product(layers.weights, layers.below)
    rounding += 4 * layers.weights.shape[-1] * SMALLEST * (rounding > 0)
    rounding[grams.exponents == _ZERO] = 0.0
    exponents = grams.exponents + layers.of_outputs
    largest, sizes = np.frexp(rounding.max(axis=-1))
    highest = np.where(largest > 0, exponents + sizes, 2 * _ZERO).max(axis=-1)
    rounding = _shifted(rounding, exponents - highest[:, np.newaxis])
    squares = np.sum(np.abs(grams.matrix) @ rounding * rounding, axis=(-2, -1))
    norms = np.sqrt(squares) * (1 + gamma(4 * rounding[0].size + 16))
    return _summed(Sized(float(norm), int(exponent)) for norm, exponent in zip(norms, highest, strict=True))


def _summed(sizes: Iterable[Sized]) -> Sized:
    """A bound on their sum."""
    sizes = [size for size in sizes if size.number]
    highest = max((size.exponent for size in sizes), default=0)
    total = math.fsum(math.ldexp(size.number, max(size.exponent - highest, -4096)) for size in sizes)
    return Sized(total * (1 + gamma(4)), highest)
