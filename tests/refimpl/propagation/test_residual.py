"""Residual layers: moments in fractions, published values, bounds that are attained."""

import math
from fractions import Fraction

import mpmath
import pytest

from refimpl.propagation import log_residual_bounds, residual_log_moments
from tests.refimpl.propagation.exact import holds


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


@pytest.mark.parametrize("scale", [1e-170, 3e-160, 1e-150, 1.0, 1e30, 1e200, -1e300])
def test_residual_moments_at_extreme_scales_are_as_accurate_as_stated(scale):
    with mpmath.workdps(700):
        c = mpmath.mpf(scale) ** 2 * mpmath.mpf(1.5)
        exact = mpmath.log1p(c), mpmath.log1p(2 * c + c * c + (4 * c + 2 * c * c) / 3)
        for found, moment in zip(residual_log_moments(3, scale, 1.5), exact, strict=True):
            assert abs(found - moment) <= 1e-15 * moment + 8 * mpmath.mpf(2) ** -1074


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


def test_residual_bounds_below_the_normal_floats_are_rounded_outward():
    """log(1 - x) is below -x, if only by x^2 / 2."""
    bounds = log_residual_bounds(1e-320, 3)
    assert bounds.lower < -3 * 1e-320 and bounds.upper >= 3 * 1e-320
    assert log_residual_bounds(0.0, 5) == (0, 0)


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: log_residual_bounds(0.5, 10**400), ValueError, r"depth must be an integer <= 2\^53"),
        (lambda: log_residual_bounds(1.0, 5), ValueError, "lipschitz must be below 1, got 1.0"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
