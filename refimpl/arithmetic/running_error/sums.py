"""Sums, means, extremes and products of matrices of running-error arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from refimpl.arithmetic.formats import FLOAT64, Target
from refimpl.arithmetic.running_error.array import (
    RunningError,
    in_one_target,
    is_power_of_two,
    rounded,
    undecided_or_false,
)
from refimpl.arithmetic.running_error.elementwise import divide, division_ulp, multiply, reciprocal
from refimpl.arithmetic.running_error.rounding import conversion_ulp, masked
from refimpl.types import Array, Axis, BoolArray, Float64Array

# Of the elements of an operand, such as an infinite bound.
_Property: TypeAlias = Callable[[RunningError], BoolArray]


def _accumulated(
    result: RunningError,
    magnitude: Float64Array,
    additions: int,
    products: bool,
    operands: tuple[RunningError, ...],
    touched: Callable[[_Property], BoolArray],
) -> RunningError:
    """A sum in any order, of numbers or of products that are rounded or fused into it.

    result: the value, bounded by what the operands' errors amount to. magnitude: the sum of magnitudes.
    touched: given a property of operands, the elements of the result that depend on an element which has it.
    """
    value, propagated, target = result.value, result.bound, result.target
    accumulator = target.accumulator or target.format
    roundings = additions + products
    if target.flush_to_zero:
        propagated = propagated + 2 * roundings * target.format.smallest_normal
    of_target = relative_error_of_sum(accumulator.unit_roundoff, additions, products, target.truncating_accumulator)
    bound = propagated + (of_target + roundings * FLOAT64.unit_roundoff) * (magnitude + propagated)
    if target.truncating_accumulator:  # below the smallest normal number, of addends that have more digits
        bound = bound + additions * accumulator.smallest_subnormal
    if accumulator is not target.format:  # rounded once more, into the format
        once = 2 * conversion_ulp(accumulator, target.format) * target.format.unit_roundoff
        bound = bound + (abs(value) + bound) * once + target.format.smallest_subnormal
    bound = bound * (1 + (roundings + 8) * 2 * FLOAT64.unit_roundoff)

    in_range = magnitude + bound <= target.format.largest
    if not in_range.all():
        left, unknown = touched(lambda x: np.isinf(x.bound)), touched(lambda x: np.isnan(x.bound))
        value, bound = masked(value, bound, in_range, left, unknown, beyond=False)
    undecided = touched(undecided_or_false) if any(x.undecided is not None for x in operands) else None
    return RunningError(value, bound, target, result.nonnegative, undecided)


def relative_error_of_sum(u: float, additions: int, products: bool, truncated: bool) -> float:
    """How far a sum may be off, over the sum of magnitudes, whatever the order of its additions.

    Rounded to nearest: u for each addition and for a product (Jeannerod & Rump 2013, Improved error bounds for inner
    products in floating-point arithmetic). Their induction needs only one addend of each addition to be a
    floating-point number, so that it holds for fused multiply-adds too. Truncated partial sums never exceed the sum of
    magnitudes: 2 u each.

    Many additions: docs/sums.md proves tanh(k u) for k of them while exp(2 k u) <= 1 / u, which stays below 1.
    """
    if truncated:
        return 2 * u * (additions + products)
    linear = additions * u
    if 2 * linear <= -math.log(u):
        return min(linear + products * u, products * u + (1 + products * u) * math.tanh(linear))
    return linear + products * u


def _sum(a: RunningError, axis: Axis = None, keepdims: bool = False) -> RunningError:
    def total(x: Array) -> Array:
        return np.sum(x, axis=axis, keepdims=keepdims)

    result = RunningError(total(a.value), total(a.bound), a.target, a.nonnegative)
    terms = a.size // max(result.size, 1)
    return _accumulated(result, total(abs(a.value)), max(terms - 1, 0), False, (a,), lambda has: total(has(a)) > 0)


def _mean(a: RunningError, axis: Axis = None, keepdims: bool = False) -> RunningError:
    total = _sum(a, axis=axis, keepdims=keepdims)
    count = a.constant(a.size // max(total.size, 1))
    if is_power_of_two(count) and division_ulp(a.target) <= 0.5:
        value, bound = total.value / count.value, total.bound / count.value
        return rounded(value, bound, a.target, total, ulp=0.0, reference_ulp=0.0, nonnegative=total.nonnegative)
    # Libraries divide by the count or multiply by its rounded reciprocal.
    return divide(total, count).hull(multiply(total, reciprocal(count)))


def _matmul(a: RunningError, b: RunningError) -> RunningError:
    """Inputs rounded first where the target does (Blanchard, Higham, Lopez, Mary & Pranesh 2020, section 3)."""
    a, b, target = in_one_target(a, b)
    terms = a.shape[-1]
    bounds = _input_bound(a, target), _input_bound(b, target)
    magnitudes = abs(a.value), abs(b.value)
    propagated = bounds[0] @ (magnitudes[1] + bounds[1]) + magnitudes[0] @ bounds[1]
    propagated = propagated + terms * (target.format.smallest_subnormal + 3 * FLOAT64.smallest_subnormal)

    def touched(has: _Property) -> BoolArray:
        return (has(a) @ np.ones(b.shape) + np.ones(a.shape) @ has(b)) > 0

    result = RunningError(a.value @ b.value, propagated, target, a.nonnegative and b.nonnegative)
    return _accumulated(result, magnitudes[0] @ magnitudes[1], max(terms - 1, 0), terms > 0, (a, b), touched)


def _input_bound(x: RunningError, target: Target) -> Float64Array:
    if target.matmul_input_roundoff == 0:
        return x.bound
    size = abs(x.value) + x.bound
    bound = x.bound + target.matmul_input_roundoff * np.maximum(size, target.format.smallest_normal)
    # Rounded to nearest, by half as much, the largest numbers become infinite.
    return np.where(size * (1 + target.matmul_input_roundoff / 2) <= target.format.largest, bound, np.inf)


def _largest(function: Callable[..., Array], sign: int) -> Callable[..., RunningError]:
    def rule(a: RunningError, axis: Axis = None, keepdims: bool = False) -> RunningError:
        value = function(a.value, axis=axis, keepdims=keepdims)
        # Only elements that can be the extreme one matter, and none moves by more than its own bound.
        extreme = function(a.value - sign * a.bound, axis=axis, keepdims=True)
        rivals = sign * a.value + a.bound >= sign * extreme
        bound = np.max(np.where(rivals, a.bound, 0.0), axis=axis, keepdims=keepdims)
        undecided = None if a.undecided is None else np.any(a.undecided, axis=axis, keepdims=keepdims)
        if not np.isfinite(a.bound).all():
            left, unknown = (np.any(has(a.bound), axis=axis, keepdims=keepdims) for has in (np.isinf, np.isnan))
            value, bound = masked(value, bound, True, left, unknown, beyond=False)
        return RunningError(value, bound, a.target, a.nonnegative, undecided)

    return rule


RunningError.ufuncs[np.matmul] = _matmul
RunningError.functions |= {
    np.sum: _sum,
    np.mean: _mean,
    np.max: _largest(np.max, 1),
    np.min: _largest(np.min, -1),
}
