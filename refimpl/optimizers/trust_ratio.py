"""The length of a parameter over the length of its step, which layerwise rules scale a step by."""

from __future__ import annotations

from typing import Any

import numpy as np


def trust_ratio(size: Any, length: Any, coefficient: Any = 1.0, epsilon: Any = 0.0) -> Any:
    """coefficient * size / (length + epsilon), of two norms; 1 where one of them is zero."""
    return np.where((size == 0) | (length == 0), 1.0, coefficient * size / (length + epsilon))
