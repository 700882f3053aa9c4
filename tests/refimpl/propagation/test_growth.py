"""Growth through random layers: integrals to 30 digits, gates enumerated in fractions, published values."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.propagation import (
    critical_variance,
    dead_probability,
    gaussian_growth,
    log_fourth_moment_of_relu_cotangent,
    lyapunov_exponents_gaussian,
    relu_growth,
)
from tests.refimpl.propagation.chi_square import chi_square_expectation

PER_LAYER = 1e-14  # the stated accuracy


# --- linear layers ---


@pytest.mark.parametrize("width", [1, 2, 3, 7, 20])
def test_gaussian_growth_is_that_of_chi_square(width):
    variance = 1.7
    found = gaussian_growth(width, variance)
    with mpmath.workdps(30):
        factor = mpmath.mpf(variance) / width
        mean = chi_square_expectation(width, lambda x: mpmath.log(factor * x) / 2)
        exact = [
            mpmath.log(chi_square_expectation(width, lambda x: factor * x)),
            mpmath.log(chi_square_expectation(width, lambda x: (factor * x) ** 2)),
            mean,
            chi_square_expectation(width, lambda x: (mpmath.log(factor * x) / 2 - mean) ** 2),
        ]
        assert all(abs(a - b) <= PER_LAYER for a, b in zip(found, exact, strict=True))


def test_growth_adds_over_layers():
    one, many = gaussian_growth(8, 1.0), gaussian_growth(8, 1.0).over(20)
    assert (f"{2 * many.typical:.4f}", f"{4 * many.variance:.3f}") == ("-2.6035", "5.676")
    assert many.typical == 20 * one.typical


def test_mean_square_explodes_where_almost_every_product_vanishes():
    assert gaussian_growth(2, 1.5).mean_square > 0 > gaussian_growth(2, 1.5).typical
    assert f"{math.exp(gaussian_growth(2, 1.5).typical * 2):.3f}" == "0.842"


def test_critical_variance_of_width_two_is_the_exponential_of_eulers_constant():
    """psi(1) = -gamma, psi(1/2) = -gamma - 2 log 2."""
    with mpmath.workdps(30):
        assert abs(critical_variance(2) - mpmath.exp(mpmath.euler)) <= 1e-14 * critical_variance(2)
        assert abs(critical_variance(1) - 2 * mpmath.exp(mpmath.euler)) <= 1e-14 * critical_variance(1)
    assert [f"{critical_variance(n):.5f}" for n in (2, 3, 10, 100)] == ["1.78107", "1.44625", "1.10885", "1.01008"]
    assert abs(gaussian_growth(5, critical_variance(5)).typical) <= PER_LAYER


@pytest.mark.parametrize("variance", [1e-300, 5e-324, 1e300])
@pytest.mark.parametrize("width", [1, 7, 2**20])
def test_growth_at_extreme_variances_are_as_accurate_as_stated(width, variance):
    with mpmath.workdps(40):
        log, half = mpmath.log(mpmath.mpf(variance)), mpmath.mpf(width) / 2
        stated = max(PER_LAYER, 1e-15 * abs(float(log)))
        typical = (log - mpmath.log(half) + mpmath.digamma(half)) / 2
        gaussian = gaussian_growth(width, variance)
        for found, exact in ((gaussian.mean_square, log), (gaussian.typical, typical)):
            assert abs(found - exact) <= stated
        if width < 10:
            assert abs(relu_growth(width, variance).mean_square - (log - mpmath.log(2))) <= stated
            assert abs(lyapunov_exponents_gaussian(width, variance)[0] - typical) <= stated


# --- ReLU ---


@pytest.mark.parametrize("width", [1, 2, 5])
def test_relu_growth_is_that_of_chi_square_of_the_open_gates(width):
    found, variance = relu_growth(width, 1.7), 1.7
    with mpmath.workdps(30):
        factor, alive = mpmath.mpf(variance) / width, 2**width - 1
        open_gates = [(math.comb(width, k), k) for k in range(1, width + 1)]

        def expected(function):
            return sum(ways * chi_square_expectation(k, function) for ways, k in open_gates)

        mean = expected(lambda x: mpmath.log(factor * x) / 2) / alive
        exact = [
            mpmath.log(expected(lambda x: factor * x) / (alive + 1)),
            mpmath.log(expected(lambda x: (factor * x) ** 2) / (alive + 1)),
            mean,
            expected(lambda x: (mpmath.log(factor * x) / 2 - mean) ** 2) / alive,
        ]
        assert all(abs(a - b) <= PER_LAYER for a, b in zip(found, exact, strict=True))


def test_relu_growth_of_published_widths():
    drifts = [f"{2 * relu_growth(n).typical:.6f}" for n in (4, 16, 64, 256)]
    assert drifts == ["-0.716573", "-0.176397", "-0.040109", "-0.009829"]
    assert f"{math.exp(relu_growth(4).over(3).fourth_moment):.3f}" == "11.391"


def test_relu_growth_of_ten_thousand_units_is_that_of_its_expansion():
    """-5 / (4 n) + O(1 / n^2), by moments of chi^2 over the binomial."""
    n = 10_000
    found = relu_growth(n)
    assert abs(found.typical + 5 / (4 * n)) <= 10 / n**2
    assert abs(found.variance - 5 / (4 * n)) <= 10 / n**2


@pytest.mark.parametrize("variance", [2.0, 1.5])
@pytest.mark.parametrize("cotangent", [(1.0, 0.0, 0.0, 0.0), (1.0, -2.0, 3.0), (5.0,)])
def test_fourth_moment_of_a_cotangent_is_that_over_all_gates(cotangent, variance):
    """E ||W^T D d||^4 = s^4 n (n + 2) E ||D d||^4, and below it d is Gaussian: E ||D g||^4 / E ||g||^4 over gates."""
    n, scale = len(cotangent), Fraction(variance) / len(cotangent)
    gates = list(itertools.product((0, 1), repeat=n))
    squares = [Fraction(d) ** 2 for d in cotangent]
    first = sum(sum(g * s for g, s in zip(gate, squares, strict=True)) ** 2 for gate in gates) / Fraction(len(gates))
    gaussian_ratio = Fraction(sum(sum(gate) * (sum(gate) + 2) for gate in gates), len(gates) * n * (n + 2))
    through = scale**2 * n * (n + 2)
    exact = first * through * (gaussian_ratio * through) ** 4
    found = log_fourth_moment_of_relu_cotangent(np.array(cotangent), 5, variance)
    with mpmath.workdps(30):
        assert abs(found - mpmath.log(mpmath.mpf(exact.numerator) / exact.denominator)) <= 5 * PER_LAYER


def test_fourth_moment_of_a_cotangent_at_published_widths():
    one_of_four = np.array([1.0, 0.0, 0.0, 0.0])
    assert f"{math.exp(log_fourth_moment_of_relu_cotangent(one_of_four, 3)):.4f}" == "15.1875"
    huge, usual = (log_fourth_moment_of_relu_cotangent(scale * one_of_four, 3) for scale in (1e300, 1.0))
    assert abs(huge - usual - 1200 * math.log(10)) <= 1e-11


@pytest.mark.parametrize(("width", "depth"), [(1, 3), (4, 3), (4, 10_000), (60, 10_000), (200, 5)])
def test_dead_probability_is_that_of_exact_fractions(width, depth):
    exact = 1 - (1 - Fraction(1, 2**width)) ** depth
    assert abs(Fraction(dead_probability(width, depth)) - exact) <= exact * Fraction(1, 10**15)


@pytest.mark.parametrize("width", [53, 61, 1000, 1074, 1100])
def test_dead_probability_of_wide_networks_is_not_lost(width):
    found = dead_probability(width, 2**53)
    with mpmath.workdps(700):
        exact = -mpmath.expm1(2**53 * mpmath.log1p(-(mpmath.mpf(2) ** -width)))
        assert found > 0 and abs(found - exact) <= 1e-15 * exact + mpmath.mpf(2) ** -1075


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_growth(0, 1.0), ValueError, "width must be an integer >= 1, got 0"),
        (lambda: gaussian_growth(2.0, 1.0), TypeError, "width must be an integer >= 1, got float 2.0"),
        (lambda: gaussian_growth(True, 1.0), TypeError, "width must be an integer >= 1, got bool True"),
        (lambda: gaussian_growth(2, 0.0), ValueError, "variance must be a finite number > 0, got 0.0"),
        (lambda: relu_growth(2, math.nan), ValueError, "variance must be a finite number > 0, got nan"),
        (lambda: gaussian_growth(2, 10**400), ValueError, "variance must be a finite number > 0, got 1000"),
        (lambda: gaussian_growth(10**30, 1.0), ValueError, r"width must be an integer <= 2\^53, got one of 100 bits"),
        (lambda: critical_variance(10**30), ValueError, r"width must be an integer <= 2\^53"),
        (lambda: relu_growth(2**20 + 1), ValueError, r"width must be an integer <= 2\^20, got one of 21 bits"),
        (lambda: gaussian_growth(2, 1.0).over(10**400), ValueError, r"depth must be an integer <= 2\^53"),
        (lambda: dead_probability(3, 10**400), ValueError, r"depth must be an integer <= 2\^53"),
        (lambda: gaussian_growth(2, 1.0).over(-1), ValueError, "depth must be an integer >= 1, got -1"),
        (lambda: dead_probability(2, 0), ValueError, "depth must be an integer >= 1, got 0"),
        (lambda: log_fourth_moment_of_relu_cotangent(np.zeros(2), 3), ValueError, "cotangent must not be zero"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
