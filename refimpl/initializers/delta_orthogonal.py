"""Delta-orthogonal initializer: a convolution that keeps the norm of what goes through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.initializers.fans import LAYOUTS
from refimpl.initializers.initializer import Initializer
from refimpl.initializers.kernels import MIDDLES, at_centre, channels
from refimpl.initializers.orthogonal import Orthogonal
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class DeltaOrthogonal(Initializer):
    """gain (> 0) times a matrix of Haar's law at the centre of the kernel, zeros elsewhere (Xiao et al. 2018,
    algorithm 1).

    Shapes have at least two axes of length >= 1, and no more inputs than outputs: else the norm is lost.
    """

    gain: float = hyperparameter(1.0, above=0)
    layout: str = convention(LAYOUTS)
    middle: str = convention(MIDDLES)

    def _sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        inputs, outputs = channels(shape, self.layout)
        if inputs > outputs:
            raise ValueError(f"shape must have no more inputs than outputs, got {inputs} > {outputs} in {shape}")
        matrix = Orthogonal(self.gain).sample((inputs, outputs), generator)
        return at_centre(matrix, shape, self.layout, self.middle)
