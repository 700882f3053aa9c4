"""The product of several factors, which libraries multiply in any order."""

from __future__ import annotations

import operator
from functools import reduce

import numpy as np

from refimpl.arithmetic.formats import FLOAT64
from refimpl.arithmetic.operations import Operation
from refimpl.arithmetic.running_error import RunningError, in_one_target, rounded
from refimpl.types import Array


@Operation
def product(*factors: Array) -> Array:
    """The product of two or more factors, elementwise with broadcasting; from left to right.

    The bound of a running-error evaluation covers every order, and claims nothing where one may leave the range.
    """
    return reduce(operator.mul, factors)


@product.rule_for(RunningError)
def _product(*factors: RunningError) -> RunningError:
    together = factors[0]
    for factor in factors[1:]:
        together, _, target = in_one_target(together, factor)
    factors = tuple(in_one_target(together, x)[1] for x in factors)

    value: Array = 1.0
    propagated: Array = 0.0
    largest_partial: Array = 1.0
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
