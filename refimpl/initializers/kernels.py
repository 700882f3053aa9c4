"""Convolution weights that are zero but at the centre of the kernel."""

from __future__ import annotations

import numpy as np

from refimpl.initializers.fans import fans

MIDDLES = {
    "upper": "k // 2: the later of the two middle entries of an even kernel (PyTorch)",
    "lower": "(k - 1) // 2: the earlier of the two (JAX)",
}


def channels(shape: tuple[int, ...], layout: str) -> tuple[int, int]:
    """The lengths of the axes of inputs and outputs. Raises TypeError or ValueError for no shape of weights."""
    fans(shape, layout)  # refuses what is none
    return (shape[-2], shape[-1]) if layout == "input_output" else (shape[1], shape[0])


def at_centre(matrix: np.ndarray, shape: tuple[int, ...], layout: str, middle: str) -> np.ndarray:
    """Weights of `shape` with `matrix`, shape (inputs, outputs), at the centre of the kernel and zeros elsewhere."""
    kernel = shape[:-2] if layout == "input_output" else shape[2:]
    weights = np.zeros((*kernel, *matrix.shape))
    weights[tuple(k // 2 if middle == "upper" else (k - 1) // 2 for k in kernel)] = matrix
    return weights if layout == "input_output" else np.moveaxis(weights, (-2, -1), (1, 0))
