"""The Gaussian error linear unit, exact and with tanh in its gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations.activation import Elementwise
from refimpl.activations.logistic import derivative_of_gated, gated, logistic
from refimpl.arithmetic import constant, erf, erfc, finite, forms, from_double_double, pi, product, to_double_double
from refimpl.spec import convention


@dataclass(frozen=True)
class GELU(Elementwise):
    """x * gate(x); the gate is the standard normal distribution function (Hendrycks & Gimpel 2016, section 2)."""

    approximation: str = convention(
        {
            "none": "the distribution function itself (default of PyTorch and Keras)",
            "tanh": "(1 + tanh(sqrt(2 / π) * (x + 0.044715 * x**3))) / 2 in its place (default of JAX)",
        }
    )

    def _function(self, x: Any, h: Any) -> Any:
        return gated(x, _normal_distribution(x) if self.approximation == "none" else _tanh_gate(x))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        return _through_normal(x, cotangent) if self.approximation == "none" else _through_tanh(x, cotangent)


def _within_gate(x: Any) -> Any:
    """x clipped to +-40 in float64: beyond, the gate is 0 or 1, but its derivative would be 0 * infinity."""
    return finite(x, -40.0, 40.0)


# The arguments of exp and erfc below reach -700, where they magnify their own rounding by as much: hence
# double-double.


def _normal_distribution(x: Any) -> Any:
    x = to_double_double(x)
    scaled = x * np.sqrt(constant(0.5, x))
    return forms(lambda: erfc(-scaled) / 2, lambda: (1 + erf(scaled)) / 2)


def _normal_density(x: Any) -> Any:
    x = to_double_double(x)
    return np.exp(-(x * x) / 2) / from_double_double(np.sqrt(2 * pi(x)))


def _through_normal(x: Any, cotangent: Any) -> Any:
    """cotangent * (distribution + x * density)."""
    near, distribution = _within_gate(x), _normal_distribution(x)

    def by_derivative_of_erf() -> Any:
        root_half = np.sqrt(constant(0.5, x))
        decay = np.exp(-((x * root_half) * (x * root_half)))
        return cotangent * distribution + product(cotangent, x, decay, 2 / np.sqrt(pi(x)), root_half, 0.5)

    return forms(
        lambda: cotangent * (distribution + near * _normal_density(near)),
        lambda: cotangent * (distribution + x * _normal_density(x)),
        by_derivative_of_erf,
    )


_CUBIC = 0.044715


def _gate_argument(x: Any) -> Any:
    """2 sqrt(2 / π) (x + 0.044715 x**3), twice the argument of tanh."""
    x = to_double_double(x)
    return np.sqrt(8 / pi(x)) * (x + _CUBIC * (x * x * x))


def _gate_slope(x: Any) -> Any:
    """The derivative of the argument."""
    x = to_double_double(x)
    return np.sqrt(8 / pi(x)) * (1 + 3 * (_CUBIC * (x * x)))


def _tanh_gate(x: Any) -> Any:
    argument = _gate_argument(_within_gate(x))
    return forms(lambda: logistic(argument), lambda: (1 + np.tanh(argument / 2)) / 2)


def _through_tanh(x: Any, cotangent: Any) -> Any:
    """cotangent * (gate + x * gate'), gate' = slope * sigmoid' at the argument."""
    near = _within_gate(x)

    def factored() -> Any:
        tanh = np.tanh(_gate_argument(x) / 2)
        return cotangent * (_tanh_gate(x) + product(x, 1 - tanh**2, _gate_slope(x), 0.25))

    def distributed() -> Any:
        tanh = np.tanh(_gate_argument(x) / 2)
        term = product(cotangent, x, 1 - tanh, 1 + tanh, np.sqrt(8 / pi(x)), 0.25)
        return cotangent * _tanh_gate(x) + (term + term * (3 * (_CUBIC * (x * x))))

    return forms(
        lambda: cotangent * derivative_of_gated(near * _gate_slope(near), _gate_argument(near)),
        factored,
        distributed,
    )
