"""The evaluation orders of activations and of their vector-Jacobian products."""

from __future__ import annotations

import numpy as np

from refimpl.activations.functions import (
    CUBIC,
    log_softmax,
    normal_density,
    ramp,
    sigmoid,
    softplus,
    tanh_gate,
    tanh_gate_argument,
    tanh_gate_slope,
)
from refimpl.arithmetic import constant, covering, pi, product, quotient
from refimpl.types import Array

# --- sigmoid and tanh ---


def one_minus_sigmoid(value: Array) -> Array:
    """1 - sigmoid(x): PyTorch, JAX."""
    return 1 - value


def one_minus_squared_tanh(tanh: Array, cotangent: Array) -> Array:
    """cotangent * (1 - tanh(x)**2): PyTorch."""
    return cotangent * (1 - tanh**2)


def one_minus_tanh_times_cotangent_first(tanh: Array, cotangent: Array) -> Array:
    """(cotangent + cotangent * tanh(x)) * (1 - tanh(x)): JAX."""
    return (cotangent + cotangent * tanh) * (1 - tanh)


SIGMOID_COMPLEMENT = (one_minus_sigmoid,)
TANH_VJP = (one_minus_squared_tanh, one_minus_tanh_times_cotangent_first)

# --- softplus and the logarithm of the sigmoid ---

_LARGEST = 40.0  # from here on softplus(x) is x, and its tanh is 1, in every format


def log1p_of_exponential(x: Array) -> Array:
    """log(1 + exp(x)) as it is defined: PyTorch, up to its threshold."""
    return np.log1p(np.exp(x))


def log1p_of_exponential_in_range(x: Array) -> Array:
    """log(1 + exp(x)) as it is defined, where softplus(x) is not yet x in every format: PyTorch, TensorFlow."""
    return np.where(x > _LARGEST, softplus(x), log1p_of_exponential(np.minimum(x, _LARGEST)))


def softplus_vjp_by_exponential(x: Array, cotangent: Array) -> Array:
    """cotangent * exp(x - softplus(x)): JAX."""
    return cotangent * np.exp(x - softplus(x))


def softplus_vjp_by_quotient(growth: Array, cotangent: Array) -> Array:
    """cotangent * (exp(x) / (exp(x) + 1)), the quotient first."""
    return cotangent * (growth / (growth + 1))


def softplus_vjp_by_product(growth: Array, cotangent: Array) -> Array:
    """cotangent * exp(x) / (exp(x) + 1), the product first: PyTorch."""
    return cotangent * growth / (growth + 1)


def log_sigmoid_vjp_by_exponential(x: Array, cotangent: Array) -> Array:
    """cotangent * exp(-x - softplus(-x)): JAX."""
    return cotangent * np.exp(-x - softplus(-x))


def log_sigmoid_vjp_by_sign(x: Array, cotangent: Array) -> Array:
    """cotangent * decay / (1 + decay) with decay = exp(-|x|), and below 0 what is left of 1: PyTorch."""
    decay = np.exp(-np.abs(x))
    return cotangent * np.where(x < 0, 1 - decay / (1 + decay), decay / (1 + decay))


SOFTPLUS = (log1p_of_exponential_in_range,)
SOFTPLUS_UP_TO_THRESHOLD = (log1p_of_exponential,)
SOFTPLUS_VJP = (softplus_vjp_by_exponential,)
SOFTPLUS_VJP_UP_TO_THRESHOLD = (softplus_vjp_by_quotient, softplus_vjp_by_product)
LOG_SIGMOID_VJP = (log_sigmoid_vjp_by_exponential, log_sigmoid_vjp_by_sign)

# --- SiLU and Mish ---


def silu_vjp_by_product_rule(x: Array, cotangent: Array) -> Array:
    """cotangent * sigmoid(x) + cotangent * x * sigmoid(x) * (1 - sigmoid(x)): JAX."""
    value = sigmoid(x)
    return cotangent * value + product(cotangent, x, value, 1 - value)


def tanh_of_softplus(x: Array) -> Array:
    """tanh(softplus(x)) as it is defined: PyTorch, JAX."""
    near = np.minimum(x, _LARGEST)
    return np.tanh(covering(softplus(near), SOFTPLUS_UP_TO_THRESHOLD, near))


def mish_vjp_by_product_rule(x: Array, cotangent: Array) -> Array:
    """cotangent * gate + cotangent * x * (1 - gate**2) * softplus'(x), with the derivative of tanh from its square."""
    gate, scaled = tanh_of_softplus(x), product(cotangent, x)
    return cotangent * gate + product(scaled, 1 - gate**2, _softplus_slope(x))


def mish_vjp_by_tanh_rule(x: Array, cotangent: Array) -> Array:
    """cotangent * gate + (y + y * gate) * (1 - gate) * softplus'(x), where y = cotangent * x: JAX."""
    gate, scaled = tanh_of_softplus(x), product(cotangent, x)
    return cotangent * gate + (scaled + scaled * gate) * (1 - gate) * _softplus_slope(x)


def exponential_of_difference(x: Array) -> Array:
    """exp(x - softplus(x)), which is sigmoid(x): JAX."""
    return np.exp(x - softplus(x))


SILU_VJP = (silu_vjp_by_product_rule,)
MISH_GATE = (tanh_of_softplus,)
MISH_VJP = (mish_vjp_by_product_rule, mish_vjp_by_tanh_rule)
SOFTPLUS_SLOPE = (exponential_of_difference,)


def _softplus_slope(x: Array) -> Array:
    return covering(sigmoid(x), SOFTPLUS_SLOPE, x)


# --- GELU ---


def gelu_vjp_by_density(x: Array, cotangent: Array, distribution: Array) -> Array:
    """cotangent * (Φ(x) + x φ(x)): PyTorch."""
    return cotangent * (distribution + x * normal_density(x))


def gelu_vjp_by_derivative_of_erf(x: Array, cotangent: Array, distribution: Array) -> Array:
    """cotangent * Φ(x) + cotangent * x / 2 * erf'(x / sqrt(2)) / sqrt(2), erf'(z) = 2 / sqrt(π) exp(-z**2): JAX."""
    root_half = np.sqrt(constant(0.5, x))
    decay = np.exp(-((x * root_half) * (x * root_half)))
    return cotangent * distribution + product(cotangent, x, decay, 2 / np.sqrt(pi(x)), root_half, 0.5)


def tanh_gelu_vjp_factored(x: Array, cotangent: Array) -> Array:
    """cotangent * (gate + x * (1 - tanh**2) * slope / 4): PyTorch."""
    tanh = np.tanh(tanh_gate_argument(x) / 2)
    return cotangent * (tanh_gate(x) + product(x, 1 - tanh**2, tanh_gate_slope(x), 0.25))


def tanh_gelu_vjp_distributed(x: Array, cotangent: Array) -> Array:
    """cotangent * gate, plus a term for x and one for 0.044715 * x**3 in the argument: JAX."""
    tanh = np.tanh(tanh_gate_argument(x) / 2)
    term = product(cotangent, x, 1 - tanh, 1 + tanh, np.sqrt(8 / pi(x)), 0.25)
    return cotangent * tanh_gate(x) + (term + term * (3 * (CUBIC * (x * x))))


GELU_VJP = (gelu_vjp_by_density, gelu_vjp_by_derivative_of_erf)
TANH_GELU_VJP = (tanh_gelu_vjp_factored, tanh_gelu_vjp_distributed)

# --- exponential linear units ---


def expm1_plus_one(x: Array) -> Array:
    """(exp(x) - 1) + 1, from the value of the unit: JAX."""
    return np.expm1(x) + 1


def exponential_of_quotient(x: Array, alpha: Array) -> Array:
    """exp(x / alpha), the quotient rounded to the format: PyTorch."""
    return np.exp(quotient(x, alpha))


def expm1_of_quotient_plus_one(x: Array, alpha: Array) -> Array:
    """(exp(x / alpha) - 1) + 1, from the value of the unit: JAX."""
    return np.expm1(quotient(x, alpha)) + 1


def product_with_alpha_and_its_reciprocal(cotangent: Array, growth: Array, alpha: Array) -> Array:
    """cotangent * alpha * (1 / alpha) * exp(x / alpha), in any order: PyTorch, JAX."""
    return product(cotangent, alpha, 1 / alpha, growth)


EXPONENTIAL = (expm1_plus_one,)
CELU_EXPONENTIAL = (exponential_of_quotient, expm1_of_quotient_plus_one)
CELU_VJP = (product_with_alpha_and_its_reciprocal,)

# --- activations of pieces ---


def ramp_times_sixth(x: Array) -> Array:
    """ramp(x) * (1 / 6), with the reciprocal rounded: XLA, of a division by a constant."""
    return ramp(x) * (1 / constant(6.0, x))


def slope_between_raised_kinks(x: Array, slope: Array) -> Array:
    """The slope where x + 3 is between 0 and 6, onto which rounding may move it: JAX."""
    raised = x + 3.0
    return np.where((raised > 0) & (raised < 6), slope, 0.0)


def bounded_times_ramp_times_sixth(bounded: Array, x: Array) -> Array:
    """x * ramp(x) * (1 / 6), in any order: XLA."""
    return product(bounded, ramp(x), 1 / constant(6.0, x))


def hard_swish_vjp_of_a_third(x: Array, cotangent: Array, near: Array) -> Array:
    """cotangent * (x / 3 + 1 / 2) between the kinks: PyTorch."""
    return np.where(x <= -3, 0.0, np.where(x < 3, cotangent * (near / 3 + 0.5), cotangent))


def hard_swish_vjp_by_product_rule(x: Array, cotangent: Array, near: Array) -> Array:
    """cotangent * hard_sigmoid(x), plus cotangent * x / 6 where x + 3 is between 0 and 6: JAX."""
    raised = x + 3.0
    through_ramp = np.where((raised > 0) & (raised < 6), product(cotangent, near, 1 / constant(6.0, x)), 0.0)
    return cotangent * (ramp(x) / 6) + through_ramp


def cotangent_over_squared_denominator(x: Array, cotangent: Array) -> Array:
    """cotangent / (1 + |x|)**2: TensorFlow."""
    denominator = 1 + np.abs(x)
    return cotangent / (denominator * denominator)


def softsign_vjp_by_quotient_rule(x: Array, cotangent: Array) -> Array:
    """cotangent / (1 + |x|) - cotangent * |x| / (1 + |x|)**2: PyTorch, JAX."""
    magnitude = np.abs(x)
    denominator = 1 + magnitude
    reciprocal = 1 / denominator
    return cotangent / denominator - product(cotangent, magnitude, reciprocal, reciprocal)


HARD_SIGMOID = (ramp_times_sixth,)
HARD_SIGMOID_VJP = (slope_between_raised_kinks,)
HARD_SWISH = (bounded_times_ramp_times_sixth,)
HARD_SWISH_VJP = (hard_swish_vjp_of_a_third, hard_swish_vjp_by_product_rule)
SOFTSIGN_VJP = (cotangent_over_squared_denominator, softsign_vjp_by_quotient_rule)

# --- softmax ---


def exponential_of_log_softmax(x: Array, axis: int) -> Array:
    """exp(log_softmax(x))."""
    return np.exp(log_softmax(x, axis))


def difference_of_products(softmax: Array, weighted: Array, total: Array) -> Array:
    """softmax * cotangent - softmax * sum(softmax * cotangent): JAX."""
    return weighted - softmax * total


SOFTMAX = (exponential_of_log_softmax,)
SOFTMAX_VJP = (difference_of_products,)
