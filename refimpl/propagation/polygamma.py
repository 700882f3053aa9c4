"""The logarithmic derivative of the gamma function, and the derivative of that."""

from __future__ import annotations

import math
from fractions import Fraction

_BERNOULLI = [Fraction(b) for b in ("1/6", "-1/30", "1/42", "-1/30", "5/66", "-691/2730")]
_LARGE = 16.0  # from where on the first term left out is below u / 50 of the result


def digamma(x: float) -> float:
    """psi(x) for x > 0, within 2 ulp of max(1, |psi(x)|) at halves, else 3: DLMF 5.5.2 up to 16, then DLMF 5.11.2."""
    terms, x = _steps(x, 1)
    series = [-float(b / (2 * k)) / x ** (2 * k) for k, b in enumerate(_BERNOULLI, 1)]
    return math.fsum([math.log(x), -0.5 / x, *series, *(-term for term in terms)])


def trigamma(x: float) -> float:
    """psi'(x) for x > 0, within 4 ulp, infinite where it is beyond the floats: the derivatives of the same formulas."""
    terms, x = _steps(x, 2)
    series = [float(b) / x ** (2 * k + 1) for k, b in enumerate(_BERNOULLI, 1)]
    return math.fsum([1 / x, 0.5 / x**2, *series, *terms])


def _steps(x: float, power: int) -> tuple[list[float], float]:
    """1 / x^power for x, x + 1, ... below 16, and the first number that is not."""
    terms = []
    while x < _LARGE:
        terms.append(math.prod([1 / x] * power))
        x += 1
    return terms, x
