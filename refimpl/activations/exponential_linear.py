"""Exponential linear units: the argument above 0, an exponential that saturates below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations.activation import Elementwise
from refimpl.arithmetic import forms, product, quotient, to_double_double
from refimpl.spec import hyperparameter


def _growth(negative: Any) -> Any:
    """The derivative of expm1, which libraries also take from its value."""
    return forms(lambda: np.exp(negative), lambda: np.expm1(negative) + 1)


@dataclass(frozen=True)
class ELU(Elementwise):
    """x above 0, alpha * (exp(x) - 1) below; alpha >= 0 (Clevert, Unterthiner & Hochreiter 2016).

    The derivative at 0 is the one on the left, alpha (PyTorch, JAX, Keras).
    """

    alpha: float = hyperparameter(1.0, at_least=0)

    def _function(self, x: Any, h: Any) -> Any:
        return np.maximum(x, 0.0) + h.alpha * np.expm1(np.minimum(x, 0.0))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        negative = np.minimum(x, 0.0)
        return np.where(x > 0, cotangent, product(cotangent, h.alpha, _growth(negative)))


@dataclass(frozen=True)
class CELU(Elementwise):
    """x above 0, alpha * (exp(x / alpha) - 1) below; alpha > 0 (Barron 2017). Its derivative has no kink."""

    alpha: float = hyperparameter(1.0, above=0)

    @np.errstate(over="ignore")
    def _function(self, x: Any, h: Any) -> Any:
        return np.maximum(x, 0.0) + h.alpha * np.expm1(quotient(np.minimum(x, 0.0), h.alpha))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        negative = np.minimum(x, 0.0)
        growth = forms(
            # double-double, as exp magnifies the rounding of its argument
            lambda: np.exp(to_double_double(negative) / h.alpha),
            lambda: np.exp(quotient(negative, h.alpha)),
            lambda: np.expm1(quotient(negative, h.alpha)) + 1,
        )
        curved = forms(lambda: cotangent * growth, lambda: product(cotangent, h.alpha, 1 / h.alpha, growth))
        return np.where(x > 0, cotangent, curved)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@dataclass(frozen=True)
class SELU(Elementwise):
    """scale * ELU(x; alpha), which keeps mean 0 and variance 1 (Klambauer et al. 2017, equations 2 and 14).

    The derivative at 0 is the one on the left, scale * alpha (PyTorch, JAX, Keras).
    """

    def _function(self, x: Any, h: Any) -> Any:
        return _SELU_SCALE * (np.maximum(x, 0.0) + _SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        negative, scaled = np.minimum(x, 0.0), cotangent * _SELU_SCALE
        return np.where(x > 0, scaled, product(cotangent, _SELU_SCALE, _SELU_ALPHA, _growth(negative)))
