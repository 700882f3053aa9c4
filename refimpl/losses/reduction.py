"""The reduction of the terms of a loss to one number: their sum, or their mean."""

from __future__ import annotations

from refimpl.arithmetic import constant, mean_of_sum, quotient
from refimpl.types import Array, Scalar


def reduced(total: Array, divisor: Scalar | None) -> Array:
    """total / divisor for a mean, and the total for a sum, of which the divisor is None.

    divisor: the number of terms, an int, or the sum of their weights, an array.
    """
    if divisor is None:
        return total
    return mean_of_sum(total, divisor) if isinstance(divisor, int) else quotient(total, divisor)


def share(weight: Array, divisor: Scalar | None) -> Array:
    """The weight of a term in the reduction, weight / divisor, with the reciprocal of an int rounded to float64.

    Automatic differentiation computes it first. Where a gradient is a difference, each part is rounded once more.
    """
    if divisor is None:
        return weight
    return weight * constant(1.0 / divisor, weight) if isinstance(divisor, int) else quotient(weight, divisor)
