"""The product of several factors, which libraries multiply in any order."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import constant
from refimpl.arithmetic.formats import FLOAT64
from refimpl.arithmetic.running_error import RunningError, in_one_target, rounded


def product(*factors: Any) -> Any:
    """The product of two or more factors, elementwise with broadcasting; from left to right.

    The bound of a running-error evaluation covers every order, and claims nothing where one may leave the range.
    """
    twin = next((x for x in factors if isinstance(x, RunningError)), None)
    if twin is None:
        return reduce(operator.mul, factors)
    return _running_error([constant(x, twin) for x in factors])


@np.errstate(all="ignore")
def _running_error(factors: list[RunningError]) -> RunningError:
    together = factors[0]
    for factor in factors[1:]:
        together, _, target = in_one_target(together, factor)
    factors = [in_one_target(together, x)[1] for x in factors]

    value: Any = 1.0
    propagated: Any = 0.0
    largest_partial: Any = 1.0
    for x in factors:
        magnitude = abs(x.value) + x.bound
        propagated = abs(value) * x.bound + magnitude * propagated
        value = value * x.value
        largest_partial = largest_partial * np.maximum(magnitude, 1.0)

    # Every product but the last, which `rounded` adds: relative roundings, and underflow that later factors magnify.
    format_, roundings = target.format, len(factors) - 2
    units = roundings * (format_.unit_roundoff + FLOAT64.unit_roundoff)
    smallest = format_.smallest_normal if target.flush_to_zero else format_.smallest_subnormal
    propagated = propagated + units * (1 + units) * (abs(value) + propagated)
    propagated = propagated + roundings * smallest * largest_partial
    return rounded(
        value, propagated, target, *factors,
        nonnegative=all(x.nonnegative for x in factors), intermediate=largest_partial * (1 + units * (1 + units)),
    )  # fmt: skip
