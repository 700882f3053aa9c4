"""The distribution of an entry of a random orthogonal matrix: one coordinate of a uniform point on a sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.initializers.distributions import Distribution
from refimpl.types import ArrayLike, Float64Array, Shape


@dataclass(frozen=True)
class SphereCoordinateDistribution(Distribution):
    """A coordinate of a uniform point on the sphere of `radius` > 0 in `dimension` >= 1 dimensions.

    (X / radius)**2 ~ Beta(1/2, (dimension - 1) / 2), with a random sign.
    """

    dimension: int
    radius: float

    @property
    def mean(self) -> float:
        return 0.0

    @property
    def variance(self) -> float:
        return self.radius**2 / self.dimension

    @property
    def fourth_moment(self) -> float:
        return 3 * self.radius**4 / (self.dimension * (self.dimension + 2))

    @property
    def support(self) -> tuple[float, float]:
        return -self.radius, self.radius

    def cdf(self, x: ArrayLike) -> Float64Array:
        """P(X <= x) = 1/2 + (integral of cos**m from 0 to asin(x / radius)) / (the same from -pi/2 to pi/2).

        m = dimension - 2. Integration by parts, m I(m) = cos**(m-1) sin + (m-1) I(m-2), adds terms of one sign. It
        needs no incomplete beta function, and dimension / 2 passes over x. The absolute error is below 8 + dimension
        units roundoff: the terms add up to 1/2 at most, and the k-th has 4 k roundings.
        """
        x = np.asarray(x, dtype=np.float64)
        probability: Float64Array
        if self.dimension == 1:  # two points, each with probability 1/2
            probability = np.heaviside(x + self.radius, 1.0) / 2 + np.heaviside(x - self.radius, 1.0) / 2
            return probability
        sine = np.clip(x / self.radius, -1.0, 1.0)
        cosine_squared = (1 - sine) * (1 + sine)
        even = self.dimension % 2 == 0
        half = np.arcsin(sine) / np.pi if even else sine / 2  # m = 0 or 1
        term = np.sqrt(cosine_squared) * sine / np.pi if even else cosine_squared * sine / 4  # what the next m adds
        for m in range(2 if even else 3, self.dimension - 1, 2):
            half = half + term
            term = term * cosine_squared * (m / (m + 1))
        probability = 0.5 + half
        return probability

    def sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        points = generator.normal(size=(*shape, self.dimension))
        coordinate: Float64Array = self.radius * points[..., 0] / np.linalg.norm(points, axis=-1)
        return coordinate
