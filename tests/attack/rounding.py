"""Exact results of float64 operations, as two float64 numbers, and their rounding to a format.

A result is `high` + `low`: the nearest float64 and the remainder (Dekker 1971; Knuth, volume 2, section 4.2.2). No
code is shared with the running-error arithmetic; a format is used for its precision and range only.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from refimpl.arithmetic import BFLOAT16, FLOAT32, FLOAT64, Format

Exact = tuple[np.ndarray, np.ndarray]

_TYPES = {"float16": np.float16, "float32": np.float32, "float64": np.float64}
_LEADING_26_BITS = np.int64(-1 << 27)


# --- exact results -------------------------------------------------------------------------------------------------


def identity(a: np.ndarray) -> Exact:
    return a, np.zeros_like(a)


def two_sum(a: np.ndarray, b: np.ndarray) -> Exact:
    total = a + b
    rounded_b = total - a
    return total, _finite((a - (total - rounded_b)) + (b - rounded_b))


def two_product(a: np.ndarray, b: np.ndarray) -> Exact:
    product = a * b
    (a_head, a_tail), (b_head, b_tail) = _halves(a), _halves(b)
    low = ((a_head * b_head - product) + a_head * b_tail + a_tail * b_head) + a_tail * b_tail
    return product, _finite(low)


def quotient(a: np.ndarray, b: np.ndarray) -> Exact:
    """The quotient to twice the digits: the low part is the remainder over the divisor."""
    found = a / b
    high, low = two_product(found, b)
    return found, _finite(((a - high) - low) / b)


def root(a: np.ndarray) -> Exact:
    found = np.sqrt(a)
    high, low = two_product(found, found)
    return found, _finite(((a - high) - low) / (2 * found))


def plus(product: Exact, c: np.ndarray) -> Exact:
    """A product that was not rounded, plus c."""
    high, low = two_sum(product[0], c)
    return two_sum(high, low + product[1])


def _halves(x: np.ndarray) -> Exact:
    head = (np.asarray(x).view(np.int64) & _LEADING_26_BITS).view(np.float64)
    return head, x - head


def _finite(error: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(error), error, 0.0)


# --- rounding ------------------------------------------------------------------------------------------------------


def to_odd(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """The float64 next to an inexact result whose last bit is 1.

    A second rounding, to at most 24 bits, is then that of the exact result (Boldo & Melquiond 2008).
    """
    even = (np.asarray(high, np.float64).view(np.int64) & 1) == 0
    onwards = np.nextafter(high, np.where(low > 0, np.inf, -np.inf))
    return np.where(np.isfinite(high) & (low != 0) & even, onwards, high)


def nearest(x: np.ndarray, format_: Format) -> np.ndarray:
    """float64 numbers rounded to nearest, ties to even, by the conversions of NumPy and ml_dtypes."""
    if format_ is FLOAT64:
        return x
    if format_ is BFLOAT16:  # ml_dtypes converts through float32: round to odd on the way
        single = x.astype(np.float32)
        even = (single.view(np.int32) & 1) == 0
        onwards = np.nextafter(single, np.where(x > single, np.inf, -np.inf).astype(np.float32))
        single = np.where(np.isfinite(single) & (single != x) & even, onwards, single)
        return single.astype(ml_dtypes.bfloat16).astype(np.float64)
    return x.astype(_TYPES[format_.name]).astype(np.float64)


def truncated(x: np.ndarray, format_: Format) -> np.ndarray:
    """float64 numbers rounded towards zero."""
    unit = spacing(x, format_)
    largest = (2 - 2.0 ** (1 - format_.precision)) * 2.0**format_.max_exponent
    return np.where(np.isinf(x), x, np.clip(np.trunc(x / unit) * unit, -largest, largest))


def spacing(x: np.ndarray, format_: Format) -> np.ndarray:
    """One unit in the last place of x, by its exponent."""
    mantissa, exponent = np.frexp(np.abs(x))
    exponent = np.where(mantissa > 0, np.maximum(exponent - 1, format_.min_exponent), format_.min_exponent)
    return np.ldexp(1.0, exponent - format_.precision + 1)


def double_rounded(x: np.ndarray, format_: Format) -> np.ndarray:
    """Through float32, as libraries convert to half precision."""
    return nearest(nearest(x, FLOAT32), format_)
