"""Mean field: closed forms, published phase diagrams, fixed points by another solver."""

import math
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest

from refimpl.activations import GELU, Elementwise, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from refimpl.propagation import critical_weight_variance, fixed_point, mean_square, mean_square_slope
from tests.refimpl.propagation.erf_activation import Erf

# --- fixed points ---


@pytest.mark.parametrize(
    ("weight_variance", "bias_variance", "variance", "chi"),
    [
        (1.0, 0.05, "0.1935925202", "0.7590316472"),
        (1.5, 0.05, "0.4180372005", "0.9386362682"),
        (2.5, 0.05, "1.0639583774", "1.1335156987"),
        (4.0, 0.05, "2.1954939280", "1.3424024144"),
        (2.25, 0.0, "0.7933540426", "1.1393232250"),
        (25 / 9, 0.0, "1.1784804904", "1.2098313204"),
    ],
)
def test_phase_diagram_of_tanh(weight_variance, bias_variance, variance, chi):
    found = fixed_point(Tanh(), weight_variance, bias_variance)
    assert (f"{found.variance.value:.10f}", f"{found.chi.value:.10f}") == (variance, chi)
    assert (found.depth_scale.value > 0) == (found.chi.value < 1)


@pytest.mark.parametrize(
    ("weight_variance", "bias_variance"), [(0.3, 0.2), (1.5, 0.05), (1.0, 0.0), (1.4, 0.0), (30.0, 2.0)]
)
def test_fixed_point_of_erf_is_that_of_its_closed_form(weight_variance, bias_variance):
    """By mpmath's root finder, from a start nearby; at weight variance pi / 4 the origin loses its stability."""
    found = fixed_point(Erf(), weight_variance, bias_variance)
    with mpmath.workdps(30):
        w, b = mpmath.mpf(weight_variance), mpmath.mpf(bias_variance)
        q = mpmath.findroot(
            lambda q: w * 2 / mpmath.pi * mpmath.asin(2 * q / (1 + 2 * q)) + b - q, mpmath.mpf(found.variance.value)
        )
        chi = w * 4 / mpmath.pi / mpmath.sqrt(1 + 4 * q)
        for estimate, exact in zip(found, (q, chi, -1 / mpmath.log(chi)), strict=True):
            assert abs(estimate.value - exact) <= estimate.error <= 1e-11 * abs(exact)
        assert q > 0.01


@pytest.mark.parametrize(("weight_variance", "bias_variance"), [(0.79, 0.0), (1.5, 0.05), (30.0, 2.0)])
def test_the_error_of_the_fixed_point_is_carried_to_chi(weight_variance, bias_variance):
    """By the slope of chi = (4 w / pi) / sqrt(1 + 4 q), which is -2 chi / (1 + 4 q); a factor 2 covers second order."""
    found = fixed_point(Erf(), weight_variance, bias_variance)
    q = found.variance.value
    carried = 2 * found.chi.value / (1 + 4 * q) * found.variance.error
    own = weight_variance * mean_square_slope(Erf(), q).error
    assert own + carried <= found.chi.error <= own + 3 * carried


@dataclass(frozen=True)
class Bump(Elementwise):
    """exp(-x^2): the mean square decreases with the variance, as 1 / sqrt(1 + 4 q)."""

    def _function(self, x):
        return np.exp(-(x**2))

    def _vjp(self, x, cotangent):
        return cotangent * (-2 * x) * np.exp(-(x**2))


def test_fixed_point_of_a_decreasing_map_is_found_between_its_iterates():
    found = fixed_point(Bump(), 20.0, 0.0)
    with mpmath.workdps(30):
        q = mpmath.findroot(lambda q: q**2 * (1 + 4 * q) - 400, 4.5)
        chi = 80 * q / (1 + 4 * q) ** mpmath.mpf(1.5)  # E 4 x^2 exp(-2 x^2) = 4 q / (1 + 4 q)^(3/2)
        for estimate, exact in zip(found, (q, chi, -1 / mpmath.log(chi)), strict=True):
            assert abs(estimate.value - exact) <= estimate.error <= 1e-12 * abs(exact)


def test_variance_vanishes_where_the_origin_is_stable():
    assert fixed_point(Erf(), 0.78, 0.0).variance == (0.0, 0.0)
    for activation, chi in ((GELU(), 0.5), (SiLU(), 0.5)):
        found = fixed_point(activation, 2.0, 0.0)
        assert found.variance == (0.0, 0.0)
        assert abs(found.chi.value - chi) <= found.chi.error
        assert abs(found.depth_scale.value - 1 / math.log(2)) <= found.depth_scale.error


def test_fixed_points_of_relu_are_those_of_a_line():
    found = fixed_point(ReLU(), 1.0, 0.1)
    assert abs(found.variance.value - 0.2) <= found.variance.error <= 1e-14
    assert abs(found.chi.value - 0.5) <= found.chi.error
    close = fixed_point(ReLU(), 1.99, 0.1)
    assert abs(close.variance.value - 20) <= close.variance.error <= 1e-10


def test_he_initialised_relu_keeps_every_variance():
    found = fixed_point(ReLU(), 2.0, 0.0)
    assert found.variance == (1.0, math.inf)
    assert found.chi.error <= 1e-13 and abs(found.chi.value - 1) <= found.chi.error
    assert found.depth_scale.value == math.inf


def test_sigmoid_contracts_gradients_at_usual_weights():
    found = [fixed_point(Sigmoid(), w, 0.0).chi.value for w in (1.0, 4.0, 16.0, 36.0)]
    assert [f"{chi:.4f}" for chi in found] == ["0.0557", "0.1716", "0.3989", "0.6010"]


# --- criticality ---


def test_critical_weights_of_tanh():
    found = critical_weight_variance(Tanh(), 0.05)
    assert f"{found.value:.10f}" == "1.7609546396"
    at = fixed_point(Tanh(), found.value, 0.05)
    assert abs(at.chi.value - 1) <= at.chi.error + found.error
    assert at.depth_scale.value == math.inf or abs(at.depth_scale.value) > 1e12


@pytest.mark.parametrize(("activation", "exact"), [(Tanh(), 1), (ReLU(), 2), (LeakyReLU(slope=0.5), 1.6)])
def test_critical_weights_without_bias_are_those_at_the_origin(activation, exact):
    found = critical_weight_variance(activation, 0.0)
    assert abs(found.value - exact) <= found.error <= 1e-13
    relative = [e.error / e.value for e in (found, mean_square_slope(activation, 0.0))]
    assert 0.75 * relative[1] <= relative[0]  # one is the inverse of the other


def test_critical_weights_of_an_activation_that_is_not_zero_at_zero_lie_off_the_origin():
    found = critical_weight_variance(Sigmoid(), 0.0)
    at = fixed_point(Sigmoid(), found.value, 0.0)
    assert abs(at.chi.value - 1) <= at.chi.error + found.error
    assert at.variance.value > 1


@pytest.mark.parametrize("bias_variance", [1e-4, 0.3, 5.0])
def test_critical_weights_of_erf_are_those_of_its_closed_form(bias_variance):
    found = critical_weight_variance(Erf(), bias_variance)
    with mpmath.workdps(30):
        b = mpmath.mpf(bias_variance)

        def unbalanced(w):  # chi = 1 at q = (16 w^2 / pi^2 - 1) / 4
            q = (16 * w**2 / mpmath.pi**2 - 1) / 4
            return w * 2 / mpmath.pi * mpmath.asin(2 * q / (1 + 2 * q)) + b - q

        exact = mpmath.findroot(unbalanced, mpmath.mpf(found.value))
        assert abs(found.value - exact) <= found.error <= 1e-10 * exact


@pytest.mark.parametrize("bias_variance", [1e-4, 0.3, 5.0])
def test_the_errors_of_integrals_are_carried_to_the_critical_weights(bias_variance):
    """w = (pi / 4) sqrt(1 + 4 q): own error of its integral, and 2 w / (1 + 4 q) times that of q, where the balance of
    integrals is off by theirs; a factor 2 covers second order."""
    found = critical_weight_variance(Erf(), bias_variance)
    with mpmath.workdps(30):
        q = (16 * mpmath.mpf(found.value) ** 2 / mpmath.pi**2 - 1) / 4

        def balance(q):  # which is 0 there
            arc = mpmath.asin(2 * q / (1 + 2 * q)) * 2 / mpmath.pi
            return (q - bias_variance) * 4 / mpmath.pi / mpmath.sqrt(1 + 4 * q) - arc

        slope, square = mean_square_slope(Erf(), float(q)).error, mean_square(Erf(), float(q)).error
        q_error = ((q - bias_variance) * slope + square) / abs(mpmath.diff(balance, q))
        own, carried = slope * found.value**2, 2 * found.value / (1 + 4 * q) * q_error
    assert own + carried <= found.error <= own + 3 * carried


def test_the_smallest_biases_that_are_accepted_are_critical_within_the_error():
    """Of tanh chi is 1 at the weight variance 1 + 2 q with 4 q^3 / 3 = bias variance, but for terms of order q^2."""
    found = critical_weight_variance(Tanh(), 1.5e-9)
    q = (3 * 1.5e-9 / 4) ** (1 / 3)
    assert abs(found.value - (1 + 2 * q)) < 4 * q**2


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fixed_point(Softmax(), 1.0, 0.0), TypeError, "activation must be an elementwise one"),
        (lambda: fixed_point(Tanh(), 0.0, 1.0), ValueError, "weight_variance must be a finite number > 0"),
        (lambda: fixed_point(Tanh(), 1.0, -1.0), ValueError, "bias_variance must be a finite number >= 0"),
        (lambda: fixed_point(ReLU(), 2.1, 0.0), ValueError, "grows beyond 1e[+]12: take smaller weights"),
        (lambda: fixed_point(ReLU(), 2.0, 0.1), ValueError, "grows beyond 1e[+]12: take smaller weights"),
        (lambda: critical_weight_variance(ReLU(), 0.1), ValueError, "has no critical weight variance"),
        # chi is 1 at roots that depth does not settle on: the variance grows without limit before
        (lambda: critical_weight_variance(GELU(), 0.0), ValueError, "has no critical weight variance"),
        (lambda: critical_weight_variance(GELU(), 0.05), ValueError, "has no critical weight variance"),
        (lambda: critical_weight_variance(Tanh(), 1e-300), ValueError, "bias_variance must be 0, or so large"),
        (lambda: critical_weight_variance(Tanh(), 1.3e-9), ValueError, "bias_variance must be 0, or so large"),
        (lambda: critical_weight_variance(Tanh(), "0"), TypeError, "bias_variance must be a finite number >= 0"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
