"""Trees of gradients as clipping sees them: unlike shapes, norms below, at and above the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from conformance.strategies.gradients import representable
from conformance.strategies.profile import enlarged, random_numbers
from refimpl.trees import map_leaves

SHAPES: dict[str, Any] = {"kernel": (17, 29), "blocks": [(2, 3, 5), (7,)], "bias": (7,), "scale": ()}


@st.composite
def gradient_trees(draw: st.DrawFn, dtype: str) -> Any:
    """A tree of float64 arrays representable in `dtype`, with entries of one magnitude, many, few or none."""
    generator = random_numbers(draw(st.integers(0, 2**32 - 1), label="seed"))
    magnitude = 10.0 ** draw(st.floats(-12, 12), label="log10 of the magnitude")
    kind = draw(st.sampled_from(["one magnitude", "many magnitudes", "sparse", "zero", "whole numbers"]), label="kind")

    def leaf(shape: tuple[int, ...]) -> np.ndarray:
        shape = enlarged(shape)
        normal = generator.standard_normal(shape)
        entries = {
            "one magnitude": normal * magnitude,
            "many magnitudes": normal * magnitude * 10.0 ** generator.uniform(-4, 4, shape),
            "sparse": np.where(generator.random(shape) < 0.02, normal * magnitude, 0.0),
            "zero": np.zeros(shape),
            "whole numbers": np.asarray(generator.integers(-3, 4, shape), dtype=np.float64),
        }
        return representable(entries[kind], dtype)

    return {
        "kernel": leaf(SHAPES["kernel"]),
        "blocks": [leaf(shape) for shape in SHAPES["blocks"]],
        "bias": leaf(SHAPES["bias"]),
        "scale": leaf(SHAPES["scale"]),
    }


def in_format(tree: Any, dtype: np.dtype) -> Any:
    """The tree in the arrays a subject takes."""
    return map_leaves(lambda leaf: np.asarray(leaf).astype(dtype), tree)
