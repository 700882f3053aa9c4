"""The quotient of two arrays, which libraries form by a division or by a reciprocal."""

from __future__ import annotations

from refimpl.arithmetic.evaluation_orders import MEAN_OF_SUM, covering
from refimpl.arithmetic.operations import Operation
from refimpl.arithmetic.running_error import RunningError, divide
from refimpl.types import Array


@Operation
def quotient(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, elementwise with broadcasting.

    The bound of a running-error evaluation also covers numerator * (1 / denominator), where the reciprocal is in the
    target's normal range.
    """
    return numerator / denominator


@quotient.rule_for(RunningError)
def _quotient(numerator: RunningError, denominator: RunningError) -> RunningError:
    return divide(numerator, denominator, reciprocals=1)


def mean_of_sum(total: Array, count: int) -> Array:
    """total / count, elementwise: the mean of so many numbers, given their sum."""
    return covering(total / count, MEAN_OF_SUM, total, count)
