"""The optimizers of keras.optimizers."""

from __future__ import annotations

import keras
import numpy as np

from conformance.subjects.keras.table import TABLE
from refimpl.averaging import ParameterAverage
from refimpl.optimizers import GradientAccumulation
from refimpl.spec import Spec
from refimpl.types import Shape


def built(spec: Spec, shapes: tuple[Shape, ...], dtype: str) -> tuple[keras.Optimizer, list[keras.Variable]]:
    """The optimizer, and the variables v0, v1, ... of these shapes that it is built for."""
    optimizer = _made(spec)
    zeros = [np.zeros(shape, dtype) for shape in shapes]
    variables = [keras.Variable(zero, dtype=dtype, name=f"v{index}") for index, zero in enumerate(zeros)]
    optimizer.build(variables)
    return optimizer, variables


def _made(spec: Spec) -> keras.Optimizer:
    row = TABLE[type(spec)]
    match spec:
        case ParameterAverage():  # the optimizer itself moves nothing
            return keras.optimizers.SGD(learning_rate=0.0, **row.keywords(spec))
        case GradientAccumulation(rule=rule):
            return TABLE[type(rule)].call(rule, **row.keywords(spec))
    return row.call(spec)
