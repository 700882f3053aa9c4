"""An error as a fraction of its bound, and the other claims that a running-error array makes."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import RunningError


def error_over_bound(expected: RunningError, actual: np.ndarray) -> np.ndarray:
    """The ratio, elementwise; NaN where no bound is claimed, infinite where a claim without a size is broken.

    Such claims are that a result is finite, is not negative, or overflows.
    """
    value, bound = np.asarray(expected.value), np.asarray(expected.bound)
    actual = np.broadcast_to(actual, value.shape)
    with np.errstate(all="ignore"):
        error = np.abs(actual - value)
        ratio = np.where(error == 0, 0.0, np.where(np.isnan(error), np.inf, error / bound))
        if expected.nonnegative:
            ratio = np.where(actual < 0, np.inf, ratio)
        ratio = np.where(np.isfinite(bound), ratio, np.nan)
        overflows = np.isinf(bound) & np.isinf(value)
        if overflows.any():
            overflowed = actual * np.sign(value) >= expected.target.format.largest
            ratio = np.where(overflows, np.where(overflowed, 0.0, np.inf), ratio)
    return ratio
