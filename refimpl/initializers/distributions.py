"""Laws of one entry of an initialized array: moments, distribution function, support, sampler."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np

from refimpl.arithmetic import erf, erfc

_STANDARD = NormalDist()
_NODES = 257  # their error for exp(-x**2 / 2) on the widest interval used, +-sqrt(90), is far below roundoff


class Distribution(ABC):
    """A law on the real line."""

    @property
    @abstractmethod
    def mean(self) -> float:
        """E X."""

    @property
    @abstractmethod
    def variance(self) -> float:
        """E (X - mean)**2."""

    @property
    @abstractmethod
    def fourth_moment(self) -> float:
        """E (X - mean)**4."""

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """The smallest closed interval of probability 1."""

    @abstractmethod
    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x), elementwise, for real x of any shape; NaN at NaN.

        The absolute error is a few units roundoff, and what rounding x moves the result.
        """

    @abstractmethod
    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """Independent draws, float64."""


@dataclass(frozen=True)
class UniformDistribution(Distribution):
    """Uniform on [low, high], low < high."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        return self.low / 2 + self.high / 2

    @property
    def variance(self) -> float:
        return (self.high - self.low) ** 2 / 12

    @property
    def fourth_moment(self) -> float:
        return (self.high - self.low) ** 4 / 80

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def cdf(self, x: Any) -> np.ndarray:
        return np.clip((np.asarray(x, dtype=np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)

    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class NormalDistribution(Distribution):
    """Normal with mean `location` and standard deviation `scale` > 0."""

    location: float
    scale: float

    @property
    def mean(self) -> float:
        return self.location

    @property
    def variance(self) -> float:
        return self.scale**2

    @property
    def fourth_moment(self) -> float:
        return 3 * self.scale**4

    @property
    def support(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def cdf(self, x: Any) -> np.ndarray:
        return normal_cdf((np.asarray(x, dtype=np.float64) - self.location) / self.scale)

    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        return generator.normal(self.location, self.scale, shape)


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
                f"[{self.low}, {self.high}] has no probability under a normal law of mean {self.location} and "
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
    def _standard_moments(self) -> tuple[float, float, float]:
        return truncated_moments(*self._bounds)

    @property
    def mean(self) -> float:
        return self.location + self.scale * self._standard_moments[0]

    @property
    def variance(self) -> float:
        return self.scale**2 * self._standard_moments[1]

    @property
    def fourth_moment(self) -> float:
        return self.scale**4 * self._standard_moments[2]

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def cdf(self, x: Any) -> np.ndarray:
        low, high = self._bounds
        inside = np.clip((np.asarray(x, dtype=np.float64) - self.location) / self.scale, low, high)
        return _normal_probability(low, inside) / self._probability

    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """By inversion, in the lower tail, where float64 resolves probabilities best."""
        low, high = self._bounds
        side = -1.0 if low > 0 else 1.0
        least, most = normal_cdf(sorted((side * low, side * high)))
        probability = generator.uniform(least, most, shape)
        probability = np.clip(probability, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
        standard = np.asarray(np.frompyfunc(_STANDARD.inv_cdf, 1, 1)(probability), dtype=np.float64)
        return np.clip(self.location + self.scale * side * standard, self.low, self.high)


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

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x) = 1/2 + (integral of cos**m from 0 to asin(x / radius)) / (the same from -pi/2 to pi/2).

        m = dimension - 2. Integration by parts, m I(m) = cos**(m-1) sin + (m-1) I(m-2), adds terms of one sign: that
        needs no incomplete beta function and costs dimension / 2 passes over x. The absolute error is below
        8 + dimension units roundoff: the terms sum up to 1/2 at most, the k-th after 4 k roundings.
        """
        x = np.asarray(x, dtype=np.float64)
        if self.dimension == 1:  # two points, each with probability 1/2
            return np.heaviside(x + self.radius, 1.0) / 2 + np.heaviside(x - self.radius, 1.0) / 2
        sine = np.clip(x / self.radius, -1.0, 1.0)
        cosine_squared = (1 - sine) * (1 + sine)
        even = self.dimension % 2 == 0
        half = np.arcsin(sine) / np.pi if even else sine / 2  # m = 0 or 1
        term = np.sqrt(cosine_squared) * sine / np.pi if even else cosine_squared * sine / 4  # the next addition
        for m in range(2 if even else 3, self.dimension - 1, 2):
            half = half + term
            term = term * cosine_squared * (m / (m + 1))
        return 0.5 + half

    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        points = generator.normal(size=(*shape, self.dimension))
        return self.radius * points[..., 0] / np.linalg.norm(points, axis=-1)


def normal_cdf(z: Any) -> np.ndarray:
    """The standard normal distribution function, elementwise, without cancellation in the lower tail."""
    return erfc(-np.asarray(z, dtype=np.float64) / math.sqrt(2)) / 2


def _normal_probability(low: Any, high: Any) -> np.ndarray:
    """P(low < Z < high) of a standard normal Z, elementwise, without cancellation of tails near 1."""
    low, high = (np.asarray(z, dtype=np.float64) / math.sqrt(2) for z in (low, high))
    nearest = np.clip(0.0, low, high)
    tails = np.where(nearest > 0, erfc(low) - erfc(high), erfc(-high) - erfc(-low))
    return np.where(np.abs(nearest) < 0.5, erf(high) - erf(low), tails) / 2  # of the smaller values, which round less


def truncated_moments(low: float, high: float) -> tuple[float, float, float]:
    """Mean, variance and fourth central moment of a standard normal law conditioned on [low, high], low < high.

    By quadrature, whose terms have one sign: the closed forms, 1 - 2 k phi(k) / (2 Phi(k) - 1) at +-k for instance,
    cancel for narrow intervals and in the tails. The rule is tanh-sinh (Takahasi & Mori 1974), whose weights are
    elementary functions. Where the density is below exp(-45) of its largest value, it does not count.
    """
    nearest = min(max(low, 0.0), high)  # the density is largest there: distances from it carry no cancellation
    reach = math.sqrt(nearest**2 + 90)
    low, high = max(low, -reach) - nearest, min(high, reach) - nearest
    t = np.linspace(-3.5, 3.5, _NODES)
    x = (low + high) / 2 + (high - low) / 2 * np.tanh(np.pi / 2 * np.sinh(t))
    weights = np.cosh(t) / np.cosh(np.pi / 2 * np.sinh(t)) ** 2 * np.exp(-x * (nearest + x / 2))
    weights = weights / math.fsum(weights)
    mean = math.fsum(weights * x)  # exactly 0 where low = -high
    return nearest + mean, math.fsum(weights * (x - mean) ** 2), math.fsum(weights * (x - mean) ** 4)
