"""The running-error array, its target, and the result of an elementwise operation."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.formats import FLOAT32, FLOAT64, Target
from refimpl.arithmetic.running_error.rounding import (
    INFLATION,
    bound_of_result,
    conversion_ulp,
    hull,
    masked,
    result_target,
    rounding_units,
)
from refimpl.types import Array, ArrayLike, BoolArray, Float64Array


class RunningError(DuckArray):
    """A float64 `value`, the `bound` on what the `target` may compute instead, and where rounding decided a branch.

    nonnegative: the operations keep the sign, whatever their rounding (a square, a sum of squares, an exponential).
    undecided: None, or True at elements that depend on a comparison which rounding can turn over; their bound covers
        both outcomes.

    Value, bound and undecided have one shape. Running-error arrays share them with each other: never write into one.
    """

    __slots__ = ("bound", "nonnegative", "target", "undecided", "value")

    value: Float64Array

    def __init__(
        self,
        value: Float64Array,
        bound: Float64Array,
        target: Target,
        nonnegative: bool = False,
        undecided: BoolArray | None = None,
    ) -> None:
        self.value, self.bound, self.target = value, bound, target
        self.nonnegative, self.undecided = nonnegative, undecided

    @classmethod
    def exact(cls, value: ArrayLike, target: Target) -> RunningError:
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

    def constant(self, value: ArrayLike) -> RunningError:
        if np.ndim(value) == 0:
            return number(float(value), self.target)
        return RunningError.exact(value, self.target)

    @property
    def pi(self) -> RunningError:
        return rounded(np.asarray(np.pi), np.zeros(()), self.target)

    def hyperparameter(self, value: float) -> RunningError:
        return number(value, self.target.for_scalars())

    def map_components(self, move: Callable[..., Array], others: tuple[RunningError, ...] = ()) -> RunningError:
        arrays = (self, *others)
        target = functools.reduce(result_target, (x.target for x in arrays))
        arrays = tuple(cast(x, target) for x in arrays)
        undecided = None
        if any(x.undecided is not None for x in arrays):
            undecided = move(*(undecided_or_false(x) for x in arrays))
        return RunningError(
            move(*(x.value for x in arrays)),
            move(*(x.bound for x in arrays)),
            target,
            all(x.nonnegative for x in arrays),
            undecided,
        )

    def __repr__(self) -> str:
        return f"RunningError(value={self.value!r}, bound={self.bound!r}, format={self.target.format.name!r})"

    def hull(self, *others: RunningError) -> RunningError:
        """This value, with a bound that evaluations of the algebraically equal `others` stay within as well."""
        value, bound = self.value, self.bound
        with np.errstate(all="ignore"):
            for other in others:
                value, bound = hull(value, bound, other.value, other.bound)
        nonnegative = self.nonnegative and all(x.nonnegative for x in others)
        return RunningError(value, bound, self.target, nonnegative, undecided_of(self, *others))

    def within(self, subject: ArrayLike) -> BoolArray:
        """True where a correct subject may hold `subject`.

        `refimpl.arithmetic.running_error` says what bounds that are NaN or infinite claim.
        """
        subject = np.asarray(subject, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            close = np.abs(subject - self.value) <= self.bound
        unbounded = np.isnan(self.bound) & (np.isfinite(subject) | ~np.isfinite(self.value))
        within: BoolArray = close | np.isposinf(self.bound) | unbounded
        return within


def undecided_or_false(x: RunningError) -> BoolArray:
    """The mask of undecided elements, in the shape of x."""
    return np.zeros(x.shape, dtype=bool) if x.undecided is None else x.undecided


def undecided_of(*operands: RunningError) -> BoolArray | None:
    """Where a result of these operands depends on an undecided comparison; None where none does."""
    masks = [x.undecided for x in operands if x.undecided is not None]
    if not masks:
        return None
    shape = np.broadcast_shapes(*(x.shape for x in operands))
    undecided: BoolArray = np.logical_or.reduce([np.broadcast_to(mask, shape) for mask in masks])
    return undecided


@functools.lru_cache(maxsize=4096)
def number(value: float, target: Target) -> RunningError:
    """A number alone, as data of the target."""
    return RunningError.exact(value, target)


# --- the target of a result ------------------------------------------------------------------------------------------


def in_one_target(a: RunningError, b: RunningError) -> tuple[RunningError, RunningError, Target]:
    """Both operands, rounded where needed to the target of their result, and that target."""
    if a.target is b.target:
        return a, b, a.target
    target = result_target(a.target, b.target)
    return cast(a, target), cast(b, target), target


def cast(x: RunningError, target: Target) -> RunningError:
    """x rounded to the format of the target, where that lacks numbers of its own format."""
    source, format_ = x.target.format, target.format
    flushed_already = x.target.flush_to_zero and source.smallest_normal >= format_.smallest_normal
    if x.target is target or (format_.contains(source) and (flushed_already or not target.flush_to_zero)):
        return x
    if x.ndim == 0 and x.bound == 0:
        return number(float(x.value), target)
    return rounded(x.value, x.bound, target, x, ulp=conversion_ulp(source, format_), nonnegative=x.nonnegative)


# --- results --------------------------------------------------------------------------------------------------------


def rounded(
    value: Float64Array,
    propagated: Float64Array,
    target: Target,
    *operands: RunningError,
    ulp: float = 0.5,
    reference_ulp: float = 0.5,
    addition: bool = False,
    nonnegative: bool = False,
    intermediate: Float64Array | None = None,
    unclaimed: BoolArray | bool = False,
    flushed: BoolArray | bool = False,
) -> RunningError:
    """The result of an elementwise operation: what its operands' errors amount to, and `ulp` units of its own.

    Standard model with underflow (Higham, equation 2.8). An `addition` is exact below the smallest normal number, and
    keeps an infinity where nothing is negative. `intermediate`: magnitudes that occur on the way, and must be in range
    too. `unclaimed`: where no bound exists. `flushed`: where of these an operand that is not zero may have become so.

    Up to half a unit is correct rounding, which is monotone: a result in range stays there, and a normal one normal.
    More is a function's own error, which may carry a result out of either.
    """
    format_, magnitude = target.format, abs(value)
    bound = bound_of_result(value, propagated, target, ulp, reference_ulp, addition)
    reach = magnitude + (bound if ulp > 0.5 else propagated)  # correct rounding stays in range, a function may leave it
    if intermediate is not None:
        reach = np.maximum(reach, intermediate)
    in_range = reach <= format_.largest
    if unclaimed is not False or not in_range.all():
        left, unknown = (
            functools.reduce(operator.or_, (has(x.bound) for x in operands)) for has in (np.isinf, np.isnan)
        )
        left = left | (unclaimed & flushed)
        units = rounding_units(format_, ulp, reference_ulp)
        beyond = ~left & (intermediate is None) & ((magnitude - propagated) * (1 - 2 * units) >= format_.largest)
        if addition and nonnegative:
            clean = functools.reduce(operator.and_, (np.isfinite(x.bound) | np.isposinf(x.value) for x in operands))
            beyond = beyond | (left & clean)
        value, bound = masked(value, bound, in_range, left, unknown | np.isnan(value) | unclaimed, beyond)
    # A number such as 1 - decay**step shows its sign; looking at whole arrays costs more than it tells.
    nonnegative = nonnegative or (np.ndim(value) == 0 and bool(value >= bound))
    return RunningError(value, bound, target, nonnegative, undecided_of(*operands))


def may_be_flushed(x: RunningError) -> BoolArray | bool:
    """Where flushing may make a zero of a number that is none: one below the smallest normal number, or off by at most
    twice that, of which the flush is half. An error that is larger has another reason."""
    if not x.target.flush_to_zero:
        return False
    tiny = x.target.format.smallest_normal
    near_zero: BoolArray = (x.value != 0) & ((abs(x.value) < tiny) | (x.bound <= 2 * tiny))
    return near_zero


def interval(x: RunningError) -> tuple[Float64Array, Float64Array]:
    """Ends of the interval value +- bound, rounded outwards; the value itself where it is exact."""
    inexact = x.bound != 0
    if not inexact.any():
        return x.value, x.value
    spread = np.where(inexact, x.bound * INFLATION + abs(x.value) * (2 * FLOAT64.unit_roundoff), 0.0)
    lowest = x.value - spread
    return np.maximum(lowest, 0.0) if x.nonnegative else lowest, x.value + spread


def is_power_of_two(x: RunningError) -> bool:
    """Whether a number is certainly zero or a power of two: a product with it is exact, but for underflow."""
    return x.ndim == 0 and x.bound == 0 and math.frexp(x.value)[0] in (0.0, 0.5, -0.5)
