"""How far float64 results lie from 50-digit values of the same formula."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

from refimpl.arithmetic.formats import FLOAT64
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision

_SMALLEST_EXPONENT = FLOAT64.min_exponent - FLOAT64.precision + 1


def ulps(value: Any, exact: Multiprecision, of: Any = None) -> np.ndarray:
    """|value - exact| in float64 units in the last place of `exact` (or of the numbers `of`), elementwise.

    Equal infinities are 0 apart; NaN, and an infinity on one side only, are infinitely far from everything.
    Raises ValueError unless the shapes are equal.
    """
    value = _as_array(value, exact)
    unit = exact if of is None else of if isinstance(of, Multiprecision) else Multiprecision(of)
    with mpmath.workdps(DIGITS):
        return np.asarray(np.frompyfunc(_ulps, 3, 1)(value, exact.value, unit.value), dtype=np.float64)


def relative_error(value: Any, exact: Multiprecision) -> float:
    """The largest |value - exact| of an array, relative to its largest |exact|; 0 where both are all zeros.

    Infinite where a number is not finite. Raises ValueError unless the shapes are equal.
    """
    value = _as_array(value, exact)
    if not all(map(mpmath.isfinite, [*value.flat, *exact.value.flat])):
        return np.inf
    with mpmath.workdps(DIGITS):
        error = max((abs(mpmath.mpf(v) - e) for v, e in zip(value.flat, exact.value.flat, strict=True)), default=0)
        largest = max(map(abs, exact.value.flat), default=0)
        return float(error / largest) if largest else 0.0 if not error else np.inf


def _as_array(value: Any, exact: Multiprecision) -> np.ndarray:
    value = np.asarray(value, dtype=np.float64)
    if value.shape != exact.shape:
        raise ValueError(f"value has shape {value.shape}, exact has shape {exact.shape}")
    return value


def _ulps(value: float, exact: mpmath.mpf, of: mpmath.mpf) -> float:
    if not (np.isfinite(value) and mpmath.isfinite(exact)):
        return 0.0 if value == exact else np.inf
    exponent = mpmath.mag(of) - FLOAT64.precision if of else _SMALLEST_EXPONENT
    return float(abs(mpmath.mpf(value) - exact) / mpmath.ldexp(1, max(exponent, _SMALLEST_EXPONENT)))
