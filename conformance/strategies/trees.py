"""Trees of arrays of unlike shapes, and gradients in them with norms below, at and above a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import representable
from refimpl.trees import map_leaves

ELEMENTS = 99  # of one array, mostly of the same length: a library may compile each operation for each shape


def unlike_arrays() -> Any:
    """A tree of zeros, all but two of different shapes, under keys in no order, of the size that the run requires."""
    vector, matrix, number = (np.zeros(enlarged(shape)) for shape in ((ELEMENTS,), (23, 17), ()))
    return {"vector": vector, "matrix": matrix, "nested": [number, np.copy(vector)]}


@st.composite
def gradient_trees(draw: st.DrawFn, dtype: str) -> Any:
    """A tree of float64 arrays representable in `dtype`, with entries of one magnitude, many, few or none."""
    generator = random_numbers(draw(st.integers(0, 2**32 - 1), label="seed"))
    magnitude = 10.0 ** draw(st.floats(-12, 12), label="log10 of the magnitude")
    kind = draw(st.sampled_from(["one magnitude", "many magnitudes", "sparse", "zero", "whole numbers"]), label="kind")

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        normal = generator.standard_normal(shape)
        entries = {
            "one magnitude": normal * magnitude,
            "many magnitudes": normal * magnitude * 10.0 ** generator.uniform(-4, 4, shape),
            "sparse": np.where(generator.random(shape) < 0.02, normal * magnitude, 0.0),
            "zero": np.zeros(shape),
            "whole numbers": np.asarray(generator.integers(-3, 4, shape), dtype=np.float64),
        }
        return representable(entries[kind], dtype)

    return map_leaves(lambda leaf: drawn(leaf.shape), unlike_arrays())


def in_format(tree: Any, dtype: np.dtype) -> Any:
    """The tree in the arrays a subject takes."""
    return map_leaves(lambda leaf: np.asarray(leaf).astype(dtype), tree)
