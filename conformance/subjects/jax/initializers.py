"""The initializers of jax.nn.initializers, as functions of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from refimpl.initializers import DeltaOrthogonal, Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling

# The axes of inputs and outputs.
AXES = {
    "input_output": (-2, -1),
    "output_input": (1, 0),
    "transposed_input_output": (-1, -2),
    "transposed_output_input": (0, 1),
}


def _variance_scaling(spec: VarianceScaling) -> Callable[[jax.Array, tuple[int, ...], str], jax.Array]:
    def draw(key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        inputs, outputs = (axis % len(shape) for axis in AXES[spec.layout])
        drawn: tuple[int, ...] = shape
        groups: tuple[int, ...] = ()
        if spec.groups > 1:
            # Fans leave out a "batch axis": here that of the groups, split off the axis with the channels of all.
            split = inputs if spec.layout.startswith("transposed") else outputs
            drawn = (*shape[:split], spec.groups, shape[split] // spec.groups, *shape[split + 1 :])
            inputs, outputs, groups = inputs + (inputs >= split), outputs + (outputs >= split), (split,)
        initializer = jax.nn.initializers.variance_scaling(
            spec.scale, spec.mode, spec.distribution, inputs, outputs, groups
        )
        return initializer(key, drawn, dtype).reshape(shape)

    return draw


INITIALIZERS: dict[type, Callable[[Any], Callable[[jax.Array, tuple[int, ...], str], jax.Array]]] = {
    Uniform: lambda s: jax.nn.initializers.uniform(s.high),
    Normal: lambda s: jax.nn.initializers.normal(s.standard_deviation),
    TruncatedNormal: lambda s: jax.nn.initializers.truncated_normal(s.standard_deviation, lower=s.lower, upper=s.upper),
    VarianceScaling: _variance_scaling,
    Orthogonal: lambda s: jax.nn.initializers.orthogonal(s.gain),
    DeltaOrthogonal: lambda s: jax.nn.initializers.delta_orthogonal(s.gain),
}


def draw(spec: Any, shape: tuple[int, ...], dtype: str) -> Callable[[jax.Array], jax.Array]:
    """The function of a key that draws an array."""
    initializer = INITIALIZERS[type(spec)](spec)
    return lambda key: initializer(key, shape, dtype)
