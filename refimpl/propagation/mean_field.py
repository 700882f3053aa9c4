"""Infinitely wide random networks: the limit of the variance with depth, and the growth of gradients there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from refimpl.activations import Elementwise
from refimpl.propagation.accuracy import Estimate
from refimpl.propagation.arguments import number
from refimpl.propagation.gaussian_expectations import ROUNDING, elementwise, mean_square, mean_square_slope
from refimpl.propagation.rounding import SMALLEST, UNIT_ROUNDOFF

# --- fixed points ---------------------------------------------------------------------------------------------------


class FixedPoint(NamedTuple):
    """variance: the limit of the variance of preactivations with depth. chi: the factor of E ||cotangent||^2 per layer.

    depth_scale: -1 / log(chi), the number of layers in which E ||cotangent||^2 decays by e; negative where it grows.
    """

    variance: Estimate[float]
    chi: Estimate[float]
    depth_scale: Estimate[float]


_LARGEST_VARIANCE = 1e12
_VANISHED = 1e-12


def fixed_point(activation: Elementwise, weight_variance: float, bias_variance: float) -> FixedPoint:
    """The limit of q <- weight_variance E activation(sqrt(q) z)^2 + bias_variance from q = 1, and chi there.

    q is the variance of preactivations, z is standard normal, and chi = weight_variance E activation'(sqrt(q) z)^2
    (Poole et al. 2016; Schoenholz et al. 2017). Weights have variance weight_variance / inputs, biases bias_variance.

    Errors are those of the quadrature, carried to first order. The error of q is infinite where every q is a fixed
    point (ReLU with variance 2). Inputs of another variance may have another limit, or none: GELU and SiLU can have a
    second fixed point, above which q and gradients explode.

    Raises TypeError or ValueError unless the activation is elementwise, weight_variance > 0, bias_variance >= 0 and q
    stays below 1e12.
    """
    activation = elementwise(activation)
    weight_variance = number("weight_variance", weight_variance, above=0)
    bias_variance = number("bias_variance", bias_variance, at_least=0)

    def chi_at(q: float) -> Estimate[float]:
        slope = mean_square_slope(activation, q)
        return Estimate(weight_variance * slope.value, weight_variance * slope.error + SMALLEST)

    def excess(q: float) -> float:
        return weight_variance * mean_square(activation, q).value + bias_variance - q

    q = _limit(excess, can_vanish=bias_variance == 0 and not _surely_above_one(chi_at(0.0)))
    chi = chi_at(q)
    if q == 0:
        return FixedPoint(Estimate(0.0, 0.0), chi, _depth_scale(chi))
    residual = abs(excess(q)) + weight_variance * mean_square(activation, q).error + UNIT_ROUNDOFF * q
    step = 1e-4 * q
    slope = (excess(q + step) - excess(q - step)) / (2 * step)
    flat = abs(slope) * step <= 4 * residual  # a slope of zero but for rounding: every variance is a fixed point
    error = math.inf if flat else 2 * residual / abs(slope)
    chi_slope = abs(chi_at(q + step).value - chi_at(q - step).value) / (2 * step)
    constant = chi_slope * step <= 4 * chi.error
    chi = Estimate(chi.value, chi.error + (0.0 if constant else 2 * chi_slope * error))
    return FixedPoint(Estimate(q, error), chi, _depth_scale(chi))


def _limit(excess: Callable[[float], float], can_vanish: bool) -> float:
    """The zero of `excess` that q <- q + excess(q) leads to from 1; 0 where q can vanish and does."""
    q, change = 1.0, excess(1.0)
    if abs(change) <= ROUNDING * q:
        return q
    rising = change > 0
    for _ in range(8):  # where the map is monotone, its own iterates pass over no fixed point
        before, q = q, q + change
        change = excess(q)
        if (change > 0) != rising:
            break
    while (change > 0) == rising and change != 0:
        before, q = q, q * 1.25 if rising else q * 0.8
        change = excess(q)
        if q > _LARGEST_VARIANCE:
            raise ValueError(f"the variance of preactivations grows beyond {_LARGEST_VARIANCE:g}: take smaller weights")
        if not rising and can_vanish and q < _VANISHED:
            return 0.0
    if change == 0:
        return q
    return _zero_between(excess, min(before, q), max(before, q))


def _surely_above_one(chi: Estimate[float]) -> bool:
    return chi.value - chi.error > 1


def _zero_between(function: Callable[[float], float], low: float, high: float) -> float:
    """A zero by bisection, to the last digit, of a function that changes its sign between the two."""
    above = function(high) > 0
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (low, middle) if (function(middle) > 0) == above else (middle, high)
    return middle


def _depth_scale(chi: Estimate[float]) -> Estimate[float]:
    if chi.value == 0:
        return Estimate(0.0, 0.0)
    logarithm = math.log(chi.value)
    rounding = 4 * UNIT_ROUNDOFF / abs(logarithm) if logarithm else 0.0
    if abs(logarithm) * chi.value <= chi.error:
        return Estimate(math.inf, math.inf)
    return Estimate(-1 / logarithm, chi.error / (chi.value * logarithm**2) * 2 + rounding)


# --- criticality ----------------------------------------------------------------------------------------------------

_BELOW = 1 - 2.0**-10
_SMALLEST_CRITICAL = 1e-3


def critical_weight_variance(activation: Elementwise, bias_variance: float) -> Estimate[float]:
    """The weight variance at which chi = 1 at the fixed point: gradients vanish below it and explode above it.

    At the smallest fixed point q for which (q - bias_variance) E activation'^2 = E activation^2 (Schoenholz et al.
    2017). Without bias, and for activation(0) = 0, it is q = 0. Errors as in `fixed_point`.

    Raises TypeError or ValueError unless the activation is elementwise and bias_variance >= 0. Raises ValueError where
    no q up to 1e6 is critical, or the variance of preactivations diverges before chi reaches 1 (SiLU, GELU). Raises
    ValueError where q is positive and below 1e-3, where quadrature cannot find it (tanh: for bias variances between 0
    and 1.4e-9).
    """
    activation = elementwise(activation)
    bias_variance = number("bias_variance", bias_variance, at_least=0)
    critical = _critical(activation, bias_variance)
    try:
        fixed_point(activation, critical.value * _BELOW, bias_variance)
    except ValueError:
        _refuse_critical(activation)
    return critical


def _critical(activation: Elementwise, bias_variance: float) -> Estimate[float]:
    if bias_variance == 0 and mean_square(activation, 0.0).value == 0:
        slope = mean_square_slope(activation, 0.0)
        return Estimate(1 / slope.value, slope.error / slope.value**2) if slope.value else _refuse_critical(activation)

    def excess(q: float) -> float:
        return (q - bias_variance) * mean_square_slope(activation, q).value - mean_square(activation, q).value

    low = high = max(bias_variance, _SMALLEST_CRITICAL)
    if excess(low) > 0:
        raise ValueError(
            "bias_variance must be 0, or so large that the variance of preactivations is critical above "
            f"{_SMALLEST_CRITICAL}, got {bias_variance}"
        )
    while excess(high) <= 0:
        low, high = high, 1.25 * high
        if high > 1e6:
            _refuse_critical(activation)
    q = _zero_between(excess, low, high)
    slope, square, step = mean_square_slope(activation, q), mean_square(activation, q), 1e-4 * q
    error = abs(excess(q)) + (q - bias_variance) * slope.error + square.error
    q_error = error / abs((excess(q + step) - excess(q - step)) / (2 * step))
    value = 1 / slope.value
    derivative = (1 / mean_square_slope(activation, q + step).value - value) / step
    return Estimate(value, slope.error * value**2 + 2 * abs(derivative) * q_error)


def _refuse_critical(activation: Elementwise) -> NoReturn:
    raise ValueError(
        f"activation {activation!r} has no critical weight variance here: chi stays below 1 as long as the variance of "
        "preactivations has a limit"
    )
