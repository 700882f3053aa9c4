"""The functions that several activations are made of, evaluated without cancellation and without overflow."""

from __future__ import annotations

import numpy as np

from refimpl.activations.evaluation_orders.functions import LOG_SOFTMAX, NORMAL_DISTRIBUTION, SIGMOID, TANH_GATE
from refimpl.arithmetic import constant, covering, erfc, finite, from_double_double, pi, to_double_double
from refimpl.types import Array

# Double-double stands where an exponential follows: it magnifies the rounding of its argument by the argument.


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return covering(np.exp(np.minimum(x, 0.0)) / (1 + np.exp(-np.abs(x))), SIGMOID, x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def gated(x: Array, gate: Array) -> Array:
    """x * gate, for a gate that is 0 at minus infinity."""
    return finite(x, highest=np.inf) * gate


def sigmoid_gate_derivative(x: Array, argument: Array) -> Array:
    """sigmoid + x * sigmoid' at the argument, over one denominator: the two terms cancel below 0.

    With p = exp(min(argument, 0)) and q = exp(-|argument|) they are p / (1 + q) and x q / (1 + q)**2.
    """
    p = to_double_double(np.exp(np.minimum(argument, 0.0)))
    q = to_double_double(np.exp(-np.abs(argument)))
    numerator = p * (1 + q) + x * q
    return from_double_double(numerator) / from_double_double((1 + q) * (1 + q))


def ramp(x: Array) -> Array:
    """0 up to -3, 6 from 3 on, and a line between."""
    return np.clip(x + 3.0, 0.0, 6.0)


# --- the gates of GELU ---


def within_gate(x: Array) -> Array:
    """x clipped to +-40 in float64: beyond, the gate is 0 or 1, but its derivative would be 0 * infinity."""
    return finite(x, -40.0, 40.0)


def normal_distribution(x: Array) -> Array:
    """The standard normal distribution function, Φ(x) = erfc(-x / sqrt(2)) / 2."""
    x = to_double_double(x)
    scaled = x * np.sqrt(constant(0.5, x))
    return covering(erfc(-scaled) / 2, NORMAL_DISTRIBUTION, scaled)


def normal_density(x: Array) -> Array:
    """The standard normal density, φ(x) = exp(-x**2 / 2) / sqrt(2 π)."""
    x = to_double_double(x)
    return np.exp(-(x * x) / 2) / from_double_double(np.sqrt(2 * pi(x)))


CUBIC = 0.044715


def tanh_gate(x: Array) -> Array:
    """(1 + tanh(sqrt(2 / π) (x + 0.044715 x**3))) / 2, the sigmoid of twice that argument."""
    argument = tanh_gate_argument(within_gate(x))
    return covering(sigmoid(argument), TANH_GATE, argument)


def tanh_gate_argument(x: Array) -> Array:
    """2 sqrt(2 / π) (x + 0.044715 x**3)."""
    x = to_double_double(x)
    return np.sqrt(8 / pi(x)) * (x + CUBIC * (x * x * x))


def tanh_gate_slope(x: Array) -> Array:
    """The derivative of the argument, 2 sqrt(2 / π) (1 + 3 * 0.044715 x**2)."""
    x = to_double_double(x)
    return np.sqrt(8 / pi(x)) * (1 + 3 * (CUBIC * (x * x)))


# --- logarithms of sums ---


def shifted(x: Array, axis: int) -> Array:
    """x minus its largest element along the axis, so that the exponentials lie in [0, 1] and one of them is 1."""
    return to_double_double(x) - np.max(x, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along the axis."""
    x = shifted(x, axis)
    exponentials = np.exp(x)
    # One of them is 1: without it, the others keep their digits.
    log_of_sum = np.log1p(np.sum(to_double_double(exponentials), axis=axis, keepdims=True) - 1)
    return covering(from_double_double(x - log_of_sum), LOG_SOFTMAX, x, exponentials, axis)
