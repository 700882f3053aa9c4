"""Lyapunov exponents: growth of determinants, published values, simulation, singular factors."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.propagation import gaussian_growth, lyapunov_exponents, lyapunov_exponents_gaussian
from tests.refimpl.propagation.chi_square import chi_square_expectation

PER_LAYER = 1e-14  # the stated accuracy


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_exponents_add_up_to_the_growth_of_the_determinant(width):
    """|det W|^2 is a product of chi-squares of 1..n degrees of freedom; the largest exponent is the typical growth."""
    found = lyapunov_exponents_gaussian(width, 0.8)
    with mpmath.workdps(30):
        factor = mpmath.mpf(0.8) / width
        logs = sum(chi_square_expectation(k, lambda x: mpmath.log(factor * x) / 2) for k in range(1, width + 1))
        assert abs(math.fsum(found) - logs) <= width * PER_LAYER
    assert found.shape == (width,)
    assert found[0] == gaussian_growth(width, 0.8).typical
    assert (np.diff(found) < 0).all()


def test_exponents_of_published_widths():
    assert [f"{x:.4f}" for x in lyapunov_exponents_gaussian(3, 1.0)] == ["-0.1845", "-0.4913", "-1.1845"]
    assert [f"{x:.4f}" for x in lyapunov_exponents_gaussian(10, 1.0)[:3]] == ["-0.0517", "-0.1103", "-0.1767"]
    assert [f"{x:.4f}" for x in lyapunov_exponents_gaussian(2, 1.5)] == ["-0.0859", "-0.7790"]


def test_simulated_exponents_agree_with_the_closed_form_within_five_standard_errors():
    rng = np.random.default_rng(0)
    for width in (2, 5):
        found = lyapunov_exponents(lambda n=width: rng.normal(size=(n, n)) * math.sqrt(1.5 / n), 10_000)
        exact = lyapunov_exponents_gaussian(width, 1.5)
        assert (np.abs(found.value - exact) <= 5 * found.error).all()
        steps = math.sqrt(10_000 / gaussian_growth(width, 1.5).variance)  # increments of the first are independent
        assert 0.5 / steps <= found.error[0] <= 2 / steps


def test_simulated_exponents_of_a_fixed_matrix_are_those_of_its_eigenvalues():
    fixed = np.array([[2.0, 1.0], [1.0, 1.0]])
    found = lyapunov_exponents(lambda: fixed, 10_000)
    golden = math.log((3 + math.sqrt(5)) / 2)
    assert (np.abs(found.value - [golden, -golden]) <= 1 / 10_000).all()  # the start counts once
    assert (found.error <= 1 / 320).all()


def test_simulated_exponents_of_singular_factors_are_minus_infinity():
    found = lyapunov_exponents(lambda: np.diag([0.0, 3.0]), 320)
    assert found.value[1] == -math.inf and found.error[1] == 0
    assert abs(found.value[0] - math.log(3)) <= 1e-12


@pytest.mark.parametrize("matrix", [[[1.0, 3.0], [3.0, 9.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]])
def test_exponents_of_factors_that_are_singular_but_for_rounding_are_minus_infinity(matrix):
    """QR leaves some 1e-17 where exact elimination leaves nothing: the logarithm of rounding is not an exponent."""
    found = lyapunov_exponents(lambda: np.array(matrix), 320)
    assert found.value[-1] == -math.inf and found.error[-1] == 0
    assert np.isfinite(found.value[:-1]).all()


@pytest.mark.parametrize("matrix", [[[1.0, 1.0], [1.0, 1.0 + 2.0**-52]], [[0.0, 1.0], [0.0, 0.0]]])
def test_exponents_that_rounding_decides_on_are_refused(matrix):
    with pytest.raises(ValueError, match=r"draw\(\) number 0 is singular, or nearly so, and rounding decides"):
        lyapunov_exponents(lambda: np.array(matrix), 320)


def test_exponents_far_apart_are_not_taken_for_singular():
    found = lyapunov_exponents(lambda: np.diag([1e200, 1e-200]), 320)
    assert (np.abs(found.value - np.array([200, -200]) * math.log(10)) <= 1e-11).all()


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lyapunov_exponents_gaussian(2, "1"), TypeError, "variance must be a finite number > 0, got str '1'"),
        (lambda: lyapunov_exponents_gaussian(2**30, 1.0), ValueError, r"width must be an integer <= 2\^20"),
        (lambda: lyapunov_exponents(lambda: np.eye(2), 319), ValueError, "depth must be an integer >= 320, got 319"),
        (lambda: lyapunov_exponents(np.eye(2), 320), TypeError, "draw must be a function"),
        (lambda: lyapunov_exponents(lambda: np.ones((2, 3)), 320), ValueError, r"draw\(\) number 0 must be square"),
        (
            lambda: lyapunov_exponents(iter([np.eye(2), np.eye(3)]).__next__, 320),
            ValueError,
            r"draw\(\) number 1 has shape \(3, 3\), the first had \(2, 2\)",
        ),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
