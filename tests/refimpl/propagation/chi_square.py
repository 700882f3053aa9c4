"""Expectations over chi-square variables, by quadrature to 30 digits."""

from __future__ import annotations

from collections.abc import Callable

import mpmath


def chi_square_expectation(degrees: int, function: Callable[[mpmath.mpf], mpmath.mpf]) -> mpmath.mpf:
    """E f(X), X chi-square with these degrees of freedom. x = exp(t) removes the singularity at 0."""
    with mpmath.workdps(30):
        half = mpmath.mpf(degrees) / 2
        norm = mpmath.gamma(half) * 2**half
        return mpmath.quad(
            lambda t: function(mpmath.exp(t)) * mpmath.exp(t * half - mpmath.exp(t) / 2) / norm,
            [-160, -80, -40, -20, -10, -5, 0, 2, 3, 4, 5, 6],
        )
