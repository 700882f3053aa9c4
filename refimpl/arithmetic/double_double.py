"""Twice the precision of float64 for the few sums and arguments that an exponential or a difference would magnify."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.special import erfc
from refimpl.types import Array, ArrayLike, BoolArray, Float64Array

_LEADING_26_BITS = np.int64(-1 << 27)  # of the significand, with sign and exponent: their products are exact


class DoubleDouble(DuckArray):
    """The unevaluated sum `value` + `low` of two float64 arrays (Dekker 1971): sums and products of relative accuracy
    about 2**-100. exp, log1p, erfc and powers take one and return plain float64; sin returns one, as accurate as
    NumPy's of the first part, so that a rounding less goes into its square."""

    def __init__(self, high: Float64Array, low: Float64Array) -> None:
        low = _or_zero(low)
        with np.errstate(invalid="ignore"):
            self.value = high + low
            self.low = _or_zero((high - self.value) + low)

    def constant(self, value: ArrayLike) -> DoubleDouble:
        return _exactly(value)

    @property
    def pi(self) -> DoubleDouble:
        return DoubleDouble(np.asarray(math.pi), np.asarray(1.2246467991473532e-16))

    def map_components(self, move: Callable[..., Float64Array], others: tuple[DoubleDouble, ...] = ()) -> DoubleDouble:
        arrays = (self, *others)
        return DoubleDouble(move(*(x.value for x in arrays)), move(*(x.low for x in arrays)))


def to_double_double(x: Array) -> Array:
    """A float64 array as a DoubleDouble; arrays of other arithmetics unchanged."""
    return x if isinstance(x, DuckArray) else _exactly(x)


def from_double_double(x: Array) -> Array:
    """A DoubleDouble rounded to float64; arrays of other arithmetics unchanged."""
    return x.value if isinstance(x, DoubleDouble) else x


def _exactly(value: ArrayLike) -> DoubleDouble:
    value = np.asarray(value, dtype=np.float64)
    return DoubleDouble(value, np.zeros_like(value))


def _or_zero(error: Float64Array) -> Float64Array:
    """Infinities and NaNs stand in the high part alone; the errors of operations that met them mean nothing."""
    return np.where(np.isfinite(error), error, 0.0)


def _error_of_product(a: Float64Array, b: Float64Array) -> Float64Array:
    """a * b minus its rounding (Dekker 1971), but for a relative 2**-105."""
    (a_head, a_tail), (b_head, b_tail) = _halves(a), _halves(b)
    return ((a_head * b_head - a * b) + a_head * b_tail + a_tail * b_head) + a_tail * b_tail


def _halves(x: Float64Array) -> tuple[Float64Array, Float64Array]:
    head = (np.asarray(x).view(np.int64) & _LEADING_26_BITS).view(np.float64)
    return head, x - head


def _add(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    total = a.value + b.value
    of_b = total - a.value
    error = (a.value - (total - of_b)) + (b.value - of_b)  # Knuth's two-sum, exact
    return DoubleDouble(total, _or_zero(error) + (a.low + b.low))


def _multiply(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    error = _error_of_product(a.value, b.value)
    return DoubleDouble(a.value * b.value, error + (a.value * b.low + a.low * b.value))


def _divide(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    quotient = a.value / b.value
    return DoubleDouble(quotient, (a - _exactly(quotient) * b).value / b.value)


def _sqrt(a: DoubleDouble) -> DoubleDouble:
    root = np.sqrt(a.value)
    return DoubleDouble(root, (a - _exactly(root) * _exactly(root)).value / (2 * root))


def _sum(a: Array, axis: int, keepdims: bool = False) -> Array:
    rows: Array = np.moveaxis(a, axis, 0)
    while len(rows) > 1:
        half = len(rows) // 2
        rows = np.concatenate([rows[:half] + rows[half : 2 * half], rows[2 * half :]])
    return np.expand_dims(rows[0], axis) if keepdims else rows[0]


def _exp(a: DoubleDouble) -> Float64Array:
    result = np.exp(a.value)
    return result + _or_zero(result * a.low)


def _erfc(a: DoubleDouble) -> Float64Array:
    slope = -2 / math.sqrt(math.pi) * np.exp(-(a.value * a.value))
    result: Float64Array = erfc(a.value) + slope * a.low
    return result


def _power(a: DoubleDouble, exponent: DoubleDouble) -> Float64Array:
    power = np.power(a.value, exponent.value)
    return power + _or_zero(power * (exponent.value * (a.low / a.value)))


def _negative(a: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(-a.value, -a.low)


def _where(condition: BoolArray, a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(np.where(condition, a.value, b.value), np.where(condition, a.low, b.low))


def _quiet(rule: Callable[..., Array]) -> Callable[..., Array]:
    return np.errstate(all="ignore")(rule)


DoubleDouble.ufuncs = {
    np.add: _quiet(_add),
    np.subtract: _quiet(lambda a, b: _add(a, _negative(b))),
    np.multiply: _quiet(_multiply),
    np.divide: _quiet(_divide),
    np.negative: _quiet(_negative),
    np.absolute: _quiet(lambda a: _where(a.value < 0, _negative(a), a)),
    np.minimum: _quiet(lambda a, b: _where(_add(a, _negative(b)).value < 0, a, b)),
    np.sqrt: _quiet(_sqrt),
    np.power: _quiet(_power),
    np.exp: _quiet(_exp),
    np.log1p: _quiet(lambda a: np.log1p(a.value) + a.low / (1 + a.value)),
    np.sin: _quiet(lambda a: DoubleDouble(np.sin(a.value), a.low * np.cos(a.value))),
}
DoubleDouble.functions = {np.sum: _sum, erfc: _erfc}
