"""Fan-in and fan-out: how many numbers a unit of a dense or convolution layer sums up, forward and backward."""

from __future__ import annotations

import math
from typing import Any

LAYOUTS = {
    "input_output": "(*kernel, inputs, outputs) (JAX, Keras)",
    "output_input": "(outputs, inputs, *kernel) (PyTorch)",
}


def fans(shape: tuple[int, ...], layout: str = "input_output") -> tuple[int, int]:
    """(fan_in, fan_out) of weights of `shape`: inputs and outputs, each times the size of the kernel.

    A dense layer has no kernel axes. For a grouped convolution, `inputs` are those of one group, and fan_out counts
    all outputs, as PyTorch does (pytorch#23854), although one input reaches those of its own group only.
    Raises TypeError for a shape that is no tuple of integers, ValueError for fewer than two axes, an axis of length 0
    or an unknown layout.
    """
    shape = checked_shape(shape)
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(map(repr, LAYOUTS))}, got {layout!r}")
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"shape must have at least two axes, each of length >= 1, got {shape}: {LAYOUTS[layout]}")
    if layout == "input_output":
        *kernel, inputs, outputs = shape
    else:
        outputs, inputs, *kernel = shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def checked_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of Python integers >= 0; raises TypeError or ValueError for anything else."""
    if not isinstance(shape, (tuple, list)) or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in shape):
        raise TypeError(f"shape must be a tuple of integers, got {type(shape).__name__} {shape!r}")
    if any(n < 0 for n in shape):
        raise ValueError(f"shape must have axes of length >= 0, got {tuple(shape)}")
    return tuple(int(n) for n in shape)
