"""The quotient of two arrays, which libraries form by a division or by a reciprocal."""

from __future__ import annotations

from typing import Any

from refimpl.arithmetic.dispatch import constant
from refimpl.arithmetic.running_error import RunningError, divide

# A rounded reciprocal is off by u of itself, which is at most one unit of the product; that is rounded once more.
_BY_RECIPROCAL = 1.5


def quotient(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator, elementwise with broadcasting.

    The bound of a running-error evaluation also covers numerator * (1 / denominator), where the reciprocal is in the
    target's normal range.
    """
    twin = next((x for x in (numerator, denominator) if isinstance(x, RunningError)), None)
    if twin is None:
        return numerator / denominator
    return divide(constant(numerator, twin), constant(denominator, twin), ulp=_BY_RECIPROCAL)
