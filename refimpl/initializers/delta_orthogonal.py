"""Delta-orthogonal initializer: a convolution that keeps the norm of its input (Xiao et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.initializers.fans import LAYOUTS, Layout
from refimpl.initializers.initializer import Initializer
from refimpl.initializers.kernels import MIDDLES, Middle, at_centre, channels
from refimpl.initializers.orthogonal import Orthogonal
from refimpl.spec import convention, hyperparameter
from refimpl.types import Float64Array, Shape


@dataclass(frozen=True)
class DeltaOrthogonal(Initializer):
    """gain (> 0) times a Haar-distributed orthogonal matrix at the centre of the kernel, and zeros elsewhere
    (Xiao et al. 2018, algorithm 1).

    Shapes have at least two axes of length >= 1. `sample` raises ValueError for more inputs than outputs: no
    convolution from more channels to fewer keeps the norm.
    """

    gain: float = hyperparameter(1.0, above=0)
    layout: Layout = convention(LAYOUTS)
    middle: Middle = convention(MIDDLES)

    def _sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        inputs, outputs = channels(shape, self.layout)
        if inputs > outputs:
            raise ValueError(f"shape must have no more inputs than outputs, got {inputs} > {outputs} in {shape}")
        matrix = Orthogonal(self.gain).sample((inputs, outputs), generator)
        return at_centre(matrix, shape, self.layout, self.middle)
