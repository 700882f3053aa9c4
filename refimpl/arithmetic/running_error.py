"""Running error analysis: float64 arrays that carry a bound on every correct evaluation in a target's format.

`value` is the float64 evaluation of a formula. `bound` is such that any evaluation of the same formula in the target's
arithmetic, and the exact result as well, lies within `value` +- `bound` (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., sections 2.2 and 3.3). Two bounds claim less: an infinite one says that the target may leave its
range there, a NaN that no bound exists (a denominator that may be zero, a root of what may be negative).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import Twin
from refimpl.arithmetic.formats import FLOAT64, Format, Target, binade
from refimpl.arithmetic.special import erf_ufunc, erfc_ufunc, rsqrt_ufunc

# Bounds are computed in float64 from at most eight roundings a rule, each of relative size 2**-53.
_INFLATION = 1 + 2.0**-49
# NumPy's float64 elementary functions, in ulp (conformance/profiles/numpy.toml has the measurements).
_REFERENCE_ULP = 1.5


class Truth:
    """Outcome of comparing running-error arrays: `value`, and `undecided` where rounding can turn it over."""

    __array_ufunc__ = None  # NumPy arrays leave & and | to this class

    def __init__(self, value: np.ndarray, undecided: np.ndarray) -> None:
        self.value, self.undecided = value, undecided

    def __invert__(self) -> Truth:
        return Truth(~self.value, self.undecided)

    def __and__(self, other: Truth | np.ndarray) -> Truth:
        other = _truth(other)
        possible = (self.value | self.undecided) & (other.value | other.undecided)
        certain = (self.value & ~self.undecided) & (other.value & ~other.undecided)
        return Truth(self.value & other.value, possible & ~certain)

    def __or__(self, other: Truth | np.ndarray) -> Truth:
        return ~(~self & ~_truth(other))

    __rand__, __ror__ = __and__, __or__

    def __bool__(self) -> bool:
        raise TypeError("a comparison of running-error arrays may be undecided: select with numpy.where, not with if")

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if function is np.where:
            twin = next(x for x in args if isinstance(x, RunningError))
            return twin.__array_function__(function, types, args, kwargs)
        raise TypeError(f"no rule for numpy.{function.__name__} on the outcome of a comparison")


def _truth(x: Truth | np.ndarray) -> Truth:
    return x if isinstance(x, Truth) else Truth(np.asarray(x, dtype=bool), np.zeros(np.shape(x), dtype=bool))


class RunningError(Twin):
    """A float64 `value`, the `bound` on what the `target` may compute instead, and where rounding decided a branch.

    nonnegative: the operations keep the sign, whatever their rounding (a square, a sum of squares, an exponential).
    undecided: None, or True at elements that depend on a comparison which rounding can turn over; their bound covers
        both outcomes.
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
        """Data handed to the subject. What the format cannot represent is rounded by it, and bounded so."""
        value = np.array(value, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            bound = np.abs(target.format.round(value) - value)
        bound = np.where(np.isnan(value), np.nan, np.where(np.isinf(value), np.inf, bound))
        if target.flush_to_zero:
            bound = np.where(np.abs(value) < target.format.smallest_normal, np.abs(value), bound)
        return cls(value, bound, target, nonnegative=bool((value >= 0).all()))

    def constant(self, value: Any) -> RunningError:
        if np.ndim(value) == 0:
            return _number(float(value), self.target)
        return RunningError.exact(value, self.target)

    def hyperparameter(self, value: float) -> RunningError:
        return _number(value, self.target.for_scalars())

    def moved(self, move: Callable[..., np.ndarray], others: tuple[Twin, ...] = ()) -> RunningError:
        twins = (self, *others)
        undecided = None
        if any(x.undecided is not None for x in twins):
            undecided = move(*(_undecided_or_false(x) for x in twins))
        return RunningError(
            move(*(x.value for x in twins)),
            move(*(x.bound for x in twins)),
            self.target,
            all(x.nonnegative for x in twins),
            undecided,
        )

    def covering(self, *others: RunningError) -> RunningError:
        """This value, with a bound that evaluations of the algebraically equal `others` stay within as well."""
        bound = self.bound
        for other in others:
            with np.errstate(invalid="ignore"):
                distance = np.abs(other.value - self.value)
            bound = np.maximum(bound, (distance + other.bound) * _INFLATION)
        nonnegative = self.nonnegative and all(x.nonnegative for x in others)
        return RunningError(self.value, bound, self.target, nonnegative, _undecided(self, *others))

    def within(self, subject: np.ndarray) -> np.ndarray:
        """True where `subject` is no further from the value than the bound, or no bound is claimed."""
        with np.errstate(invalid="ignore", over="ignore"):
            return ~(np.abs(np.asarray(subject, dtype=np.float64) - self.value) > self.bound)


def _undecided_or_false(x: RunningError) -> np.ndarray:
    return np.zeros(x.shape, dtype=bool) if x.undecided is None else x.undecided


def _undecided(*operands: RunningError) -> np.ndarray | None:
    masks = [x.undecided for x in operands if x.undecided is not None]
    if not masks:
        return None
    shape = np.broadcast_shapes(*(x.shape for x in operands))
    return np.logical_or.reduce([np.broadcast_to(mask, shape) for mask in masks])


@lru_cache(maxsize=4096)
def _number(value: float, target: Target) -> RunningError:
    return RunningError.exact(value, target)


def in_one_target(a: RunningError, b: RunningError) -> tuple[RunningError, RunningError, Target]:
    """Both operands in the target of their result: arrays decide over hyperparameters, then the coarser format."""
    if a.target is b.target or a.target == b.target:
        return a, b, a.target
    if a.target.scalar != b.target.scalar:
        target = b.target if a.target.scalar else a.target
    else:
        target = min(a.target, b.target, key=lambda t: t.format.precision)
    return _cast(a, target), _cast(b, target), target


def _cast(x: RunningError, target: Target) -> RunningError:
    if x.target.format.precision <= target.format.precision:
        return x
    return rounded(x.value, x.bound, target, x, nonnegative=x.nonnegative)


def rounded(
    value: np.ndarray,
    propagated: np.ndarray,
    target: Target,
    *operands: RunningError,
    ulp: float = 0.5,
    reference_ulp: float = 0.5,
    underflows: bool = True,
    nonnegative: bool = False,
) -> RunningError:
    """The result of an elementwise operation: what its operands' errors amount to, and `ulp` units of its own.

    Standard model with underflow (Higham, equation 2.8): `underflows` is false for sums and differences, which are
    exact below the smallest normal number.
    """
    format_ = target.format
    with np.errstate(invalid="ignore", over="ignore"):
        magnitude = np.abs(value)
        reach = magnitude + propagated
        units = 2 * (ulp * format_.unit_roundoff + reference_ulp * FLOAT64.unit_roundoff)
        bound = propagated + binade(reach) * units
        if underflows:
            bound = bound + 2 * max(ulp, 1.0) * format_.smallest_subnormal
        if target.flush_to_zero:
            tiny = format_.smallest_normal
            bound = bound + np.where(magnitude - propagated < tiny, np.minimum(reach, tiny), 0.0)
        bound = bound * _INFLATION
        in_range = reach <= format_.largest
        if not in_range.all():
            # 0 * infinity comes of a range that was left; only an operand without a bound leaves the result without.
            lost = (np.isnan(propagated) & np.isnan(value), *(np.isnan(x.bound) for x in operands))
            no_bound = np.logical_or.reduce(np.broadcast_arrays(*lost))
            bound = np.where(no_bound, np.nan, np.where(in_range, bound, np.inf))
    return RunningError(value, bound, target, nonnegative, _undecided(*operands))


# --- arithmetic ---------------------------------------------------------------------------------------------------


def _add(a: RunningError, b: RunningError, operation: Callable = operator.add) -> RunningError:
    a, b, target = in_one_target(a, b)
    value = operation(a.value, b.value)
    nonnegative = operation is operator.add and a.nonnegative and b.nonnegative
    return rounded(value, a.bound + b.bound, target, a, b, underflows=False, nonnegative=nonnegative)


def _subtract(a: RunningError, b: RunningError) -> RunningError:
    return _add(a, b, operator.sub)


def _multiply(a: RunningError, b: RunningError) -> RunningError:
    square = a is b
    a, b, target = in_one_target(a, b)
    with np.errstate(invalid="ignore", over="ignore"):
        value = a.value * b.value
        propagated = np.abs(a.value) * b.bound + (np.abs(b.value) + b.bound) * a.bound
    return rounded(value, propagated, target, a, b, nonnegative=square or (a.nonnegative and b.nonnegative))


def _divide(a: RunningError, b: RunningError) -> RunningError:
    a, b, target = in_one_target(a, b)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        value = a.value / b.value
        smallest = np.abs(b.value) - b.bound
        propagated = (a.bound + np.abs(value) * b.bound) / smallest
        # A denominator beyond the range is an infinity of known sign or a large number: a quotient between 0 and value.
        overflowed = np.isposinf(b.bound) & (np.abs(b.value) >= target.format.largest)
        if overflowed.any():
            largest_quotient = (np.abs(a.value) + a.bound) / target.format.largest
            propagated = np.where(overflowed, np.abs(value) + largest_quotient, propagated)
        propagated = np.where((smallest > 0) | overflowed, propagated, np.nan)
        result = rounded(value, propagated, target, a, b, nonnegative=a.nonnegative and b.nonnegative)
        may_divide_by_zero = ~(smallest > 0) & ~overflowed
        if may_divide_by_zero.any():
            result.bound = np.where(may_divide_by_zero, np.nan, result.bound)
    return result


def _negative(a: RunningError) -> RunningError:
    return RunningError(-a.value, a.bound, a.target, undecided=a.undecided)


def _absolute(a: RunningError) -> RunningError:
    return RunningError(np.abs(a.value), a.bound, a.target, nonnegative=True, undecided=a.undecided)


def _square(a: RunningError) -> RunningError:
    return _multiply(a, a)


def _reciprocal(a: RunningError) -> RunningError:
    return _divide(a.constant(1.0), a)


# --- elementary functions -----------------------------------------------------------------------------------------


def _monotone(function: Callable, name: str, lowest: float = -np.inf, open_: bool = False) -> Callable:
    """Rule of a monotone function of declared accuracy, defined from `lowest` (not at it, when `open_`)."""

    def rule(a: RunningError) -> RunningError:
        with np.errstate(all="ignore"):
            value = np.asarray(function(a.value), dtype=np.float64)
            propagated = np.zeros_like(value)
            if np.any(a.bound):
                # One more place on each side, where the float64 end point itself may have been rounded inwards.
                below = np.where(a.bound > 0, np.nextafter(a.value - a.bound, -np.inf), a.value)
                above = np.where(a.bound > 0, np.nextafter(a.value + a.bound, np.inf), a.value)
                if a.nonnegative:
                    below = np.maximum(below, 0.0)
                at_ends = [np.asarray(function(np.maximum(x, lowest)), dtype=np.float64) for x in (below, above)]
                propagated = np.maximum(np.abs(at_ends[0] - value), np.abs(at_ends[1] - value))
                propagated = propagated + 2 * _REFERENCE_ULP * FLOAT64.unit_roundoff * np.abs(value) * (a.bound > 0)
                outside = (below <= lowest) if open_ else (below < lowest)
            else:
                outside = (a.value <= lowest) if open_ else (a.value < lowest)
        result = rounded(
            value, propagated, a.target, a,
            ulp=a.target.function_error(name), reference_ulp=_REFERENCE_ULP,
            nonnegative=name in _NONNEGATIVE,
        )  # fmt: skip
        if outside.any():
            result.bound = np.where(outside, np.nan, result.bound)
        return result

    return rule


_NONNEGATIVE = {"sqrt", "rsqrt", "exp", "erfc"}


def _cos(a: RunningError) -> RunningError:
    ulp = a.target.function_error("cos")
    value = np.cos(a.value)  # Lipschitz with constant 1
    result = rounded(value, np.minimum(a.bound, 2.0), a.target, a, ulp=ulp, reference_ulp=_REFERENCE_ULP)
    return result


def _power(a: RunningError, b: RunningError) -> RunningError:
    exponent = float(b.value) if b.ndim == 0 and not b.bound.any() else None
    if exponent == 1.0:
        return a
    if exponent == 2.0:
        return _square(a)
    if exponent == 0.5:
        return np.sqrt(a)
    if exponent == -1.0:
        return _reciprocal(a)
    target = a.target.for_powers() if a.target.scalar else in_one_target(a, b)[2]
    a, b = _cast(a, target), _cast(b, target)
    with np.errstate(all="ignore"):
        value = np.power(a.value, b.value)
        below, above = np.abs(a.value) - a.bound, np.abs(a.value) + a.bound
        # |x|**y is monotone in x > 0 and in y: its extremes over a box lie at the corners.
        exponents = (b.value - b.bound, b.value + b.bound)
        corners = [np.power(x, y) for x in (np.maximum(below, 0.0), above) for y in exponents]
        propagated = np.max([np.abs(corner - np.abs(value)) for corner in corners], axis=0)
        propagated = propagated + 2 * _REFERENCE_ULP * FLOAT64.unit_roundoff * np.abs(value) * (propagated > 0)
        whole = exponent is not None and exponent >= 0 and exponent == int(exponent)
        if not whole:  # a root or a reciprocal needs a base that is certainly positive
            exact_zero = (a.bound == 0) & (a.value == 0) & (b.value > 0)
            propagated = np.where(((below > 0) & (a.value > 0)) | exact_zero, propagated, np.nan)
    result = rounded(
        value, propagated, target, a, b,
        ulp=target.function_error("power"), reference_ulp=_REFERENCE_ULP,
        nonnegative=a.nonnegative or (whole and exponent % 2 == 0),
    )  # fmt: skip
    result.bound = np.where(np.isnan(propagated), np.nan, result.bound)
    return result


# --- comparisons and selections ------------------------------------------------------------------------------------


def _comparison(operation: Callable) -> Callable:
    def rule(a: RunningError, b: RunningError) -> Truth:
        a, b, _ = in_one_target(a, b)
        with np.errstate(invalid="ignore"):
            apart = np.abs(a.value - b.value) > a.bound + b.bound
        exact = (a.bound == 0) & (b.bound == 0)
        return Truth(operation(a.value, b.value), ~(apart | exact))

    return rule


def _where(condition: Any, a: RunningError, b: RunningError) -> RunningError:
    condition = _truth(condition)
    a, b, target = in_one_target(a, b)
    chosen = np.where(condition.value, a.value, b.value)
    bound = np.where(condition.value, a.bound, b.bound)
    undecided = _undecided(a, b)
    if condition.undecided.any():
        with np.errstate(invalid="ignore"):
            other = np.where(condition.value, b.value, a.value)
            other_bound = np.where(condition.value, b.bound, a.bound)
            both = np.maximum(bound, (np.abs(other - chosen) + other_bound) * _INFLATION)
        bound = np.where(condition.undecided, both, bound)
        split = np.broadcast_to(condition.undecided, bound.shape)
        undecided = split if undecided is None else undecided | split
    return RunningError(chosen, bound, target, a.nonnegative and b.nonnegative, undecided)


def _extremum(function: Callable, sign: int) -> Callable:
    def rule(a: RunningError, b: RunningError) -> RunningError:
        a, b, target = in_one_target(a, b)
        with np.errstate(invalid="ignore"):
            ahead = sign * (a.value - b.value)
            either = np.maximum(a.bound, b.bound)  # |max(a, b) - max(a', b')| <= max(|a - a'|, |b - b'|)
            sure = a.bound + b.bound
            bound = np.where(ahead > sure, a.bound, np.where(-ahead > sure, b.bound, either))
        nonnegative = (a.nonnegative or b.nonnegative) if sign > 0 else (a.nonnegative and b.nonnegative)
        value = function(a.value, b.value)
        return RunningError(value, bound, target, nonnegative or bool((value - bound >= 0).all()), _undecided(a, b))

    return rule


def _sign(a: RunningError) -> RunningError:
    value = np.sign(a.value)
    with np.errstate(invalid="ignore"):
        undecided = (a.bound > 0) & ~(np.abs(a.value) > a.bound)
    bound = np.where(undecided, 1.0 + np.abs(value), 0.0)  # any of -1, 0, 1
    if undecided.any() or a.undecided is not None:
        undecided = undecided | _undecided_or_false(a)
        return RunningError(value, bound, a.target, undecided=undecided)
    return RunningError(value, bound, a.target)


# --- sums, products of matrices -------------------------------------------------------------------------------------


def _reduced_undecided(x: RunningError, axis: Any, keepdims: bool) -> np.ndarray | None:
    return None if x.undecided is None else np.any(x.undecided, axis=axis, keepdims=keepdims)


def _accumulation_error(target: Target) -> float:
    format_: Format = target.accumulator or target.format
    return format_.unit_roundoff * (2 if target.truncating_accumulator else 1) + FLOAT64.unit_roundoff


def _sum(a: RunningError, axis: Any = None, keepdims: bool = False) -> RunningError:
    """Any order of summation: (n - 1) u sum|x| (Jeannerod & Rump 2013, Improved error bounds for inner products)."""
    value = np.sum(a.value, axis=axis, keepdims=keepdims)
    terms = a.size // max(np.size(value), 1)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.sum(a.bound, axis=axis, keepdims=keepdims)
        reach = np.sum(np.abs(a.value), axis=axis, keepdims=keepdims) + total
        inflation = 1 + (terms + 2) * 2 * FLOAT64.unit_roundoff
        bound = (total + max(terms - 1, 0) * _accumulation_error(a.target) * reach) * inflation
        if a.target.flush_to_zero:
            bound = bound + max(terms - 1, 0) * a.target.format.smallest_normal
        bound = _stored(value, bound, reach, a.target)
    return RunningError(value, bound, a.target, a.nonnegative, _reduced_undecided(a, axis, keepdims))


def _stored(value: np.ndarray, bound: np.ndarray, reach: np.ndarray, target: Target) -> np.ndarray:
    """The bound after a sum is rounded from its accumulator into the format, and where partial sums leave the range."""
    if target.accumulator is not None and target.accumulator != target.format:
        bound = bound + (np.abs(value) + bound) * target.format.unit_roundoff + target.format.smallest_subnormal
    return np.where(reach <= target.format.largest, bound, np.where(np.isnan(bound), np.nan, np.inf))


def _mean(a: RunningError, axis: Any = None, keepdims: bool = False) -> RunningError:
    total = _sum(a, axis=axis, keepdims=keepdims)
    count = a.constant(a.size // max(total.size, 1))
    # Libraries divide by the count or multiply by its rounded reciprocal.
    return _divide(total, count).covering(_multiply(total, _reciprocal(count)))


def _largest(function: Callable, sign: int) -> Callable:
    def rule(a: RunningError, axis: Any = None, keepdims: bool = False) -> RunningError:
        value = function(a.value, axis=axis, keepdims=keepdims)
        with np.errstate(invalid="ignore"):
            # Only elements that can be the extreme one matter, and none moves by more than its own bound.
            extreme = function(a.value - sign * a.bound, axis=axis, keepdims=True)
            rivals = sign * a.value + a.bound >= sign * extreme
            bound = np.max(np.where(rivals | np.isnan(a.bound), a.bound, 0.0), axis=axis, keepdims=keepdims)
        return RunningError(value, bound, a.target, a.nonnegative, _reduced_undecided(a, axis, keepdims))

    return rule


def _matmul(a: RunningError, b: RunningError) -> RunningError:
    """Any order, fused or not: n u |A||B| (Jeannerod & Rump 2013), after rounding the inputs where the target does
    (Blanchard, Higham, Lopez, Mary & Pranesh 2020, section 3)."""
    a, b, target = in_one_target(a, b)
    value = a.value @ b.value
    terms = a.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):
        magnitudes = np.abs(a.value), np.abs(b.value)
        reach = (magnitudes[0] + a.bound) @ (magnitudes[1] + b.bound)
        propagated = a.bound @ (magnitudes[1] + b.bound) + magnitudes[0] @ b.bound
        inputs = (1 + target.matmul_input_roundoff) ** 2
        bound = propagated + ((inputs - 1) + inputs * terms * _accumulation_error(target)) * reach
        bound = bound + terms * target.format.smallest_subnormal
        if target.flush_to_zero:
            bound = bound + 2 * terms * target.format.smallest_normal
        bound = bound * (1 + (terms + 4) * 2 * FLOAT64.unit_roundoff)
        bound = _stored(value, bound, reach, target)
    undecided = None
    if a.undecided is not None or b.undecided is not None:
        touched = [np.ones(x.shape) * _undecided_or_false(x) for x in (a, b)]
        undecided = (touched[0] @ np.ones(b.shape) + np.ones(a.shape) @ touched[1]) > 0
    return RunningError(value, bound, target, a.nonnegative and b.nonnegative, undecided)


RunningError.ufuncs = {
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: _divide,
    np.negative: _negative,
    np.positive: lambda a: a,
    np.absolute: _absolute,
    np.square: _square,
    np.reciprocal: _reciprocal,
    np.power: _power,
    np.float_power: _power,
    np.sqrt: _monotone(np.sqrt, "sqrt", lowest=0.0),
    np.exp: _monotone(np.exp, "exp"),
    np.expm1: _monotone(np.expm1, "expm1"),
    np.log: _monotone(np.log, "log", lowest=0.0, open_=True),
    np.log1p: _monotone(np.log1p, "log1p", lowest=-1.0, open_=True),
    np.tanh: _monotone(np.tanh, "tanh"),
    erf_ufunc: _monotone(erf_ufunc, "erf"),
    erfc_ufunc: _monotone(erfc_ufunc, "erfc"),
    rsqrt_ufunc: _monotone(lambda x: 1.0 / np.sqrt(x), "rsqrt", lowest=0.0, open_=True),
    np.cos: _cos,
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
    np.amax: _largest(np.max, 1),
    np.amin: _largest(np.min, -1),
}
