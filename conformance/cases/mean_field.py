"""Infinitely wide random networks: chi, the factor of the mean square gradient per layer, and where it is 1.

The results of Gauss-Legendre quadrature are compared with closed forms, with numbers of 20 digits, and with the
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

from conformance.running.case import case
from refimpl.activations import GELU, Elementwise, Identity, ReLU, Sigmoid, SiLU, Softplus, Tanh
from refimpl.arithmetic import FLOAT64, RunningError, constant, erf, pi
from refimpl.propagation import critical_weight_variance, fixed_point, mean_square, mean_square_slope
from refimpl.propagation.accuracy import Estimate
from refimpl.types import Array

Function = Callable[[np.ndarray], np.ndarray]


def check(compare, subject, known: Any, error: Any, found: Estimate, what: str, **where: Any) -> None:
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
    """E function(sqrt(variance) z)^2 by the trapezoidal rule; error: the rule's with half the nodes, and rounding."""
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
        SiLU(),
        lambda x: x * expit(x),
        lambda x: expit(x) * (1 + x * expit(-x)),
        (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5),
    ),
    "gelu": Smooth(GELU(), lambda x: x * ndtr(x), lambda x: ndtr(x) + x * normal_density(x), (0.5, 1, 1.5, 2, 2.2)),
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

    def _function(self, x: Array) -> Array:
        return erf(x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        return cotangent * (constant(2.0, x) / np.sqrt(pi(x)) * np.exp(-(x * x)))


CLOSED_FORMS = {
    "identity": (Identity(), lambda q: q, lambda q: 1.0),
    "relu": (ReLU(), lambda q: q / 2, lambda q: 0.5),
    # asin(2 q / (1 + 2 q)), without its loss of digits near 1
    "erf": (
        Erf(),
        lambda q: 2 / math.pi * math.atan(2 * q / math.sqrt(1 + 4 * q)),
        lambda q: 4 / math.pi / math.sqrt(1 + 4 * q),
    ),
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
        for closed, found, what in (
            (square, mean_square, "mean square"),
            (slope, mean_square_slope, "mean square slope"),
        ):
            exact = closed(q)
            roundings = 8  # at most, those of the closed form
            check(compare, subject, exact, roundings * half_ulp(exact), found(rule, q), what, variance=q)


@case(
    statement="Where the variance settles from below, chi = weight variance * E activation'^2 grows with the weight "
    "variance on a grid. With bias variance 0.05 it passes 1 at 1.76 for tanh and at 103 for sigmoid; for ReLU it is "
    "half the weight variance, and for softplus, SiLU and GELU it is below 1 up to 1.75, 2.5 and 2.2.",
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
            rule: Elementwise = ReLU()
            q = BIAS_VARIANCE / (1 - weight_variance / 2)
            variance = Estimate(q, half_ulp(q))
            chi = Estimate(weight_variance / 2, 0.0)
        else:
            rule = SMOOTH[activation].rule
            variance, chi = settled(SMOOTH[activation], weight_variance)
        found = fixed_point(rule, weight_variance, BIAS_VARIANCE)
        check(compare, subject, variance.value, variance.error, found.variance, "variance of preactivations", **where)
        check(compare, subject, chi.value, chi.error, found.chi, "chi", **where)
        compare.exceeds(found.chi.value, before, "chi at a larger weight variance", **where)
        before = found.chi.value
    if activation not in CRITICAL or activation == "relu":
        compare.at_most(before, 1.0, "chi at the largest weight variance", activation=activation)


# 1 / E activation'^2 at the zero of (q - bias variance) E activation'^2 - E activation^2: 30 digits, mpmath.findroot.
CRITICAL = {
    "tanh": {0.0: 1.0, BIAS_VARIANCE: 1.760954639606739131632},
    "sigmoid": {0.0: 103.0075538555193223355, BIAS_VARIANCE: 103.1284939908265040304},
    "relu": {0.0: 2.0},
    "identity": {0.0: 1.0},
}


@case(
    statement="chi is 1 at the critical weight variance: without biases 1 for tanh and linear layers, 2 for ReLU "
    "(He's) and 103.0 for sigmoid; with bias variance 0.05 it is 1.76 for tanh and 103.1 for sigmoid, far above that "
    "of any usual initializer.",
    source="Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017; He et al. 2015 for ReLU; the numbers derived here",
    kind="analytic",
    catches="a critical point at a variance that depth does not settle on; a fan-in lost",
    capability="theorem",
)
@pytest.mark.parametrize("activation", CRITICAL)
def test_critical_weight_variance(subject, compare, activation):
    smooth = SMOOTH.get(activation)
    rule = smooth.rule if smooth else {"relu": ReLU(), "identity": Identity()}[activation]
    compare.example(activation=activation, critical=CRITICAL[activation])
    for bias_variance, known in CRITICAL[activation].items():
        found = critical_weight_variance(rule, bias_variance)
        where = {"activation": activation, "bias_variance": bias_variance}
        check(compare, subject, known, half_ulp(known), found, "critical weight variance", **where)
    if smooth:
        at = CRITICAL[activation][BIAS_VARIANCE]
        _, chi = settled(smooth, at)
        check(compare, subject, 1.0, half_ulp(at), chi, "chi at the critical weight variance", activation=activation)


# (weight variance, bias variance) -> (variance of preactivations, chi), by mpmath with 30 digits: the trapezoidal rule
# of step 1/16 on +-12, and findroot.
TANH = {
    (1.0, 0.05): (0.1935925202452966424786, 0.7590316471853936006947),
    (1.5, 0.05): (0.4180372005334778539787, 0.9386362681988511553295),
    (2.5, 0.05): (1.063958377416811591358, 1.133515698704271671004),
    (4.0, 0.05): (2.195493928034487761825, 1.342402414445191695865),
    (2.25, 0.0): (0.7933540426067777101276, 1.139323224985486412902),
}


@case(
    statement="Infinitely wide tanh networks: gradients decay below the critical weight variance 1.76 (bias variance "
    "0.05), 0.759 per layer in the mean square at 1, and grow above it, 1.342 at 4.",
    source="Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, sections 2 and 3; the numbers derived here",
    kind="analytic",
    catches="a fixed point not reached; the derivative of tanh not squared",
    capability="theorem",
)
def test_tanh_networks(subject, compare):
    for (weight_variance, bias_variance), (variance, chi) in TANH.items():
        where = {"weight_variance": weight_variance, "bias_variance": bias_variance}
        compare.example(activation="tanh", **where)
        found = fixed_point(Tanh(), weight_variance, bias_variance)
        check(compare, subject, variance, half_ulp(variance), found.variance, "variance of preactivations", **where)
        check(compare, subject, chi, half_ulp(chi), found.chi, "chi", **where)


@case(
    statement="At the critical weight variance 1 of tanh without biases gradients vanish all the same, though not "
    "exponentially: a layer takes the variance q to between q - 2 q^2 and q - 2 q^2 + 17 q^3 / 3, with chi between 1 - "
    "2 q and 1 - 2 q + 7 q^2, so that q falls like 1 / (2 L) and the mean square gradient, as q, like 1 / L.",
    source="derived here: Taylor's polynomials of tanh^2 and of the square of 1 - tanh^2, which lie on both sides",
    kind="analytic",
    catches="chi = 1 taken for gradients that are kept",
    capability="theorem",
)
def test_critical_tanh_vanishes_slowly(subject, compare):
    compare.example(activation="tanh", weight_variance=1.0, bias_variance=0.0)
    for q in (2.0**-14, 2.0**-16):
        beyond = 17 / 6 * q**3, 7 / 2 * q**2  # halves of what both sides differ by
        for known, half, found, what in (
            (q - 2 * q**2, beyond[0], mean_square(Tanh(), q), "variance of the next layer"),
            (1 - 2 * q, beyond[1], mean_square_slope(Tanh(), q), "chi"),
        ):
            check(compare, subject, known + half, half + 4 * half_ulp(known), found, what, variance=q)
    q = 0.25  # 1 / q grows by at least 2 - 17 q / 3 and at most 2 / (1 - 2 q), and chi q over the next q is near 1
    for layer in range(1, 129):
        found, slope = mean_square(Tanh(), q), mean_square_slope(Tanh(), q)
        low, high = q - 2 * q**2, q - 2 * q**2 + 17 / 3 * q**3
        compare.at_most(low, found.value + found.error, "least variance of the next layer, and it", layer=layer)
        compare.at_most(found.value - found.error, high, "variance of the next layer, and the largest", layer=layer)
        compare.at_most(1 - 2 * q, slope.value + slope.error, "least chi, and chi", layer=layer)
        compare.at_most(slope.value - slope.error, 1 - 2 * q + 7 * q**2, "chi, and the largest", layer=layer)
        q = found.value


GAIN = 5 / 3
AT_THE_GAIN = (1.178480490385907717397, 1.209831320382828595062)  # as TANH, at weight variance 25 / 9, no bias


@case(
    statement="The gain 5/3 recommended for tanh is above the critical gain, 1: in infinitely wide networks without "
    "biases the root mean square of gradients grows by 1.0999 = sqrt(1.2098) per layer once preactivations have "
    "settled.",
    source="gain: PyTorch's calculate_gain, documented for tanh; criticality: Schoenholz et al. 2017; derived here",
    kind="analytic",
    catches="a gain taken for a variance; chi without the variance that depth settles on",
    capability="theorem",
)
def test_five_thirds_is_too_large_a_gain_for_tanh(subject, compare):
    variance, chi = AT_THE_GAIN
    compare.example(activation="tanh", gain=GAIN, weight_variance=GAIN**2, variance=variance, chi=chi)
    found = fixed_point(Tanh(), GAIN**2, 0.0)
    # Known for 25 / 9, of which the weight variance is within two half ulps; both grow less than five times as fast.
    error = 10 * FLOAT64.unit_roundoff * GAIN**2
    check(compare, subject, variance, error, found.variance, "variance of preactivations")
    check(compare, subject, chi, error, found.chi, "chi")
    critical = critical_weight_variance(Tanh(), 0.0)
    check(compare, subject, 1.0, 0.0, critical, "critical weight variance")
    compare.exceeds(found.chi.value - found.chi.error, 1.0, "chi")


@case(
    statement="With He's variance 2 and no biases, infinitely wide GELU networks vanish: GELU(x)^2 + GELU(-x)^2 < "
    "x^2 but at 0, so the variance falls in every layer, to 0, where chi is 2 / 4.",
    source="derived here: GELU(x) = x Phi(x) and Phi(x)^2 + Phi(-x)^2 < 1",
    kind="analytic",
    catches="He's variance taken to be right for whatever resembles ReLU",
    capability="theorem",
)
def test_he_variance_vanishes_under_gelu(subject, compare):
    layers, q, smooth = 20, 1.0, SMOOTH["gelu"]
    compare.example(activation="gelu", weight_variance=2.0, bias_variance=0.0, layers=layers)
    for layer in range(1, layers + 1):
        found, known = mean_square(smooth.rule, q), expectation(smooth.function, q)
        after = Estimate(2 * found.value, 2 * found.error)
        check(compare, subject, 2 * known.value, 2 * known.error, after, "variance of preactivations", layer=layer)
        compare.exceeds(q, after.value + after.error, "variance of the layer before", layer=layer)
        q = after.value
    end = fixed_point(smooth.rule, 2.0, 0.0)
    compare.equal(np.float64(end.variance.value), 0.0, "variance that depth settles on")
    check(compare, subject, 0.5, 0.0, end.chi, "chi")


# As TANH: (weight variance, bias variance) -> the two fixed points, each with its chi.
SECOND = {
    "gelu": (
        2.2,
        (0.156295871250211735049722, 0.716485069810733667874057),
        (1.18810622237213515870969, 1.02497465876724175588038),
    ),
    "silu": (
        2.5,
        (0.162467940224308338462787, 0.712618820055023764715236),
        (1.66515455120485209485734, 1.03675400475050797854052),
    ),
}


@case(
    statement="With bias variance 0.05, GELU at the weight variance 2.2 and SiLU at 2.5 have two variances of "
    "preactivations that repeat: 0.156 and 0.162, where chi is 0.716 and 0.713, and 1.188 and 1.665, where it is 1.025 "
    "and 1.037. From below the second, depth settles on the first; from above, variance and gradients explode.",
    source="derived here: above the second fixed point the map of variances lies above the diagonal, and chi above 1",
    kind="analytic",
    catches="one fixed point taken for the only one; chi below 1 claimed whatever the inputs",
    capability="theorem",
)
@pytest.mark.parametrize("activation", SECOND)
def test_a_second_fixed_point_explodes(subject, compare, activation):
    weight_variance, *fixed = SECOND[activation]
    rule = SMOOTH[activation].rule
    compare.example(activation=activation, weight_variance=weight_variance, bias_variance=BIAS_VARIANCE)

    def after(q: float) -> Estimate:
        found = mean_square(rule, q)
        return Estimate(weight_variance * found.value + BIAS_VARIANCE, weight_variance * found.error)

    for which, (variance, chi) in zip(("first", "second"), fixed, strict=True):
        # The three variances are rounded, and each result follows each of them at less than twice its size.
        rounding = 6 * half_ulp(variance) + 6 * half_ulp(chi)
        check(compare, subject, variance, rounding, after(variance), "variance that repeats", which=which)
        found = mean_square_slope(rule, variance)
        of_chi = Estimate(weight_variance * found.value, weight_variance * found.error)
        check(compare, subject, chi, rounding, of_chi, "chi", which=which)
    (first, _), (second, _) = fixed
    for start in (0.0, 0.5 * first, 0.999 * first, 1.001 * first, *np.linspace(2 * first, 0.999 * second, 6)):
        end = after(start)
        if first < start:
            compare.exceeds(start, end.value + end.error, "variance, and that of the next layer", start=start)
        else:
            compare.exceeds(end.value - end.error, start, "variance of the next layer, and before", start=start)
    for start in (1.001 * second, weight_variance + BIAS_VARIANCE, 10.0, 1e3, 1e6):  # the second: unit inputs
        end, found = after(start), mean_square_slope(rule, start)
        compare.exceeds(end.value - end.error, start, "variance of the next layer, and before", start=start)
        compare.exceeds(weight_variance * (found.value - found.error), 1.0, "chi", start=start)
