"""Activations of a few linear, quadratic or rational pieces, with a convention at each kink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.activations.activation import Elementwise
from refimpl.activations.evaluation_orders.rules import (
    HARD_SIGMOID,
    HARD_SIGMOID_VJP,
    HARD_SWISH,
    HARD_SWISH_VJP,
    SOFTSIGN_VJP,
)
from refimpl.activations.functions import ramp
from refimpl.arithmetic import covering, quotient
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array


@dataclass(frozen=True)
class Identity(Elementwise):
    """x."""

    def _function(self, x: Array) -> Array:
        return x

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        return cotangent


@dataclass(frozen=True)
class ReLU(Elementwise):
    """max(x, 0)."""

    derivative_at_zero: float = convention(
        {
            0.0: "torch.relu, jax.nn.relu, keras.activations.relu",
            0.5: "the mean of both sides (torch.maximum and jax.numpy.maximum with 0)",
            1.0: "the derivative on the right",
        }
    )

    def _function(self, x: Array) -> Array:
        return np.maximum(x, 0.0)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        return np.where(x > 0, cotangent, np.where(x < 0, 0.0, self.derivative_at_zero * cotangent))


@dataclass(frozen=True)
class LeakyReLU(Elementwise):
    """max(x, slope * x), slope in [0, 1] (Maas, Hannun & Ng 2013)."""

    slope: float = hyperparameter(0.01, at_least=0, at_most=1)
    derivative_at_zero: Literal["slope", "one"] = convention(
        {"slope": "the derivative on the left (PyTorch)", "one": "the derivative on the right (JAX, Keras)"}
    )

    def _function(self, x: Array) -> Array:
        return np.maximum(x, self.slope * x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        on_the_right = x > 0 if self.derivative_at_zero == "slope" else x >= 0
        return np.where(on_the_right, cotangent, self.slope * cotangent)


@dataclass(frozen=True)
class ReLU6(Elementwise):
    """min(max(x, 0), 6) (Krizhevsky 2010); the derivative at 0 and 6 is 0 (PyTorch, JAX, Keras)."""

    def _function(self, x: Array) -> Array:
        return np.clip(x, 0.0, 6.0)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        return np.where((x > 0) & (x < 6), cotangent, 0.0)


@dataclass(frozen=True)
class HardTanh(Elementwise):
    """x between -1 and 1, and the nearer of them beyond (Collobert 2004)."""

    derivative_at_limits: float = convention(
        {
            1.0: "the derivative inside (torch.clamp, jax.nn.hard_tanh, keras.activations.hard_tanh)",
            0.0: "the derivative outside (torch.nn.functional.hardtanh)",
            0.5: "the mean of both sides (jax.numpy.clip)",
        }
    )

    def _function(self, x: Array) -> Array:
        return np.clip(x, -1.0, 1.0)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        distance = np.abs(x)
        return np.where(distance < 1, cotangent, np.where(distance > 1, 0.0, self.derivative_at_limits * cotangent))


@dataclass(frozen=True)
class HardSigmoid(Elementwise):
    """(x + 3) / 6 between -3 and 3, 0 below and 1 above (Howard et al. 2019, section 5.2).

    The derivative at -3 and 3 is 0 (PyTorch, JAX, Keras).
    """

    def _function(self, x: Array) -> Array:
        return covering(ramp(x) / 6, HARD_SIGMOID, x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        slope = quotient(cotangent, 6.0)
        return covering(np.where((x > -3) & (x < 3), slope, 0.0), HARD_SIGMOID_VJP, x, slope)


@dataclass(frozen=True)
class HardSwish(Elementwise):
    """x times the hard sigmoid of x (Howard et al. 2019, section 5.2).

    The derivatives at -3 and 3 are those outside, 0 and 1 (PyTorch, JAX, Keras).
    """

    def _function(self, x: Array) -> Array:
        bounded = np.maximum(x, -3.0)  # the ramp is 0 below, where x may be infinite
        return covering(bounded * (ramp(x) / 6), HARD_SWISH, bounded, x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * (2 x + 3) / 6 between -3 and 3."""
        near = np.clip(x, -3.0, 3.0)
        slope = cotangent * ((2 * near + 3) / 6)
        value = np.where(x <= -3, 0.0, np.where(x < 3, slope, cotangent))
        return covering(value, HARD_SWISH_VJP, x, cotangent, near)


@dataclass(frozen=True)
class SoftShrink(Elementwise):
    """x moved towards 0 by the threshold, and 0 where it would pass it (Donoho & Johnstone 1994, equation 2.2).

    The derivative at the threshold and minus it is 0 (PyTorch, Keras).
    """

    threshold: float = hyperparameter(0.5, at_least=0)

    def _function(self, x: Array) -> Array:
        return np.maximum(x - self.threshold, 0.0) + np.minimum(x + self.threshold, 0.0)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        return np.where(np.abs(x) > self.threshold, cotangent, 0.0)


@dataclass(frozen=True)
class HardShrink(Elementwise):
    """x where its magnitude is above the threshold, 0 elsewhere (Donoho & Johnstone 1994, equation 2.1).

    The derivative at the threshold and minus it, where the function jumps, is 0 (PyTorch, Keras).
    """

    threshold: float = hyperparameter(0.5, at_least=0)

    def _function(self, x: Array) -> Array:
        return np.where(np.abs(x) <= self.threshold, 0.0, x)

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        return np.where(np.abs(x) > self.threshold, cotangent, 0.0)


@dataclass(frozen=True)
class Softsign(Elementwise):
    """x / (1 + |x|) (Bergstra, Desjardins, Lamblin & Bengio 2009)."""

    def _function(self, x: Array) -> Array:
        near = np.clip(x, -(2.0**64), 2.0**64)  # beyond it is 1 in every format, where infinities have no quotient
        return quotient(near, 1 + np.abs(near))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent / (1 + |x|)**2, by two divisions."""
        denominator = 1 + np.abs(x)
        return covering(cotangent / denominator / denominator, SOFTSIGN_VJP, x, cotangent)
