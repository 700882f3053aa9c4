"""Clipping by Keras's optimizers, seen in a step of length 1 from parameters that are zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.subjects.keras.backend import keras
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue
from refimpl.trees import leaves, rebuilt

ARGUMENTS: dict[type, Callable[[Any], dict[str, float]]] = {
    ClipByGlobalNorm: lambda s: {"global_clipnorm": s.max_norm},
    ClipByNorm: lambda s: {"clipnorm": s.max_norm},
    ClipByValue: lambda s: {"clipvalue": s.limit},
}


def clipped(spec: Any, gradients: Any) -> Any:
    """The clipped tree."""
    given = [np.array(leaf) for _, leaf in leaves(gradients)]
    variables = [keras.Variable(np.zeros_like(leaf), dtype=leaf.dtype) for leaf in given]
    keras.optimizers.SGD(1.0, **ARGUMENTS[type(spec)](spec)).apply(given, variables)
    return rebuilt(gradients, [np.asarray(0 - np.array(variable.value)) for variable in variables])
