"""Random products: integrals to 50 digits, gates enumerated in fractions, published values, simulation."""

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
    log_residual_bounds,
    lyapunov_exponents,
    lyapunov_exponents_gaussian,
    relu_growth,
    residual_log_moments,
)
from tests.refimpl.propagation.exact import holds

PER_LAYER = 1e-14  # the stated accuracy


def of_chi_square(freedom, function):
    """E f(X), X chi-square with these degrees of freedom, by quadrature; x = exp(t) takes the singularity at 0 away."""
    with mpmath.workdps(30):
        half = mpmath.mpf(freedom) / 2
        norm = mpmath.gamma(half) * 2**half
        return mpmath.quad(
            lambda t: function(mpmath.exp(t)) * mpmath.exp(t * half - mpmath.exp(t) / 2) / norm,
            [-160, -80, -40, -20, -10, -5, 0, 2, 3, 4, 5, 6],
        )


# --- Gaussian ---


@pytest.mark.parametrize("width", [1, 2, 3, 7, 20])
def test_gaussian_growth_is_that_of_chi_square(width):
    variance = 1.7
    found = gaussian_growth(width, variance)
    with mpmath.workdps(30):
        factor = mpmath.mpf(variance) / width
        mean = of_chi_square(width, lambda x: mpmath.log(factor * x) / 2)
        exact = [
            mpmath.log(of_chi_square(width, lambda x: factor * x)),
            mpmath.log(of_chi_square(width, lambda x: (factor * x) ** 2)),
            mean,
            of_chi_square(width, lambda x: (mpmath.log(factor * x) / 2 - mean) ** 2),
        ]
        assert all(abs(a - b) <= PER_LAYER for a, b in zip(found, exact, strict=True))


def test_laws_add_over_layers():
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


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_exponents_add_up_to_the_growth_of_the_determinant(width):
    """|det W|^2 is a product of chi-squares of 1..n degrees of freedom; the largest exponent is the typical growth."""
    found = lyapunov_exponents_gaussian(width, 0.8)
    with mpmath.workdps(30):
        factor = mpmath.mpf(0.8) / width
        logs = sum(of_chi_square(k, lambda x: mpmath.log(factor * x) / 2) for k in range(1, width + 1))
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


# --- the ends of the ranges ---


@pytest.mark.parametrize("variance", [1e-300, 5e-324, 1e300])
@pytest.mark.parametrize("width", [1, 7, 2**20])
def test_laws_at_extreme_variances_are_as_accurate_as_stated(width, variance):
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


@pytest.mark.parametrize("scale", [1e-170, 3e-160, 1e-150, 1.0, 1e30, 1e200, -1e300])
def test_residual_moments_at_extreme_scales_are_as_accurate_as_stated(scale):
    with mpmath.workdps(700):
        c = mpmath.mpf(scale) ** 2 * mpmath.mpf(1.5)
        exact = mpmath.log1p(c), mpmath.log1p(2 * c + c * c + (4 * c + 2 * c * c) / 3)
        for found, moment in zip(residual_log_moments(3, scale, 1.5), exact, strict=True):
            assert abs(found - moment) <= 1e-15 * moment + 8 * mpmath.mpf(2) ** -1074


@pytest.mark.parametrize("width", [53, 61, 1000, 1074, 1100])
def test_dead_probability_of_wide_networks_is_not_lost(width):
    found = dead_probability(width, 2**53)
    with mpmath.workdps(700):
        exact = -mpmath.expm1(2**53 * mpmath.log1p(-(mpmath.mpf(2) ** -width)))
        assert found > 0 and abs(found - exact) <= 1e-15 * exact + mpmath.mpf(2) ** -1075


def test_residual_bounds_below_the_normal_floats_are_rounded_outward():
    """log(1 - x) is below -x, if only by x^2 / 2."""
    bounds = log_residual_bounds(1e-320, 3)
    assert bounds.lower < -3 * 1e-320 and bounds.upper >= 3 * 1e-320
    assert log_residual_bounds(0.0, 5) == (0, 0)


# --- ReLU ---


@pytest.mark.parametrize("width", [1, 2, 5])
def test_relu_growth_is_that_of_chi_square_of_the_open_gates(width):
    found, variance = relu_growth(width, 1.7), 1.7
    with mpmath.workdps(30):
        factor, alive = mpmath.mpf(variance) / width, 2**width - 1
        open_gates = [(math.comb(width, k), k) for k in range(1, width + 1)]

        def expected(function):
            return sum(ways * of_chi_square(k, function) for ways, k in open_gates)

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
    of_gaussian = Fraction(sum(sum(gate) * (sum(gate) + 2) for gate in gates), len(gates) * n * (n + 2))
    through = scale**2 * n * (n + 2)
    exact = first * through * (of_gaussian * through) ** 4
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


# --- residual ---


@pytest.mark.parametrize(
    ("width", "scale", "variance"), [(1, 0.5, 2.0), (3, 0.25, 1.5), (7, -2.0, 1.0), (2, 0.01, 1.0)]
)
def test_residual_moments_are_those_of_a_shifted_normal(width, scale, variance):
    """||v + g||^2 = (1 + sigma z)^2 + sigma^2 chi^2_(n-1): by the moments 1, 3 of z^2, z^4 and the binomial theorem."""
    s = Fraction(scale) ** 2 * Fraction(variance) / width  # sigma^2
    along, along_squared = 1 + s, 1 + 6 * s + 3 * s**2
    across, across_squared = s * (width - 1), s**2 * (width - 1) * (width + 1)
    found = residual_log_moments(width, scale, variance)
    with mpmath.workdps(50):
        moments = (along + across, along_squared + 2 * along * across + across_squared)
        for value, moment in zip(found, moments, strict=True):
            exact = mpmath.log(mpmath.mpf(moment.numerator) / moment.denominator)
            assert abs(value - exact) <= 1e-15 * exact


def test_residual_growth_at_published_depths():
    grown = [math.exp(depth * residual_log_moments(8, a, 1.0).mean_square) for a, depth in ((1 / 30, 30), (1.0, 5))]
    assert [f"{x:.4f}" for x in grown] == ["1.0339", "32.0000"]


def test_residual_bounds_are_attained_by_multiples_of_the_identity():
    bounds = log_residual_bounds(0.25, 10_000)
    with mpmath.workdps(50):
        lower, upper = 10_000 * mpmath.log(mpmath.mpf(3) / 4), 10_000 * mpmath.log(mpmath.mpf(5) / 4)
        assert 0 <= lower - bounds.lower <= 1e-11 and 0 <= bounds.upper - upper <= 1e-11


def test_residual_bounds_tend_to_exponentials():
    assert holds(log_residual_bounds(1e-4 * 0.5, 10_000), 0.0, width=1.0 + 1e-8)


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_growth(0, 1.0), ValueError, "width must be an integer >= 1, got 0"),
        (lambda: gaussian_growth(2.0, 1.0), TypeError, "width must be an integer >= 1, got float 2.0"),
        (lambda: gaussian_growth(True, 1.0), TypeError, "width must be an integer >= 1, got bool True"),
        (lambda: gaussian_growth(2, 0.0), ValueError, "variance must be a finite number > 0, got 0.0"),
        (lambda: relu_growth(2, math.nan), ValueError, "variance must be a finite number > 0, got nan"),
        (lambda: lyapunov_exponents_gaussian(2, "1"), TypeError, "variance must be a finite number > 0, got str '1'"),
        (lambda: gaussian_growth(2, 10**400), ValueError, "variance must be a finite number > 0, got 1000"),
        (lambda: gaussian_growth(10**30, 1.0), ValueError, r"width must be an integer <= 2\^53, got one of 100 bits"),
        (lambda: critical_variance(10**30), ValueError, r"width must be an integer <= 2\^53"),
        (lambda: relu_growth(2**20 + 1), ValueError, r"width must be an integer <= 2\^20, got one of 21 bits"),
        (lambda: lyapunov_exponents_gaussian(2**30, 1.0), ValueError, r"width must be an integer <= 2\^20"),
        (lambda: gaussian_growth(2, 1.0).over(10**400), ValueError, r"depth must be an integer <= 2\^53"),
        (lambda: dead_probability(3, 10**400), ValueError, r"depth must be an integer <= 2\^53"),
        (lambda: log_residual_bounds(0.5, 10**400), ValueError, r"depth must be an integer <= 2\^53"),
        (lambda: gaussian_growth(2, 1.0).over(-1), ValueError, "depth must be an integer >= 1, got -1"),
        (lambda: dead_probability(2, 0), ValueError, "depth must be an integer >= 1, got 0"),
        (lambda: log_residual_bounds(1.0, 5), ValueError, "lipschitz must be below 1, got 1.0"),
        (lambda: log_fourth_moment_of_relu_cotangent(np.zeros(2), 3), ValueError, "cotangent must not be zero"),
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
