"""The initializers of keras.initializers, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling

_DISTRIBUTIONS = {"uniform": "uniform", "normal": "untruncated_normal", "truncated_normal": "truncated_normal"}
INITIALIZERS: dict[type, Callable[[Any, int], Any]] = {
    Uniform: lambda s, seed: keras.initializers.RandomUniform(s.low, s.high, seed),
    Normal: lambda s, seed: keras.initializers.RandomNormal(s.mean, s.standard_deviation, seed),
    TruncatedNormal: lambda s, seed: keras.initializers.TruncatedNormal(s.mean, s.standard_deviation, seed),
    VarianceScaling: lambda s, seed: keras.initializers.VarianceScaling(
        s.scale, s.mode, _DISTRIBUTIONS[s.distribution], seed
    ),
    Orthogonal: lambda s, seed: keras.initializers.Orthogonal(s.gain, seed),
}


def draw(spec: Any, shape: tuple[int, ...], seed: int, dtype: str) -> Any:
    """One draw."""
    return INITIALIZERS[type(spec)](spec, seed)(shape, dtype)
