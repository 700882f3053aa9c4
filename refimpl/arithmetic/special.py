"""Elementary functions that NumPy does not have, in every arithmetic; NaN that stays."""

from __future__ import annotations

import math

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.formats import FLOAT64
from refimpl.arithmetic.operations import Operation
from refimpl.types import Array

_ERF = np.frompyfunc(math.erf, 1, 1)
_ERFC = np.frompyfunc(math.erfc, 1, 1)


def nan_at_nan(x: Array, derivative: Array) -> Array:
    """`derivative`, but NaN in float64 where x is: every comparison with NaN is false, and would select a number."""
    return derivative if isinstance(x, DuckArray) else np.where(np.isnan(x), np.nan, derivative)


def finite(x: Array, lowest: float = -FLOAT64.largest, highest: float = FLOAT64.largest) -> Array:
    """x clipped in float64, whose cofactor is 0 outside the interval, since infinity times 0 would be NaN.

    Duck arrays are returned unchanged: they multiply x by the error of that factor.
    """
    return x if isinstance(x, DuckArray) else np.clip(x, lowest, highest)


@Operation
def erf(x: Array) -> Array:
    """Error function, elementwise; any shape."""
    return np.asarray(_ERF(x), dtype=np.float64)


@Operation
def erfc(x: Array) -> Array:
    """1 - erf(x) without cancellation, elementwise; any shape."""
    return np.asarray(_ERFC(x), dtype=np.float64)


@Operation
def rsqrt(x: Array) -> Array:
    """1 / sqrt(x) as one function, elementwise; any shape. Infinity at 0, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1.0 / np.sqrt(x)
