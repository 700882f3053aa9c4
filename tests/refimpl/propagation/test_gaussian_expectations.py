"""Expectations of activations over a normal variable: integrals to 30 digits, closed forms."""

import mpmath
import numpy as np
import pytest

from refimpl.activations import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from refimpl.propagation import mean_square, mean_square_slope
from tests.refimpl.propagation.erf_activation import Erf

# The functions and their derivatives in mpmath, written by their definitions.
DEFINITIONS = {
    Tanh(): (mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    Sigmoid(): (lambda x: 1 / (1 + mpmath.exp(-x)), lambda x: mpmath.exp(-x) / (1 + mpmath.exp(-x)) ** 2),
    ReLU(): (lambda x: max(x, mpmath.mpf(0)), lambda x: mpmath.mpf(x > 0)),
    GELU(): (lambda x: x * mpmath.ncdf(x), lambda x: mpmath.ncdf(x) + x * mpmath.npdf(x)),
    ELU(alpha=0.7): (
        lambda x: x if x > 0 else mpmath.mpf(0.7) * mpmath.expm1(x),
        lambda x: mpmath.mpf(1) if x > 0 else mpmath.mpf(0.7) * mpmath.exp(x),
    ),
    Softplus(): (lambda x: mpmath.log1p(mpmath.exp(x)), lambda x: 1 / (1 + mpmath.exp(-x))),
    SiLU(): (
        lambda x: x / (1 + mpmath.exp(-x)),
        lambda x: (1 + mpmath.exp(-x) * (1 + x)) / (1 + mpmath.exp(-x)) ** 2,
    ),
}


def by_quadrature(function, variance):
    """E f(sqrt(variance) z)^2 to about 25 digits."""
    with mpmath.workdps(30):
        deviation = mpmath.sqrt(mpmath.mpf(variance))
        points = sorted({s * p for s in (-1, 1) for p in (0, 0.25, 1, 3, 12, *(c / deviation for c in (1, 3, 9)))})
        points = [mpmath.mpf(p) for p in points if abs(p) <= 12]
        return mpmath.quad(lambda z: function(deviation * z) ** 2 * mpmath.npdf(z), points)


@pytest.mark.parametrize("variance", [1e-6, 0.7, 40.0])
@pytest.mark.parametrize("activation", DEFINITIONS, ids=lambda activation: type(activation).__name__)
def test_expectations_are_within_their_error_of_30_digits(activation, variance):
    for function, found in zip(DEFINITIONS[activation], (mean_square, mean_square_slope), strict=True):
        estimate, exact = found(activation, variance), by_quadrature(function, variance)
        assert abs(estimate.value - exact) <= estimate.error <= 2e-14 * exact


@pytest.mark.parametrize("variance", [1e-8, 0.1, 3.0, 1e4, 1e10])
def test_expectations_of_erf_are_those_of_its_closed_form(variance):
    """(2 / pi) asin(2 q / (1 + 2 q)) (Williams 1997) and (4 / pi) / sqrt(1 + 4 q)."""
    with mpmath.workdps(30):
        q = mpmath.mpf(variance)
        square, slope = 2 / mpmath.pi * mpmath.asin(2 * q / (1 + 2 * q)), 4 / mpmath.pi / mpmath.sqrt(1 + 4 * q)
        for estimate, exact in ((mean_square(Erf(), variance), square), (mean_square_slope(Erf(), variance), slope)):
            assert abs(estimate.value - exact) <= estimate.error <= 2e-14 * exact


@pytest.mark.parametrize("variance", [1e-300, 0.7, 1e12])
def test_expectations_of_lines_are_their_slopes(variance):
    for activation, factor in ((Identity(), 1.0), (ReLU(), 0.5), (LeakyReLU(slope=0.5), 0.625)):
        square, slope = mean_square(activation, variance), mean_square_slope(activation, variance)
        assert abs(square.value - factor * variance) <= square.error
        assert abs(slope.value - factor) <= slope.error


@pytest.mark.parametrize("variance", [5e-324, 1e-310, 1e-300])
@pytest.mark.parametrize("activation", [Identity(), Tanh(), LeakyReLU(slope=0.5)])
def test_the_error_of_an_expectation_holds_what_falls_below_the_floats(activation, variance):
    """At variances so small an activation is its slopes on both sides of 0."""
    factor = {Identity(): 1.0, Tanh(): 1.0, LeakyReLU(slope=0.5): 0.625}[activation]
    found = mean_square(activation, variance)
    with mpmath.workdps(400):
        assert abs(found.value - mpmath.mpf(factor) * mpmath.mpf(variance)) <= found.error


def test_slope_at_variance_zero_is_the_limit_from_above():
    assert abs(mean_square_slope(ReLU(derivative_at_zero=1.0), 0.0).value - 0.5) <= 1e-14
    assert abs(mean_square_slope(GELU(), 0.0).value - 0.25) <= 1e-14
    assert mean_square(Tanh(), 0.0).value == 0


@pytest.mark.parametrize("variance", [9.0, 100.0, 1e4])
def test_a_jump_away_from_zero_is_integrated_up_to_it(variance):
    """Above its threshold of 20 this derivative is 1, below it the logistic function."""
    found = mean_square_slope(Softplus(threshold=20.0), variance)
    with mpmath.workdps(30):
        jump, end = 20 / mpmath.sqrt(variance), 14
        points = [-end, -3, -1, 0, *(p / mpmath.sqrt(variance) for p in (-9, -1, 1, 3, 9)), jump]
        below = mpmath.quad(
            lambda z: mpmath.npdf(z) / (1 + mpmath.exp(-mpmath.sqrt(variance) * z)) ** 2, sorted(points)
        )
        assert abs(found.value - below - mpmath.ncdf(-jump)) <= found.error <= 2e-14 * found.value


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mean_square(np.tanh, 1.0), TypeError, "activation must be an elementwise one of refimpl.activations"),
        (lambda: mean_square(Tanh, 1.0), TypeError, "activation must be an elementwise one"),
        (lambda: mean_square_slope(Tanh(), -1.0), ValueError, "variance must be a finite number >= 0"),
        (lambda: mean_square(ReLU(), 1.7e308), ValueError, r"variance must be a finite number <= 1e\+300"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
