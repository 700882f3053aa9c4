"""Glorot, He and LeCun initializers: independent entries whose variance is a scale over the fan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.initializers.distributions import Distribution, NormalDistribution, UniformDistribution
from refimpl.initializers.fans import ALL_LAYOUTS, AnyLayout, Layout, fans
from refimpl.initializers.initializer import IdenticallyDistributed
from refimpl.initializers.truncated_normal import TruncatedNormalDistribution, truncated_moments
from refimpl.spec import convention, hyperparameter, whole
from refimpl.types import Array, Scalar, Shape

TRUNCATION = 2.0  # standard deviations, in every library


@dataclass(frozen=True)
class VarianceScaling(IdenticallyDistributed):
    """Independent entries of mean 0 and variance scale / fan, where scale > 0 is the square of PyTorch's gain.

    Shapes have at least two axes of length >= 1, in the order that `layout` says. groups: >= 1, those of a convolution;
    the fans count the channels of one group. PyTorch and Keras have no such argument: for any convolution they count
    the axes of the weights, one of which has the channels of all groups.
    """

    scale: float = hyperparameter(1.0, above=0)
    mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] = convention(
        {
            "fan_in": "the fan is the fan-in: keeps the variance of activations",
            "fan_out": "the fan is the fan-out: keeps the variance of gradients",
            "fan_avg": "the fan is the mean of both",
            "fan_geo_avg": "the fan is the geometric mean of both (JAX alone)",
        }
    )
    distribution: Literal["uniform", "normal", "truncated_normal"] = convention(
        {
            "uniform": "uniform on +-sqrt(3 * variance)",
            "normal": "normal, not truncated (PyTorch's xavier_normal_ and kaiming_normal_)",
            "truncated_normal": "normal, truncated at two standard deviations (JAX's and Keras's glorot_normal, ...)",
        }
    )
    truncation: Literal["corrected", "uncorrected"] = convention(
        {
            "corrected": "the entries, after truncation, have the variance (JAX, Keras)",
            "uncorrected": "the normal distribution before truncation has the variance; the entries have 0.77 of it",
        }
    )
    layout: AnyLayout = convention(ALL_LAYOUTS)
    groups: int = whole(1, at_least=1)

    def variance(self, shape: Shape, like: Array = None) -> Scalar:
        """scale / fan for weights of `shape`, in the arithmetic of `like`, or in float64.

        Raises TypeError or ValueError as `fans` does.
        """
        fan_in, fan_out = fans(shape, self.layout, self.groups)
        scale = self.in_arithmetic_of(like).scale
        if self.mode == "fan_geo_avg":
            return np.sqrt(scale / fan_in * (scale / fan_out))
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        return scale / fan

    def entry_distribution(self, shape: Shape) -> Distribution:
        variance = self.variance(shape)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return UniformDistribution(-limit, limit)
        if self.distribution == "normal":
            return NormalDistribution(0.0, math.sqrt(variance))
        if self.truncation == "corrected":
            variance = variance / truncated_moments(-TRUNCATION, TRUNCATION).variance
        deviation = math.sqrt(variance)
        return TruncatedNormalDistribution(0.0, deviation, -TRUNCATION * deviation, TRUNCATION * deviation)


def glorot_uniform(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 1 / mean fan, uniform (Glorot & Bengio 2010, equation 16)."""
    return VarianceScaling(1.0, "fan_avg", "uniform", layout=layout)


def glorot_normal(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 1 / mean fan, normal (Glorot & Bengio 2010, equation 12)."""
    return VarianceScaling(1.0, "fan_avg", "normal", layout=layout)


def glorot_truncated_normal(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 1 / mean fan, truncated normal: what JAX and Keras call glorot_normal."""
    return VarianceScaling(1.0, "fan_avg", "truncated_normal", layout=layout)


def he_uniform(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 2 / fan-in, uniform (He et al. 2015, equation 10); PyTorch's kaiming_uniform_ with a = 0."""
    return VarianceScaling(2.0, "fan_in", "uniform", layout=layout)


def he_normal(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 2 / fan-in, normal (He et al. 2015, equation 10)."""
    return VarianceScaling(2.0, "fan_in", "normal", layout=layout)


def he_truncated_normal(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 2 / fan-in, truncated normal: what JAX and Keras call he_normal."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", layout=layout)


def lecun_uniform(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 1 / fan-in, uniform (LeCun et al. 1998, Efficient BackProp, section 4.6)."""
    return VarianceScaling(1.0, "fan_in", "uniform", layout=layout)


def lecun_normal(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 1 / fan-in, normal (LeCun et al. 1998, Efficient BackProp, section 4.6)."""
    return VarianceScaling(1.0, "fan_in", "normal", layout=layout)


def lecun_truncated_normal(layout: Layout = "input_output") -> VarianceScaling:
    """Variance 1 / fan-in, truncated normal: what JAX and Keras call lecun_normal."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", layout=layout)
