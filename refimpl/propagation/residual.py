"""Growth through residual layers: moments for random weights, and bounds for branches of a given Lipschitz constant."""

from __future__ import annotations

import math
from typing import NamedTuple

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import number, whole_number
from refimpl.propagation.rounding import UNIT_ROUNDOFF


class LogMoments(NamedTuple):
    """log E gain^2 and log E gain^4 of a random layer. Those of independent layers add up."""

    mean_square: float
    fourth_moment: float


def residual_log_moments(width: int, scale: float, variance: float) -> LogMoments:
    """Moments of the gain of one square layer x + scale * W x, weights iid N(0, variance / width).

    gain^2 is noncentral chi^2: mean 1 + c and variance (4 c + 2 c^2) / n with c = scale^2 variance. Relative errors are
    below 1e-15, or errors are a few times the smallest float.

    Raises TypeError or ValueError unless width >= 1, scale is finite and variance > 0.
    """
    n = whole_number("width", width)
    scale_mantissa, scale_exponent = math.frexp(number("scale", scale))
    variance_mantissa, variance_exponent = math.frexp(number("variance", variance, above=0))
    mantissa, exponent = scale_mantissa**2 * variance_mantissa, 2 * scale_exponent + variance_exponent
    if exponent > 200 and mantissa:  # 1 + c is c
        log_c = math.log(mantissa) + exponent * math.log(2)
        return LogMoments(log_c, 2 * log_c + math.log1p(2 / n))
    c = math.ldexp(mantissa, exponent)
    return LogMoments(math.log1p(c), math.log1p(2 * c + c * c + (4 * c + 2 * c * c) / n))


def log_residual_bounds(lipschitz: float, depth: int) -> Bracket:
    """Bounds on log singular values of `depth` layers x + F(x), F of Lipschitz constant below 1.

    They are depth * log(1 - lipschitz) and depth * log(1 + lipschitz), attained by F(x) = -+lipschitz * x.
    Raises TypeError or ValueError unless 0 <= lipschitz < 1 and depth >= 1.
    """
    lipschitz, depth = number("lipschitz", lipschitz, at_least=0), whole_number("depth", depth)
    if lipschitz >= 1:
        raise ValueError(f"lipschitz must be below 1, got {lipschitz}: a larger branch may cancel the identity")
    lower, upper = (depth * math.log1p(slope) for slope in (-lipschitz, lipschitz))
    if lipschitz == 0:
        return Bracket(0.0, 0.0)
    outward = 1 + 8 * UNIT_ROUNDOFF  # and one float further, where they are too few for that
    return Bracket(math.nextafter(lower * outward, -math.inf), math.nextafter(upper * outward, math.inf))
