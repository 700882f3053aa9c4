"""The normal distribution conditioned on an interval, accurate for narrow intervals and for those in a tail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from refimpl.arithmetic import erf, erfc
from refimpl.initializers.distributions import Distribution, normal_cdf
from refimpl.types import ArrayLike, Float64Array, Shape

_STANDARD_NORMAL = NormalDist()


@dataclass(frozen=True)
class TruncatedNormalDistribution(Distribution):
    """Normal (location, scale > 0) conditioned on [low, high], both finite.

    Raises ValueError where float64 cannot represent the probability of [low, high].
    """

    location: float
    scale: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self._probability > 0:
            raise ValueError(
                f"[{self.low}, {self.high}] has no probability under a normal distribution of mean {self.location} and "
                f"standard deviation {self.scale}: give bounds nearer to the mean"
            )

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        """The bounds in standard deviations from the location."""
        return (self.low - self.location) / self.scale, (self.high - self.location) / self.scale

    @cached_property
    def _probability(self) -> float:
        return float(_normal_probability(*self._bounds))

    @cached_property
    def _standard_moments(self) -> Moments:
        return truncated_moments(*self._bounds)

    @property
    def mean(self) -> float:
        return self.location + self.scale * self._standard_moments.mean

    @property
    def variance(self) -> float:
        return self.scale**2 * self._standard_moments.variance

    @property
    def fourth_moment(self) -> float:
        return self.scale**4 * self._standard_moments.fourth_moment

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def cdf(self, x: ArrayLike) -> Float64Array:
        low, high = self._bounds
        inside = np.clip((np.asarray(x, dtype=np.float64) - self.location) / self.scale, low, high)
        return _normal_probability(low, inside) / self._probability

    def sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        """Draws by inversion, in the lower tail, where float64 resolves probabilities best."""
        low, high = self._bounds
        side = -1.0 if low > 0 else 1.0
        least, most = normal_cdf(sorted((side * low, side * high)))
        probability = generator.uniform(least, most, shape)
        probability = np.clip(probability, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
        standard = np.asarray(np.frompyfunc(_STANDARD_NORMAL.inv_cdf, 1, 1)(probability), dtype=np.float64)
        return np.clip(self.location + self.scale * side * standard, self.low, self.high)


def _normal_probability(low: ArrayLike, high: ArrayLike) -> Float64Array:
    """P(low < Z < high) of a standard normal Z, elementwise.

    Of the differences of erf and of erfc of either sign, the one of the smallest numbers is taken, which round least.
    """
    low, high = (np.asarray(z, dtype=np.float64) / math.sqrt(2) for z in (low, high))
    nearest = np.clip(0.0, low, high)
    tails = np.where(nearest > 0, erfc(low) - erfc(high), erfc(-high) - erfc(-low))
    probability: Float64Array = np.where(np.abs(nearest) < 0.5, erf(high) - erf(low), tails) / 2
    return probability


class Moments(NamedTuple):
    """E X, and E (X - mean)**2 and E (X - mean)**4."""

    mean: float
    variance: float
    fourth_moment: float


_NODES = 257  # their error for exp(-x**2 / 2) on the widest interval used, +-sqrt(90), is far below roundoff
_LOG_OF_NEGLIGIBLE_DENSITY = 45.0  # a density below exp(-45) of the largest one is left out


def truncated_moments(low: float, high: float) -> Moments:
    """Moments of a standard normal variable conditioned on [low, high], low < high, to some 8 units roundoff.

    Quadrature adds terms of one sign. The closed forms, such as 1 - 2 k phi(k) / (2 Phi(k) - 1) for the variance
    between -k and k, cancel for narrow intervals and in the tails. The rule is tanh-sinh (Takahasi & Mori 1974), whose
    weights are elementary functions.
    """
    nearest = min(max(low, 0.0), high)  # the density is largest there: distances from it carry no cancellation
    reach = math.sqrt(nearest**2 + 2 * _LOG_OF_NEGLIGIBLE_DENSITY)
    low, high = max(low, -reach) - nearest, min(high, reach) - nearest
    t = np.linspace(-3.5, 3.5, _NODES)
    x = (low + high) / 2 + (high - low) / 2 * np.tanh(np.pi / 2 * np.sinh(t))
    weights = np.cosh(t) / np.cosh(np.pi / 2 * np.sinh(t)) ** 2 * np.exp(-x * (nearest + x / 2))
    weights = weights / math.fsum(weights)
    mean = math.fsum(weights * x)  # exactly 0 where low = -high
    return Moments(nearest + mean, math.fsum(weights * (x - mean) ** 2), math.fsum(weights * (x - mean) ** 4))
