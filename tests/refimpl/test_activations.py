"""Activations: 50 digits, other definitions, derivatives by difference quotients, closed forms, kinks, extreme inputs."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from tests.refimpl.precision import relative_error, ulps

SMOOTH = [Sigmoid(), Tanh(), Softplus(), GELU(), GELU(approximation="tanh"), SiLU()]
ELEMENTWISE = [*SMOOTH, Identity(), ReLU(), LeakyReLU(slope=0.3), ELU(alpha=1.3), Softplus(threshold=20.0)]
ALONG_AXIS = [Softmax(), LogSoftmax()]

# Definitions that are not the ones evaluated; `m` is mpmath at enough digits for them.
DEFINITIONS = {
    Sigmoid(): lambda m, x: (1 + m.tanh(x / 2)) / 2,
    Tanh(): lambda m, x: m.sinh(x) / m.cosh(x),
    Softplus(): lambda m, x: x / 2 + m.log(2 * m.cosh(x / 2)),
    GELU(): lambda m, x: x * m.ncdf(x),
    GELU(approximation="tanh"): lambda m, x: x / 2 * (1 + m.tanh(m.sqrt(2 / m.pi) * (x + m.mpf(0.044715) * x**3))),
    SiLU(): lambda m, x: x / 2 * (1 + m.tanh(x / 2)),
    ELU(alpha=1.3): lambda m, x: x if x > 0 else m.mpf(1.3) * (m.exp(x) - 1),
    Softplus(threshold=20.0): lambda m, x: x if x > 20 else m.log(1 + m.exp(x)),
    ReLU(): lambda m, x: (x + abs(x)) / 2,
    LeakyReLU(slope=0.3): lambda m, x: x if x > 0 else m.mpf(0.3) * x,
}


def whole_range():
    """Positive and negative numbers of all magnitudes, most of them where activations are neither 0, 1 nor x."""
    rng = np.random.default_rng(1)
    magnitude = [
        2.0 ** rng.uniform(FLOAT64.min_exponent, FLOAT64.max_exponent, 200),
        2.0 ** rng.uniform(-8, 6, 500),
        rng.uniform(0, 40, 500),
        rng.uniform(600, 720, 60),
        [0.0, 1.0, 20.0, FLOAT64.smallest_normal, FLOAT64.largest],
    ]
    return np.concatenate([*magnitude, *(-np.asarray(x) for x in magnitude)])


def excess_ulps(value, exact, terms):
    """Ulps of `exact` by which a float64 result is off, beyond those that the two terms it is a sum of cannot avoid.

    Each term is within 4 ulp of itself, so where they cancel the sum is within 4 ulp of the larger one. A term or a
    factor of it below the smallest normal number is off by a smallest subnormal number, times the other factor.
    """
    largest = np.max([np.abs(term.to_float64()) for term in terms], axis=0)
    unit = FLOAT64.ulp(np.abs(exact.to_float64()))
    return ulps(value, exact) * unit / np.maximum(FLOAT64.ulp(largest), unit)


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_values_are_within_4_ulp_of_50_digits_over_the_whole_range(activation):
    x = whole_range()
    value, exact = activation.forward(x), activation.forward(Multiprecision(x))
    normal = np.abs(exact.to_float64()) >= FLOAT64.smallest_normal
    # Where x times a gate is normal but the gate is not, the gate is off by at most a smallest subnormal number.
    of_gate = np.abs(x) * FLOAT64.smallest_subnormal / FLOAT64.ulp(np.abs(value))
    allowed = 4 + (of_gate if isinstance(activation, (GELU, SiLU)) else 0)
    assert np.count_nonzero(normal) > len(x) / 3
    assert (ulps(value, exact) <= allowed)[normal].all()


@pytest.mark.parametrize("activation", [a for a in ELEMENTWISE if not isinstance(a, (GELU, SiLU))], ids=repr)
def test_derivatives_are_within_4_ulp_of_50_digits_over_the_whole_range(activation):
    x = whole_range()
    exact = activation.derivative(Multiprecision(x))
    normal = np.abs(exact.to_float64()) >= FLOAT64.smallest_normal
    assert np.count_nonzero(normal) > len(x) / 3
    assert (ulps(activation.derivative(x), exact) <= 4)[normal].all()


@pytest.mark.parametrize("activation", [GELU(), GELU(approximation="tanh"), SiLU()], ids=repr)
def test_derivatives_of_gated_units_are_within_4_ulp_of_the_larger_of_their_two_terms(activation):
    """The derivative is gate + x gate', each with 4 ulp. The terms cancel below 0: the sum has a zero near -0.75
    (GELU) or -1.28 (SiLU), where 4 ulp of the sum would need more digits than float64 has in the terms."""
    x = np.concatenate([whole_range(), np.random.default_rng(2).uniform(-2, -0.5, 500)])
    exact = activation.derivative(Multiprecision(x))
    gate = activation.forward(Multiprecision(x)) / np.where(x == 0, 1.0, x)
    larger = np.maximum(np.abs(gate.to_float64()), np.abs((exact - gate).to_float64()))
    normal = np.minimum(np.abs(exact.to_float64()), gate.to_float64()) >= FLOAT64.smallest_normal
    error_in_ulps_of_larger = ulps(activation.derivative(x), exact) * (
        FLOAT64.ulp(np.abs(exact.to_float64())) / FLOAT64.ulp(larger)
    )
    assert np.count_nonzero(normal) > len(x) / 3
    assert (error_in_ulps_of_larger <= 4)[normal].all()
