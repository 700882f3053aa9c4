"""Losses of the difference between a number and its prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, quotient
from refimpl.losses.loss import Loss
from refimpl.spec import hyperparameter


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """(prediction - target)**2, reduced over all elements."""

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        return self._per_term(np.sum((prediction - target) ** 2), np.size(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        return self._per_term(2 * (prediction - target), np.size(prediction))


@dataclass(frozen=True)
class Huber(Loss):
    """error**2 / 2 up to delta, delta * (|error| - delta / 2) beyond (Huber 1964), reduced over all elements."""

    delta: float = hyperparameter(1.0, above=0)

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        delta, error = self.hyperparameters(prediction).delta, np.abs(prediction - target)
        near = np.minimum(error, delta)
        terms = forms(lambda: near * near / 2 + delta * (error - near), lambda: near * (error - near / 2))
        return self._per_term(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        delta, terms = self.hyperparameters(prediction).delta, np.size(prediction)
        clipped = np.maximum(np.minimum(prediction - target, delta), -delta)
        return forms(
            lambda: self._per_term(clipped, terms),
            # By automatic differentiation: parts of the square and of the line, which cancel near 0.
            lambda: self._shared(clipped + delta, terms) - self._shared(delta, terms),
        )


@dataclass(frozen=True)
class SmoothL1(Loss):
    """error**2 / (2 beta) up to beta, |error| - beta / 2 beyond (Girshick 2015), reduced over all elements.

    With beta = 0 it is |error|, whose derivative at 0 is 0 (PyTorch).
    """

    beta: float = hyperparameter(1.0, at_least=0)

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        beta, error = self.hyperparameters(prediction).beta, np.abs(prediction - target)
        if self.beta == 0:
            return self._per_term(np.sum(error), np.size(prediction))
        near = np.minimum(error, beta)
        terms = forms(
            lambda: near * (near / beta) / 2 + (error - near),
            lambda: near * near / 2 / beta + (error - near),
        )
        return self._per_term(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        beta, difference, terms = self.hyperparameters(prediction).beta, prediction - target, np.size(prediction)
        if self.beta == 0:
            return self._per_term(np.sign(difference), terms)
        clipped = np.maximum(np.minimum(difference, beta), -beta)
        return forms(
            lambda: self._per_term(clipped / beta, terms),
            lambda: quotient(self._shared(clipped, terms), beta),
        )
