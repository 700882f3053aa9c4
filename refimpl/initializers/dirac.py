"""Dirac initializer: a dense layer or convolution whose outputs are its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.initializers.fans import LAYOUTS, Layout, channels_of_one_group
from refimpl.initializers.initializer import Initializer
from refimpl.initializers.kernels import MIDDLES, Middle, at_centre, channels
from refimpl.spec import convention, hyperparameter, whole
from refimpl.types import Float64Array, Shape


@dataclass(frozen=True)
class Dirac(Initializer):
    """gain (> 0) times the identity at the centre of the kernel, and zeros elsewhere. Nothing is drawn.

    In each group, input i leads to output i, for the channels that both have. Shapes have at least two axes of
    length >= 1. `sample` raises ValueError unless `groups` (>= 1) divide the outputs. PyTorch's dirac_; for dense
    layers PyTorch's eye_ and Keras's Identity.
    """

    gain: float = hyperparameter(1.0, above=0)
    groups: int = whole(1, at_least=1)
    layout: Layout = convention(LAYOUTS)
    middle: Middle = convention(MIDDLES)

    def _sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        inputs, outputs = channels(shape, self.layout)
        identity = np.eye(inputs, channels_of_one_group(outputs, self.groups))
        return at_centre(self.gain * np.tile(identity, self.groups), shape, self.layout, self.middle)
