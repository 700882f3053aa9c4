"""How a signal and a gradient change with depth: products of weights, random networks, mean field, norms per layer.

from refimpl import propagation

propagation.log_norm(weights)                               # of given matrices, at any depth
propagation.relu_growth(256).over(50)                       # expected and typical, over 50 random layers
propagation.fixed_point(refimpl.Tanh(), 2.5, 0.05).chi      # of infinitely wide layers
propagation.gradient_norms(network, parameters, x, target)  # of a network on a batch
"""

from refimpl.propagation.accuracy import Bracket, Estimate
from refimpl.propagation.gaussian_expectations import mean_square, mean_square_slope
from refimpl.propagation.gradients import LayerNorms, gradient_norms, jacobians
from refimpl.propagation.growth import (
    Growth,
    critical_variance,
    dead_probability,
    gaussian_growth,
    log_fourth_moment_of_relu_cotangent,
    relu_growth,
)
from refimpl.propagation.joint_spectral_radius import joint_spectral_radius
from refimpl.propagation.lyapunov import lyapunov_exponents, lyapunov_exponents_gaussian
from refimpl.propagation.mean_field import FixedPoint, critical_weight_variance, fixed_point
from refimpl.propagation.products import log_gain, log_norm, log_singular_value_bounds, mean_log_singular_value
from refimpl.propagation.residual import LogMoments, log_residual_bounds, residual_log_moments
from refimpl.propagation.spectra import numerical_radius, spectral_radius
from refimpl.propagation.transients import Transient, transient

__all__ = [
    "Bracket",
    "Estimate",
    "FixedPoint",
    "Growth",
    "LayerNorms",
    "LogMoments",
    "Transient",
    "critical_variance",
    "critical_weight_variance",
    "dead_probability",
    "fixed_point",
    "gaussian_growth",
    "gradient_norms",
    "jacobians",
    "joint_spectral_radius",
    "log_fourth_moment_of_relu_cotangent",
    "log_gain",
    "log_norm",
    "log_residual_bounds",
    "log_singular_value_bounds",
    "lyapunov_exponents",
    "lyapunov_exponents_gaussian",
    "mean_log_singular_value",
    "mean_square",
    "mean_square_slope",
    "numerical_radius",
    "relu_growth",
    "residual_log_moments",
    "spectral_radius",
    "transient",
]
