"""The logarithmic derivative of the gamma function, and its derivative."""

from __future__ import annotations

import math
from fractions import Fraction

_BERNOULLI = [Fraction(b) for b in ("1/6", "-1/30", "1/42", "-1/30", "5/66", "-691/2730")]
_LARGE = 16.0  # where the asymptotic series begins: the first term left out is below u / 50 of the result


def digamma(x: float) -> float:
    """psi(x) for x > 0: DLMF 5.5.2 below 16, then DLMF 5.11.2.

    The error is within 2 ulp of max(1, |psi(x)|) where 2 x is an integer, and 3 ulp elsewhere.
    """
    reciprocals, x = _reciprocals_below_large(x, 1)
    series = [-float(b / (2 * k)) / x ** (2 * k) for k, b in enumerate(_BERNOULLI, 1)]
    return math.fsum([math.log(x), -0.5 / x, *series, *(-term for term in reciprocals)])


def trigamma(x: float) -> float:
    """psi'(x) for x > 0 within 4 ulp: the derivatives of the same formulas. Infinite above the largest float."""
    reciprocals, x = _reciprocals_below_large(x, 2)
    series = [float(b) / x ** (2 * k + 1) for k, b in enumerate(_BERNOULLI, 1)]
    return math.fsum([1 / x, 0.5 / x**2, *series, *reciprocals])


def _reciprocals_below_large(x: float, power: int) -> tuple[list[float], float]:
    """1 / x^power for those of x, x + 1, ... that are below 16, and the first that is not."""
    reciprocals = []
    while x < _LARGE:
        reciprocals.append(math.prod([1 / x] * power))
        x += 1
    return reciprocals, x
