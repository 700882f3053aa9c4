"""Orthogonal initializer: a matrix with orthonormal rows or columns, uniform among all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.initializers.distributions import Distribution, SphereCoordinateDistribution
from refimpl.initializers.fans import LAYOUTS, fans
from refimpl.initializers.initializer import IdenticallyDistributed
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class Orthogonal(IdenticallyDistributed):
    """gain (> 0) times a matrix of Haar's law (Saxe, McClelland & Ganguli 2014).

    Shapes have at least two axes of length >= 1. The matrix has the outputs along one side and all other axes along
    the other; its vectors along the longer side are orthogonal to one another, each of norm gain.
    """

    gain: float = hyperparameter(1.0, above=0)
    layout: str = convention(LAYOUTS)

    def law(self, shape: Any) -> Distribution:
        """The law of each entry: a coordinate of a uniform point on a sphere. Entries depend on one another."""
        return SphereCoordinateDistribution(max(self._sides(shape)), self.gain)

    def _sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """QR of a normal matrix, signs fixed (Mezzadri 2007, section 5)."""
        rows, columns = self._sides(shape)
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        # Q is unique, and of Haar's law, only where R has a positive diagonal; LAPACK's Q[0, 0] is never positive.
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def _sides(self, shape: Any) -> tuple[int, int]:
        """Rows and columns of the matrix that the array is in C order."""
        fans(shape, self.layout)  # refuses what is no shape of weights
        if self.layout == "input_output":
            return math.prod(shape[:-1]), shape[-1]
        return shape[0], math.prod(shape[1:])
