"""The sigmoid and what is made of it: tanh, softplus, and gates that multiply their own argument."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.activations.activation import Elementwise
from refimpl.activations.evaluation_orders.rules import (
    LOG_SIGMOID_VJP,
    MISH_GATE,
    MISH_VJP,
    SIGMOID_COMPLEMENT,
    SILU_VJP,
    SOFTPLUS,
    SOFTPLUS_UP_TO_THRESHOLD,
    SOFTPLUS_VJP,
    SOFTPLUS_VJP_UP_TO_THRESHOLD,
    TANH_VJP,
)
from refimpl.activations.functions import gated, sigmoid, sigmoid_gate_derivative, softplus
from refimpl.arithmetic import covering, finite, from_double_double, product, to_double_double
from refimpl.spec import convention
from refimpl.types import Array


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    def _function(self, x: Array) -> Array:
        return sigmoid(x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * sigmoid(x) * (1 - sigmoid(x)), in which 1 - sigmoid(x) is sigmoid(-x)."""
        value = sigmoid(x)
        complement = covering(sigmoid(-x), SIGMOID_COMPLEMENT, value)
        return product(cotangent, value, complement)


@dataclass(frozen=True)
class Tanh(Elementwise):
    """tanh(x)."""

    def _function(self, x: Array) -> Array:
        return np.tanh(x)

    @np.errstate(over="ignore")
    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * (1 - tanh(x)**2), which is 4 exp(-2 |x|) / (1 + exp(-2 |x|))**2."""
        decay = np.exp(-2 * np.abs(x))
        return covering(cotangent * (4 * decay / (1 + decay) ** 2), TANH_VJP, np.tanh(x), cotangent)


@dataclass(frozen=True)
class Softplus(Elementwise):
    """log(1 + exp(x))."""

    threshold: float | None = convention({None: "JAX, Keras", 20.0: "x itself above 20 (PyTorch's default)"})

    def _function(self, x: Array) -> Array:
        if self.threshold is None:
            return covering(softplus(x), SOFTPLUS, x)
        near = np.minimum(x, self.threshold)
        return np.where(x > self.threshold, x, covering(softplus(near), SOFTPLUS_UP_TO_THRESHOLD, near))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * sigmoid(x)."""
        if self.threshold is None:
            return covering(cotangent * sigmoid(x), SOFTPLUS_VJP, x, cotangent)
        growth = np.exp(np.minimum(x, self.threshold))
        curved = covering(cotangent * sigmoid(x), SOFTPLUS_VJP_UP_TO_THRESHOLD, growth, cotangent)
        return np.where(x > self.threshold, cotangent, curved)


@dataclass(frozen=True)
class SiLU(Elementwise):
    """x * sigmoid(x) (Elfwing, Uchibe & Doya 2018)."""

    def _function(self, x: Array) -> Array:
        return gated(x, sigmoid(x))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * (sigmoid(x) + x * sigmoid'(x))."""
        return covering(cotangent * sigmoid_gate_derivative(finite(x), x), SILU_VJP, x, cotangent)


@dataclass(frozen=True)
class LogSigmoid(Elementwise):
    """log(sigmoid(x)) = -softplus(-x)."""

    def _function(self, x: Array) -> Array:
        return -covering(softplus(-x), SOFTPLUS, -x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * sigmoid(-x)."""
        return covering(cotangent * sigmoid(-x), LOG_SIGMOID_VJP, x, cotangent)


@dataclass(frozen=True)
class Mish(Elementwise):
    """x * tanh(softplus(x)) (Misra 2019).

    With p = exp(min(x, 0)) and q = exp(-max(x, 0)), tanh(softplus(x)) is p (p + 2 q) / (p (p + 2 q) + 2 q**2).
    """

    def _function(self, x: Array) -> Array:
        p, q = np.exp(np.minimum(x, 0.0)), np.exp(-np.maximum(x, 0.0))
        numerator = p * (p + 2 * q)
        return gated(x, covering(numerator / (numerator + 2 * q**2), MISH_GATE, x))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * (gate + x * gate'), where gate' is 4 p q**2 (p + q) over the square of the gate's denominator.

        Over one denominator, as the two terms cancel below 0.
        """
        near = finite(x)
        p, q = to_double_double(np.exp(np.minimum(near, 0.0))), to_double_double(np.exp(-np.maximum(near, 0.0)))
        gate = p * (p + 2 * q)
        denominator = gate + 2 * (q * q)
        numerator = gate * denominator + 4 * (near * p * (q * q) * (p + q))
        derivative = from_double_double(numerator) / from_double_double(denominator * denominator)
        return covering(cotangent * derivative, MISH_VJP, x, cotangent)
