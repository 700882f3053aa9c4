"""Dirac initializer: a dense layer or convolution that passes its inputs on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.initializers.fans import LAYOUTS, of_one_group
from refimpl.initializers.initializer import Initializer
from refimpl.initializers.kernels import MIDDLES, at_centre, channels
from refimpl.spec import convention, hyperparameter, whole


@dataclass(frozen=True)
class Dirac(Initializer):
    """gain (> 0) times the identity, for as many channels as inputs and outputs of a group have in common; no draw.

    Shapes have at least two axes of length >= 1; `groups` (>= 1) divide the outputs. Of a convolution it is the entry
    at the centre of the kernel: PyTorch's dirac_, and its eye_ and Keras's Identity for dense layers.
    """

    gain: float = hyperparameter(1.0, above=0)
    groups: int = whole(1, at_least=1)
    layout: str = convention(LAYOUTS)
    middle: str = convention(MIDDLES)

    def _sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        inputs, outputs = channels(shape, self.layout)
        identity = np.eye(inputs, of_one_group(outputs, self.groups))
        return at_centre(self.gain * np.tile(identity, self.groups), shape, self.layout, self.middle)
