"""Brackets of gains and norms against exact products: cancellation to any order, exponents across all floats."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.propagation import log_gain, log_norm
from tests.refimpl.propagation.exact import exact_product_of_floats, log_euclidean, log_of_float_norm

DRAWS = 60  # of each family


def integers(rng, rows, columns):
    return rng.integers(-3, 4, (rows, columns)).astype(float)


def shapes(rng):
    """Outputs and inputs of up to eight layers, two inputs first: the norm of two columns has a closed form."""
    widths = [2, *rng.integers(1, 4, rng.integers(1, 9))]
    return list(zip(widths[1:], widths[:-1], strict=True))


def of_integers(rng):
    return [integers(rng, *shape) for shape in shapes(rng)]


def of_any_exponents(rng):
    """Down to the smallest float, and up to a factor of 2^25 below the largest."""
    return [np.ldexp(integers(rng, *shape), rng.integers(-1074, 1000, shape)) for shape in shapes(rng)]


def of_rank_one(rng):
    return [integers(rng, rows, 1) @ integers(rng, 1, columns) * rng.normal() for rows, columns in shapes(rng)]


def shears_and_inverses(rng):
    kinds = [np.array([[1.0, s], [0.0, 1.0]]) for s in (5.0, -5.0, 0.3, -0.3)]
    return [kinds[i].T if transposed else kinds[i] for i, transposed in rng.integers(0, (4, 2), (8, 2))]


def rows_that_cancel_columns(rng):
    """Of decimals: what is left of the sum is their own rounding, and two such pairs are of second order."""
    column = rng.integers(1, 9, (3, 1)) / 10
    column[2] = -(column[0] + column[1])
    return [integers(rng, 1, 2), *[column, np.ones((1, 3))] * int(rng.integers(1, 4))]


def projections_that_cancel(rng):
    angle = rng.normal()
    along, across = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return [np.outer(along, along), np.outer(across, across)] * int(rng.integers(1, 4))


def small_beside_large(rng):
    """Rounded away in one factor and needed in a later one."""
    large = 2.0 ** int(rng.integers(40, 70))
    first = [np.array([[large, 1.0], [large, 0.0]]), np.array([[1.0, -1.0]])]
    return [*first, np.array([[large], [1.0], [-large]]), np.array([[1.0, 1.0, 1.0]])]


def diagonals_that_take_turns(rng):
    low, high = 2.0 ** -int(rng.integers(1, 1075)), 2.0 ** int(rng.integers(1, 1000))
    return [np.diag([high, low]), np.diag([low, high])] * int(rng.integers(1, 4))


def inverses(rng):
    matrix = rng.normal(size=(2, 2))
    return [matrix, np.linalg.inv(matrix)] * int(rng.integers(1, 5))


def jordan_blocks(rng):
    eigenvalue = rng.normal()
    return [np.array([[eigenvalue, 2.0 ** int(rng.integers(-300, 300))], [0.0, eigenvalue]])] * int(rng.integers(1, 20))


def nilpotent(rng):
    """(u v)(u v) with v u = 0 but for rounding."""
    x, y = rng.normal(size=2)
    return [np.array([[x * y, -x * x], [y * y, -x * y]])] * int(rng.integers(2, 6))


def graded(rng):
    """D M D^-1 and its like: rows and columns of very different sizes that fit each other."""
    sizes = np.ldexp(1.0, rng.integers(-500, 500, 2))
    return [integers(rng, 2, 2) * sizes[:, np.newaxis] / sizes for _ in range(6)]


FAMILIES = [
    of_integers,
    of_any_exponents,
    of_rank_one,
    shears_and_inverses,
    rows_that_cancel_columns,
    projections_that_cancel,
    small_beside_large,
    diagonals_that_take_turns,
    inverses,
    jordan_blocks,
    nilpotent,
    graded,
]


def assert_held(matrices, vector):
    start = vector[:, np.newaxis]
    product, exponent = exact_product_of_floats(matrices, start)
    of_start, of_exponent = exact_product_of_floats([], start)
    norm = log_of_float_norm(*exact_product_of_floats(matrices, np.eye(len(vector))))
    gain = -mpmath.inf
    if product.any():
        gain = log_euclidean(product) - log_euclidean(of_start) + (exponent - of_exponent) * mpmath.log(2)
    for found, exact in ((log_gain(matrices, vector), gain), (log_norm(matrices), norm)):
        assert found.lower <= exact <= found.upper


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_brackets_hold_exact_products(family):
    with mpmath.workdps(50):
        for draw in range(DRAWS):
            rng = np.random.default_rng(draw)
            matrices = family(rng)
            assert_held(matrices, np.ldexp(rng.choice([-3.0, 1.0, 2.0], 2), rng.integers(-1074, 1000, 2)))


@pytest.mark.parametrize(
    "family", [of_integers, of_any_exponents, shears_and_inverses, diagonals_that_take_turns, inverses]
)
def test_brackets_are_narrow_where_nothing_cancels_but_for_rounding(family):
    """Exponents cost nothing: the lower end is finite wherever the product differs from zero."""
    for draw in range(DRAWS):
        matrices = family(np.random.default_rng(draw))
        if exact_product_of_floats(matrices, np.eye(2))[0].any():
            found = log_norm(matrices)
            assert found.upper - found.lower < 1e-2


# --- what brackets once left out ---


def test_errors_of_two_layers_that_multiply_are_in_the_bracket():
    """The square of the rounding of a decimal: 2^-110 and some, of computed products zero."""
    column, row = np.array([[0.1], [0.2], [-0.30000000000000004]]), np.ones((1, 3))
    with mpmath.workdps(50):
        norm = log_of_float_norm(*exact_product_of_floats([column, row, column, row], np.eye(1)))
        assert -77 < norm < -76
        for found in (log_norm([column, row] * 2), log_gain([column, row] * 2, np.array([1.0]))):
            assert found.lower == -math.inf and norm <= found.upper < -50


@pytest.mark.parametrize("exponent", [600, 1000])
def test_entries_far_below_the_largest_are_kept(exponent):
    large, small = 2.0**exponent, 2.0**-exponent
    first, second = np.diag([large, small]), np.diag([small, large])
    loss = exponent * math.log(2)
    for found, exact in (
        (log_gain([first], np.array([0.0, 1.0])), -loss),
        (log_norm([first, second]), 0.0),
        (log_gain([np.array([[0.0, 1.0]])], np.array([large, small])), -2 * loss),
    ):
        assert found.lower <= exact <= found.upper and found.upper - found.lower < 1e-11


def test_the_upper_end_is_minus_infinity_for_products_that_are_zero_alone():
    down, up = np.diag([0.0, 2.0**-1000]), np.diag([2.0**-1000, 0.0])
    assert log_norm([down, up] * 3) == (-math.inf, -math.inf)
    assert log_norm([down] * 3).lower > -2100
    assert log_norm([np.ones((2, 1)), np.array([[1.0, -1.0]])]).upper > -math.inf
