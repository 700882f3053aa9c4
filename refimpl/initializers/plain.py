"""Initializers whose distribution does not depend on the shape: uniform, normal, truncated normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from refimpl.initializers.distributions import Distribution, NormalDistribution, UniformDistribution
from refimpl.initializers.fans import checked_shape
from refimpl.initializers.initializer import IdenticallyDistributed
from refimpl.initializers.truncated_normal import TruncatedNormalDistribution
from refimpl.spec import convention, hyperparameter
from refimpl.types import Shape


@dataclass(frozen=True)
class Uniform(IdenticallyDistributed):
    """Independent entries, uniform on [low, high], low < high."""

    low: float = hyperparameter(-0.05)
    high: float = hyperparameter(0.05)

    def check(self) -> None:
        if not self.low < self.high:
            self.refuse("high", self.high, f"above low = {self.low:g}")

    def entry_distribution(self, shape: Shape) -> Distribution:
        checked_shape(shape)
        return UniformDistribution(self.low, self.high)


@dataclass(frozen=True)
class Normal(IdenticallyDistributed):
    """Independent entries, normal with `mean` and `standard_deviation` > 0."""

    mean: float = hyperparameter(0.0)
    standard_deviation: float = hyperparameter(0.05, above=0)

    def entry_distribution(self, shape: Shape) -> Distribution:
        checked_shape(shape)
        return NormalDistribution(self.mean, self.standard_deviation)


@dataclass(frozen=True)
class TruncatedNormal(IdenticallyDistributed):
    """Independent entries, normal with `mean` and `standard_deviation` > 0 before truncation to [lower, upper].

    No library corrects the standard deviation here: at the default bounds the entries have 0.88 of it.
    Raises ValueError unless lower < upper, and where float64 cannot represent the probability between the bounds.
    """

    mean: float = hyperparameter(0.0)
    standard_deviation: float = hyperparameter(0.05, above=0)
    lower: float = hyperparameter(-2.0)
    upper: float = hyperparameter(2.0)
    bounds: Literal["relative", "absolute"] = convention(
        {
            "relative": "lower and upper count standard deviations from the mean (JAX, Keras)",
            "absolute": "lower and upper are values of entries (PyTorch)",
        }
    )

    def check(self) -> None:
        if not self.lower < self.upper:
            self.refuse("upper", self.upper, f"above lower = {self.lower:g}")
        self.entry_distribution(())

    def entry_distribution(self, shape: Shape) -> Distribution:
        checked_shape(shape)
        low, high = self.lower, self.upper
        if self.bounds == "relative":
            low, high = (self.mean + self.standard_deviation * bound for bound in (low, high))
        return TruncatedNormalDistribution(self.mean, self.standard_deviation, low, high)
