"""Adversarial products of matrices by families: cancellation to any order, exponents across all floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import mpmath
import numpy as np

from refimpl.propagation import Bracket, log_gain, log_norm
from tests.refimpl.propagation.exact import DIGITS, exact_product_of_floats, log_euclidean, log_of_float_norm

Matrices = list[np.ndarray]


def integers(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.integers(-3, 4, (rows, columns)).astype(float)


def shapes(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Outputs and inputs of up to eight layers, two inputs first: the norm of two columns has a closed form."""
    widths = [2, *rng.integers(1, 4, rng.integers(1, 9))]
    return list(zip(widths[1:], widths[:-1], strict=True))


def integer_matrices(rng: np.random.Generator) -> Matrices:
    return [integers(rng, *shape) for shape in shapes(rng)]


def matrices_of_any_exponents(rng: np.random.Generator) -> Matrices:
    """Down to the smallest float, and up to a factor of 2^25 below the largest."""
    return [np.ldexp(integers(rng, *shape), rng.integers(-1074, 1000, shape)) for shape in shapes(rng)]


def matrices_of_rank_one(rng: np.random.Generator) -> Matrices:
    return [integers(rng, rows, 1) @ integers(rng, 1, columns) * rng.normal() for rows, columns in shapes(rng)]


def shears_and_inverses(rng: np.random.Generator) -> Matrices:
    kinds = [np.array([[1.0, s], [0.0, 1.0]]) for s in (5.0, -5.0, 0.3, -0.3)]
    return [kinds[i].T if transposed else kinds[i] for i, transposed in rng.integers(0, (4, 2), (8, 2))]


def rows_that_cancel_columns(rng: np.random.Generator) -> Matrices:
    """Of decimals: what is left of the sum is their own rounding, and two such pairs are of second order."""
    column = rng.integers(1, 9, (3, 1)) / 10
    column[2] = -(column[0] + column[1])
    return [integers(rng, 1, 2), *[column, np.ones((1, 3))] * int(rng.integers(1, 4))]


def projections_that_cancel(rng: np.random.Generator) -> Matrices:
    angle = rng.normal()
    along, across = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return [np.outer(along, along), np.outer(across, across)] * int(rng.integers(1, 4))


def small_next_to_large(rng: np.random.Generator) -> Matrices:
    """Rounded away in one factor and needed in a later one."""
    large = 2.0 ** int(rng.integers(40, 70))
    first = [np.array([[large, 1.0], [large, 0.0]]), np.array([[1.0, -1.0]])]
    return [*first, np.array([[large], [1.0], [-large]]), np.array([[1.0, 1.0, 1.0]])]


def diagonals_that_take_turns(rng: np.random.Generator) -> Matrices:
    low, high = 2.0 ** -int(rng.integers(1, 1075)), 2.0 ** int(rng.integers(1, 1000))
    return [np.diag([high, low]), np.diag([low, high])] * int(rng.integers(1, 4))


def inverses(rng: np.random.Generator) -> Matrices:
    matrix = rng.normal(size=(2, 2))
    return [matrix, np.linalg.inv(matrix)] * int(rng.integers(1, 5))


def jordan_blocks(rng: np.random.Generator) -> Matrices:
    eigenvalue = rng.normal()
    return [np.array([[eigenvalue, 2.0 ** int(rng.integers(-300, 300))], [0.0, eigenvalue]])] * int(rng.integers(1, 20))


def nilpotent(rng: np.random.Generator) -> Matrices:
    """(u v)(u v) with v u = 0 but for rounding."""
    x, y = rng.normal(size=2)
    return [np.array([[x * y, -x * x], [y * y, -x * y]])] * int(rng.integers(2, 6))


def graded(rng: np.random.Generator) -> Matrices:
    """D M D^-1 and its like: rows and columns of very different sizes that fit each other."""
    sizes = np.ldexp(1.0, rng.integers(-500, 500, 2))
    return [integers(rng, 2, 2) * sizes[:, np.newaxis] / sizes for _ in range(6)]


FAMILIES = [
    integer_matrices,
    matrices_of_any_exponents,
    matrices_of_rank_one,
    shears_and_inverses,
    rows_that_cancel_columns,
    projections_that_cancel,
    small_next_to_large,
    diagonals_that_take_turns,
    inverses,
    jordan_blocks,
    nilpotent,
    graded,
]


def brackets(family: Callable[[np.random.Generator], Matrices], draw: int) -> Iterator[tuple[Bracket, mpmath.mpf]]:
    """Of one draw of a family, the brackets of gain and norm, each with the exact number."""
    rng = np.random.default_rng(draw)
    matrices = family(rng)
    vector = np.ldexp(rng.choice([-3.0, 1.0, 2.0], 2), rng.integers(-1074, 1000, 2))
    start = vector[:, np.newaxis]
    with mpmath.workdps(DIGITS):
        product, exponent = exact_product_of_floats(matrices, start)
        start_integers, start_exponent = exact_product_of_floats([], start)
        gain = -mpmath.inf
        if product.any():
            gain = log_euclidean(product) - log_euclidean(start_integers) + (exponent - start_exponent) * mpmath.log(2)
        yield log_gain(matrices, vector), gain
        yield log_norm(matrices), log_of_float_norm(*exact_product_of_floats(matrices, np.eye(len(vector))))
