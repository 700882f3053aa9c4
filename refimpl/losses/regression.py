"""Losses of the difference between a number and its prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import covering
from refimpl.losses.evaluation_orders import HUBER, HUBER_GRADIENT, SMOOTH_L1, SMOOTH_L1_GRADIENT
from refimpl.losses.loss import Loss
from refimpl.losses.reduction import reduced
from refimpl.spec import hyperparameter
from refimpl.types import Array


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """(prediction - target)**2, reduced over all elements."""

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        return self._reduced(np.sum((prediction - target) ** 2), np.size(prediction))

    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        return self._reduced(2 * (prediction - target), np.size(prediction))


@dataclass(frozen=True)
class Huber(Loss):
    """error**2 / 2 up to delta, delta * (|error| - delta / 2) beyond (Huber 1964), reduced over all elements."""

    delta: float = hyperparameter(1.0, above=0)

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        terms = self.in_arithmetic_of(prediction)._terms(np.abs(prediction - target))
        return self._reduced(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        return self.in_arithmetic_of(prediction)._gradient(prediction - target)

    def _terms(self, error: Array) -> Array:
        near = np.minimum(error, self.delta)
        return covering(near * near / 2 + self.delta * (error - near), HUBER, error, near, self.delta)

    def _gradient(self, difference: Array) -> Array:
        """The difference clipped to +-delta, reduced."""
        clipped = np.maximum(np.minimum(difference, self.delta), -self.delta)
        divisor = self._divisor(np.size(difference))
        return covering(reduced(clipped, divisor), HUBER_GRADIENT, clipped, self.delta, divisor)


@dataclass(frozen=True)
class SmoothL1(Loss):
    """error**2 / (2 beta) up to beta, |error| - beta / 2 beyond (Girshick 2015), reduced over all elements.

    With beta = 0 it is |error|, whose derivative at 0 is 0 (PyTorch).
    """

    beta: float = hyperparameter(1.0, at_least=0)

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        error = np.abs(prediction - target)
        terms = error if self.beta == 0 else self.in_arithmetic_of(prediction)._terms(error)
        return self._reduced(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        difference = prediction - target
        if self.beta == 0:
            return self._reduced(np.sign(difference), np.size(difference))
        return self.in_arithmetic_of(prediction)._gradient(difference)

    def _terms(self, error: Array) -> Array:
        near = np.minimum(error, self.beta)
        return covering(near * (near / self.beta) / 2 + (error - near), SMOOTH_L1, error, near, self.beta)

    def _gradient(self, difference: Array) -> Array:
        """The difference clipped to +-beta, over beta, reduced."""
        clipped = np.maximum(np.minimum(difference, self.beta), -self.beta)
        divisor = self._divisor(np.size(difference))
        return covering(reduced(clipped / self.beta, divisor), SMOOTH_L1_GRADIENT, clipped, self.beta, divisor)
