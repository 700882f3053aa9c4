"""Elementary functions that NumPy does not have, as NumPy ufuncs so that twins can dispatch on them; NaN that stays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.formats import FLOAT64

erf_ufunc = np.frompyfunc(math.erf, 1, 1)
erfc_ufunc = np.frompyfunc(math.erfc, 1, 1)
rsqrt_ufunc = np.frompyfunc(lambda x: 1.0 / math.sqrt(x), 1, 1)


def nan_at_nan(x: Any, derivative: Any) -> Any:
    """NaN in float64 where x is: every comparison with NaN is false, and would select a number."""
    return derivative if isinstance(x, DuckArray) else np.where(np.isnan(x), np.nan, derivative)


def finite(x: Any, lowest: float = -FLOAT64.largest, highest: float = FLOAT64.largest) -> Any:
    """x clipped in float64, whose cofactor is 0 outside the interval, since infinity times 0 would be NaN.

    Twins are left as they are: they multiply x by the error of that factor.
    """
    return x if isinstance(x, DuckArray) else np.clip(x, lowest, highest)


def erf(x: Any) -> Any:
    """Error function, elementwise; any shape. Twins evaluate it in their own arithmetic."""
    return _float64(erf_ufunc(x))


def erfc(x: Any) -> Any:
    """1 - erf(x) without cancellation, elementwise; any shape."""
    return _float64(erfc_ufunc(x))


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x) as one function, elementwise; any shape. Infinity at 0, NaN below."""
    if isinstance(x, DuckArray):
        return rsqrt_ufunc(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1.0 / np.sqrt(x)


def _float64(result: Any) -> Any:
    return result if isinstance(result, DuckArray) else np.asarray(result, dtype=np.float64)
