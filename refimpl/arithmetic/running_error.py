"""Running error analysis: float64 arrays that carry a bound on every correct evaluation in a target's format.

`value` is the float64 evaluation of a formula. `bound` is such that any evaluation of the same formula in the target's
arithmetic, and the exact result as well, lies within `value` +- `bound` (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., sections 2.2 and 3.3). Two bounds claim less:

- NaN: there is no bound, as rounding may leave the domain (a denominator that may be zero, a root of what may be
  negative). A finite result is required all the same where the exact one is; a subject that has none declares it.
- infinite: the target may have left its range on the way, or divided by a number that it flushed, and may hold anything
  now. `value` is then an infinity where the target certainly holds one or a number beyond the range, and NaN elsewhere.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.formats import FLOAT32, FLOAT64, Format, Target, binade
from refimpl.arithmetic.functions import MONOTONE, POWER_REFERENCE_ULP, WAVES, Elementary

# Bounds are computed in float64 from at most a dozen roundings a rule, each of relative size 2**-53.
_INFLATION = 1 + 2.0**-49


class ThreeValued:
    """Outcome of comparing running-error arrays: `value`, and `undecided` where rounding can turn it over."""

    __array_ufunc__ = None  # NumPy arrays leave & and | to this class

    def __init__(self, value: np.ndarray, undecided: np.ndarray, target: Target) -> None:
        self.value, self.undecided, self.target = value, undecided, target

    def __invert__(self) -> ThreeValued:
        return ThreeValued(~self.value, self.undecided, self.target)

    def __and__(self, other: ThreeValued | np.ndarray) -> ThreeValued:
        value, undecided = _outcome(other)
        possible = (self.value | self.undecided) & (value | undecided)
        certain = (self.value & ~self.undecided) & (value & ~undecided)
        return ThreeValued(self.value & value, possible & ~certain, self.target)

    def __or__(self, other: ThreeValued | np.ndarray) -> ThreeValued:
        value, undecided = _outcome(other)
        return ~(~self & ThreeValued(~value, undecided, self.target))

    __rand__, __ror__ = __and__, __or__

    def __bool__(self) -> bool:
        raise TypeError("a comparison of running-error arrays may be undecided: select with numpy.where, not with if")

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if function is not np.where:
            raise TypeError(f"no rule for numpy.{function.__name__} on the outcome of a comparison")
        twin = next((x for x in args if isinstance(x, RunningError)), _number(0.0, self.target))
        return twin.__array_function__(function, types, args, kwargs)


def _outcome(x: ThreeValued | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(x, ThreeValued):
        return x.value, x.undecided
    return np.asarray(x, dtype=bool), np.zeros(np.shape(x), dtype=bool)


class RunningError(DuckArray):
    """A float64 `value`, the `bound` on what the `target` may compute instead, and where rounding decided a branch.

    nonnegative: the operations keep the sign, whatever their rounding (a square, a sum of squares, an exponential).
    undecided: None, or True at elements that depend on a comparison which rounding can turn over; their bound covers
        both outcomes.

    Value, bound and undecided have one shape. Twins share arrays with each other: never write into one.
    """

    __slots__ = ("bound", "nonnegative", "target", "undecided", "value")

    def __init__(
        self,
        value: np.ndarray,
        bound: np.ndarray,
        target: Target,
        nonnegative: bool = False,
        undecided: np.ndarray | None = None,
    ) -> None:
        self.value, self.bound, self.target = value, bound, target
        self.nonnegative, self.undecided = nonnegative, undecided

    @classmethod
    def exact(cls, value: Any, target: Target) -> RunningError:
        """Data handed to the subject. What the format cannot represent is rounded by it, and bounded so.

        Libraries convert float64 to 16 bits at once or through float32: the bound covers both.
        Raises TypeError for a format where its target is needed.
        """
        if not isinstance(target, Target):
            raise TypeError(f"RunningError.exact: target must be a Target, such as Target(FLOAT32), got {target!r}")
        value = np.array(value, dtype=np.float64)[()]  # NumPy's scalars are several times faster than 0-d arrays
        rounded = target.format.round(value)
        with np.errstate(invalid="ignore"):
            bound = abs(rounded - value)
            if target.format.precision < FLOAT32.precision:
                rounded_twice = target.format.round(FLOAT32.round(value))
                bound = np.maximum(bound, abs(rounded_twice - value))
                rounded = np.where(np.isfinite(rounded_twice), rounded, rounded_twice)
        if target.flush_to_zero:
            bound = np.where(abs(value) < target.format.smallest_normal, np.maximum(bound, abs(value)), bound)
        in_range = np.isfinite(rounded)
        if not in_range.all():
            value, bound = np.where(in_range, value, rounded), np.where(in_range, bound, np.inf)
        return cls(value, bound, target, nonnegative=bool((value >= 0).all()))

    def constant(self, value: Any) -> RunningError:
        if np.ndim(value) == 0:
            return _number(float(value), self.target)
        return RunningError.exact(value, self.target)

    @property
    def pi(self) -> RunningError:
        return rounded(np.asarray(np.pi), np.zeros(()), self.target)

    def hyperparameter(self, value: float) -> RunningError:
        return _number(value, self.target.for_scalars())

    def map_components(self, move: Callable[..., np.ndarray], others: tuple[Any, ...] = ()) -> RunningError:
        twins = (self, *others)
        target = functools.reduce(_result_target, (x.target for x in twins))
        twins = tuple(_cast(x, target) for x in twins)
        undecided = None
        if any(x.undecided is not None for x in twins):
            undecided = move(*(_undecided_or_false(x) for x in twins))
        return RunningError(
            move(*(x.value for x in twins)),
            move(*(x.bound for x in twins)),
            target,
            all(x.nonnegative for x in twins),
            undecided,
        )

    def hull(self, *others: RunningError) -> RunningError:
        """This value, with a bound that evaluations of the algebraically equal `others` stay within as well."""
        value, bound = self.value, self.bound
        with np.errstate(all="ignore"):
            for other in others:
                value, bound = _hull(value, bound, other)
        nonnegative = self.nonnegative and all(x.nonnegative for x in others)
        return RunningError(value, bound, self.target, nonnegative, _undecided(self, *others))

    def within(self, subject: np.ndarray) -> np.ndarray:
        """True where a correct subject may hold `subject` (see the module's docstring for bounds that claim less)."""
        subject = np.asarray(subject, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            close = np.abs(subject - self.value) <= self.bound
        unbounded = np.isnan(self.bound) & (np.isfinite(subject) | ~np.isfinite(self.value))
        return close | np.isposinf(self.bound) | unbounded


def _undecided_or_false(x: RunningError) -> np.ndarray:
    return np.zeros(x.shape, dtype=bool) if x.undecided is None else x.undecided


def _undecided(*operands: RunningError) -> np.ndarray | None:
    masks = [x.undecided for x in operands if x.undecided is not None]
    if not masks:
        return None
    shape = np.broadcast_shapes(*(x.shape for x in operands))
    return np.logical_or.reduce([np.broadcast_to(mask, shape) for mask in masks])


@functools.lru_cache(maxsize=4096)
def _number(value: float, target: Target) -> RunningError:
    return RunningError.exact(value, target)


# --- the target of a result ----------------------------------------------------------------------------------------


def in_one_target(a: RunningError, b: RunningError) -> tuple[RunningError, RunningError, Target]:
    """Both operands, rounded where needed to the target of their result, and that target."""
    if a.target is b.target:
        return a, b, a.target
    target = _result_target(a.target, b.target)
    return _cast(a, target), _cast(b, target), target


def _result_target(first: Target, second: Target) -> Target:
    """Arrays decide over hyperparameters, then the coarser format."""
    if first.scalar != second.scalar:
        return second if first.scalar else first
    return min(first, second, key=lambda target: target.format.precision)


def _cast(x: RunningError, target: Target) -> RunningError:
    source, format_ = x.target.format, target.format
    flushed_already = x.target.flush_to_zero and source.smallest_normal >= format_.smallest_normal
    if x.target is target or (format_.contains(source) and (flushed_already or not target.flush_to_zero)):
        return x
    if x.ndim == 0 and x.bound == 0:
        return _number(float(x.value), target)
    return rounded(x.value, x.bound, target, x, ulp=_conversion_ulp(source, format_), nonnegative=x.nonnegative)


def _conversion_ulp(source: Format, format_: Format) -> float:
    """Half a unit, and what rounding to float32 on the way may add (see `RunningError.exact`)."""
    if format_.precision < FLOAT32.precision < source.precision:
        return 0.5 + FLOAT32.unit_roundoff / (2 * format_.unit_roundoff)
    return 0.5


# --- results -------------------------------------------------------------------------------------------------------


def rounded(
    value: np.ndarray,
    propagated: np.ndarray,
    target: Target,
    *operands: RunningError,
    ulp: float = 0.5,
    reference_ulp: float = 0.5,
    addition: bool = False,
    nonnegative: bool = False,
    intermediate: np.ndarray | None = None,
    unclaimed: np.ndarray | bool = False,
    flushed: np.ndarray | bool = False,
) -> RunningError:
    """The result of an elementwise operation: what its operands' errors amount to, and `ulp` units of its own.

    Standard model with underflow (Higham, equation 2.8). An `addition` is exact below the smallest normal number, and
    keeps an infinity where nothing is negative. `intermediate`: magnitudes that occur on the way, and must be in range
    too. `unclaimed`: where no bound exists. `flushed`: where of these an operand that is not zero may have become so.

    Up to half a unit is correct rounding, which is monotone: a result in range stays there, and a normal one normal.
    More is a function's own error, which may carry a result out of either.
    """
    format_ = target.format
    reference_units = 2 * reference_ulp * FLOAT64.unit_roundoff
    units = 2 * ulp * format_.unit_roundoff + reference_units
    magnitude = abs(value)
    reach = magnitude + propagated
    if ulp > 0.5:
        reach = reach * _INFLATION  # so that rounding of `reach` cannot hide a binade, where units double
    bound = propagated + binade(reach) * units
    reference_underflow = 3 * FLOAT64.smallest_subnormal  # of `value` and of `propagated`
    if not addition:  # and of the target's result: a whole unit, as it may be rounded twice
        bound = bound + (max(ulp, 1.0) * format_.smallest_subnormal + reference_underflow)
    if target.flush_to_zero:
        tiny = format_.smallest_normal
        error = bound if ulp > 0.5 else propagated + (reference_units * reach + reference_underflow)
        bound = bound + np.where(magnitude - error < tiny, np.minimum(magnitude + error, tiny), 0.0)
    bound = bound * _INFLATION

    if ulp > 0.5:
        reach = magnitude + bound  # correct rounding does not leave the range, a function may
    if intermediate is not None:
        reach = np.maximum(reach, intermediate)
    in_range = reach <= format_.largest
    if unclaimed is not False or not in_range.all():
        left, unknown = (
            functools.reduce(operator.or_, (has(x.bound) for x in operands)) for has in (np.isinf, np.isnan)
        )
        left = left | (unclaimed & flushed)
        beyond = ~left & (intermediate is None) & ((magnitude - propagated) * (1 - 2 * units) >= format_.largest)
        if addition and nonnegative:
            clean = functools.reduce(operator.and_, (np.isfinite(x.bound) | np.isposinf(x.value) for x in operands))
            beyond = beyond | (left & clean)
        value, bound = _masked(value, bound, in_range, left, unknown | np.isnan(value) | unclaimed, beyond)
    # A number such as 1 - decay**step shows its sign; looking at whole arrays costs more than it tells.
    nonnegative = nonnegative or (np.ndim(value) == 0 and bool(value >= bound))
    return RunningError(value, bound, target, nonnegative, _undecided(*operands))


def _may_be_flushed(x: RunningError) -> np.ndarray | bool:
    """Where flushing may make a zero of a number that is none: one below the smallest normal number, or off by at most
    twice that, of which the flush is half. An error that is larger has another reason."""
    if not x.target.flush_to_zero:
        return False
    tiny = x.target.format.smallest_normal
    return (x.value != 0) & ((abs(x.value) < tiny) | (x.bound <= 2 * tiny))


def _masked(value: Any, bound: Any, in_range: Any, left: Any, unknown: Any, beyond: Any) -> tuple[Any, Any]:
    """Value and bound where less is claimed.

    in_range: this operation stays in range. left: an operand may have left it. unknown: there is no bound.
    beyond: the target certainly holds an infinity or a number beyond its range.
    """
    bound = np.select([left, unknown, in_range], [np.inf, np.nan, bound], np.inf)
    beyond_or_anything = np.where(beyond, np.copysign(np.inf, value), np.nan)
    return np.where(np.isinf(bound), beyond_or_anything, value), bound


def _hull(value: np.ndarray, bound: np.ndarray, other: RunningError) -> tuple[np.ndarray, np.ndarray]:
    """Value and bound such that what `other` allows is allowed too."""
    reach = (abs(other.value - value) + other.bound) * _INFLATION
    widest = np.maximum(bound, reach)  # NaN if one of them is
    if not np.isfinite(widest).all():
        left = np.isinf(bound) | np.isinf(other.bound) | np.isinf(widest)
        value, widest = np.where(left, np.nan, value), np.where(left, np.inf, widest)
    return value, widest


def _interval(x: RunningError) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval value +- bound, rounded outwards; the value itself where it is exact."""
    inexact = x.bound != 0
    if not inexact.any():
        return x.value, x.value
    spread = np.where(inexact, x.bound * _INFLATION + abs(x.value) * (2 * FLOAT64.unit_roundoff), 0.0)
    lowest = x.value - spread
    return np.maximum(lowest, 0.0) if x.nonnegative else lowest, x.value + spread


# --- arithmetic ----------------------------------------------------------------------------------------------------


def _add(a: RunningError, b: RunningError) -> RunningError:
    a, b, target = in_one_target(a, b)
    nonnegative = a.nonnegative and b.nonnegative
    value, propagated = a.value + b.value, a.bound + b.bound
    if target.scalar and value.ndim == 0 and propagated == 0 and _is_sum(value, a.value, b.value):
        return _number(float(value), target)
    return rounded(value, propagated, target, a, b, addition=True, nonnegative=nonnegative)


def _subtract(a: RunningError, b: RunningError) -> RunningError:
    a, b, target = in_one_target(a, b)
    value, propagated = a.value - b.value, a.bound + b.bound
    if target.scalar and value.ndim == 0 and propagated == 0 and _is_sum(value, a.value, -b.value):
        return _number(float(value), target)
    return rounded(value, propagated, target, a, b, addition=True)


def _is_sum(value: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether a number is exactly a + b, as 1 - decay is for a decay from 1/2 on (Knuth's two-sum)."""
    of_b = value - a
    return bool((a - (value - of_b)) + (b - of_b) == 0)


def _multiply(a: RunningError, b: RunningError) -> RunningError:
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
        ulp=_division_ulp(target), nonnegative=nonnegative, unclaimed=unclaimed, flushed=_may_be_flushed(b),
    )  # fmt: skip


def _division_ulp(target: Target) -> float:
    """XLA multiplies by the reciprocal of a broadcast divisor: a profile says so by its error of "divide"."""
    return target.functions.get(target.format.name, {}).get("divide", 0.5)


def _reciprocal_ulp(target: Target) -> float:
    """The error declared for reciprocals, or else for all quotients."""
    return target.functions.get(target.format.name, {}).get("reciprocal", _division_ulp(target))


def _divide_by_infinity(a: RunningError, b: RunningError, infinite: np.ndarray, reciprocals: int) -> RunningError:
    """a / b where some elements of b are an infinity or beyond the range: between 0 and a / largest."""
    largest = np.where(infinite, b.target.format.largest, b.value)
    finite = RunningError(largest, np.where(infinite, 0.0, b.bound), b.target, True, b.undecided)
    result = divide(a, finite, reciprocals)
    down_to_zero = (result.bound + abs(result.value)) * _INFLATION
    result.bound = np.where(infinite & np.isfinite(result.bound), down_to_zero, result.bound)
    return result


def _negative(a: RunningError) -> RunningError:
    return RunningError(-a.value, a.bound, a.target, undecided=a.undecided)


def _absolute(a: RunningError) -> RunningError:
    return RunningError(abs(a.value), a.bound, a.target, nonnegative=True, undecided=a.undecided)


def _square(a: RunningError) -> RunningError:
    return _multiply(a, a)


def _reciprocal(a: RunningError) -> RunningError:
    return divide(a.constant(1.0), a)


# --- elementary functions ------------------------------------------------------------------------------------------


def _monotone(function: Elementary) -> Callable:
    reference_ulp = function.reference_ulp

    def rule(a: RunningError) -> RunningError:
        value = function.evaluate(a.value)
        below, above = _interval(a)
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
            flushed=function.open_ and _may_be_flushed(a),
        )  # fmt: skip

    return rule


def _wave(function: Elementary) -> Callable:
    def rule(a: RunningError) -> RunningError:
        return rounded(
            function.evaluate(a.value), np.minimum(a.bound, 2.0), a.target, a,
            ulp=a.target.function_error(function.name), reference_ulp=function.reference_ulp,
        )  # fmt: skip

    return rule


# Not 1/2, which XLA evaluates as any other power.
_SPECIAL_EXPONENTS: dict[float, Callable] = {1.0: lambda a: a, 2.0: _square, -1.0: _reciprocal}


def _power(a: RunningError, b: RunningError) -> RunningError:
    hyperparameters = a.target.scalar and b.target.scalar
    target = a.target.for_powers() if hyperparameters else in_one_target(a, b)[2]
    power = _SPECIAL_EXPONENTS.get(float(b.value)) if b.ndim == 0 and b.bound == 0 else None
    if power is not None and not hyperparameters:
        return power(_cast(a, target))
    a, b = _cast(a, target), _cast(b, target)  # which may round the exponent, to one of the other parity
    exponent = float(b.value) if b.ndim == 0 and b.bound == 0 else None
    value = np.power(a.value, b.value)
    below, above = _interval(a)
    exponents = _interval(b)
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
        nonnegative=a.nonnegative or (whole and b.value % 2 == 0), unclaimed=outside, flushed=_may_be_flushed(a),
    )  # fmt: skip


# --- comparisons and selections ------------------------------------------------------------------------------------


def _comparison(operation: Callable) -> Callable:
    def rule(a: RunningError, b: RunningError) -> ThreeValued:
        a, b, target = in_one_target(a, b)
        apart = abs(a.value - b.value) > a.bound + b.bound
        exact = (a.bound == 0) & (b.bound == 0)
        return ThreeValued(operation(a.value, b.value), ~(apart | exact), target)

    return rule


def _where(condition: Any, a: RunningError, b: RunningError) -> RunningError:
    first, undecided = _outcome(condition)
    a, b, target = in_one_target(a, b)
    value, bound = np.where(first, a.value, b.value), np.where(first, a.bound, b.bound)
    inherited = None
    if a.undecided is not None or b.undecided is not None:
        inherited = np.where(first, _undecided_or_false(a), _undecided_or_false(b))
    if undecided.any():
        other = RunningError(np.where(first, b.value, a.value), np.where(first, b.bound, a.bound), target)
        both = _hull(value, bound, other)
        value, bound = np.where(undecided, both[0], value), np.where(undecided, both[1], bound)
        split = np.broadcast_to(undecided, bound.shape)
        inherited = split if inherited is None else inherited | split
    return RunningError(value, bound, target, a.nonnegative and b.nonnegative, inherited)


def _extremum(function: Callable, sign: int) -> Callable:
    def rule(a: RunningError, b: RunningError) -> RunningError:
        a, b, target = in_one_target(a, b)
        value = function(a.value, b.value)
        ahead = sign * (a.value - b.value)
        sure = a.bound + b.bound
        either = np.maximum(a.bound, b.bound)  # |max(a, b) - max(a', b')| <= max(|a - a'|, |b - b'|)
        bound = np.where(ahead > sure, a.bound, np.where(-ahead > sure, b.bound, either))
        claimed = np.isfinite(bound)
        if not claimed.all():
            left = ~claimed & (np.isinf(a.bound) | np.isinf(b.bound))
            value, bound = np.where(left, np.nan, value), np.where(left, np.inf, bound)
        nonnegative = (a.nonnegative or b.nonnegative) if sign > 0 else (a.nonnegative and b.nonnegative)
        return RunningError(value, bound, target, nonnegative, _undecided(a, b))

    return rule


def _sign(a: RunningError) -> RunningError:
    value = np.sign(a.value)
    undecided = (a.bound != 0) & ~(abs(a.value) > a.bound)
    if not undecided.any():
        return RunningError(value, np.zeros_like(value), a.target, undecided=a.undecided)
    bound = np.where(undecided, 1.0 + abs(value), 0.0)  # any of -1, 0, 1
    value, bound = _masked(value, bound, True, np.isinf(a.bound), np.isnan(a.bound), beyond=False)
    return RunningError(value, bound, a.target, undecided=undecided | _undecided_or_false(a))


# --- sums, extremes, products of matrices --------------------------------------------------------------------------


def _accumulated(
    result: RunningError,
    magnitude: np.ndarray,
    additions: int,
    products: bool,
    operands: tuple[RunningError, ...],
    touched: Callable[[Callable[[RunningError], np.ndarray]], np.ndarray],
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
    of_target = _relative_error_of_sum(accumulator.unit_roundoff, additions, products, target.truncating_accumulator)
    bound = propagated + (of_target + roundings * FLOAT64.unit_roundoff) * (magnitude + propagated)
    if target.truncating_accumulator:  # below the smallest normal number, of addends that have more digits
        bound = bound + additions * accumulator.smallest_subnormal
    if accumulator is not target.format:  # rounded once more, into the format
        once = 2 * _conversion_ulp(accumulator, target.format) * target.format.unit_roundoff
        bound = bound + (abs(value) + bound) * once + target.format.smallest_subnormal
    bound = bound * (1 + (roundings + 8) * 2 * FLOAT64.unit_roundoff)

    in_range = magnitude + bound <= target.format.largest
    if not in_range.all():
        left, unknown = touched(lambda x: np.isinf(x.bound)), touched(lambda x: np.isnan(x.bound))
        value, bound = _masked(value, bound, in_range, left, unknown, beyond=False)
    undecided = touched(_undecided_or_false) if any(x.undecided is not None for x in operands) else None
    return RunningError(value, bound, target, result.nonnegative, undecided)


def _relative_error_of_sum(u: float, additions: int, products: bool, truncated: bool) -> float:
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


def _sum(a: RunningError, axis: Any = None, keepdims: bool = False) -> RunningError:
    def total(x: np.ndarray) -> np.ndarray:
        return np.sum(x, axis=axis, keepdims=keepdims)

    result = RunningError(total(a.value), total(a.bound), a.target, a.nonnegative)
    terms = a.size // max(result.size, 1)
    return _accumulated(result, total(abs(a.value)), max(terms - 1, 0), False, (a,), lambda has: total(has(a)) > 0)


def _mean(a: RunningError, axis: Any = None, keepdims: bool = False) -> RunningError:
    total = _sum(a, axis=axis, keepdims=keepdims)
    count = a.constant(a.size // max(total.size, 1))
    if is_power_of_two(count) and _division_ulp(a.target) <= 0.5:
        value, bound = total.value / count.value, total.bound / count.value
        return rounded(value, bound, a.target, total, ulp=0.0, reference_ulp=0.0, nonnegative=total.nonnegative)
    # Libraries divide by the count or multiply by its rounded reciprocal.
    return divide(total, count).hull(_multiply(total, _reciprocal(count)))


def is_power_of_two(x: RunningError) -> bool:
    """Whether a number is certainly zero or a power of two: a product with it is exact, but for underflow."""
    return x.ndim == 0 and x.bound == 0 and math.frexp(x.value)[0] in (0.0, 0.5, -0.5)


def _matmul(a: RunningError, b: RunningError) -> RunningError:
    """Inputs rounded first where the target does (Blanchard, Higham, Lopez, Mary & Pranesh 2020, section 3)."""
    a, b, target = in_one_target(a, b)
    terms = a.shape[-1]
    bounds = _input_bound(a, target), _input_bound(b, target)
    magnitudes = abs(a.value), abs(b.value)
    propagated = bounds[0] @ (magnitudes[1] + bounds[1]) + magnitudes[0] @ bounds[1]
    propagated = propagated + terms * (target.format.smallest_subnormal + 3 * FLOAT64.smallest_subnormal)

    def touched(has: Callable[[RunningError], np.ndarray]) -> np.ndarray:
        return (has(a) @ np.ones(b.shape) + np.ones(a.shape) @ has(b)) > 0

    result = RunningError(a.value @ b.value, propagated, target, a.nonnegative and b.nonnegative)
    return _accumulated(result, magnitudes[0] @ magnitudes[1], max(terms - 1, 0), terms > 0, (a, b), touched)


def _input_bound(x: RunningError, target: Target) -> np.ndarray:
    if target.matmul_input_roundoff == 0:
        return x.bound
    size = abs(x.value) + x.bound
    bound = x.bound + target.matmul_input_roundoff * np.maximum(size, target.format.smallest_normal)
    # Rounded to nearest, by half as much, the largest numbers become infinite.
    return np.where(size * (1 + target.matmul_input_roundoff / 2) <= target.format.largest, bound, np.inf)


def _largest(function: Callable, sign: int) -> Callable:
    def rule(a: RunningError, axis: Any = None, keepdims: bool = False) -> RunningError:
        value = function(a.value, axis=axis, keepdims=keepdims)
        # Only elements that can be the extreme one matter, and none moves by more than its own bound.
        extreme = function(a.value - sign * a.bound, axis=axis, keepdims=True)
        rivals = sign * a.value + a.bound >= sign * extreme
        bound = np.max(np.where(rivals, a.bound, 0.0), axis=axis, keepdims=keepdims)
        undecided = None if a.undecided is None else np.any(a.undecided, axis=axis, keepdims=keepdims)
        if not np.isfinite(a.bound).all():
            left, unknown = (np.any(has(a.bound), axis=axis, keepdims=keepdims) for has in (np.isinf, np.isnan))
            value, bound = _masked(value, bound, True, left, unknown, beyond=False)
        return RunningError(value, bound, a.target, a.nonnegative, undecided)

    return rule


RunningError.ufuncs = {
    **{ufunc: _monotone(function) for ufunc, function in MONOTONE.items()},
    **{ufunc: _wave(function) for ufunc, function in WAVES.items()},
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: divide,
    np.negative: _negative,
    np.positive: lambda a: a,
    np.absolute: _absolute,
    np.square: _square,
    np.reciprocal: _reciprocal,
    np.power: _power,
    np.float_power: _power,
    np.less: _comparison(operator.lt),
    np.less_equal: _comparison(operator.le),
    np.greater: _comparison(operator.gt),
    np.greater_equal: _comparison(operator.ge),
    np.equal: _comparison(operator.eq),
    np.not_equal: _comparison(operator.ne),
    np.maximum: _extremum(np.maximum, 1),
    np.minimum: _extremum(np.minimum, -1),
    np.sign: _sign,
    np.matmul: _matmul,
}
RunningError.functions = {
    np.where: _where,
    np.sum: _sum,
    np.mean: _mean,
    np.max: _largest(np.max, 1),
    np.min: _largest(np.min, -1),
}
