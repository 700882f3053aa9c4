"""The logistic function and what is made of it: tanh, softplus, and gates that multiply their own argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations.activation import Elementwise
from refimpl.arithmetic import finite, forms, from_double_double, product, to_double_double
from refimpl.spec import convention


def logistic(x: Any) -> Any:
    return forms(
        lambda: np.exp(np.minimum(x, 0.0)) / (1 + np.exp(-np.abs(x))),
        lambda: 1 / (1 + np.exp(-x)),
    )


def gated(x: Any, gate: Any) -> Any:
    """x * gate, for a gate that is 0 at minus infinity."""
    return finite(x, highest=np.inf) * gate


def derivative_of_gated(x: Any, argument: Any) -> Any:
    """sigmoid + x * sigmoid' at the argument, over one denominator: the terms cancel below 0."""
    decay, positive = to_double_double(np.exp(-np.abs(argument))), to_double_double(np.exp(np.minimum(argument, 0.0)))
    numerator = positive * (1 + decay) + x * decay
    return from_double_double(numerator) / from_double_double((1 + decay) * (1 + decay))


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    def _function(self, x: Any, h: Any) -> Any:
        return logistic(x)

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        sigmoid = logistic(x)
        return product(cotangent, sigmoid, forms(lambda: logistic(-x), lambda: 1 - sigmoid))


@dataclass(frozen=True)
class Tanh(Elementwise):
    """tanh(x)."""

    def _function(self, x: Any, h: Any) -> Any:
        return np.tanh(x)

    @np.errstate(over="ignore")
    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        decay, tanh = np.exp(-2 * np.abs(x)), np.tanh(x)
        return forms(
            lambda: cotangent * (4 * decay / (1 + decay) ** 2),
            lambda: cotangent * (1 - tanh**2),
            lambda: (cotangent + cotangent * tanh) * (1 - tanh),
        )


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _softplus_in_forms(x: Any) -> Any:
    """softplus(x), which PyTorch and TensorFlow take from exp(x) itself where it is not yet x in every format."""
    return forms(
        lambda: _softplus(x),
        lambda: np.where(x > 40, _softplus(x), np.log1p(np.exp(np.minimum(x, 40.0)))),
    )


@dataclass(frozen=True)
class Softplus(Elementwise):
    """log(1 + exp(x))."""

    threshold: float | None = convention({None: "JAX, Keras", 20.0: "x itself above 20 (PyTorch's default)"})

    def _function(self, x: Any, h: Any) -> Any:
        if self.threshold is None:
            return _softplus_in_forms(x)
        curved = np.minimum(x, self.threshold)
        return np.where(x > self.threshold, x, forms(lambda: _softplus(curved), lambda: np.log1p(np.exp(curved))))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        if self.threshold is None:
            return forms(lambda: cotangent * logistic(x), lambda: cotangent * np.exp(x - _softplus(x)))
        growth = np.exp(np.minimum(x, self.threshold))
        curved = forms(
            lambda: cotangent * logistic(x),
            lambda: cotangent * (growth / (growth + 1)),
            lambda: cotangent * growth / (growth + 1),
        )
        return np.where(x > self.threshold, cotangent, curved)


@dataclass(frozen=True)
class SiLU(Elementwise):
    """x * sigmoid(x) (Elfwing, Uchibe & Doya 2018)."""

    def _function(self, x: Any, h: Any) -> Any:
        return gated(x, logistic(x))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        sigmoid = logistic(x)
        return forms(
            lambda: cotangent * derivative_of_gated(finite(x), x),
            lambda: cotangent * sigmoid + product(cotangent, x, sigmoid, 1 - sigmoid),
        )


@dataclass(frozen=True)
class LogSigmoid(Elementwise):
    """log(sigmoid(x)) = -softplus(-x)."""

    def _function(self, x: Any, h: Any) -> Any:
        return -_softplus_in_forms(-x)

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        decay = np.exp(-np.abs(x))
        return forms(
            lambda: cotangent * logistic(-x),
            lambda: cotangent * np.exp(-x - _softplus(-x)),
            lambda: cotangent * np.where(x < 0, 1 - decay / (1 + decay), decay / (1 + decay)),
        )


@dataclass(frozen=True)
class Mish(Elementwise):
    """x * tanh(softplus(x)) (Misra 2019).

    With p = exp(min(x, 0)) and q = exp(-max(x, 0)), tanh(softplus(x)) is p (p + 2 q) / (p (p + 2 q) + 2 q**2).
    """

    def _function(self, x: Any, h: Any) -> Any:
        return gated(x, forms(lambda: _mish_gate(x), lambda: np.tanh(_softplus_below(x))))

    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        def in_parts() -> Any:
            gate, of_softplus = np.tanh(_softplus_below(x)), product(cotangent, x)
            return cotangent * gate + product(of_softplus, 1 - gate**2, _softplus_slope(x))

        def by_product() -> Any:
            gate, of_softplus = np.tanh(_softplus_below(x)), product(cotangent, x)
            return cotangent * gate + (of_softplus + of_softplus * gate) * (1 - gate) * _softplus_slope(x)

        return forms(lambda: cotangent * _mish_derivative(x), in_parts, by_product)


def _mish_gate(x: Any) -> Any:
    positive, decay = np.exp(np.minimum(x, 0.0)), np.exp(-np.maximum(x, 0.0))
    numerator = positive * (positive + 2 * decay)
    return numerator / (numerator + 2 * decay**2)


def _mish_derivative(x: Any) -> Any:
    """gate + 4 x p q**2 (p + q) / denominator**2, over one denominator: the terms cancel below 0."""
    near = finite(x)
    positive, decay = to_double_double(np.exp(np.minimum(near, 0.0))), to_double_double(np.exp(-np.maximum(near, 0.0)))
    gate = positive * (positive + 2 * decay)
    denominator = gate + 2 * (decay * decay)
    numerator = gate * denominator + 4 * (near * positive * (decay * decay) * (positive + decay))
    return from_double_double(numerator) / from_double_double(denominator * denominator)


def _softplus_below(x: Any) -> Any:
    """softplus(x) up to 40, where its tanh is 1 in every format."""
    return forms(lambda: _softplus(np.minimum(x, 40.0)), lambda: np.log1p(np.exp(np.minimum(x, 40.0))))


def _softplus_slope(x: Any) -> Any:
    return forms(lambda: logistic(x), lambda: np.exp(x - _softplus(x)))
