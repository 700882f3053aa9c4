"""What rounding does to a value and its bound, on arrays of NumPy."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic.formats import FLOAT32, FLOAT64, Format, Target, binade
from refimpl.types import BoolArray, Float64Array

# Bounds are computed in float64 from at most a dozen roundings a rule, each of relative size 2**-53.
INFLATION = 1 + 2.0**-49


def result_target(first: Target, second: Target) -> Target:
    """Arrays decide over hyperparameters, then the coarser format."""
    if first.scalar != second.scalar:
        return second if first.scalar else first
    return min(first, second, key=lambda target: target.format.precision)


def conversion_ulp(source: Format, format_: Format) -> float:
    """Half a unit, and what rounding to float32 on the way may add (see `RunningError.exact`)."""
    if format_.precision < FLOAT32.precision < source.precision:
        return 0.5 + FLOAT32.unit_roundoff / (2 * format_.unit_roundoff)
    return 0.5


def rounding_units(format_: Format, ulp: float, reference_ulp: float) -> float:
    """`ulp` units in the last place of the format, and `reference_ulp` of float64, over the binade of the result."""
    return 2 * ulp * format_.unit_roundoff + 2 * reference_ulp * FLOAT64.unit_roundoff


def bound_of_result(
    value: Float64Array,
    propagated: Float64Array,
    target: Target,
    ulp: float,
    reference_ulp: float,
    addition: bool,
) -> Float64Array:
    """The bound of a result, where no range is left: what the operands' errors amount to, and its own rounding.

    Standard model with underflow (Higham, equation 2.8). An `addition` is exact below the smallest normal number.
    """
    format_, magnitude = target.format, abs(value)
    reach = magnitude + propagated
    if ulp > 0.5:
        reach = reach * INFLATION  # so that rounding of `reach` cannot hide a binade, where units double
    bound = propagated + binade(reach) * rounding_units(format_, ulp, reference_ulp)
    reference_underflow = 3 * FLOAT64.smallest_subnormal  # of `value` and of `propagated`
    if not addition:  # and of the target's result: a whole unit, as it may be rounded twice
        bound = bound + (max(ulp, 1.0) * format_.smallest_subnormal + reference_underflow)
    if target.flush_to_zero:
        tiny, reference_units = format_.smallest_normal, 2 * reference_ulp * FLOAT64.unit_roundoff
        error = bound if ulp > 0.5 else propagated + (reference_units * reach + reference_underflow)
        bound = bound + np.where(magnitude - error < tiny, np.minimum(magnitude + error, tiny), 0.0)
    return bound * INFLATION


def masked(
    value: Float64Array,
    bound: Float64Array,
    in_range: BoolArray | bool,
    left: BoolArray,
    unknown: BoolArray,
    beyond: BoolArray | bool,
) -> tuple[Float64Array, Float64Array]:
    """Value and bound where less is claimed.

    in_range: this operation stays in range. left: an operand may have left it. unknown: there is no bound.
    beyond: the target certainly holds an infinity or a number beyond its range.
    """
    bound = np.select([left, unknown, in_range], [np.inf, np.nan, bound], np.inf)
    beyond_or_anything = np.where(beyond, np.copysign(np.inf, value), np.nan)
    return np.where(np.isinf(bound), beyond_or_anything, value), bound


def hull(
    value: Float64Array, bound: Float64Array, other_value: Float64Array, other_bound: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Value and bound such that what the other pair allows is allowed too."""
    reach = (abs(other_value - value) + other_bound) * INFLATION
    widest = np.maximum(bound, reach)  # NaN if one of them is
    if not np.isfinite(widest).all():
        left = np.isinf(bound) | np.isinf(other_bound) | np.isinf(widest)
        value, widest = np.where(left, np.nan, value), np.where(left, np.inf, widest)
    return value, widest
