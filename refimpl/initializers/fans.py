"""Fan-in and fan-out: how many products a unit of a dense or convolution layer adds up, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import index
from typing import Literal, SupportsIndex, TypeAlias

from refimpl.types import Shape

Layout: TypeAlias = Literal["input_output", "output_input"]
TransposedLayout: TypeAlias = Literal["transposed_input_output", "transposed_output_input"]
AnyLayout: TypeAlias = Literal[Layout, TransposedLayout]

LAYOUTS: dict[Layout, str] = {
    "input_output": "(*kernel, inputs, outputs) (JAX, Keras)",
    "output_input": "(outputs, inputs, *kernel) (PyTorch)",
}
TRANSPOSED_LAYOUTS: dict[TransposedLayout, str] = {
    "transposed_input_output": "(*kernel, outputs, inputs): a transposed convolution of Keras",
    "transposed_output_input": "(inputs, outputs, *kernel): a transposed convolution of PyTorch",
}
ALL_LAYOUTS: Mapping[AnyLayout, str] = LAYOUTS | TRANSPOSED_LAYOUTS


def fans(shape: Shape, layout: AnyLayout = "input_output", groups: SupportsIndex = 1) -> tuple[int, int]:
    """(fan_in, fan_out) of weights: the number of inputs and of outputs, each times the size of the kernel.

    shape: two axes or more, each of length >= 1, in the order that `layout` says. A dense layer has no kernel axes.
    groups: >= 1, those of the convolution. One axis has the channels of a single group, which are inputs (outputs, if
    the convolution is transposed). The other has the channels of all groups, which `groups` must divide. Fans count
    the channels of one group, since no unit is connected to others. With the default, 1, fans count the axes as they
    are, as PyTorch and Keras do (pytorch#23854). The stride does not count.

    Raises TypeError unless the shape is a tuple of integers and groups is an integer. Raises ValueError for fewer than
    two axes, an axis of length 0, an unknown layout, or groups that do not divide the channels.
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
    outputs = channels_of_one_group(outputs, groups)
    if layout in TRANSPOSED_LAYOUTS:
        inputs, outputs = outputs, inputs
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def channels_of_one_group(channels: int, groups: SupportsIndex) -> int:
    """channels / groups, with `channels` counted over all groups.

    Raises TypeError unless groups is an integer, ValueError unless it is >= 1 and divides the channels.
    """
    if isinstance(groups, bool) or not isinstance(groups, SupportsIndex):
        raise TypeError(f"groups must be an integer, got {type(groups).__name__} {groups!r}")
    if index(groups) < 1 or channels % index(groups):
        raise ValueError(f"groups must be >= 1 and divide the {channels} channels of all groups, got {groups}")
    return channels // index(groups)


def checked_shape(shape: object) -> Shape:
    """`shape`, a tuple or list, as a tuple of Python integers.

    Raises TypeError unless all of it are integers, ValueError for a negative one.
    """
    if not isinstance(shape, (tuple, list)) or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in shape):
        raise TypeError(f"shape must be a tuple of integers, got {type(shape).__name__} {shape!r}")
    if any(n < 0 for n in shape):
        raise ValueError(f"shape must have axes of length >= 0, got {tuple(shape)}")
    return tuple(int(n) for n in shape)
