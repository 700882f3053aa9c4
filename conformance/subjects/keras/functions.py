"""Keras's functions of arrays, made from specs: activations, losses, schedules, initializers and clipping."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from operator import mul

import keras
import numpy as np

from conformance.subjects.keras.table import TABLE
from refimpl.activations import Activation
from refimpl.initializers import Initializer
from refimpl.losses import Loss, SoftmaxCrossEntropy
from refimpl.schedules import PiecewiseConstant, Schedule
from refimpl.spec import Spec
from refimpl.types import Array, Shape


def activation(spec: Activation) -> Callable[[Array], Array]:
    """The function of an array."""
    return partial(TABLE[type(spec)].call, spec)


def loss(spec: Loss) -> Callable[[Array, Array], Array]:
    """The function of target and prediction."""
    function: Callable[[Array, Array], Array] = TABLE[type(spec)].call(spec)
    if not isinstance(spec, SoftmaxCrossEntropy) or spec.labels == "one_hot":
        return function
    if spec.label_smoothing == 0:
        reduction = TABLE[SoftmaxCrossEntropy].keywords(spec)["reduction"]
        function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
        return function

    def smoothed(target: Array, prediction: Array) -> Array:  # which Keras has for weights alone
        return function(keras.ops.one_hot(target, prediction.shape[-1], dtype=prediction.dtype), prediction)

    return smoothed


def rate(spec: Schedule) -> Callable[[Array], Array]:
    """The function of a 0-d count, an integer as it is in an optimizer's state, that gives its rate."""
    row = TABLE[type(spec)]
    if isinstance(spec, PiecewiseConstant):
        levels = list(accumulate(spec.factors, mul, initial=spec.initial))  # where the rule has factors
        schedule: Callable[[Array], Array] = row.resolved(spec.boundaries, levels)
    else:
        schedule = row.call(spec)
    return schedule


def draw(spec: Initializer, shape: Shape, seed: int, dtype: str) -> Array:
    """One draw."""
    return TABLE[type(spec)].call(spec, seed=seed)(shape, dtype)


def clipped(spec: Spec, gradients: list[Array]) -> list[np.ndarray]:
    """The clipped gradients, seen in a step of rate 1 from parameters that are zero."""
    variables = [keras.Variable(np.zeros(tuple(g.shape)), dtype=g.dtype) for g in gradients]
    keras.optimizers.SGD(1.0, **TABLE[type(spec)].keywords(spec)).apply(gradients, variables)
    return [np.asarray(0 - np.array(variable.value)) for variable in variables]
