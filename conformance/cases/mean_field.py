"""Infinitely wide random networks: chi, the factor of the mean square gradient per layer, and where it is 1.

What the reference finds with Gauss-Legendre quadrature is held to closed forms, to numbers of 20 digits, and to the
trapezoidal rule, whose error is exponentially small for analytic activations (Trefethen & Weideman 2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, ndtr

from conformance.case import case
from refimpl.activations import GELU, Elementwise, Identity, ReLU, Sigmoid, SiLU, Softplus, Tanh
from refimpl.arithmetic import FLOAT64, RunningError, constant, erf, pi
from refimpl.propagation import fixed_point, mean_square, mean_square_slope
from refimpl.propagation.accuracy import Estimate

Function = Callable[[np.ndarray], np.ndarray]


def hold(compare, subject, known: Any, error: Any, found: Estimate, what: str, **where: Any) -> None:
    """A number known within `error` is the reference's estimate, within the error that this states."""
    value, bound = np.asarray(found.value, dtype=np.float64), np.asarray(found.error + error, dtype=np.float64)
    compare.within(np.asarray(known, dtype=np.float64), RunningError(value, bound, subject.target), what, **where)


def half_ulp(known: float) -> float:
    return FLOAT64.unit_roundoff * abs(known)


# --- another quadrature ---------------------------------------------------------------------------------------------

_NODES = np.arange(-12 * 64, 12 * 64 + 1) / 64  # beyond 12 the normal density is below 1e-31
_DENSITY = np.exp(-(_NODES**2) / 2) / math.sqrt(2 * math.pi) / 64
_ROUNDING = 64 * FLOAT64.unit_roundoff  # functions within some ulp, squared, weighted and summed, all positive


def expectation(function: Function, variance: float) -> Estimate:
    """E function(sqrt(variance) z)^2 by the trapezoidal rule; error: of the rule with every other node, and rounding."""
    terms = function(math.sqrt(variance) * _NODES) ** 2 * _DENSITY
    found = float(np.sum(terms))
    return Estimate(found, abs(found - 2 * float(np.sum(terms[::2]))) + _ROUNDING * found)


@dataclass(frozen=True)
class Smooth:
    """An analytic activation: the rule, the function and its derivative in other words, and weight variances that
    settle."""

    rule: Elementwise
    function: Function
    derivative: Function
    weight_variances: tuple[float, ...]


def normal_density(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


SMOOTH = {
    "tanh": Smooth(Tanh(), np.tanh, lambda x: 1 / np.cosh(x) ** 2, (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4)),
    "sigmoid": Smooth(Sigmoid(), expit, lambda x: expit(x) * expit(-x), (0.25, 0.5, 1, 1.5, 2, 3, 4, 16, 36, 100, 150)),
    "softplus": Smooth(Softplus(), lambda x: np.logaddexp(0, x), expit, (0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75)),
    "silu": Smooth(
        SiLU(), lambda x: x * expit(x), lambda x: expit(x) * (1 + x * expit(-x)), (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2)
    ),
    "gelu": Smooth(GELU(), lambda x: x * ndtr(x), lambda x: ndtr(x) + x * normal_density(x), (0.5, 1, 1.5, 2)),
}
BIAS_VARIANCE = 0.05


def settled(smooth: Smooth, weight_variance: float) -> tuple[Estimate, Estimate]:
    """The variance of preactivations that depth settles on, and chi there."""

    def excess(q: float) -> float:
        return weight_variance * expectation(smooth.function, q).value + BIAS_VARIANCE - q

    def chi(q: float) -> Estimate:
        return Estimate(*(weight_variance * part for part in expectation(smooth.derivative, q)))

    high = BIAS_VARIANCE
    while excess(high) > 0:
        high *= 2
    q = brentq(excess, high / 2, high, xtol=float(np.finfo(float).tiny))
    step = 1e-4 * q
    slope, chi_slope = ((f(q + step) - f(q - step)) / (2 * step) for f in (excess, lambda q: chi(q).value))
    residual = abs(excess(q)) + weight_variance * expectation(smooth.function, q).error + half_ulp(q)
    error = 2 * residual / abs(slope)  # the factor covers the slope, which is a difference
    return Estimate(q, error), Estimate(chi(q).value, chi(q).error + 2 * abs(chi_slope) * error)


# --- cases ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Erf(Elementwise):
    """The error function, for which mean field has closed forms."""

    def _function(self, x: Any, h: Any) -> Any:
        return erf(x)

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        return cotangent * (constant(2.0, x) / np.sqrt(pi(x)) * np.exp(-(x * x)))


CLOSED_FORMS = {
    "identity": (Identity(), lambda q: q, lambda q: 1.0),
    "relu": (ReLU(), lambda q: q / 2, lambda q: 0.5),
    "erf": (Erf(), lambda q: 2 / math.pi * math.asin(2 * q / (1 + 2 * q)), lambda q: 4 / math.pi / math.sqrt(1 + 4 * q)),
}


@case(
    statement="For x normal with variance q, E erf(x)^2 = (2 / pi) asin(2 q / (1 + 2 q)), "
    "E erf'(x)^2 = (4 / pi) / sqrt(1 + 4 q); of ReLU they are q / 2 and 1/2.",
    source="Williams 1997, Computing with infinite networks; He et al. 2015 for ReLU",
    kind="analytic",
    catches="a variance taken for a standard deviation; a quadrature that misses a kink, a tail or a narrow peak",
    capability="theorem",
)
@pytest.mark.parametrize("activation", CLOSED_FORMS)
def test_moments_in_closed_form(subject, compare, activation):
    rule, square, slope = CLOSED_FORMS[activation]
    variances = (0.01, 0.3, 1.0, 7.0, 100.0)
    compare.example(activation=activation, variances=variances)
    for q in variances:
        for closed, found, what in ((square, mean_square, "mean square"), (slope, mean_square_slope, "mean square slope")):
            exact = closed(q)
            hold(compare, subject, exact, 4 * half_ulp(exact), found(rule, q), what, variance=q)


@case(
    statement="Where the variance settles, chi = weight variance * E activation'^2 grows with the weight variance; it "
    "passes 1 at 1.76 for tanh and at 103 for sigmoid, and is half the weight variance for ReLU (bias variance 0.05).",
    source="Poole, Lahiri, Raghu, Sohl-Dickstein & Ganguli 2016; Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017",
    kind="analytic",
    catches="chi taken at another variance than that which depth settles on; weights counted without their fan-in",
    capability="theorem",
)
@pytest.mark.parametrize("activation", ["relu", *SMOOTH])
def test_chi_against_weight_variance(subject, compare, activation):
    grid = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75) if activation == "relu" else SMOOTH[activation].weight_variances
    compare.example(activation=activation, bias_variance=BIAS_VARIANCE, weight_variances=grid)
    before = 0.0
    for weight_variance in grid:
        where = {"activation": activation, "weight_variance": weight_variance}
        if activation == "relu":
            rule = ReLU()
            variance = Estimate(BIAS_VARIANCE / (1 - weight_variance / 2), 0.0)
            chi = Estimate(weight_variance / 2, 0.0)
        else:
            rule = SMOOTH[activation].rule
            variance, chi = settled(SMOOTH[activation], weight_variance)
        found = fixed_point(rule, weight_variance, BIAS_VARIANCE)
        hold(compare, subject, variance.value, variance.error, found.variance, "variance of preactivations", **where)
        hold(compare, subject, chi.value, chi.error, found.chi, "chi", **where)
        compare.exceeds(found.chi.value, before, "chi at a larger weight variance", **where)
        before = found.chi.value
