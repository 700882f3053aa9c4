"""Exponential linear units: the argument above 0, an exponential that saturates below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.activations.activation import Elementwise
from refimpl.activations.evaluation_orders.rules import CELU_EXPONENTIAL, CELU_VJP, EXPONENTIAL
from refimpl.arithmetic import covering, product, quotient, to_double_double
from refimpl.spec import hyperparameter
from refimpl.types import Array


@dataclass(frozen=True)
class ELU(Elementwise):
    """x above 0, alpha * (exp(x) - 1) below; alpha >= 0 (Clevert, Unterthiner & Hochreiter 2016).

    The derivative at 0 is the one on the left, alpha (PyTorch, JAX, Keras).
    """

    alpha: float = hyperparameter(1.0, at_least=0)

    def _function(self, x: Array) -> Array:
        return np.maximum(x, 0.0) + self.alpha * np.expm1(np.minimum(x, 0.0))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """The cotangent above 0, cotangent * alpha * exp(x) below."""
        return np.where(x > 0, cotangent, product(cotangent, self.alpha, _exponential(np.minimum(x, 0.0))))


@dataclass(frozen=True)
class CELU(Elementwise):
    """x above 0, alpha * (exp(x / alpha) - 1) below; alpha > 0 (Barron 2017). Its derivative has no kink."""

    alpha: float = hyperparameter(1.0, above=0)

    @np.errstate(over="ignore")
    def _function(self, x: Array) -> Array:
        return np.maximum(x, 0.0) + self.alpha * np.expm1(quotient(np.minimum(x, 0.0), self.alpha))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """The cotangent above 0, cotangent * exp(x / alpha) below."""
        negative = np.minimum(x, 0.0)
        # double-double, as exp magnifies the rounding of its argument
        growth = covering(np.exp(to_double_double(negative) / self.alpha), CELU_EXPONENTIAL, negative, self.alpha)
        return np.where(x > 0, cotangent, covering(cotangent * growth, CELU_VJP, cotangent, growth, self.alpha))


_SCALE, _ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@dataclass(frozen=True)
class SELU(Elementwise):
    """scale * ELU(x; alpha), which keeps mean 0 and variance 1 (Klambauer et al. 2017, equations 2 and 14).

    The derivative at 0 is the one on the left, scale * alpha (PyTorch, JAX, Keras).
    """

    def _function(self, x: Array) -> Array:
        return _SCALE * (np.maximum(x, 0.0) + _ALPHA * np.expm1(np.minimum(x, 0.0)))

    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """cotangent * scale above 0, cotangent * scale * alpha * exp(x) below."""
        curved = product(cotangent, _SCALE, _ALPHA, _exponential(np.minimum(x, 0.0)))
        return np.where(x > 0, cotangent * _SCALE, curved)


def _exponential(x: Array) -> Array:
    return covering(np.exp(x), EXPONENTIAL, x)
