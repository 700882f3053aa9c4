"""Comparisons of running-error arrays, which rounding may leave undecided, and selections by them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from refimpl.arithmetic.formats import Target
from refimpl.arithmetic.running_error.array import (
    RunningError,
    in_one_target,
    number,
    undecided_of,
    undecided_or_false,
)
from refimpl.arithmetic.running_error.rounding import hull, masked
from refimpl.types import Array, BoolArray, Float64Array


class ThreeValued:
    """Outcome of comparing running-error arrays: `value`, and `undecided` where rounding can turn it over."""

    __array_ufunc__ = None  # NumPy arrays leave & and | to this class

    def __init__(self, value: BoolArray, undecided: BoolArray, target: Target) -> None:
        self.value, self.undecided, self.target = value, undecided, target

    def __invert__(self) -> ThreeValued:
        return ThreeValued(~self.value, self.undecided, self.target)

    def __and__(self, other: ThreeValued | BoolArray) -> ThreeValued:
        value, undecided = _outcome(other)
        possible = (self.value | self.undecided) & (value | undecided)
        certain = (self.value & ~self.undecided) & (value & ~undecided)
        return ThreeValued(self.value & value, possible & ~certain, self.target)

    def __or__(self, other: ThreeValued | BoolArray) -> ThreeValued:
        value, undecided = _outcome(other)
        return ~(~self & ThreeValued(~value, undecided, self.target))

    __rand__, __ror__ = __and__, __or__

    def __bool__(self) -> bool:
        raise TypeError("a comparison of running-error arrays may be undecided: select with numpy.where, not with if")

    def __array_function__(
        self,
        function: Callable[..., Array],
        types: Iterable[type],
        args: Sequence[Array],
        kwargs: Mapping[str, Array],
    ) -> Array:
        if function is not np.where:
            raise TypeError(f"no rule for numpy.{function.__name__} on the outcome of a comparison")
        array = next((x for x in args if isinstance(x, RunningError)), number(0.0, self.target))
        return array.__array_function__(function, types, args, kwargs)


def _outcome(x: ThreeValued | BoolArray) -> tuple[BoolArray, BoolArray]:
    if isinstance(x, ThreeValued):
        return x.value, x.undecided
    return np.asarray(x, dtype=bool), np.zeros(np.shape(x), dtype=bool)


def _comparison(operation: Callable[..., BoolArray]) -> Callable[..., ThreeValued]:
    def rule(a: RunningError, b: RunningError) -> ThreeValued:
        a, b, target = in_one_target(a, b)
        apart = abs(a.value - b.value) > a.bound + b.bound
        exact = (a.bound == 0) & (b.bound == 0)
        return ThreeValued(operation(a.value, b.value), ~(apart | exact), target)

    return rule


def _where(condition: ThreeValued | BoolArray, a: RunningError, b: RunningError) -> RunningError:
    first, undecided = _outcome(condition)
    a, b, target = in_one_target(a, b)
    value, bound = np.where(first, a.value, b.value), np.where(first, a.bound, b.bound)
    inherited = None
    if a.undecided is not None or b.undecided is not None:
        inherited = np.where(first, undecided_or_false(a), undecided_or_false(b))
    if undecided.any():
        other = RunningError(np.where(first, b.value, a.value), np.where(first, b.bound, a.bound), target)
        both = hull(value, bound, other.value, other.bound)
        value, bound = np.where(undecided, both[0], value), np.where(undecided, both[1], bound)
        split = np.broadcast_to(undecided, bound.shape)
        inherited = split if inherited is None else inherited | split
    return RunningError(value, bound, target, a.nonnegative and b.nonnegative, inherited)


def _extremum(function: Callable[..., Float64Array], sign: int) -> Callable[..., RunningError]:
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
        return RunningError(value, bound, target, nonnegative, undecided_of(a, b))

    return rule


def _sign(a: RunningError) -> RunningError:
    value = np.sign(a.value)
    undecided = (a.bound != 0) & ~(abs(a.value) > a.bound)
    if not undecided.any():
        return RunningError(value, np.zeros_like(value), a.target, undecided=a.undecided)
    bound = np.where(undecided, 1.0 + abs(value), 0.0)  # any of -1, 0, 1
    value, bound = masked(value, bound, True, np.isinf(a.bound), np.isnan(a.bound), beyond=False)
    return RunningError(value, bound, a.target, undecided=undecided | undecided_or_false(a))


RunningError.ufuncs |= {
    np.less: _comparison(operator.lt),
    np.less_equal: _comparison(operator.le),
    np.greater: _comparison(operator.gt),
    np.greater_equal: _comparison(operator.ge),
    np.equal: _comparison(operator.eq),
    np.not_equal: _comparison(operator.ne),
    np.maximum: _extremum(np.maximum, 1),
    np.minimum: _extremum(np.minimum, -1),
    np.sign: _sign,
}
RunningError.functions[np.where] = _where
