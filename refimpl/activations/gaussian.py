"""The Gaussian error linear unit, exact and with tanh in its gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from refimpl.activations.activation import Elementwise
from refimpl.activations.evaluation_orders.rules import GELU_VJP, TANH_GELU_VJP
from refimpl.activations.functions import (
    gated,
    normal_density,
    normal_distribution,
    sigmoid_gate_derivative,
    tanh_gate,
    tanh_gate_argument,
    tanh_gate_slope,
    within_gate,
)
from refimpl.arithmetic import covering
from refimpl.spec import convention
from refimpl.types import Array


@dataclass(frozen=True)
class GELU(Elementwise):
    """x * gate(x); the gate is the standard normal distribution function (Hendrycks & Gimpel 2016, section 2)."""

    approximation: Literal["none", "tanh"] = convention(
        {
            "none": "the distribution function itself (default of PyTorch and Keras)",
            "tanh": "(1 + tanh(sqrt(2 / π) * (x + 0.044715 * x**3))) / 2 in its place (default of JAX)",
        }
    )

    def _function(self, x: Array) -> Array:
        return gated(x, normal_distribution(x) if self.approximation == "none" else tanh_gate(x))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * (Φ(x) + x * φ(x)), or cotangent * (gate(x) + x * gate'(x))."""
        near = within_gate(x)
        if self.approximation == "none":
            distribution = normal_distribution(x)
            derivative = distribution + near * normal_density(near)
            return covering(cotangent * derivative, GELU_VJP, x, cotangent, distribution)
        derivative = sigmoid_gate_derivative(near * tanh_gate_slope(near), tanh_gate_argument(near))
        return covering(cotangent * derivative, TANH_GELU_VJP, x, cotangent)
