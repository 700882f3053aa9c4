"""The norm of a parameter over the norm of its update, which layerwise rules scale an update by."""

from __future__ import annotations

import numpy as np

from refimpl.types import Array, Scalar


def trust_ratio(parameter_norm: Array, update_norm: Array, coefficient: Scalar = 1.0, epsilon: Scalar = 0.0) -> Array:
    """coefficient * parameter_norm / (update_norm + epsilon); 1 where one of the norms is zero."""
    ratio = coefficient * parameter_norm / (update_norm + epsilon)
    return np.where((parameter_norm == 0) | (update_norm == 0), 1.0, ratio)
