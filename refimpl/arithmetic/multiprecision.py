"""Arrays of arbitrary precision: the same NumPy formula evaluated with mpmath, 50 digits by default."""

from __future__ import annotations

import operator
from collections.abc import Callable

import mpmath
import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.special import erf, erfc, rsqrt
from refimpl.types import Array, ArrayLike, Axis, BoolArray, Float64Array, ObjectArray

DIGITS = 50
_LARGEST_EXPONENT = 2**14  # of quadruple precision; the exponents of mpmath itself grow until memory is full


class Multiprecision(DuckArray):
    """An array of mpmath numbers, in `value` (dtype object); `to_float64()` rounds it. NaN outside a domain."""

    def __init__(self, value: ArrayLike) -> None:
        exact = _EXACTLY(np.asarray(value, dtype=object))
        self.value = exact if isinstance(exact, np.ndarray) else np.array(exact, dtype=object)

    def constant(self, value: ArrayLike) -> Multiprecision:
        return Multiprecision(value)

    @property
    def pi(self) -> Multiprecision:
        with mpmath.workdps(DIGITS):
            return Multiprecision(+mpmath.pi)

    def map_components(
        self, move: Callable[..., ObjectArray], others: tuple[Multiprecision, ...] = ()
    ) -> Multiprecision:
        return Multiprecision(move(self.value, *(x.value for x in others)))

    def to_float64(self) -> Float64Array:
        """The numbers rounded to float64."""
        return self.value.astype(np.float64)


_EXACTLY = np.frompyfunc(lambda x: x if isinstance(x, mpmath.mpf) else mpmath.mpf(float(x)), 1, 1)


def _elementwise(function: Callable[..., Array], operands: int = 1) -> Callable[..., Multiprecision]:
    def real(*numbers: mpmath.mpf) -> mpmath.mpf:
        result = function(*numbers)
        if not isinstance(result, mpmath.mpf):  # complex outside the domain
            return mpmath.nan
        magnitude = mpmath.mag(result)
        if magnitude > _LARGEST_EXPONENT:
            return mpmath.inf * mpmath.sign(result)
        return mpmath.mpf(0) if magnitude < -_LARGEST_EXPONENT else result

    vectorized = np.frompyfunc(real, operands, 1)

    def rule(*arrays: Multiprecision) -> Multiprecision:
        with mpmath.workdps(DIGITS):
            return Multiprecision(vectorized(*(x.value for x in arrays)))

    return rule


def _quotient(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
    if b == 0:
        return mpmath.nan if a == 0 else mpmath.inf * mpmath.sign(a)
    return a / b


def _power(base: mpmath.mpf, exponent: mpmath.mpf) -> mpmath.mpf:
    if exponent == 0:
        return mpmath.mpf(1)  # of an infinity too, as IEEE 754 has it
    return mpmath.inf if base == 0 and exponent < 0 else base**exponent


def _erfc(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.erfc(x) if x < 2**64 else mpmath.mpf(0)  # mpmath fails where the result is that small


def _extremum(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda a, b: mpmath.nan if mpmath.isnan(a) or mpmath.isnan(b) else function(a, b)


def _comparison(function: Callable[..., Array]) -> Callable[..., BoolArray]:
    vectorized = np.frompyfunc(function, 2, 1)
    return lambda a, b: np.asarray(vectorized(a.value, b.value), dtype=bool)


def _sum(a: Multiprecision, axis: Axis = None, keepdims: bool = False) -> Multiprecision:
    with mpmath.workdps(DIGITS):
        return Multiprecision(np.add.reduce(a.value, axis=axis, keepdims=keepdims, initial=mpmath.mpf(0)))


def _mean(a: Multiprecision, axis: Axis = None, keepdims: bool = False) -> Multiprecision:
    total = _sum(a, axis=axis, keepdims=keepdims)
    mean: Multiprecision = total / (a.size // max(total.size, 1))
    return mean


def _matmul(a: Multiprecision, b: Multiprecision) -> Multiprecision:
    with mpmath.workdps(DIGITS):
        return Multiprecision(np.matmul(a.value, b.value))


Multiprecision.ufuncs = {
    np.add: _elementwise(operator.add, 2),
    np.subtract: _elementwise(operator.sub, 2),
    np.multiply: _elementwise(operator.mul, 2),
    np.divide: _elementwise(_quotient, 2),
    np.power: _elementwise(_power, 2),
    np.float_power: _elementwise(_power, 2),
    np.negative: _elementwise(operator.neg),
    np.positive: _elementwise(operator.pos),
    np.absolute: _elementwise(abs),
    np.square: _elementwise(lambda x: x * x),
    np.reciprocal: _elementwise(lambda x: _quotient(mpmath.mpf(1), x)),
    np.sqrt: _elementwise(mpmath.sqrt),
    np.exp: _elementwise(mpmath.exp),
    np.expm1: _elementwise(mpmath.expm1),
    np.log: _elementwise(mpmath.log),
    np.log1p: _elementwise(mpmath.log1p),
    np.tanh: _elementwise(mpmath.tanh),
    np.sin: _elementwise(mpmath.sin),
    np.cos: _elementwise(mpmath.cos),
    np.sign: _elementwise(mpmath.sign),
    np.maximum: _elementwise(_extremum(max), 2),
    np.minimum: _elementwise(_extremum(min), 2),
    np.less: _comparison(operator.lt),
    np.less_equal: _comparison(operator.le),
    np.greater: _comparison(operator.gt),
    np.greater_equal: _comparison(operator.ge),
    np.equal: _comparison(operator.eq),
    np.not_equal: _comparison(operator.ne),
    np.matmul: _matmul,
}
Multiprecision.functions = {
    erf: _elementwise(mpmath.erf),
    erfc: _elementwise(_erfc),
    rsqrt: _elementwise(lambda x: _quotient(mpmath.mpf(1), mpmath.sqrt(x))),
    np.where: lambda condition, a, b: Multiprecision(np.where(condition, a.value, b.value)),
    np.sum: _sum,
    np.mean: _mean,
    np.max: lambda a, axis=None, keepdims=False: Multiprecision(np.max(a.value, axis=axis, keepdims=keepdims)),
    np.min: lambda a, axis=None, keepdims=False: Multiprecision(np.min(a.value, axis=axis, keepdims=keepdims)),
}
