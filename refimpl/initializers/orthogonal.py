"""Orthogonal initializer: a matrix with orthonormal rows or columns, uniform among all of them (Saxe et al. 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from refimpl.initializers.distributions import Distribution
from refimpl.initializers.fans import LAYOUTS, Layout, fans
from refimpl.initializers.initializer import IdenticallyDistributed
from refimpl.initializers.sphere_coordinate import SphereCoordinateDistribution
from refimpl.spec import convention, hyperparameter
from refimpl.types import Float64Array, Shape


@dataclass(frozen=True)
class Orthogonal(IdenticallyDistributed):
    """gain (> 0) times a Haar-distributed orthogonal matrix (Saxe, McClelland & Ganguli 2014).

    Shapes have at least two axes of length >= 1. The matrix has the outputs along one side and all other axes along
    the other. Its vectors along the longer side are orthogonal to one another, and each has norm `gain`.
    """

    gain: float = hyperparameter(1.0, above=0)
    layout: Layout = convention(LAYOUTS)

    def entry_distribution(self, shape: Shape) -> Distribution:
        """A coordinate of a uniform point on a sphere. The entries depend on one another."""
        return SphereCoordinateDistribution(max(self._sides(shape)), self.gain)

    def _sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        """QR of a normal matrix, with the signs of R's diagonal (Mezzadri 2007, section 5)."""
        rows, columns = self._sides(shape)
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        # Q is unique, and Haar-distributed, only where R has a positive diagonal; LAPACK's Q[0, 0] is never positive.
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def _sides(self, shape: Shape) -> tuple[int, int]:
        """Rows and columns of the matrix that the array is in C order."""
        fans(shape, self.layout)  # for its errors
        if self.layout == "input_output":
            return math.prod(shape[:-1]), shape[-1]
        return shape[0], math.prod(shape[1:])
