"""Clipping by Keras's optimizers, seen in a step of length 1 from parameters that are zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue

ARGUMENTS: dict[type, Callable[[Any], dict[str, float]]] = {
    ClipByGlobalNorm: lambda s: {"global_clipnorm": s.max_norm},
    ClipByNorm: lambda s: {"clipnorm": s.max_norm},
    ClipByValue: lambda s: {"clipvalue": s.limit},
}


def clipped(spec: Any, gradients: list[Any]) -> list[np.ndarray]:
    """The clipped gradients."""
    variables = [keras.Variable(np.zeros(tuple(g.shape)), dtype=g.dtype) for g in gradients]
    keras.optimizers.SGD(1.0, **ARGUMENTS[type(spec)](spec)).apply(gradients, variables)
    return [np.asarray(0 - np.array(variable.value)) for variable in variables]
