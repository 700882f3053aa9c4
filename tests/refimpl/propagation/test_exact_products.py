"""Brackets of gains and norms against exact products: cancellation to any order, exponents across all floats."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.propagation import log_gain, log_norm
from tests.refimpl.propagation.adversarial_products import (
    FAMILIES,
    brackets,
    diagonals_that_take_turns,
    integer_matrices,
    inverses,
    matrices_of_any_exponents,
    shears_and_inverses,
)
from tests.refimpl.propagation.exact import exact_product_of_floats, log_of_float_norm

DRAWS = 60  # of each family; `make attack` takes thousands


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_brackets_hold_exact_products(family):
    for draw in range(DRAWS):
        for found, exact in brackets(family, draw):
            assert found.lower <= exact <= found.upper


@pytest.mark.parametrize(
    "family", [integer_matrices, matrices_of_any_exponents, shears_and_inverses, diagonals_that_take_turns, inverses]
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
