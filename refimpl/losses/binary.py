"""Losses of two classes: by the probability of one, by its logit, by a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations import Softplus
from refimpl.arithmetic import constant, forms, nan_at_nan
from refimpl.losses.loss import Loss
from refimpl.spec import convention, several

_CLIP = (1e-7, 1 - 1e-7)  # Keras's epsilon


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """-(target log(prediction) + (1 - target) log(1 - prediction)), reduced over all elements; both in [0, 1]."""

    logarithm: str = convention(
        {
            "exact": "infinite loss and gradient where a wrong class is certain",
            "clamped": "logarithms at least -100, the gradient's prediction (1 - prediction) at least 1e-12 (PyTorch)",
            "clipped": "the prediction clipped to [1e-7, 1 - 1e-7], where the gradient is not 0 (Keras)",
        }
    )

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_outside_unit_interval("prediction", prediction)
        self._refuse_outside_unit_interval("target", target)
        return prediction, target

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        of_one, of_zero = self._logarithms(np.clip(prediction, *_CLIP) if self.logarithm == "clipped" else prediction)
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
        if self.logarithm == "clipped":
            inside = (prediction >= _CLIP[0]) & (prediction <= _CLIP[1])
            return np.where(inside, self._by_logarithms(np.clip(prediction, *_CLIP), target, terms), 0.0)
        return self._by_logarithms(prediction, target, terms)

    def _by_logarithms(self, prediction: Any, target: Any, terms: int) -> Any:
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
    """Binary cross-entropy of sigmoid(prediction), reduced over all elements; target in [0, 1].

    positive_weights: one number >= 0 for each class, along the last axis, that multiplies target * log(sigmoid), or
    None for 1 (pos_weight of PyTorch, which like this one takes the mean over the elements and not the weights).
    """

    positive_weights: tuple[float, ...] | None = several(None, at_least=0)

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_outside_unit_interval("target", target)
        classes = np.shape(prediction)[-1] if np.ndim(prediction) else 0
        if self.positive_weights is not None and len(self.positive_weights) != classes:
            self.refuse("positive_weights", self.positive_weights, f"as many as prediction has classes, {classes}")
        return prediction, target

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        softplus, positive = Softplus().forward, self._positive(target)

        def by_magnitude() -> Any:
            decay = np.log1p(np.exp(-np.abs(prediction)))
            if self.positive_weights is None:
                return np.maximum(prediction, 0.0) - prediction * target + decay
            return (1 - target) * prediction + self._of_both(target, np.maximum(-prediction, 0.0) + decay)

        terms = forms(
            lambda: positive * softplus(-prediction) + (1 - target) * softplus(prediction),
            lambda: (1 - target) * prediction + self._of_both(target, softplus(-prediction)),
            by_magnitude,
        )
        return self._per_term(np.sum(terms), np.size(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        terms, one, zero = np.size(prediction), *map(Softplus().derivative, (prediction, -prediction))
        positive = self._positive(target)
        slope = forms(
            lambda: (1 - target) * one - positive * zero,
            lambda: self._of_both(target, one) - positive,
            lambda: (1 - target) - self._of_both(target, zero),
        )
        return forms(
            lambda: self._per_term(slope, terms),
            lambda: self._shared(1 - target, terms) * one - self._shared(positive, terms) * zero,
        )

    def _positive(self, target: Any) -> Any:
        """The target, times its weight."""
        return target if self.positive_weights is None else constant(np.array(self.positive_weights), target) * target

    def _of_both(self, target: Any, part: Any) -> Any:
        """The part times the weights of both classes together, which are 1 without weights."""
        if self.positive_weights is None:
            return part
        weights = constant(np.array(self.positive_weights), target)
        return part * forms(lambda: weights * target + (1 - target), lambda: (weights - 1) * target + 1)


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

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = super()._checked(prediction, target)
        self._refuse_where("target", target, lambda values: np.abs(values) != 1, "-1 or 1")
        return prediction, target

    def value(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        return self._per_term(np.sum(np.maximum(1 - target * prediction, 0.0)), np.size(prediction))

    def gradient(self, prediction: Any, target: Any) -> Any:
        prediction, target = self._checked(prediction, target)
        margin = np.where(target > 0, prediction, -prediction)  # target * prediction, exactly
        missed = np.where(margin < 1, 1.0, np.where(margin > 1, 0.0, self.derivative_at_margin))
        return self._per_term(nan_at_nan(prediction, -target * missed), np.size(prediction))
