"""Sparse initializer: normal weights, of which a fixed share at random places is zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from refimpl.initializers.fans import LAYOUTS, fans
from refimpl.initializers.initializer import Initializer
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class Sparse(Initializer):
    """Independent normal entries of mean 0; of each n that belong together, ceil(sparsity * n) are zero, uniformly
    placed (Martens 2010, section 5, which keeps 15 of each n).

    sparsity in [0, 1]; the standard deviation, > 0, is that of the others. Shapes have two axes of length >= 1.
    """

    sparsity: float = hyperparameter(0.9, at_least=0, at_most=1)
    standard_deviation: float = hyperparameter(0.01, above=0)
    zeros_of: str = convention(
        {
            "output": "n weights belong together that lead to an output (the paper)",
            "input": "n weights belong together that come from an input (PyTorch)",
        }
    )
    layout: str = convention(LAYOUTS)

    def _sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        fans(shape, self.layout)  # refuses what is no shape of weights
        if len(shape) != 2:
            raise ValueError(f"shape must have two axes, got {shape}")
        inputs_first = self.layout == "input_output"
        along = 0 if inputs_first == (self.zeros_of == "output") else 1
        zeros = math.ceil(self.sparsity * shape[along])
        places = np.argsort(generator.random(shape), axis=along)  # permutations, independent of one another
        return np.where(places < zeros, 0.0, generator.normal(0.0, self.standard_deviation, shape))
