"""Slopes of activations: how large they get, and where, on every subject."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from conformance.known_values import supported_values, with_bound_of
from conformance.running.case import case
from refimpl.activations import ELU, GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from refimpl.arithmetic import FLOAT64, RunningError, Target

# At log(k), with the largest slope there is.
RATIONAL = {
    Sigmoid: (lambda k: k / (k + 1) ** 2, 0.25),
    Tanh: (lambda k: 4 * k**2 / (k**2 + 1) ** 2, 1.0),
    Softplus: (lambda k: k / (k + 1), 1.0),
    ELU: (lambda k: min(k, 1), 1.0),  # alpha = 1
}
# Where the second derivative is zero, and the slope there: 30 digits with mpmath.findroot.
SILU_AT, SILU_LARGEST = 2.399357280515467667833, 1.099839320128866916958
GELU_AT = {"none": 1.414213562373095048802, "tanh": 1.418504008790828355548}
GELU_LARGEST = {"none": 1.128904145185154786341, "tanh": 1.128993068658771765456}


def nearly(x, target: Target) -> RunningError:
    """Real numbers, handed to a subject as their float64 values."""
    exact = RunningError.exact(x, target)
    return RunningError(exact.value, exact.bound + FLOAT64.unit_roundoff * np.abs(exact.value), exact.target)


def backward(subject, spec, x, cotangent) -> tuple[np.ndarray, RunningError]:
    """The subject's cotangent of the preactivation `x`, and the certified one."""
    sent = (a.astype(subject.array_dtype) for a in (x, cotangent))
    certified = spec.backward(nearly(x, subject.target), nearly(cotangent, subject.target))
    return subject.activation(spec, *sent)[1], certified


def check_largest(compare, found, certified, largest) -> None:
    """No slope is above the largest there is, but for rounding."""
    compare.at_most(float(np.max(np.abs(found))), largest + float(np.max(certified.bound)), "largest slope")


@case(
    statement="At log(k) the slope of sigmoid is k / (k + 1)^2, at most 1/4; of tanh 4 k^2 / (k^2 + 1)^2, at most 1; "
    "of softplus k / (k + 1), and of ELU min(k, 1).",
    source="derived here from the definitions; the maxima are at k = 1",
    kind="analytic",
    catches="a derivative taken at the activation instead of its argument, or twice; a slope that exceeds its maximum",
    capability="activation",
)
@pytest.mark.parametrize("rule", RATIONAL, ids=lambda rule: rule.__name__)
def test_slopes_at_logarithms(subject, compare, rule):
    spec, (slope, largest) = subject.spec(rule), RATIONAL[rule]
    exponents = range(-12, 13)
    exact = [float(slope(Fraction(2) ** exponent)) for exponent in exponents]
    x = np.array(exponents) * math.log(2)
    compare.example(spec=spec, arguments="log(k), k = 2^-12 ... 2^12", largest=largest)
    found, certified = backward(subject, spec, x, np.ones_like(x))
    compare.within(found, with_bound_of(exact, certified), "slope")
    check_largest(compare, found, certified, largest)


@case(
    statement="The slope of ReLU is 0 below zero and 1 above, however large the argument.",
    source="Nair & Hinton 2010",
    kind="exact",
    catches="a slope that grows with the argument; a gate open below zero",
    capability="activation",
)
def test_relu_slope_is_zero_or_one(subject, compare):
    spec = subject.spec(ReLU)
    positive = 2.0 ** np.arange(-100, 101)
    x = np.concatenate([-positive, positive])
    compare.example(spec=spec, arguments="+-2^-100 ... +-2^100")
    found, _ = backward(subject, spec, x, np.ones_like(x))
    compare.equal(found, np.repeat([0.0, 1.0], len(positive)), "slope")


def check_extremes(subject, compare, spec, at, largest) -> None:
    """An activation x G(x), G(x) + G(-x) = 1, has the slopes `largest` and 1 - `largest` at +-`at`, and none beyond."""
    x = np.append([-at, at], np.linspace(-8.0, 8.0, 257))
    compare.example(spec=spec, arguments=x[:2].tolist(), largest=largest)
    found, certified = backward(subject, spec, x, np.ones_like(x))
    compare.within(found[:2], with_bound_of([1 - largest, largest], certified[:2]), "extreme slopes")
    check_largest(compare, found, certified, largest)


@case(
    statement="The slope of SiLU reaches 1.0998 at 2.40, and -0.0998 at -2.40: it exceeds 1.",
    source="derived here: the zero of the second derivative, to 21 digits",
    kind="analytic",
    catches="a derivative without the part of the gate; a bound of 1 taken from ReLU",
    capability="activation",
)
def test_silu_slope_exceeds_one(subject, compare):
    check_extremes(subject, compare, subject.spec(SiLU), SILU_AT, SILU_LARGEST)


@case(
    statement="The slope of GELU reaches 1.1289 at sqrt(2), and -0.1289 at -sqrt(2): it exceeds 1. "
    "With tanh in the gate it is 1.1290, at 1.4185.",
    source="derived here: the zero of the second derivative, to 21 digits; for the exact gate at x^2 = 2",
    kind="analytic",
    catches="a derivative without the part of the gate; one form of the gate in place of the other",
    capability="activation",
)
def test_gelu_slope_exceeds_one(subject, compare):
    for approximation in supported_values(subject, GELU, "approximation", ["none", "tanh"]):
        spec = GELU(approximation=approximation)
        check_extremes(subject, compare, spec, GELU_AT[approximation], GELU_LARGEST[approximation])


# One unit at rest: h = activation(weight * (h - centre)), its preactivation log(k).
AT_REST = {
    Tanh: (lambda k: (k**2 + 1) / (k**2 - 1), lambda k: (k**2 - 1) / (k**2 + 1), lambda k: 4 * k**2 / (k**4 - 1)),
    Sigmoid: (lambda k: 2 * (k + 1) / (k - 1), lambda k: k / (k + 1), lambda k: 2 * k / (k**2 - 1)),
}


@case(
    statement="A chain of saturated units makes the gradient vanish the faster, the larger its weight: at rest, h = "
    "tanh(w h) with w = log(k) (k^2 + 1) / (k^2 - 1) > 1 multiplies it by 4 k^2 log(k) / (k^4 - 1) < 1 per layer, "
    "and h = sigmoid(w (h - 1/2)) with w = 2 log(k) (k + 1) / (k - 1) > 4 by 2 k log(k) / (k^2 - 1) < 1; shown for k "
    "= 2, 4, 16 and 256.",
    source="derived here: with t = log(k), 2 t / sinh(2 t) and t / sinh(t) fall, while t coth(t) and 2 t coth(t / 2) "
    "grow",
    kind="analytic",
    catches="a slope not taken at the layer's own preactivation; gradients expected to grow with the weight",
    capability="activation",
)
@pytest.mark.parametrize("rule", AT_REST, ids=lambda rule: rule.__name__)
def test_large_weights_saturate(subject, compare, rule):
    spec, (weight, rest, factor) = subject.spec(rule), AT_REST[rule]
    exponents = [1, 2, 4, 8]
    logarithms, ks = np.array(exponents) * math.log(2), [Fraction(2) ** exponent for exponent in exponents]
    weights, rests, factors = (np.array([float(part(k)) for k in ks]) for part in (weight, rest, factor))
    weights, factors = logarithms * weights, logarithms * factors
    compare.example(spec=spec, weights=weights.tolist(), activations=rests.tolist(), factors=factors.tolist())

    values = subject.activation(spec, *(a.astype(subject.array_dtype) for a in (logarithms, weights)))[0]
    compare.within(values, with_bound_of(rests, spec.forward(nearly(logarithms, subject.target))), "activation at rest")
    found, certified = backward(subject, spec, logarithms, weights)
    compare.within(found, with_bound_of(factors, certified), "factor of the gradient per layer")
    for larger, smaller in zip(found[1:], found[:-1], strict=True):
        compare.at_most(float(larger), float(smaller), "factor with a larger weight")
    compare.at_most(float(np.max(found)), 1.0, "factor of the gradient")
