"""Rounding bounds: of single operations against exact fractions, and how many units of roundoff brackets are wide.

A bracket must hold its number, and must not be wider than the analysis behind it: its width is counted by hand, for
matrices whose gain is exactly 1, so that nothing but the bound is left of the logarithm.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from refimpl.propagation import (
    joint_spectral_radius,
    log_gain,
    log_norm,
    log_singular_value_bounds,
    mean_log_singular_value,
    numerical_radius,
    spectral_radius,
)
from refimpl.propagation.rounding import (
    SMALLEST,
    UNIT_ROUNDOFF,
    gamma,
    lapack_rounding,
    product_rounding,
    rescaled,
)
from refimpl.propagation.spectra import _by_eigenvectors, _by_powers, _root

U = Fraction(1, 2**53)
HADAMARD = np.array([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2  # orthogonal, of norm 1

LAPACK_UNITS = (
    6  # units by which singular values of it, computed by one LAPACK or another, may themselves differ from 1
)


def units(distance):
    """A distance in units of roundoff, to the nearest whole one."""
    return round(Fraction(distance) / U)


def fractions(matrix):
    return [[Fraction(entry) for entry in row] for row in matrix.tolist()]


# --- single operations ---


def test_constants_are_those_of_float64():
    assert np.finfo(np.float64).eps / 2 == UNIT_ROUNDOFF
    assert np.nextafter(0.0, 1.0) == SMALLEST


@pytest.mark.parametrize("operations", [1, 2, 7, 10**6, 2**40, 2**52])
def test_gamma_is_its_fraction_within_2_ulp(operations):
    exact = Fraction(operations, 2**53 - operations)
    assert abs(Fraction(gamma(operations)) - exact) <= 2 * Fraction(np.spacing(float(exact)))


@pytest.mark.parametrize(
    ("largest", "exponent"), [(1.0, 1), (0.5, 0), (-0.75, 0), (6.0, 3), (2.0**-1074, -1073), (-(2.0**1000), 1001)]
)
def test_rescaling_takes_the_power_of_two_above_the_largest_entry(largest, exponent):
    scaled, found = rescaled(np.array([[largest / 4, 0.0], [largest, -largest / 2]]))
    assert found == exponent
    assert scaled[1, 0] == math.ldexp(largest, -exponent)
    assert 0.5 <= abs(scaled).max() < 1


def test_zeros_are_not_rescaled():
    scaled, exponent = rescaled(np.zeros((2, 3)))
    assert exponent == 0 and not scaled.any()


@pytest.mark.parametrize("scale", [1.0, 2.0**-530])  # products of the smaller ones underflow
def test_a_product_is_within_its_bound(scale):
    rng = np.random.default_rng(0)
    for inner in (1, 2, 3, 7):
        a, b = rng.normal(size=(5, inner)) * scale, rng.normal(size=(inner, 3)) * scale
        b[0, 0] = 0.0
        bound, found = product_rounding(a, b), fractions(a @ b)
        rows, columns = fractions(a), list(zip(*fractions(b), strict=True))
        for i in range(5):
            for j in range(3):
                exact = sum(x * y for x, y in zip(rows[i], columns[j], strict=True))
                assert abs(found[i][j] - exact) <= Fraction(bound[i, j])


def test_the_bound_of_a_product_is_gamma_of_twice_its_terms_and_four():
    """Three terms of 1: 3 * 10 u; and two of the smallest numbers for each term, alone where products underflow."""
    assert units(product_rounding(np.ones((2, 3)), -np.ones((3, 5)))[1, 4]) == 30
    tiny = 2.0**-600
    found = product_rounding(np.array([[tiny, 0.0, -tiny], [0.0, tiny, 0.0]]), np.array([[tiny], [0.0], [tiny]]))
    assert (found / SMALLEST).tolist() == [[4.0], [0.0]]
    stack = product_rounding(np.ones((2, 1, 2)), np.ones((2, 2, 1)))
    assert [units(bound) for bound in stack.ravel()] == [16, 16]


def test_the_bound_of_lapack_is_10_n_u_times_the_norm_of_the_largest_matrix():
    assert units(lapack_rounding(np.array([[3.0, 4.0]]))) == 10 * 2 * 5
    assert units(lapack_rounding(np.array([[3.0], [0.0], [4.0]]))) == 10 * 3 * 5
    assert units(lapack_rounding(np.stack([np.zeros((2, 2)), 8 * HADAMARD[:2, :2], HADAMARD[:2, :2]]))) == 160


# --- brackets of products ---


@pytest.mark.parametrize(
    ("matrices", "vector", "width"),
    [
        # gamma(12) / 2 in each of 4 entries: 12. gamma(4 * 4 + 4 * 4): 32. Of the logarithm: 4.
        ([np.eye(4)], np.ones(4), 12 + 32 + 4),
        ([np.eye(4)] * 2, np.ones(4), 2 * 12 + 32 + 4),
        # Norm 2, of 16 outputs: (24 + 2 * gamma(4 * 4 + 4 * 16)) / 2; the logarithms of 2 cancel: 4 * (1 + log 2).
        ([np.vstack([np.eye(4) / 2] * 4)], np.ones(4), round(12 + 80 + 4 * (1 + math.log(2)))),
    ],
)
def test_the_width_of_a_gain_is_the_one_counted_by_hand(matrices, vector, width):
    found = log_gain(matrices, vector)
    assert (units(-found.lower), units(found.upper)) == (width, width)


def test_logarithms_that_cancel_widen_a_gain_by_their_rounding():
    """A start of norm 2^k, and a matrix that takes it back: the logarithms are 100 log 2, their grid 2^7 units."""
    plain = log_gain([np.eye(4)], np.ones(4))
    shifted = log_gain([np.eye(4) * 2.0**100, np.eye(4) / 2.0**100], np.ones(4))
    assert plain.upper < shifted.upper and shifted.lower < plain.lower
    assert (units(-shifted.lower), units(shifted.upper)) == (60, 60)


@pytest.mark.parametrize(
    ("matrices", "width"),
    [
        ([HADAMARD], 24 + 80 + 4),  # gamma(12) / 2 in 16 entries; 10 * 4 times the Frobenius norm 2
        ([HADAMARD[:1]], 12 + 40 + 4),
        # The rounding of the first keeps its norm, 24; |H| |H| has entries 1: gamma(12) in 16 of them. The product is
        # the identity, 1/2 as it is scaled.
        ([HADAMARD, HADAMARD], 24 + 48 + 80 + 4 * (1 + math.log(2))),
    ],
)
def test_the_width_of_a_norm_is_the_one_counted_by_hand(matrices, width):
    found = log_norm(matrices)
    assert abs(units(-found.lower) - width) < LAPACK_UNITS
    assert abs(units(found.upper) - width) < LAPACK_UNITS


@pytest.mark.parametrize("bounds", [log_singular_value_bounds, mean_log_singular_value])
def test_the_width_of_sums_of_logarithms_is_the_one_counted_by_hand(bounds):
    """10 * 4 times the Frobenius norm 2, for each matrix; 4 for each unit of the magnitudes that are summed."""
    for matrices, width in (([HADAMARD], 80), ([8 * HADAMARD, HADAMARD / 8], 2 * 80 + 4 * 2 * math.log(8))):
        found = bounds(matrices)
        assert abs(units(-found.lower) - width) < LAPACK_UNITS
        assert abs(units(found.upper) - width) < LAPACK_UNITS


# --- brackets of spectra ---


def test_discs_around_exact_eigenvalues_have_the_radius_counted_by_hand():
    found = _by_eigenvectors(np.array([[0.5]]), np.zeros((1, 1)))  # gamma(24) * (1/2 + 1/2), and 4 of the modulus
    assert (units(0.5 - found.lower), units(found.upper - 0.5)) == (26, 26)
    found = _by_eigenvectors(np.diag([0.25, 0.5]), np.zeros((2, 2)))  # gamma(32) * (1/2 + 1/2)
    assert (units(0.5 - found.lower), units(found.upper - 0.5)) == (34, 34)


@pytest.mark.parametrize(
    ("diagonal", "lower", "upper"),
    [
        ([0.5, 0.25], 0.5 - 1 / 64, 0.5 + 1 / 64),
        ([0.25, -0.5], 0.5 - 1 / 64, 0.5 + 1 / 64),
        ([0.5, 0.5 - 1 / 64], 0.5 - 2 / 64, 0.5 + 1 / 64),  # discs that meet hold two eigenvalues, anywhere
        ([0.5 - 1 / 64, 0.5], 0.5 - 2 / 64, 0.5 + 1 / 64),
        ([0.5, 0.5 - 3 / 64], 0.5 - 1 / 64, 0.5 + 1 / 64),
        ([1 / 128, 1 / 256], 0.0, 3 / 128),
    ],
)
def test_an_error_of_the_entries_moves_eigenvalues_by_its_row_sums(diagonal, lower, upper):
    found = _by_eigenvectors(np.diag(diagonal), np.full((2, 2), 1 / 128))
    assert 0 <= lower - found.lower <= 64 * UNIT_ROUNDOFF or found.lower == lower == 0
    assert 0 <= found.upper - upper <= 64 * UNIT_ROUNDOFF


def test_discs_say_nothing_where_rounding_may_have_made_eigenvectors_dependent():
    """The computed inverse is one to about 1/2, as it happens; what rounding may make of it exceeds 10."""
    basis = np.tril(np.full((6, 6), 5.0), -1) + np.eye(6)
    blocks = np.diag(0.5 - 1e-5 * np.arange(6)) + np.diag([0.25] * 5, 1)
    matrix = np.round(np.linalg.inv(basis)) @ blocks @ basis / 64
    assert _by_eigenvectors(matrix, np.zeros((6, 6))) == (0, math.inf)


def test_powers_of_one_bound_it_by_the_widths_counted_by_hand():
    """Trace: gamma(2); norm: gamma(5); the root: 8 * 4. Above 1 numbers are two units apart."""
    found = _by_powers(np.array([[1.0]]), np.zeros((1, 1)))
    assert units(1 - found.lower) == 2 + 32
    assert units(found.upper - 1) in (5 + 32 - 1, 5 + 32 + 1)
    found = _by_powers(np.eye(4), np.zeros((4, 4)))
    assert units(1 - found.lower) == 8 + 32


def test_an_error_of_the_entries_moves_traces_and_norms():
    found = _by_powers(np.diag([0.5, 0.5]), np.diag([1 / 16, 1 / 32]))
    assert 0 <= 0.5 - 3 / 64 - found.lower <= 64 * UNIT_ROUNDOFF  # the mean of the diagonal
    assert 0.5 + 1 / 16 <= found.upper < math.hypot(9 / 16, 17 / 32)  # later powers do better than the norm


def test_a_root_is_rounded_outward_by_8_for_each_unit_of_its_logarithm_and_4():
    assert (units(_root(1.0, 0, 1, +1) - 1), units(1 - _root(1.0, 0, 1, -1))) == (32, 32)
    assert (_root(0.0, 5, 3, +1), _root(0.0, 5, 3, -1)) == (0, 0)
    for mantissa, exponent, k in ((0.75, 2000, 4), (0.5, -3000, 7), (1.5, 60, 2), (1e300, 0, 3)):
        exact = Fraction(mantissa) * Fraction(2) ** exponent
        below, above = (Fraction(_root(mantissa, exponent, k, sign)) for sign in (-1, 1))
        assert below**k < exact < above**k
        size = 4 + abs(math.log(exact.numerator) - math.log(exact.denominator)) / k + abs(exponent) / k
        assert (above - below) / above <= 2 * 9 * math.ceil(size) * U
        assert (above - below) / above >= 2 * 7 * math.floor(size) * U


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_spectral_radius_of_the_identity_is_as_wide_as_its_trace(size):
    assert units(1 - spectral_radius(np.eye(size)).lower) <= 2 * size + 2 * (32 + 8)


def test_the_width_of_a_numerical_radius_is_the_one_counted_by_hand():
    """Of 1: twice 10 for LAPACK, and 2^-40 for the angles. The field of values is a point: nothing is in between."""
    found = numerical_radius(np.array([[1.0]]))
    assert (units(1 - found.lower), units(found.upper - 1)) == (20, 2**13 + 20)


def test_the_width_of_a_joint_spectral_radius_of_single_letters_is_the_one_counted_by_hand():
    """Above: 10 * 2 times the Frobenius norm, sqrt 2, and 8. Below: that of the trace of the better letter, and 8."""
    letters = [np.eye(2), np.eye(2) / 2]
    found, best = joint_spectral_radius(letters, 1), spectral_radius(np.eye(2))
    assert units(found.upper - 1) // 2 == round(10 * 2 * math.sqrt(2) + 8) // 2
    assert units(best.lower - found.lower) in (7, 8, 9)
