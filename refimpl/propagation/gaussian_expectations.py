"""The mean square of an activation and of its derivative over a normal variable, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from refimpl.activations import Elementwise, Softplus
from refimpl.propagation.accuracy import Estimate
from refimpl.propagation.arguments import number
from refimpl.propagation.rounding import UNIT_ROUNDOFF
from refimpl.types import Float64Array

Function: TypeAlias = Callable[[Float64Array], Float64Array]

ROUNDING = 64 * UNIT_ROUNDOFF  # relative, of functions within 4 ulp that are squared and added without cancellation
_CUT = 12.0  # the normal density beyond is below 1e-31
_COARSE, _FINE = np.polynomial.legendre.leggauss(20), np.polynomial.legendre.leggauss(30)
_UNDERFLOW = 2.0**-1060  # 2^14 times the smallest float: there are fewer terms than that, and weights sum to 1
_LARGEST_VARIANCE = 1e300  # no square overflows up to there, out to where the density is cut


def mean_square(activation: Elementwise, variance: float) -> Estimate[float]:
    """E activation(x)^2 for x normal with mean 0 and this variance.

    error: the difference of Gauss-Legendre rules of 30 and 20 nodes, and the rounding; some 1e-14 of the value. The
    panels of the rules end where the activations of refimpl have kinks and jumps.

    Raises TypeError or ValueError unless the activation is elementwise and 0 <= variance <= 1e300.
    """
    activation, variance = elementwise(activation), number("variance", variance, at_least=0)
    return _expectation(lambda x: activation.forward(x) ** 2, variance, _kinks(activation))


def mean_square_slope(activation: Elementwise, variance: float) -> Estimate[float]:
    """E activation'(x)^2 for x normal with mean 0 and this variance; error as in `mean_square`.

    At variance 0 it is the limit from above: the mean over both sides of 0. Raises as `mean_square` does.
    """
    activation, variance = elementwise(activation), number("variance", variance, at_least=0)
    return _expectation(lambda x: activation.derivative(_off_zero(x)) ** 2, variance, _kinks(activation))


def elementwise(activation: object) -> Elementwise:
    """The activation. Raises TypeError unless it is an elementwise one."""
    if not isinstance(activation, Elementwise):
        raise TypeError(f"activation must be an elementwise one of refimpl.activations, got {activation!r}")
    return activation


def _off_zero(x: Float64Array) -> Float64Array:
    """x, with zeros moved to the side of 0 that their sign says: variance 0 makes zeros of both signs."""
    return np.where(x == 0, np.copysign(2.0**-1022, x), x)


def _kinks(activation: Elementwise) -> list[float]:
    """Where an activation has a kink or a jump, other than at 0."""
    return [activation.threshold] if isinstance(activation, Softplus) and activation.threshold is not None else []


def _expectation(function: Function, variance: float, kinks: list[float]) -> Estimate[float]:
    """E f(sqrt(variance) z) for f >= 0 and z standard normal, with panels that end at 0 and at +-kinks."""
    if variance > _LARGEST_VARIANCE:
        raise ValueError(f"variance must be a finite number <= {_LARGEST_VARIANCE:g}, got {variance!r}")
    deviation = math.sqrt(variance)
    # Panels double in width, from below the scale on which an activation bends, 1, and from below the normal one.
    finest = max(0, math.ceil(math.log2(2 * _CUT * max(1.0, deviation))))
    edges = np.concatenate([[0.0], _CUT * 2.0 ** np.arange(-finest, 1)])
    edges = np.sort(np.concatenate([edges, [kink / deviation for kink in kinks if kink < _CUT * deviation]]))
    fine, coarse = (_integral(function, deviation, edges, rule) for rule in (_FINE, _COARSE))
    return Estimate(fine, abs(fine - coarse) + ROUNDING * fine + (_UNDERFLOW if variance else 0.0))


def _integral(
    function: Function, deviation: float, edges: Float64Array, rule: tuple[Float64Array, Float64Array]
) -> float:
    """The integral of f(deviation * z) times the normal density, between edges >= 0 and their negatives."""
    nodes, weights = rule
    half = np.diff(edges)[:, np.newaxis] / 2
    z = edges[:-1, np.newaxis] + half * (1 + nodes)
    mass = weights * half * np.exp(-(z**2) / 2)
    total = np.sum(mass * (function(deviation * z) + function(-deviation * z)))
    return float(total) / math.sqrt(2 * math.pi)
