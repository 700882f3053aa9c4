"""Distributions of one entry of an initialized array: moments, distribution function, support, sampler."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import erfc
from refimpl.types import ArrayLike, Float64Array, Shape


class Distribution(ABC):
    """A probability distribution on the real line."""

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
    def cdf(self, x: ArrayLike) -> Float64Array:
        """P(X <= x), elementwise, for real x of any shape; NaN at NaN.

        The absolute error is a few units roundoff, plus the change of the result when x is rounded.
        """

    @abstractmethod
    def sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
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

    def cdf(self, x: ArrayLike) -> Float64Array:
        return np.clip((np.asarray(x, dtype=np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
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

    def cdf(self, x: ArrayLike) -> Float64Array:
        return normal_cdf((np.asarray(x, dtype=np.float64) - self.location) / self.scale)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        return generator.normal(self.location, self.scale, shape)


def normal_cdf(z: ArrayLike) -> Float64Array:
    """The standard normal distribution function, elementwise, without cancellation in the lower tail."""
    half: Float64Array = erfc(-np.asarray(z, dtype=np.float64) / math.sqrt(2)) / 2
    return half
