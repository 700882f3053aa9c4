"""Losses of two classes: by the probability of one, by its logit, by a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.activations import Softplus
from refimpl.arithmetic import constant, covering, nan_at_nan
from refimpl.losses.evaluation_orders import (
    BINARY_CROSS_ENTROPY_GRADIENT,
    BINARY_CROSS_ENTROPY_SLOPE,
    LOGITS_CROSS_ENTROPY,
    LOGITS_CROSS_ENTROPY_GRADIENT,
    LOGITS_CROSS_ENTROPY_SLOPE,
    difference_of_quotients,
)
from refimpl.losses.loss import Loss
from refimpl.losses.reduction import reduced
from refimpl.spec import convention, several
from refimpl.types import Array

_CLIP = (1e-7, 1 - 1e-7)  # Keras's epsilon


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """-(target log(prediction) + (1 - target) log(1 - prediction)), reduced over all elements; both in [0, 1]."""

    logarithm: Literal["exact", "clamped", "clipped"] = convention(
        {
            "exact": "infinite loss and gradient where a wrong class is certain",
            "clamped": "logarithms at least -100, the gradient's prediction (1 - prediction) at least 1e-12 (PyTorch)",
            "clipped": "the prediction clipped to [1e-7, 1 - 1e-7], where the gradient is not 0 (Keras)",
        }
    )

    def _checked(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_outside_unit_interval("prediction", prediction)
        self._refuse_outside_unit_interval("target", target)
        return prediction, target

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        log_one, log_zero = self._logarithms(np.clip(prediction, *_CLIP) if self.logarithm == "clipped" else prediction)
        # 0 log 0 = 0
        terms = target * np.where(target > 0, log_one, 0.0) + (1 - target) * np.where(target < 1, log_zero, 0.0)
        return self._reduced(np.sum(-terms), np.size(prediction))

    def _logarithms(self, prediction: Array) -> tuple[Array, Array]:
        """log(prediction) and log(1 - prediction)."""
        lowest = -100.0 if self.logarithm == "clamped" else -np.inf
        above_zero, below_one = prediction > 0, prediction < 1
        log_one = np.where(above_zero, np.log(np.where(above_zero, prediction, 1.0)), lowest)
        log_zero = np.where(below_one, np.log1p(-np.where(below_one, prediction, 0.0)), lowest)
        if self.logarithm == "clamped":
            return np.maximum(log_one, lowest), np.maximum(log_zero, lowest)
        return log_one, log_zero

    @np.errstate(divide="ignore", invalid="ignore")
    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        if self.logarithm == "clipped":
            inside = (prediction >= _CLIP[0]) & (prediction <= _CLIP[1])
            return np.where(inside, self._gradient(np.clip(prediction, *_CLIP), target), 0.0)
        return self._gradient(prediction, target)

    def _gradient(self, prediction: Array, target: Array) -> Array:
        """(prediction - target) / (prediction * (1 - prediction)), reduced.

        Where the prediction is 0 or 1, it is the limit of (1 - target) / (1 - prediction) - target / prediction.
        """
        divisor = self._divisor(np.size(prediction))
        difference, variance = prediction - target, prediction * (1 - prediction)
        if self.logarithm == "clamped":  # in single precision, whatever the format
            return reduced(difference / np.maximum(variance, float(np.float32(1e-12))), divisor)
        quotients = difference_of_quotients(prediction, target, 1 - target, target)
        inside = (prediction > 0) & (prediction < 1)
        slope = np.where(inside, covering(difference / variance, BINARY_CROSS_ENTROPY_SLOPE, quotients), quotients)
        return covering(reduced(slope, divisor), BINARY_CROSS_ENTROPY_GRADIENT, prediction, target, divisor)


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits(Loss):
    """Binary cross-entropy of sigmoid(prediction), reduced over all elements; target in [0, 1].

    positive_weights: one number >= 0 for each class, along the last axis, that multiplies target * log(sigmoid), or
    None for 1 (pos_weight of PyTorch, which like this one takes the mean over the elements and not the weights).
    """

    positive_weights: tuple[float, ...] | None = several(None, at_least=0)

    def _checked(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_outside_unit_interval("target", target)
        classes = np.shape(prediction)[-1] if np.ndim(prediction) else 0
        if self.positive_weights is not None and len(self.positive_weights) != classes:
            self.refuse("positive_weights", self.positive_weights, f"as many as prediction has classes, {classes}")
        return prediction, target

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        softplus, weights, positive = Softplus().forward, self._weights(target), self._positive(target)
        terms = covering(
            positive * softplus(-prediction) + (1 - target) * softplus(prediction),
            LOGITS_CROSS_ENTROPY, prediction, target, weights,
        )  # fmt: skip
        return self._reduced(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Array, target: Array) -> Array:
        """(1 - target) * sigmoid(x) - weight * target * sigmoid(-x), reduced."""
        prediction, target = self._checked(prediction, target)
        divisor, weights = self._divisor(np.size(prediction)), self._weights(target)
        positive = self._positive(target)
        sigmoid, complement = Softplus().derivative(prediction), Softplus().derivative(-prediction)
        parts = (target, positive, sigmoid, complement)
        slope = covering((1 - target) * sigmoid - positive * complement, LOGITS_CROSS_ENTROPY_SLOPE, *parts, weights)
        return covering(reduced(slope, divisor), LOGITS_CROSS_ENTROPY_GRADIENT, *parts, divisor)

    def _weights(self, target: Array) -> Array | None:
        return None if self.positive_weights is None else constant(np.array(self.positive_weights), target)

    def _positive(self, target: Array) -> Array:
        """The target, times the weight of its class."""
        weights = self._weights(target)
        return target if weights is None else weights * target


@dataclass(frozen=True)
class Hinge(Loss):
    """max(0, 1 - target * prediction), reduced over all elements; each target -1 or 1 (Vapnik 1995)."""

    derivative_at_margin: float = convention(
        {
            0.5: "the mean of both sides, where target * prediction = 1 (optax, Keras on JAX)",
            1.0: "as for predictions within the margin (torch.nn.functional.margin_ranking_loss, Keras on TensorFlow)",
            0.0: "as for predictions beyond it (written with relu)",
        }
    )

    def _checked(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_where("target", target, lambda values: np.abs(values) != 1, "-1 or 1")
        return prediction, target

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        return self._reduced(np.sum(np.maximum(1 - target * prediction, 0.0)), np.size(prediction))

    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        margin = np.where(target > 0, prediction, -prediction)  # target * prediction, exactly
        missed = np.where(margin < 1, 1.0, np.where(margin > 1, 0.0, self.derivative_at_margin))
        return self._reduced(nan_at_nan(prediction, -target * missed), np.size(prediction))
