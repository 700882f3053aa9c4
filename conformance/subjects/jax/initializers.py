"""The initializers of jax.nn.initializers, as functions of a key."""

from __future__ import annotations

from collections.abc import Callable

import jax

from conformance.subjects.jax.table import TABLE
from refimpl.initializers import Initializer, VarianceScaling
from refimpl.types import Shape

# The axes of inputs and outputs.
AXES = {
    "input_output": (-2, -1),
    "output_input": (1, 0),
    "transposed_input_output": (-1, -2),
    "transposed_output_input": (0, 1),
}


def draw(spec: Initializer, shape: Shape, dtype: str) -> Callable[[jax.Array], jax.Array]:
    """The function of a key that draws an array."""
    if isinstance(spec, VarianceScaling):
        return _variance_scaling(spec, shape, dtype)
    initializer = TABLE[type(spec)].call(spec)
    return lambda key: initializer(key, shape, dtype)


def _variance_scaling(spec: VarianceScaling, shape: Shape, dtype: str) -> Callable[[jax.Array], jax.Array]:
    inputs, outputs = (axis % len(shape) for axis in AXES[spec.layout])
    drawn: Shape = shape
    groups: Shape = ()
    if spec.groups > 1:
        # Fans leave out a "batch axis": here that of the groups, split off the axis with the channels of all.
        split = inputs if spec.layout.startswith("transposed") else outputs
        drawn = (*shape[:split], spec.groups, shape[split] // spec.groups, *shape[split + 1 :])
        inputs, outputs, groups = inputs + (inputs >= split), outputs + (outputs >= split), (split,)
    axes = {"in_axis": inputs, "out_axis": outputs, "batch_axis": groups}
    initializer = TABLE[VarianceScaling].call(spec, **axes)
    return lambda key: initializer(key, drawn, dtype).reshape(shape)
