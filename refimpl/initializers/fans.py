"""Fan-in and fan-out: how many numbers a unit of a dense or convolution layer sums up, forward and backward."""

from __future__ import annotations

import math
from typing import Any

LAYOUTS = {
    "input_output": "(*kernel, inputs, outputs) (JAX, Keras)",
    "output_input": "(outputs, inputs, *kernel) (PyTorch)",
}
TRANSPOSED_LAYOUTS = {
    "transposed_input_output": "(*kernel, outputs, inputs): a transposed convolution of Keras",
    "transposed_output_input": "(inputs, outputs, *kernel): a transposed convolution of PyTorch",
}
ALL_LAYOUTS = LAYOUTS | TRANSPOSED_LAYOUTS


def fans(shape: tuple[int, ...], layout: str = "input_output", groups: int = 1) -> tuple[int, int]:
    """(fan_in, fan_out) of weights of `shape`: inputs and outputs, each times the size of the kernel.

    A dense layer has no kernel axes. Of a convolution with `groups` >= 1, weights have an axis for the channels of one
    group, the inputs (the outputs, if it is transposed), and one for those of all groups. Fans count the channels that
    one is connected to, those of its group. Without `groups` they count the axes as they are, as PyTorch and Keras do
    (pytorch#23854). The stride does not count.
    Raises TypeError for a shape that is no tuple of integers or groups that are none, ValueError for fewer than two
    axes, an axis of length 0, an unknown layout, or groups that do not divide the axis of all groups.
    """
    shape = checked_shape(shape)
    if layout not in ALL_LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(map(repr, ALL_LAYOUTS))}, got {layout!r}")
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"shape must have at least two axes, each of length >= 1, got {shape}: {ALL_LAYOUTS[layout]}")
    if layout in ("input_output", "transposed_input_output"):
        *kernel, inputs, outputs = shape
    else:
        outputs, inputs, *kernel = shape
    outputs = of_one_group(outputs, groups)
    if layout in TRANSPOSED_LAYOUTS:
        inputs, outputs = outputs, inputs
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def of_one_group(channels: int, groups: Any) -> int:
    """How many of the channels of all groups one group has. Raises TypeError or ValueError for impossible groups."""
    if isinstance(groups, bool) or not hasattr(groups, "__index__"):
        raise TypeError(f"groups must be an integer, got {type(groups).__name__} {groups!r}")
    if groups < 1 or channels % groups:
        raise ValueError(f"groups must be >= 1 and divide the {channels} channels of all groups, got {groups}")
    return channels // int(groups)


def checked_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of Python integers >= 0; raises TypeError or ValueError for anything else."""
    if not isinstance(shape, (tuple, list)) or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in shape):
        raise TypeError(f"shape must be a tuple of integers, got {type(shape).__name__} {shape!r}")
    if any(n < 0 for n in shape):
        raise ValueError(f"shape must have axes of length >= 0, got {tuple(shape)}")
    return tuple(int(n) for n in shape)
