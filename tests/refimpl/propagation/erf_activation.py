"""The activation erf, whose expectations over a normal variable have closed forms."""

import math
from dataclasses import dataclass

import numpy as np

from refimpl.activations import Elementwise
from refimpl.arithmetic import erf


@dataclass(frozen=True)
class Erf(Elementwise):
    """erf(x)."""

    def _function(self, x):
        return erf(x)

    def _vjp(self, x, cotangent):
        return cotangent * (2 / math.sqrt(math.pi)) * np.exp(-(x**2))
