"""Initializers, one family per file: each has a sampler, and most have the distribution of an entry."""

from refimpl.initializers.delta_orthogonal import DeltaOrthogonal
from refimpl.initializers.dirac import Dirac
from refimpl.initializers.distributions import Distribution, NormalDistribution, UniformDistribution
from refimpl.initializers.fans import fans
from refimpl.initializers.initializer import Initializer
from refimpl.initializers.orthogonal import Orthogonal
from refimpl.initializers.plain import Normal, TruncatedNormal, Uniform
from refimpl.initializers.sparse import Sparse
from refimpl.initializers.sphere_coordinate import SphereCoordinateDistribution
from refimpl.initializers.truncated_normal import TruncatedNormalDistribution
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
    "DeltaOrthogonal",
    "Dirac",
    "Distribution",
    "Initializer",
    "Normal",
    "NormalDistribution",
    "Orthogonal",
    "Sparse",
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
