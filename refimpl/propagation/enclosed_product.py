"""A product of given matrices with a bound on the error of computing it in float64, at any depth and any exponents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from refimpl.propagation.rounding import SMALLEST, gamma, product_rounding
from refimpl.types import Float64Array, Int64Array

_ZERO = -(2**60)  # the exponent of a row that is zero


class Scaled(NamedTuple):
    """number * 2^exponent, which may be far outside the range of floats."""

    number: float
    exponent: int


class EnclosedProduct(NamedTuple):
    """matrix * 2^exponent, with an error of at most `error` in the Frobenius norm.

    The largest entry of the matrix is in [1/2, 1), or the matrix is zero.
    """

    matrix: Float64Array
    exponent: int
    error: Scaled


class _ScaledRows(NamedTuple):
    """diag(2^exponents) @ matrix, one or a stack.

    Each row of the matrix has its largest entry in [1/2, 1), or the row is zero and its exponent _ZERO.
    """

    matrix: Float64Array
    exponents: Int64Array


class _Layer(NamedTuple):
    """The product diag(2^output_exponents) @ weights @ below of one layer and the product of those below it."""

    weights: Float64Array
    output_exponents: Int64Array
    below: Float64Array


def enclosed_product(matrices: list[Float64Array], start: Float64Array) -> EnclosedProduct:
    """matrices[-1] @ ... @ matrices[0] @ start.

    With F_l = W_l F_(l-1) + d_l for what is computed, its error is exactly the sum of A_l d_l, A_l = W_L ... W_(l+1)
    the exact product of the layers above, and ||A_l d||^2 = d^T K_l d for its Gram matrix K_l = A_l^T A_l.
    """
    factors = [_parts(matrix) for matrix in matrices]
    product, layers = _scaled_rows(start, np.zeros(len(start), dtype=np.int64)), []
    for mantissas, exponents in factors:
        weights, output_exponents = _scaled_weights(mantissas, exponents, product.exponents)
        layers.append(_Layer(weights, output_exponents, product.matrix))
        product = _scaled_rows(weights @ product.matrix, output_exponents)
    error = _sum_above(_error_of_layers(stack, grams) for stack, grams in _stacks(layers, _grams(factors)))
    exponent = int(product.exponents.max())
    if exponent == _ZERO:
        return EnclosedProduct(product.matrix, 0, error)
    return EnclosedProduct(_with_row_exponents(product.matrix, product.exponents - exponent), exponent, error)


def _parts(matrix: Float64Array) -> tuple[Float64Array, Int64Array]:
    """Mantissas in [1/2, 1) and exponents."""
    mantissas, exponents = np.frexp(matrix)
    return mantissas, np.where(mantissas == 0, _ZERO, exponents.astype(np.int64))


def _with_row_exponents(matrix: Float64Array, exponents: Int64Array) -> Float64Array:
    """diag(2^exponents) @ matrix as floats, one or a stack."""
    return np.ldexp(matrix, np.clip(exponents, -4096, 4096).astype(np.intc)[..., np.newaxis])


def _scaled_rows(matrix: Float64Array, exponents: Int64Array) -> _ScaledRows:
    """diag(2^exponents) @ matrix with scaled rows."""
    largest, shifts = np.frexp(np.abs(matrix).max(axis=1))
    return _ScaledRows(np.ldexp(matrix, -shifts[:, np.newaxis]), np.where(largest == 0, _ZERO, exponents + shifts))


def _scaled_weights(
    mantissas: Float64Array, exponents: Int64Array, input_exponents: Int64Array
) -> tuple[Float64Array, Int64Array]:
    """W diag(2^input_exponents) as diag(2^output_exponents) @ weights: the weights, and output_exponents.

    The largest weight of each row is in [1/2, 1). An entry below the smallest float becomes that float or twice it:
    no entry that differs from zero becomes zero.
    """
    shifts = exponents + input_exponents
    output_exponents = shifts.max(axis=1)
    shifts -= output_exponents[:, np.newaxis]
    return np.ldexp(mantissas, np.maximum(shifts, -1073).astype(np.intc)), output_exponents


def _grams(factors: list[tuple[Float64Array, Int64Array]]) -> Iterator[_ScaledRows]:
    """For each layer from the last, an upper bound on the Gram matrix of the layers above it.

    The bound is in the semidefinite order. It remains one at any depth: X <= Y makes W^T X W <= W^T Y W, and the
    rounding E of that has x^T E x <= |x|^T |E| |x| and |E| <= gamma p p^T for p = |W|^T diag(K)^(1/2), as |K_ij| <=
    (K_ii K_jj)^(1/2); so E <= n gamma diag(p^2).
    """
    outputs = len(factors[-1][0])
    gram = _ScaledRows(np.eye(outputs), np.zeros(outputs, dtype=np.int64))
    for mantissas, exponents in reversed(factors):
        yield gram
        transposed, input_exponents = _scaled_weights(mantissas.T, exponents.T, gram.exponents)
        reach = np.abs(transposed) @ np.sqrt(gram.matrix.diagonal())
        product = transposed @ gram.matrix @ transposed.T
        product = (product + product.T) / 2
        inputs, outputs = transposed.shape
        diagonal = product.diagonal() + inputs * gamma(4 * outputs + 16) * reach**2
        product.ravel()[:: inputs + 1] = diagonal
        halves = (np.frexp(diagonal)[1] + 1) // 2
        scaled = np.ldexp(product, -(halves[:, np.newaxis] + halves))
        gram = _ScaledRows(scaled, np.where(diagonal == 0, _ZERO, input_exponents + halves))


_TOGETHER = 256  # layers in one stack: enough to be quick, few enough to be small


def _stacks(layers: list[_Layer], grams: Iterator[_ScaledRows]) -> Iterator[tuple[_Layer, _ScaledRows]]:
    """Successive layers of one shape, from the last, and their Gram matrices, as stacks."""
    numbered = enumerate(zip(reversed(layers), grams, strict=True))
    for _, run in groupby(numbered, lambda item: (item[0] // _TOGETHER, item[1][0].weights.shape)):
        layers_of_run, grams_of_run = zip(*(pair for _, pair in run), strict=True)
        stacked = _Layer(*map(np.stack, zip(*layers_of_run, strict=True)))
        yield stacked, _ScaledRows(*map(np.stack, zip(*grams_of_run, strict=True)))


def _error_of_layers(layers: _Layer, grams: _ScaledRows) -> Scaled:
    """A bound on the sum of Frobenius norms of A_l d_l, for A_l with A_l^T A_l <= K_l and the rounding d_l of a layer.

    d_l is the rounding of the product, of weights below the smallest float, and of scaling the rows of the result.
    """
    rounding = product_rounding(layers.weights, layers.below)
    rounding += 4 * layers.weights.shape[-1] * SMALLEST * (rounding > 0)
    rounding[grams.exponents == _ZERO] = 0.0
    exponents = grams.exponents + layers.output_exponents
    largest, shifts = np.frexp(rounding.max(axis=-1))
    highest = np.where(largest > 0, exponents + shifts, 2 * _ZERO).max(axis=-1)
    rounding = _with_row_exponents(rounding, exponents - highest[:, np.newaxis])
    squares = np.sum(np.abs(grams.matrix) @ rounding * rounding, axis=(-2, -1))
    norms = np.sqrt(squares) * (1 + gamma(4 * rounding[0].size + 16))
    return _sum_above(Scaled(float(norm), int(exponent)) for norm, exponent in zip(norms, highest, strict=True))


def _sum_above(addends: Iterable[Scaled]) -> Scaled:
    """An upper bound on the sum of numbers >= 0."""
    nonzero = [addend for addend in addends if addend.number]
    highest = max((addend.exponent for addend in nonzero), default=0)
    total = math.fsum(math.ldexp(addend.number, max(addend.exponent - highest, -4096)) for addend in nonzero)
    return Scaled(total * (1 + gamma(4)), highest)
