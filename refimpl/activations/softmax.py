"""Softmax and its logarithm, along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations.activation import Activation, checked
from refimpl.arithmetic import forms, from_double_double, to_double_double
from refimpl.spec import whole
from refimpl.trees import as_array


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
    return to_double_double(x) - np.max(x, axis=axis, keepdims=True)


@dataclass(frozen=True)
class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along the axis."""

    def forward(self, x: Any) -> Any:
        x = self._with_axis(x)
        exponentials = np.exp(shifted(x, self.axis))
        total = np.sum(to_double_double(exponentials), axis=self.axis, keepdims=True)
        return forms(
            lambda: exponentials / from_double_double(total),
            lambda: np.exp(LogSoftmax(self.axis).forward(x)),
        )

    def backward(self, x: Any, cotangent: Any) -> Any:
        x, cotangent = checked(x, cotangent)
        softmax = self.forward(x)
        weighted = softmax * cotangent
        total = np.sum(weighted, axis=self.axis, keepdims=True)
        return forms(lambda: softmax * (cotangent - total), lambda: weighted - softmax * total)


def _log_of_sum(exponentials: Any, axis: int) -> Any:
    """log(sum(exponentials)) along the axis, the largest of which is 1: the others keep their digits beside it."""
    return np.log1p(np.sum(to_double_double(exponentials), axis=axis, keepdims=True) - 1)


@dataclass(frozen=True)
class LogSoftmax(AlongAxis):
    """x - log(sum(exp(x))) along the axis."""

    def forward(self, x: Any) -> Any:
        x = shifted(self._with_axis(x), self.axis)
        exponentials = np.exp(x)
        return forms(
            lambda: from_double_double(x - _log_of_sum(exponentials, self.axis)),
            lambda: x - np.log(np.sum(exponentials, axis=self.axis, keepdims=True)),
        )

    def backward(self, x: Any, cotangent: Any) -> Any:
        x, cotangent = checked(x, cotangent)
        softmax = Softmax(self.axis).forward(x)
        return cotangent - softmax * np.sum(cotangent, axis=self.axis, keepdims=True)
