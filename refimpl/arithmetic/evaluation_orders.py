"""One quantity in the several evaluation orders that correct implementations choose between."""

from __future__ import annotations

from collections.abc import Callable

from refimpl.arithmetic.dispatch import constant
from refimpl.arithmetic.running_error import RunningError
from refimpl.types import Array

# Named functions of the same arguments, each of which evaluates the same quantity as a library does.
EvaluationOrders = tuple[Callable[..., Array], ...]


def covering(value: Array, orders: EvaluationOrders, *arguments: Array) -> Array:
    """`value`; for running-error arrays, with a bound that every evaluation order stays within as well.

    `value` is the paper's formula, or the accurate one. The orders are algebraically equal to it, so that plain NumPy
    and multiprecision evaluation need none of them.
    """
    if not isinstance(value, RunningError):
        return value
    return value.hull(*(order(*arguments) for order in orders))


def times_reciprocal(total: Array, count: int) -> Array:
    """total * (1 / count), with the reciprocal rounded: XLA."""
    return total * (1 / constant(float(count), total))


MEAN_OF_SUM = (times_reciprocal,)
