"""Losses with their gradients by the prediction: one rule each, as a mean or a sum."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations import LogSoftmax, Softmax, Softplus, shifted
from refimpl.arithmetic import collapsed, constant, extended, forms
from refimpl.arithmetic.dispatch import Twin
from refimpl.spec import Spec, convention
from refimpl.trees import as_array


@dataclass(frozen=True)
class Loss(Spec):
    """How far a prediction is from a target: arrays of equal shape, unless a loss says otherwise.

    Its methods raise TypeError or ValueError for arrays that are empty, of unequal shape or outside the range stated.
    """

    reduction: str = convention({"mean": "over all that is summed", "sum": "no division"})

    @abstractmethod
    def value(self, prediction: Any, target: Any) -> Any:
        """The loss, 0-d."""

    @abstractmethod
    def gradient(self, prediction: Any, target: Any) -> Any:
        """The derivative of the loss by the prediction, of its shape."""

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = as_array("prediction", prediction), as_array("target", target)
        if np.size(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array with at least one element")
        if np.shape(prediction) != np.shape(target):
            raise ValueError(
                f"{type(self).__name__}: target has shape {np.shape(target)}, "
                f"but prediction has shape {np.shape(prediction)}"
            )
        return prediction, constant(target, prediction)

    def _refuse_outside_unit_interval(self, name: str, array: Any) -> None:
        values = np.asarray(array.value if isinstance(array, Twin) else array)
        outside = ~((values >= 0) & (values <= 1)).astype(bool)
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            self.refuse(f"{name}{list(index) if index else ''}", float(values[index]), "in [0, 1]")

    def _per_term(self, total: Any, terms: int) -> Any:
        """The sum, or the mean of so many terms, which libraries form by division or by a reciprocal."""
        if self.reduction == "sum":
            return total
        return forms(lambda: total / terms, lambda: total * (1 / constant(float(terms), total)))

    def _shared(self, weights: Any, terms: int) -> Any:
        """The weights of the terms in the reduction, which automatic differentiation multiplies first: for a sum of
        parts that cancel, one more rounding of each part."""
        return weights if self.reduction == "sum" else weights * constant(1.0 / terms, weights)


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
class BinaryCrossEntropy(Loss):
    """-(target log(prediction) + (1 - target) log(1 - prediction)), reduced over all elements; both in [0, 1]."""

    logarithm: str = convention(
        {
            "exact": "infinite loss and gradient where a wrong class is certain",
            "clamped": "logarithms at least -100, the gradient's prediction (1 - prediction) at least 1e-12 (PyTorch)",
        }
    )

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_outside_unit_interval("prediction", prediction)
        self._refuse_outside_unit_interval("target", target)
        return prediction, target

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        of_one, of_zero = self._logarithms(prediction)
        # 0 log 0 = 0
        terms = target * np.where(target > 0, of_one, 0.0) + (1 - target) * np.where(target < 1, of_zero, 0.0)
        return self._per_term(np.sum(-terms), np.size(prediction))

    def _logarithms(self, prediction: Any) -> tuple[Any, Any]:
        """log(prediction) and log(1 - prediction)."""
        lowest = -100.0 if self.logarithm == "clamped" else -np.inf
        above_zero, below_one = prediction > 0, prediction < 1
        of_one = np.where(above_zero, np.log(np.where(above_zero, prediction, 1.0)), lowest)
        of_zero = np.where(below_one, np.log1p(-np.where(below_one, prediction, 0.0)), lowest)
        if self.logarithm == "clamped":
            return np.maximum(of_one, lowest), np.maximum(of_zero, lowest)
        return of_one, of_zero

    @np.errstate(divide="ignore", invalid="ignore")
    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        terms = np.size(prediction)
        difference, variance = prediction - target, prediction * (1 - prediction)
        if self.logarithm == "clamped":  # in single precision, whatever the format
            return self._per_term(difference / np.maximum(variance, float(np.float32(1e-12))), terms)

        def by_class(of_zero: Any, of_one: Any) -> Any:
            of_zero = np.where(target < 1, of_zero / (1 - prediction), 0.0)
            return of_zero - np.where(target > 0, of_one / prediction, 0.0)

        difference_of_quotients = by_class(1 - target, target)
        slope = np.where(
            (prediction > 0) & (prediction < 1),
            forms(lambda: difference / variance, lambda: difference_of_quotients),
            difference_of_quotients,
        )
        return forms(
            lambda: self._per_term(slope, terms),
            lambda: by_class(self._shared(1 - target, terms), self._shared(target, terms)),
        )


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits(Loss):
    """Binary cross-entropy of sigmoid(prediction), reduced over all elements; target in [0, 1]."""

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_outside_unit_interval("target", target)
        return prediction, target

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        softplus = Softplus().forward
        terms = forms(
            lambda: target * softplus(-prediction) + (1 - target) * softplus(prediction),
            lambda: (1 - target) * prediction + softplus(-prediction),
            lambda: np.maximum(prediction, 0.0) - prediction * target + np.log1p(np.exp(-np.abs(prediction))),
        )
        return self._per_term(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        terms, one, zero = np.size(prediction), *map(Softplus().derivative, (prediction, -prediction))
        slope = forms(
            lambda: (1 - target) * one - target * zero,
            lambda: one - target,
            lambda: (1 - target) - zero,
        )
        return forms(
            lambda: self._per_term(slope, terms),
            lambda: self._shared(1 - target, terms) * one - self._shared(target, terms) * zero,
        )


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """-sum(target * log_softmax(prediction)) along the last axis, reduced over the leading ones.

    prediction: logits, shape (..., classes).
    """

    labels: str = convention(
        {
            "one_hot": "target of the shape of prediction, entries in [0, 1]: a weight for each class",
            "index": "target of integers in [0, classes), of the shape of prediction without its last axis",
        }
    )
    largest_logit: str = convention(
        {
            "subtracted": "from all logits first, so that a common shift changes nothing (PyTorch, optax's one-hot)",
            "added_back": "to the logarithm, before the label's logit is subtracted (optax's integer labels)",
        }
    )

    def check(self) -> None:
        if self.largest_logit == "added_back" and self.labels != "index":
            self.refuse("largest_logit", self.largest_logit, "'subtracted' unless labels='index'")

    def value(self, prediction: Any, target: Any) -> Any:
        if self.labels == "one_hot":
            prediction, target = self._checked(prediction, target)
            log_softmax = LogSoftmax().forward(prediction)
            terms = target * np.where(target > 0, log_softmax, 0.0)  # 0 log 0 = 0
        else:
            prediction, target = self._with_indices(prediction, target)
            of_label = target[..., np.newaxis]
            if self.largest_logit == "subtracted":
                terms = np.take_along_axis(LogSoftmax().forward(prediction), of_label, axis=-1)
            else:
                largest = np.max(prediction, axis=-1, keepdims=True)
                log_of_sum = np.log(np.sum(np.exp(prediction - largest), axis=-1, keepdims=True)) + largest
                terms = np.take_along_axis(prediction, of_label, axis=-1) - log_of_sum
        return self._per_term(-np.sum(terms), _rows(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        if self.labels == "one_hot":
            prediction, target = self._checked(prediction, target)
        else:
            prediction, indices = self._with_indices(prediction, target)
            target = constant(np.eye(np.shape(prediction)[-1])[indices], prediction)
        rows, softmax = _rows(prediction), Softmax().forward(prediction)
        shared = self._shared(target, rows)
        return forms(
            lambda: self._per_term(_softmax_minus(prediction, target), rows),
            lambda: self._per_term(softmax * np.sum(target, axis=-1, keepdims=True) - target, rows),
            lambda: softmax * np.sum(shared, axis=-1, keepdims=True) - shared,
        )

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = super()._checked(prediction, target)
        if np.ndim(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array with an axis of classes")
        self._refuse_outside_unit_interval("target", target)
        return prediction, target

    def _with_indices(self, prediction: Any, target: Any) -> tuple[Any, np.ndarray]:
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


def _rows(prediction: Any) -> int:
    return np.size(prediction) // np.shape(prediction)[-1]


def _softmax_minus(logits: Any, target: Any) -> Any:
    """softmax(logits) * sum(target) - target, over one denominator: where softmax nears 1, the difference stays."""
    exponentials, target = extended(np.exp(shifted(logits, -1))), extended(target)
    total = np.sum(exponentials, axis=-1, keepdims=True)
    difference = exponentials * np.sum(target, axis=-1, keepdims=True) - target * total
    return collapsed(difference) / collapsed(total)
