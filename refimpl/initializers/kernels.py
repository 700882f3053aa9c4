"""Convolution weights that are zero except at the centre of the kernel."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from refimpl.initializers.fans import Layout, fans
from refimpl.types import Float64Array, Shape

Middle: TypeAlias = Literal["upper", "lower"]

MIDDLES: dict[Middle, str] = {
    "upper": "k // 2: the later of the two middle entries of an even kernel (PyTorch)",
    "lower": "(k - 1) // 2: the earlier of the two (JAX)",
}


def channels(shape: Shape, layout: Layout) -> tuple[int, int]:
    """The lengths of the axes of inputs and outputs. Raises TypeError or ValueError as `fans` does."""
    fans(shape, layout)  # for its errors
    return (shape[-2], shape[-1]) if layout == "input_output" else (shape[1], shape[0])


def at_centre(matrix: Float64Array, shape: Shape, layout: Layout, middle: Middle) -> Float64Array:
    """Weights of `shape` with `matrix`, shape (inputs, outputs), at the centre of the kernel and zeros elsewhere."""
    kernel = shape[:-2] if layout == "input_output" else shape[2:]
    weights = np.zeros((*kernel, *matrix.shape))
    weights[tuple(k // 2 if middle == "upper" else (k - 1) // 2 for k in kernel)] = matrix
    return weights if layout == "input_output" else np.moveaxis(weights, (-2, -1), (1, 0))
