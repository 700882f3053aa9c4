"""Losses of several classes, along the last axis: by logits, by logarithms of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.activations import LogSoftmax, Softmax
from refimpl.activations.functions import shifted
from refimpl.arithmetic import constant, covering, from_double_double, to_double_double
from refimpl.losses.evaluation_orders import KL_DIVERGENCE, SOFTMAX_CROSS_ENTROPY_GRADIENT
from refimpl.losses.loss import Loss
from refimpl.losses.reduction import reduced
from refimpl.spec import convention, hyperparameter, several
from refimpl.trees import as_array
from refimpl.types import Array, IndexArray, Scalar


@dataclass(frozen=True, kw_only=True)
class Weighted(Loss):
    """A loss of classes in which each may have a weight: one for each class, finite and >= 0, or None for 1."""

    class_weights: tuple[float, ...] | None = several(None, at_least=0)
    weighted_mean: Literal["labels", "rows"] = convention(
        {
            "labels": "over the sum of the weights of the labels, where they are indices (PyTorch)",
            "rows": "over the number of rows (Keras)",
        }
    )

    def check(self) -> None:
        if self.class_weights is not None and not any(self.class_weights):
            self.refuse("class_weights", self.class_weights, "None, or a tuple of numbers with one above 0")

    def _weights(self, prediction: Array) -> Array:
        """The weight of each class, shape (classes,)."""
        classes = np.shape(prediction)[-1]
        if self.class_weights is not None and len(self.class_weights) != classes:
            self.refuse("class_weights", self.class_weights, f"as many as prediction has classes, {classes}")
        return constant(np.array(self.class_weights), prediction)

    def _count(self, prediction: Array, indices: IndexArray | None) -> Scalar:
        """What a mean is over: the number of rows, or the sum of the weights of the labels."""
        if self.class_weights is None or self.weighted_mean == "rows" or indices is None:
            return _rows(prediction)
        if not np.array(self.class_weights)[indices].any():
            self.refuse("class_weights", self.class_weights, "above 0 for at least one label of the target")
        return from_double_double(np.sum(to_double_double(self._weights(prediction)[indices.reshape(-1)]), axis=0))

    def _with_indices(self, prediction: Array, target: Array) -> tuple[Array, IndexArray]:
        prediction, target = as_array("prediction", prediction), np.asarray(target)
        if np.ndim(prediction) == 0 or np.size(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array of shape (..., classes) with elements")
        if target.dtype.kind not in "iu":
            raise TypeError(f"{type(self).__name__}: target must be integers with labels='index', got {target.dtype}")
        classes = np.shape(prediction)[-1]
        if target.shape != np.shape(prediction)[:-1]:
            raise ValueError(
                f"{type(self).__name__}: target has shape {target.shape}, but prediction has shape "
                f"{np.shape(prediction)}: expected {np.shape(prediction)[:-1]} with labels='index'"
            )
        outside = (target < 0) | (target >= classes)
        if outside.any():
            self.refuse("target", int(target[outside][0]), f"in [0, {classes})")
        return prediction, target.astype(np.intp)


@dataclass(frozen=True)
class NegativeLogLikelihood(Weighted):
    """-prediction of the label, times its weight, reduced over the leading axes.

    prediction: logarithms of probabilities, shape (..., classes). target: integers in [0, classes), shape (...).
    """

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, indices = self._with_indices(prediction, target)
        terms = np.take_along_axis(prediction, indices[..., np.newaxis], axis=-1)
        if self.class_weights is not None:
            terms = terms * self._weights(prediction)[indices][..., np.newaxis]
        return self._reduced(-np.sum(terms), self._count(prediction, indices))

    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, indices = self._with_indices(prediction, target)
        labels = constant(np.eye(np.shape(prediction)[-1])[indices], prediction)
        if self.class_weights is not None:
            labels = labels * self._weights(prediction)
        return self._reduced(-labels, self._count(prediction, indices))


@dataclass(frozen=True)
class KLDivergence(Loss):
    """sum(p * (log(p) - prediction)) along the last axis, reduced; p is the target's probability.

    prediction: logarithms of probabilities, shape (..., classes), as is the target.
    """

    mean_over: Literal["rows", "elements"] = convention(
        {
            "rows": "the leading axes (reduction='batchmean' of PyTorch, optax, Keras)",
            "elements": "all axes (reduction='mean' of PyTorch)",
        }
    )
    target_as: Literal["probability", "logarithm"] = convention(
        {
            "probability": "the target is p, in [0, 1] (default of PyTorch; kl_divergence of optax)",
            "logarithm": "the target is log(p) (log_target of PyTorch; kl_divergence_with_log_targets of optax)",
        }
    )

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        if self.target_as == "logarithm":
            # 0 log 0 = 0; the exponential is 0 in every format from there on
            possible = target > -1e30
            terms = np.exp(target) * np.where(possible, target - np.where(possible, prediction, 0.0), 0.0)
        else:
            positive = target > 0
            logarithm = np.log(np.where(positive, target, 1.0))
            known = np.where(positive, prediction, 0.0)
            terms = covering(target * (logarithm - known), KL_DIVERGENCE, target, logarithm, known)
        return self._reduced(np.sum(terms), self._count(prediction))

    def gradient(self, prediction: Array, target: Array) -> Array:
        prediction, target = self._checked(prediction, target)
        probability = np.exp(target) if self.target_as == "logarithm" else target
        return self._reduced(-probability, self._count(prediction))

    def _checked(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        prediction, target = super()._checked(prediction, target)
        if np.ndim(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array with an axis of classes")
        if self.target_as == "probability":
            self._refuse_outside_unit_interval("target", target)
        return prediction, target

    def _count(self, prediction: Array) -> int:
        return _rows(prediction) if self.mean_over == "rows" else np.size(prediction)


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Weighted):
    """-sum(weight * smoothed * log_softmax(prediction)) along the last axis, reduced over the leading ones.

    prediction: logits, shape (..., classes). smoothed: the target, and the even distribution in the part
    `label_smoothing` of it, in [0, 1] (Szegedy et al. 2016, section 7).
    """

    labels: Literal["one_hot", "index"] = convention(
        {
            "one_hot": "target of the shape of prediction, entries in [0, 1]: a weight for each class",
            "index": "target of integers in [0, classes), of the shape of prediction without its last axis",
        }
    )
    largest_logit: Literal["subtracted", "added_back"] = convention(
        {
            "subtracted": "from all logits first, so that a common shift changes nothing (PyTorch, optax's one-hot)",
            "added_back": "to the logarithm, before the label's logit is subtracted (optax's integer labels)",
        }
    )

    label_smoothing: float = hyperparameter(0.0, at_least=0, at_most=1)

    def check(self) -> None:
        super().check()
        if self.largest_logit == "added_back" and self.labels != "index":
            self.refuse("largest_logit", self.largest_logit, "'subtracted' unless labels='index'")
        if self.largest_logit == "added_back" and self.label_smoothing > 0:
            self.refuse("largest_logit", self.largest_logit, "'subtracted' unless label_smoothing=0")

    def value(self, prediction: Array, target: Array) -> Array:
        prediction, indices, target = self._as_declared(prediction, target)
        if indices is None or self.label_smoothing > 0:
            terms = self._terms_of_classes(prediction, target)
        else:
            terms = self._terms_of_labels(prediction, indices[..., np.newaxis])
        return self._reduced(-np.sum(terms), self._count(prediction, indices))

    def _terms_of_classes(self, prediction: Array, target: Array) -> Array:
        """smoothed * log_softmax, times the weight of each class."""
        target = self._smoothed(target)
        log_softmax = LogSoftmax().forward(prediction)
        terms = target * np.where(target > 0, log_softmax, 0.0)  # 0 log 0 = 0
        return terms if self.class_weights is None else terms * self._weights(prediction)

    def _terms_of_labels(self, prediction: Array, labels: IndexArray) -> Array:
        """log_softmax at the labels, an index for each row, times their weights."""
        if self.largest_logit == "subtracted":
            terms = np.take_along_axis(LogSoftmax().forward(prediction), labels, axis=-1)
        else:
            largest = np.max(prediction, axis=-1, keepdims=True)
            log_of_sum = np.log(np.sum(np.exp(prediction - largest), axis=-1, keepdims=True)) + largest
            terms = np.take_along_axis(prediction, labels, axis=-1) - log_of_sum
        return terms if self.class_weights is None else terms * self._weights(prediction)[labels]

    def gradient(self, prediction: Array, target: Array) -> Array:
        """softmax * sum(weight * smoothed) - weight * smoothed, reduced."""
        prediction, indices, target = self._as_declared(prediction, target)
        target = self._smoothed(target)
        if self.class_weights is not None:
            target = target * self._weights(prediction)
        divisor, softmax = self._divisor(self._count(prediction, indices)), Softmax().forward(prediction)
        difference = _softmax_minus(prediction, target)
        return covering(reduced(difference, divisor), SOFTMAX_CROSS_ENTROPY_GRADIENT, softmax, target, divisor)

    def _as_declared(self, prediction: Array, target: Array) -> tuple[Array, IndexArray | None, Array]:
        """The prediction, the labels where they are indices, and the target as a weight for each class."""
        if self.labels == "one_hot":
            prediction, target = self._checked(prediction, target)
            return prediction, None, target
        prediction, indices = self._with_indices(prediction, target)
        return prediction, indices, constant(np.eye(np.shape(prediction)[-1])[indices], prediction)

    def _smoothed(self, target: Array) -> Array:
        """(1 - label_smoothing) * target + label_smoothing / classes."""
        if self.label_smoothing == 0:
            return target
        smoothing = self.in_arithmetic_of(target).label_smoothing
        return (1 - smoothing) * target + smoothing / np.shape(target)[-1]

    def _checked(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        if getattr(target, "dtype", np.dtype(float)).kind in "iu":
            raise TypeError(f"{type(self).__name__}: target of integers needs labels='index', this is 'one_hot'")
        prediction, target = super()._checked(prediction, target)
        if np.ndim(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array with an axis of classes")
        self._refuse_outside_unit_interval("target", target)
        return prediction, target


def _rows(prediction: Array) -> int:
    return int(np.size(prediction) // np.shape(prediction)[-1])


def _softmax_minus(logits: Array, target: Array) -> Array:
    """softmax(logits) * sum(target) - target, over one denominator: where softmax nears 1, the difference stays."""
    exponentials, target = to_double_double(np.exp(shifted(logits, -1))), to_double_double(target)
    total = np.sum(exponentials, axis=-1, keepdims=True)
    difference = exponentials * np.sum(target, axis=-1, keepdims=True) - target * total
    return from_double_double(difference) / from_double_double(total)
