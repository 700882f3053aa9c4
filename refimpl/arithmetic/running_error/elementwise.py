"""Sums, products, quotients, powers and elementary functions of running-error arrays, element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from refimpl.arithmetic.formats import FLOAT64, Target
from refimpl.arithmetic.functions import MONOTONE, POWER_REFERENCE_ULP, WAVES, Elementary
from refimpl.arithmetic.operations import Operation
from refimpl.arithmetic.running_error.array import (
    RunningError,
    cast,
    in_one_target,
    interval,
    may_be_flushed,
    number,
    rounded,
)
from refimpl.arithmetic.running_error.rounding import INFLATION
from refimpl.types import BoolArray, Float64Array


def _add(a: RunningError, b: RunningError) -> RunningError:
    a, b, target = in_one_target(a, b)
    nonnegative = a.nonnegative and b.nonnegative
    value, propagated = a.value + b.value, a.bound + b.bound
    if target.scalar and value.ndim == 0 and propagated == 0 and _is_sum(value, a.value, b.value):
        return number(float(value), target)
    return rounded(value, propagated, target, a, b, addition=True, nonnegative=nonnegative)


def _subtract(a: RunningError, b: RunningError) -> RunningError:
    a, b, target = in_one_target(a, b)
    value, propagated = a.value - b.value, a.bound + b.bound
    if target.scalar and value.ndim == 0 and propagated == 0 and _is_sum(value, a.value, -b.value):
        return number(float(value), target)
    return rounded(value, propagated, target, a, b, addition=True)


def _is_sum(value: Float64Array, a: Float64Array, b: Float64Array) -> bool:
    """Whether a number is exactly a + b, as 1 - decay is for a decay from 1/2 on (Knuth's two-sum)."""
    of_b = value - a
    return bool((a - (value - of_b)) + (b - of_b) == 0)


def multiply(a: RunningError, b: RunningError) -> RunningError:
    """a * b."""
    square = a is b
    a, b, target = in_one_target(a, b)
    propagated = abs(a.value) * b.bound + (abs(b.value) + b.bound) * a.bound
    nonnegative = square or (a.nonnegative and b.nonnegative)
    return rounded(a.value * b.value, propagated, target, a, b, nonnegative=nonnegative)


def divide(a: RunningError, b: RunningError, reciprocals: int = 0) -> RunningError:
    """a / b, where so many reciprocals are rounded before the result."""
    a, b, target = in_one_target(a, b)
    smallest = abs(b.value) - b.bound
    nonzero = smallest > 0
    if not nonzero.all():
        infinite = np.isposinf(b.value) & np.isinf(b.bound) & b.nonnegative
        if infinite.any():
            return _divide_by_infinity(a, b, infinite, reciprocals)
    value = a.value / b.value
    # Both quotients are below 1 where the result matters, so that an underflow is not magnified.
    propagated = a.bound / smallest + (abs(value) + FLOAT64.smallest_subnormal) * (b.bound / smallest)
    if reciprocals:
        units = 2 * reciprocals * _reciprocal_ulp(target) * target.format.unit_roundoff
        propagated = propagated + units * (abs(value) + propagated)
    nonnegative = a.nonnegative and b.nonnegative
    unclaimed = False if nonzero.all() else ~nonzero
    return rounded(
        value, propagated, target, a, b,
        ulp=division_ulp(target), nonnegative=nonnegative, unclaimed=unclaimed, flushed=may_be_flushed(b),
    )  # fmt: skip


def division_ulp(target: Target) -> float:
    """XLA multiplies by the reciprocal of a broadcast divisor: a profile says so by its error of "divide"."""
    return target.functions.get(target.format.name, {}).get("divide", 0.5)


def _reciprocal_ulp(target: Target) -> float:
    """The error declared for reciprocals, or else for all quotients."""
    return target.functions.get(target.format.name, {}).get("reciprocal", division_ulp(target))


def _divide_by_infinity(a: RunningError, b: RunningError, infinite: BoolArray, reciprocals: int) -> RunningError:
    """a / b where some elements of b are an infinity or beyond the range: between 0 and a / largest."""
    largest = np.where(infinite, b.target.format.largest, b.value)
    finite = RunningError(largest, np.where(infinite, 0.0, b.bound), b.target, True, b.undecided)
    result = divide(a, finite, reciprocals)
    down_to_zero = (result.bound + abs(result.value)) * INFLATION
    result.bound = np.where(infinite & np.isfinite(result.bound), down_to_zero, result.bound)
    return result


def _negative(a: RunningError) -> RunningError:
    return RunningError(-a.value, a.bound, a.target, undecided=a.undecided)


def _absolute(a: RunningError) -> RunningError:
    return RunningError(abs(a.value), a.bound, a.target, nonnegative=True, undecided=a.undecided)


def _square(a: RunningError) -> RunningError:
    return multiply(a, a)


def reciprocal(a: RunningError) -> RunningError:
    """1 / a."""
    return divide(a.constant(1.0), a)


# --- elementary functions ------------------------------------------------------------------------------------------


def _monotone(function: Elementary) -> Callable[[RunningError], RunningError]:
    reference_ulp = function.reference_ulp

    def rule(a: RunningError) -> RunningError:
        value = function.evaluate(a.value)
        below, above = interval(a)
        propagated = np.zeros_like(value)
        if below is not above:
            ends = function.evaluate(np.maximum(below, function.lowest)), function.evaluate(above)
            propagated = np.maximum(abs(ends[0] - value), abs(ends[1] - value))
            ends_error = abs(value) * (2 * reference_ulp * FLOAT64.unit_roundoff)
            propagated = np.where(a.bound == 0, 0.0, propagated + ends_error)
            overflow = np.isinf(value)
            if overflow.any():
                propagated = np.where(overflow & (ends[0] == value) & (ends[1] == value), 0.0, propagated)
        outside = (below <= function.lowest) if function.open_ else (below < function.lowest)
        return rounded(
            value, propagated, a.target, a,
            ulp=a.target.function_error(function.name), reference_ulp=reference_ulp,
            nonnegative=function.nonnegative, unclaimed=outside if outside.any() else False,
            flushed=function.open_ and may_be_flushed(a),
        )  # fmt: skip

    return rule


def _wave(function: Elementary) -> Callable[[RunningError], RunningError]:
    def rule(a: RunningError) -> RunningError:
        return rounded(
            function.evaluate(a.value), np.minimum(a.bound, 2.0), a.target, a,
            ulp=a.target.function_error(function.name), reference_ulp=function.reference_ulp,
        )  # fmt: skip

    return rule


# Not 1/2, which XLA evaluates as any other power.
_SPECIAL_EXPONENTS: dict[float, Callable[[RunningError], RunningError]] = {
    1.0: lambda a: a,
    2.0: _square,
    -1.0: reciprocal,
}


def _power(a: RunningError, b: RunningError) -> RunningError:
    hyperparameters = a.target.scalar and b.target.scalar
    target = a.target.for_powers() if hyperparameters else in_one_target(a, b)[2]
    power = _SPECIAL_EXPONENTS.get(float(b.value)) if b.ndim == 0 and b.bound == 0 else None
    if power is not None and not hyperparameters:
        return power(cast(a, target))
    a, b = cast(a, target), cast(b, target)  # which may round the exponent, to one of the other parity
    exponent = float(b.value) if b.ndim == 0 and b.bound == 0 else None
    value = np.power(a.value, b.value)
    below, above = interval(a)
    exponents = interval(b)
    propagated = np.zeros_like(value)
    if below is not above or exponents[0] is not exponents[1]:
        # |x|**y is monotone in |x| and in y: its extremes over a box lie at the corners.
        smallest, largest = np.maximum(np.maximum(below, -above), 0.0), np.maximum(abs(below), abs(above))
        corners = [abs(np.power(x, y) - abs(value)) for x in (smallest, largest) for y in exponents]
        ends_error = abs(value) * (2 * POWER_REFERENCE_ULP * FLOAT64.unit_roundoff)
        exact = (a.bound == 0) & (b.bound == 0)
        propagated = np.where(exact, 0.0, functools.reduce(np.maximum, corners) + ends_error)
    whole = exponent is not None and exponent >= 0 and exponent.is_integer()
    # A root or a reciprocal needs a base that is certainly positive; a positive power of zero is zero.
    outside = not whole and ~((below > 0) | ((below >= 0) & (exponents[0] > 0)))
    return rounded(
        value, propagated, target, a, b,
        ulp=target.function_error("power"), reference_ulp=POWER_REFERENCE_ULP,
        nonnegative=a.nonnegative or (whole and b.value % 2 == 0), unclaimed=outside, flushed=may_be_flushed(a),
    )  # fmt: skip


_FUNCTIONS = {function: _monotone(facts) for function, facts in MONOTONE.items()}
_FUNCTIONS |= {function: _wave(facts) for function, facts in WAVES.items()}

RunningError.ufuncs |= {
    **{function: rule for function, rule in _FUNCTIONS.items() if isinstance(function, np.ufunc)},
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: multiply,
    np.divide: divide,
    np.negative: _negative,
    np.positive: lambda a: a,
    np.absolute: _absolute,
    np.square: _square,
    np.reciprocal: reciprocal,
    np.power: _power,
    np.float_power: _power,
}
RunningError.functions |= {function: rule for function, rule in _FUNCTIONS.items() if isinstance(function, Operation)}
