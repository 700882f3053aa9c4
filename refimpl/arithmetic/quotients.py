"""Quotients of arrays, which libraries form by a division or by a reciprocal."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic.dispatch import constant
from refimpl.arithmetic.evaluation_orders import MEAN_OF_SUM, covering
from refimpl.arithmetic.running_error import RunningError, divide
from refimpl.types import Array


def quotient(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, elementwise with broadcasting.

    The bound of a running-error evaluation also covers numerator * (1 / denominator), where the reciprocal is in the
    target's normal range.
    """
    twin = next((x for x in (numerator, denominator) if isinstance(x, RunningError)), None)
    if twin is None:
        return numerator / denominator
    with np.errstate(all="ignore"):
        return divide(constant(numerator, twin), constant(denominator, twin), reciprocals=1)


def mean_of_sum(total: Array, count: int) -> Array:
    """total / count, elementwise: the mean of so many numbers, given their sum."""
    return covering(total / count, MEAN_OF_SUM, total, count)
