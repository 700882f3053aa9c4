"""Sparse initializer: normal weights, of which a fixed share at random places is zero (Martens 2010)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.initializers.fans import LAYOUTS, Layout, fans
from refimpl.initializers.initializer import Initializer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Float64Array, Shape


@dataclass(frozen=True)
class Sparse(Initializer):
    """Independent normal entries of mean 0, of which ceil(sparsity * n) in each group of n are zero, at uniformly
    drawn places (Martens 2010, section 5, which keeps 15 of each n).

    sparsity: in [0, 1]. standard_deviation: > 0, of the entries that are not set to zero. Shapes have two axes of
    length >= 1; `sample` raises ValueError for others.
    """

    sparsity: float = hyperparameter(0.9, at_least=0, at_most=1)
    standard_deviation: float = hyperparameter(0.01, above=0)
    zeros_of: Literal["output", "input"] = convention(
        {
            "output": "a group is the n weights that lead to one output (the paper)",
            "input": "a group is the n weights that come from one input (PyTorch)",
        }
    )
    layout: Layout = convention(LAYOUTS)

    def _sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        fans(shape, self.layout)  # for its errors
        if len(shape) != 2:
            raise ValueError(f"shape must have two axes, got {shape}")
        inputs_first = self.layout == "input_output"
        along = 0 if inputs_first == (self.zeros_of == "output") else 1
        zeros = math.ceil(self.sparsity * shape[along])
        places = np.argsort(generator.random(shape), axis=along)  # permutations, independent of one another
        return np.where(places < zeros, 0.0, generator.normal(0.0, self.standard_deviation, shape))
