"""Infinitely wide random networks: the variance that depth settles on, and what gradients do there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refimpl.activations import Elementwise, Softplus
from refimpl.propagation.accuracy import Estimate
from refimpl.propagation.arguments import number
from refimpl.propagation.rounding import SMALLEST, UNIT_ROUNDOFF

# --- expectations over a normal variable ----------------------------------------------------------------------------

_CUT = 12.0  # the normal density beyond is below 1e-31
_COARSE, _FINE = np.polynomial.legendre.leggauss(20), np.polynomial.legendre.leggauss(30)
_UNDERFLOW = 2.0**-1060  # 2^14 times the smallest float: of fewer terms than that, and weights that sum to 1
_LARGEST_OF_NORMALS = 1e300  # variances: squares of what the density's tail holds are floats
_ROUNDING = 64 * UNIT_ROUNDOFF  # of functions within 4 ulp, squared, weighted and summed with no cancellation


def _expectation(function: Callable[[np.ndarray], np.ndarray], variance: float, bends: list[float]) -> Estimate:
    """E f(sqrt(variance) z), f >= 0, split at 0 and at +-bends; error: the difference of two orders, and rounding."""
    if variance > _LARGEST_OF_NORMALS:
        raise ValueError(f"variance must be a finite number <= {_LARGEST_OF_NORMALS:g}, got {variance!r}")
    deviation = math.sqrt(variance)
    # Panels double from below the scale on which an activation bends, 1, and from below the normal one.
    finest = max(0, math.ceil(math.log2(2 * _CUT * max(1.0, deviation))))
    edges = np.concatenate([[0.0], _CUT * 2.0 ** np.arange(-finest, 1)])
    edges = np.sort(np.concatenate([edges, [bend / deviation for bend in bends if bend < _CUT * deviation]]))
    fine, coarse = (_integral(function, deviation, edges, rule) for rule in (_FINE, _COARSE))
    return Estimate(fine, abs(fine - coarse) + _ROUNDING * fine + (_UNDERFLOW if variance else 0.0))


def _integral(function: Callable, deviation: float, edges: np.ndarray, rule: tuple[np.ndarray, np.ndarray]) -> float:
    nodes, weights = rule
    half = np.diff(edges)[:, np.newaxis] / 2
    z = edges[:-1, np.newaxis] + half * (1 + nodes)
    mass = weights * half * np.exp(-(z**2) / 2)
    total = np.sum(mass * (function(deviation * z) + function(-deviation * z)))
    return float(total) / math.sqrt(2 * math.pi)


def mean_square(activation: Elementwise, variance: float) -> Estimate:
    """E activation(x)^2 for x normal with mean 0 and this variance.

    error: the difference of Gauss-Legendre rules of 30 and 20 nodes on panels that end where the activations of refimpl
    bend, and the rounding; some 1e-14 of the value. Raises TypeError or ValueError unless the activation is elementwise
    and 0 <= variance <= 1e300.
    """
    activation, variance = _elementwise(activation), number("variance", variance, at_least=0)
    return _expectation(lambda x: activation.forward(x) ** 2, variance, _bends(activation))


def mean_square_slope(activation: Elementwise, variance: float) -> Estimate:
    """E activation'(x)^2 for x normal with mean 0 and this variance, as `mean_square`.

    At variance 0 the limit from above: the mean over both sides of 0. Raises as that does.
    """
    activation, variance = _elementwise(activation), number("variance", variance, at_least=0)
    return _expectation(lambda x: activation.derivative(_beside_zero(x)) ** 2, variance, _bends(activation))


def _beside_zero(x: np.ndarray) -> np.ndarray:
    """x, with the zeros that variance 0 makes of it moved to the side that they came from."""
    return np.where(x == 0, np.copysign(2.0**-1022, x), x)


def _bends(activation: Elementwise) -> list[float]:
    """Where an activation has a kink or a jump, other than at 0."""
    return [activation.threshold] if isinstance(activation, Softplus) and activation.threshold is not None else []


def _elementwise(activation: Any) -> Elementwise:
    if not isinstance(activation, Elementwise):
        raise TypeError(f"activation must be an elementwise one of refimpl.activations, got {activation!r}")
    return activation


# --- fixed points ---------------------------------------------------------------------------------------------------


class FixedPoint(NamedTuple):
    """variance: of preactivations, that depth settles on. chi: the factor of E ||cotangent||^2 per layer.

    depth_scale: -1 / log(chi), the number of layers in which that decays by e; negative where it grows.
    """

    variance: Estimate
    chi: Estimate
    depth_scale: Estimate


_LARGEST_VARIANCE = 1e12
_VANISHED = 1e-12


def fixed_point(activation: Elementwise, weight_variance: float, bias_variance: float) -> FixedPoint:
    """Where q <- weight_variance E activation(sqrt(q) z)^2 + bias_variance goes from q = 1, and chi there.

    chi = weight_variance E activation'(sqrt(q) z)^2 (Poole et al. 2016; Schoenholz et al. 2017). Weights have
    variance weight_variance / inputs, biases bias_variance. Errors are those of the quadrature, carried to first
    order: that of q is infinite where every q is a fixed point (ReLU with variance 2). Inputs of another variance may
    settle elsewhere, or not at all: GELU and SiLU can have a second fixed point, above which q and gradients explode.
    Raises TypeError or ValueError unless weight_variance > 0, bias_variance >= 0 and q stays below 1e12.
    """
    activation = _elementwise(activation)
    weight_variance = number("weight_variance", weight_variance, above=0)
    bias_variance = number("bias_variance", bias_variance, at_least=0)

    def chi_at(q: float) -> Estimate:
        found = mean_square_slope(activation, q)
        return Estimate(weight_variance * found.value, weight_variance * found.error + SMALLEST)

    def excess(q: float) -> float:
        return weight_variance * mean_square(activation, q).value + bias_variance - q

    q = _settled(excess, can_vanish=bias_variance == 0 and not _surely_above_one(chi_at(0.0)))
    chi = chi_at(q)
    if q == 0:
        return FixedPoint(Estimate(0.0, 0.0), chi, _depth_scale(chi))
    residual = abs(excess(q)) + weight_variance * mean_square(activation, q).error + UNIT_ROUNDOFF * q
    step = 1e-4 * q
    slope = (excess(q + step) - excess(q - step)) / (2 * step)
    # A slope that is zero but for rounding: every variance is a fixed point.
    flat = abs(slope) * step <= 4 * residual
    error = math.inf if flat else 2 * residual / abs(slope)
    chi_slope = abs(chi_at(q + step).value - chi_at(q - step).value) / (2 * step)
    constant = chi_slope * step <= 4 * chi.error
    chi = Estimate(chi.value, chi.error + (0.0 if constant else 2 * chi_slope * error))
    return FixedPoint(Estimate(q, error), chi, _depth_scale(chi))


def _settled(excess: Callable[[float], float], can_vanish: bool) -> float:
    """The zero of q -> excess(q) that q <- q + excess(q) goes to from 1; 0 where it may vanish and does."""
    q, found = 1.0, excess(1.0)
    if abs(found) <= _ROUNDING * q:
        return q
    rising = found > 0
    for _ in range(8):  # where the map is monotone, its own iterates pass over no fixed point
        before, q = q, q + found
        found = excess(q)
        if (found > 0) != rising:
            break
    while (found > 0) == rising and found != 0:
        before, q = q, q * 1.25 if rising else q * 0.8
        found = excess(q)
        if q > _LARGEST_VARIANCE:
            raise ValueError(f"the variance of preactivations grows beyond {_LARGEST_VARIANCE:g}: take smaller weights")
        if not rising and can_vanish and q < _VANISHED:
            return 0.0
    if found == 0:
        return q
    return _zero_between(excess, min(before, q), max(before, q))


def _surely_above_one(chi: Estimate) -> bool:
    return chi.value - chi.error > 1


def _zero_between(function: Callable[[float], float], low: float, high: float) -> float:
    """By bisection, to the last digit; the function changes its sign between."""
    above = function(high) > 0
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (low, middle) if (function(middle) > 0) == above else (middle, high)
    return middle


def _depth_scale(chi: Estimate) -> Estimate:
    if chi.value == 0:
        return Estimate(0.0, 0.0)
    logarithm = math.log(chi.value)
    rounding = 4 * UNIT_ROUNDOFF / abs(logarithm) if logarithm else 0.0
    if abs(logarithm) * chi.value <= chi.error:
        return Estimate(math.inf, math.inf)
    return Estimate(-1 / logarithm, chi.error / (chi.value * logarithm**2) * 2 + rounding)


_BELOW = 1 - 2.0**-10


def critical_weight_variance(activation: Elementwise, bias_variance: float) -> Estimate:
    """The weight variance at which chi = 1 at the fixed point: between gradients that vanish and that explode.

    (q - bias_variance) E activation'^2 = E activation^2 at that fixed point q (Schoenholz et al. 2017), the
    smallest such q; for activation(0) = 0 without bias it is q = 0. Errors as in `fixed_point`.
    Raises TypeError or ValueError unless bias_variance >= 0, where no q up to 1e6 is critical or the variance of
    preactivations diverges before chi reaches 1 (SiLU, GELU), and where q is not 0 and below 1e-3, which quadrature
    cannot tell from it (tanh: for bias variances between 0 and 1.4e-9).
    """
    activation = _elementwise(activation)
    bias_variance = number("bias_variance", bias_variance, at_least=0)
    found = _critical(activation, bias_variance)
    try:
        fixed_point(activation, found.value * _BELOW, bias_variance)
    except ValueError:
        _refuse_critical(activation)
    return found


_SMALLEST_CRITICAL = 1e-3


def _critical(activation: Elementwise, bias_variance: float) -> Estimate:
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
    of_q = error / abs((excess(q + step) - excess(q - step)) / (2 * step))
    value = 1 / slope.value
    derivative = (1 / mean_square_slope(activation, q + step).value - value) / step
    return Estimate(value, slope.error * value**2 + 2 * abs(derivative) * of_q)


def _refuse_critical(activation: Elementwise) -> Any:
    raise ValueError(
        f"activation {activation!r} has no critical weight variance here: chi stays below 1 as long as the variance of "
        "preactivations settles"
    )
