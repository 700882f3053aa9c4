"""Activations with their derivatives: one rule each, with its convention at kinks and its algebraic forms."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import collapsed, constant, erf, erfc, extended, forms, pi, product
from refimpl.spec import Spec, convention, hyperparameter, whole
from refimpl.trees import as_array


@dataclass(frozen=True)
class Activation(Spec):
    """A parameterless function of an array. Its methods raise TypeError unless arrays are of real floating point."""

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """The activation of `x`, of the same shape."""

    @abstractmethod
    def backward(self, x: Any, cotangent: Any) -> Any:
        """The cotangent of `x`, given that of the result. Raises ValueError unless the shapes are equal."""


@dataclass(frozen=True)
class Elementwise(Activation):
    """An activation of each element by itself, of any shape.

    A continuous function is written without a comparison, so that rounding never decides a branch of it.
    """

    def forward(self, x: Any) -> Any:
        x = as_array("x", x)
        return self._function(x, self.hyperparameters(x))

    def derivative(self, x: Any) -> Any:
        """The derivative at each element of `x`; at a kink, what the convention says."""
        x = as_array("x", x)
        return self._pulled_back(x, np.ones_like(x), self.hyperparameters(x))

    def backward(self, x: Any, cotangent: Any) -> Any:
        x, cotangent = _checked(x, cotangent)
        return self._pulled_back(x, cotangent, self.hyperparameters(x))

    @abstractmethod
    def _function(self, x: Any, h: Any) -> Any:
        """The function; `h` has the fields as numbers of the arithmetic in use."""

    @abstractmethod
    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        """The cotangent times the derivative, in the orders in which libraries multiply."""


def _checked(x: Any, cotangent: Any) -> tuple[Any, Any]:
    x, cotangent = as_array("x", x), as_array("cotangent", cotangent)
    if np.shape(x) != np.shape(cotangent):
        raise ValueError(f"cotangent has shape {np.shape(cotangent)}, but x has shape {np.shape(x)}")
    return x, cotangent


# --- piecewise linear ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity(Elementwise):
    """x."""

    def _function(self, x: Any, h: Any) -> Any:
        return x

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
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

    def _function(self, x: Any, h: Any) -> Any:
        return np.maximum(x, 0.0)

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        return np.where(x > 0, cotangent, np.where(x < 0, 0.0, h.derivative_at_zero * cotangent))


@dataclass(frozen=True)
class LeakyReLU(Elementwise):
    """max(x, slope * x), slope in [0, 1] (Maas, Hannun & Ng 2013)."""

    slope: float = hyperparameter(0.01, at_least=0, at_most=1)
    derivative_at_zero: str = convention(
        {"slope": "the derivative on the left (PyTorch)", "one": "the derivative on the right (JAX, Keras)"}
    )

    def _function(self, x: Any, h: Any) -> Any:
        return np.maximum(x, h.slope * x)

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        on_the_right = x > 0 if self.derivative_at_zero == "slope" else x >= 0
        return np.where(on_the_right, cotangent, h.slope * cotangent)


# --- exponentials -------------------------------------------------------------------------------------------------


def _sigmoid(x: Any) -> Any:
    return forms(
        lambda: np.exp(np.minimum(x, 0.0)) / (1 + np.exp(-np.abs(x))),
        lambda: 1 / (1 + np.exp(-x)),
    )


def _derivative_of_gated(x: Any, argument: Any) -> Any:
    """sigmoid + x * sigmoid' at the argument, over one denominator: the terms cancel below 0."""
    decay, positive = extended(np.exp(-np.abs(argument))), extended(np.exp(np.minimum(argument, 0.0)))
    numerator = positive * (1 + decay) + x * decay
    return collapsed(numerator) / collapsed((1 + decay) * (1 + decay))


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    def _function(self, x: Any, h: Any) -> Any:
        return _sigmoid(x)

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        sigmoid = _sigmoid(x)
        return product(cotangent, sigmoid, forms(lambda: _sigmoid(-x), lambda: 1 - sigmoid))


@dataclass(frozen=True)
class Tanh(Elementwise):
    """tanh(x)."""

    def _function(self, x: Any, h: Any) -> Any:
        return np.tanh(x)

    @np.errstate(over="ignore")
    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        decay, tanh = np.exp(-2 * np.abs(x)), np.tanh(x)
        return forms(
            lambda: cotangent * (4 * decay / (1 + decay) ** 2),
            lambda: cotangent * (1 - tanh**2),
            lambda: (cotangent + cotangent * tanh) * (1 - tanh),
        )


@dataclass(frozen=True)
class ELU(Elementwise):
    """x above 0, alpha * (exp(x) - 1) below; alpha >= 0 (Clevert, Unterthiner & Hochreiter 2016).

    The derivative at 0 is the one on the left, alpha (PyTorch, JAX, Keras).
    """

    alpha: float = hyperparameter(1.0, at_least=0)

    def _function(self, x: Any, h: Any) -> Any:
        return np.maximum(x, 0.0) + h.alpha * np.expm1(np.minimum(x, 0.0))

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        negative = np.minimum(x, 0.0)
        growth = forms(lambda: np.exp(negative), lambda: np.expm1(negative) + 1)
        return np.where(x > 0, cotangent, product(cotangent, h.alpha, growth))


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


@dataclass(frozen=True)
class Softplus(Elementwise):
    """log(1 + exp(x))."""

    threshold: float | None = convention({None: "JAX, Keras", 20.0: "x itself above 20 (PyTorch's default)"})

    def _function(self, x: Any, h: Any) -> Any:
        if self.threshold is None:
            return _softplus(x)
        curved = np.minimum(x, self.threshold)
        return np.where(x > self.threshold, x, forms(lambda: _softplus(curved), lambda: np.log1p(np.exp(curved))))

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        if self.threshold is None:
            return forms(lambda: cotangent * _sigmoid(x), lambda: cotangent * np.exp(x - _softplus(x)))
        growth = np.exp(np.minimum(x, self.threshold))
        curved = forms(
            lambda: cotangent * _sigmoid(x),
            lambda: cotangent * (growth / (growth + 1)),
            lambda: cotangent * growth / (growth + 1),
        )
        return np.where(x > self.threshold, cotangent, curved)


@dataclass(frozen=True)
class SiLU(Elementwise):
    """x * sigmoid(x) (Elfwing, Uchibe & Doya 2018)."""

    def _function(self, x: Any, h: Any) -> Any:
        return x * _sigmoid(x)

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        sigmoid = _sigmoid(x)
        return forms(
            lambda: cotangent * _derivative_of_gated(x, x),
            lambda: cotangent * sigmoid + product(cotangent, x, sigmoid, 1 - sigmoid),
        )


# --- Gaussian error linear unit -----------------------------------------------------------------------------------


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
        return x * (_normal_distribution(x) if self.approximation == "none" else _tanh_gate(x))

    def _pulled_back(self, x: Any, cotangent: Any, h: Any) -> Any:
        return _through_normal(x, cotangent) if self.approximation == "none" else _through_tanh(x, cotangent)


def _within_gate(x: Any) -> Any:
    """x clipped to +-40: beyond, the gate is 0 or 1 in every format, but its derivative would be 0 * infinity."""
    return np.clip(x, -40.0, 40.0)


# The arguments of exp and erfc below reach -700, where they magnify their own rounding by as much: hence `extended`.


def _normal_distribution(x: Any) -> Any:
    x = extended(x)
    scaled = x * np.sqrt(constant(0.5, x))
    return forms(lambda: erfc(-scaled) / 2, lambda: (1 + erf(scaled)) / 2)


def _normal_density(x: Any) -> Any:
    x = extended(x)
    return np.exp(-(x * x) / 2) / collapsed(np.sqrt(2 * pi(x)))


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
    x = extended(x)
    return np.sqrt(8 / pi(x)) * (x + _CUBIC * (x * x * x))


def _gate_slope(x: Any) -> Any:
    """The derivative of the argument."""
    x = extended(x)
    return np.sqrt(8 / pi(x)) * (1 + 3 * (_CUBIC * (x * x)))


def _tanh_gate(x: Any) -> Any:
    argument = _gate_argument(_within_gate(x))
    return forms(lambda: _sigmoid(argument), lambda: (1 + np.tanh(argument / 2)) / 2)


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
        lambda: cotangent * _derivative_of_gated(near * _gate_slope(near), _gate_argument(near)),
        factored,
        distributed,
    )


# --- along an axis ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AlongAxis(Activation):
    """An activation of each vector along `axis` (an integer; negative ones count from the last).

    Its methods raise ValueError for an array that has no such axis, or no element along it.
    """

    axis: int = whole(-1, at_least=-64)

    def _with_axis(self, x: Any) -> Any:
        x, axes = as_array("x", x), np.ndim(x)
        if not (-axes <= self.axis < axes and np.shape(x)[self.axis] > 0):
            self.refuse("axis", self.axis, f"a non-empty axis of x, which has shape {np.shape(x)}")
        return x


def shifted(x: Any, axis: int) -> Any:
    """x minus its largest element along the axis, so that the exponentials lie in [0, 1] and one of them is 1.

    Extended: the exponential magnifies the rounding of a difference by the difference.
    """
    return extended(x) - np.max(x, axis=axis, keepdims=True)


@dataclass(frozen=True)
class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along the axis."""

    def forward(self, x: Any) -> Any:
        x = self._with_axis(x)
        exponentials = np.exp(shifted(x, self.axis))
        total = np.sum(extended(exponentials), axis=self.axis, keepdims=True)
        return forms(
            lambda: exponentials / collapsed(total),
            lambda: np.exp(LogSoftmax(self.axis).forward(x)),
        )

    def backward(self, x: Any, cotangent: Any) -> Any:
        x, cotangent = _checked(x, cotangent)
        softmax = self.forward(x)
        weighted = softmax * cotangent
        total = np.sum(weighted, axis=self.axis, keepdims=True)
        return forms(lambda: softmax * (cotangent - total), lambda: weighted - softmax * total)


def _log_of_sum(exponentials: Any, axis: int) -> Any:
    """log(sum(exponentials)) along the axis, the largest of which is 1: the others keep their digits beside it."""
    return np.log1p(np.sum(extended(exponentials), axis=axis, keepdims=True) - 1)


@dataclass(frozen=True)
class LogSoftmax(AlongAxis):
    """x - log(sum(exp(x))) along the axis."""

    def forward(self, x: Any) -> Any:
        x = shifted(self._with_axis(x), self.axis)
        exponentials = np.exp(x)
        return forms(
            lambda: collapsed(x - _log_of_sum(exponentials, self.axis)),
            lambda: x - np.log(np.sum(exponentials, axis=self.axis, keepdims=True)),
        )

    def backward(self, x: Any, cotangent: Any) -> Any:
        x, cotangent = _checked(x, cotangent)
        softmax = Softmax(self.axis).forward(x)
        return cotangent - softmax * np.sum(cotangent, axis=self.axis, keepdims=True)
