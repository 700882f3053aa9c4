"""The initializers of jax.nn.initializers, as functions of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling

INITIALIZERS: dict[type, Callable[[Any], jax.nn.initializers.Initializer]] = {
    Uniform: lambda s: jax.nn.initializers.uniform(s.high),
    Normal: lambda s: jax.nn.initializers.normal(s.standard_deviation),
    TruncatedNormal: lambda s: jax.nn.initializers.truncated_normal(s.standard_deviation, lower=s.lower, upper=s.upper),
    VarianceScaling: lambda s: jax.nn.initializers.variance_scaling(s.scale, s.mode, s.distribution),
    Orthogonal: lambda s: jax.nn.initializers.orthogonal(s.gain),
}


def draw(spec: Any, shape: tuple[int, ...], dtype: str) -> Callable[[jax.Array], jax.Array]:
    """The function of a key that draws an array."""
    initializer = INITIALIZERS[type(spec)](spec)
    return lambda key: initializer(key, shape, dtype)
