"""Softmax and its logarithm, along an axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.activations.activation import Activation, of_one_shape
from refimpl.activations.evaluation_orders.rules import SOFTMAX, SOFTMAX_VJP
from refimpl.activations.functions import log_softmax, shifted
from refimpl.arithmetic import covering, from_double_double, to_double_double
from refimpl.spec import whole
from refimpl.trees import as_array
from refimpl.types import Array


@dataclass(frozen=True)
class AlongAxis(Activation):
    """An activation of each vector along `axis` (an integer; negative ones count from the last).

    Its methods raise ValueError for an array that has no such axis, or no element along it.
    """

    axis: int = whole(-1, at_least=-64)

    def _with_axis(self, x: Array) -> Array:
        x, axes = as_array("x", x), np.ndim(x)
        if not (-axes <= self.axis < axes and np.shape(x)[self.axis] > 0):
            self.refuse("axis", self.axis, f"a non-empty axis of x, which has shape {np.shape(x)}")
        return x


@dataclass(frozen=True)
class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along the axis."""

    def forward(self, x: Array) -> Array:
        x = self._with_axis(x)
        exponentials = np.exp(shifted(x, self.axis))
        total = from_double_double(np.sum(to_double_double(exponentials), axis=self.axis, keepdims=True))
        return covering(exponentials / total, SOFTMAX, x, self.axis)

    def backward(self, x: Array, cotangent: Array) -> Array:
        """softmax * (cotangent - sum(softmax * cotangent)): the Jacobian is diag(softmax) - softmax softmax'."""
        x, cotangent = of_one_shape(x, cotangent)
        softmax = self.forward(x)
        weighted = softmax * cotangent
        total = np.sum(weighted, axis=self.axis, keepdims=True)
        return covering(softmax * (cotangent - total), SOFTMAX_VJP, softmax, weighted, total)


@dataclass(frozen=True)
class LogSoftmax(AlongAxis):
    """x - log(sum(exp(x))) along the axis."""

    def forward(self, x: Array) -> Array:
        return log_softmax(self._with_axis(x), self.axis)

    def backward(self, x: Array, cotangent: Array) -> Array:
        """cotangent - softmax * sum(cotangent)."""
        x, cotangent = of_one_shape(x, cotangent)
        return cotangent - Softmax(self.axis).forward(x) * np.sum(cotangent, axis=self.axis, keepdims=True)
