"""Initializers: one family per file, each with a sampler and the law of an entry."""

from refimpl.initializers.distributions import (
    Distribution,
    NormalDistribution,
    SphereCoordinateDistribution,
    TruncatedNormalDistribution,
    UniformDistribution,
)
from refimpl.initializers.fans import fans
from refimpl.initializers.initializer import Initializer
from refimpl.initializers.orthogonal import Orthogonal
from refimpl.initializers.plain import Normal, TruncatedNormal, Uniform
from refimpl.initializers.variance_scaling import (
    VarianceScaling,
    glorot_normal,
    glorot_truncated_normal,
    glorot_uniform,
    he_normal,
    he_truncated_normal,
    he_uniform,
    lecun_normal,
    lecun_truncated_normal,
    lecun_uniform,
)

__all__ = [
    "Distribution",
    "Initializer",
    "Normal",
    "NormalDistribution",
    "Orthogonal",
    "SphereCoordinateDistribution",
    "TruncatedNormal",
    "TruncatedNormalDistribution",
    "Uniform",
    "UniformDistribution",
    "VarianceScaling",
    "fans",
    "glorot_normal",
    "glorot_truncated_normal",
    "glorot_uniform",
    "he_normal",
    "he_truncated_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_truncated_normal",
    "lecun_uniform",
]
