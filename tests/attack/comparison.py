"""An error as a fraction of its bound, and the other claims that a running-error array makes."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import RunningError


def error_over_bound(expected: RunningError, found: np.ndarray) -> np.ndarray:
    """Elementwise; NaN where no bound is claimed, infinite where a claim is broken that has no size.

    Such claims are that a result is finite, is not negative, or is beyond the range.
    """
    value, bound = np.asarray(expected.value), np.asarray(expected.bound)
    found = np.broadcast_to(found, value.shape)
    with np.errstate(all="ignore"):
        error = np.abs(found - value)
        ratio = np.where(error == 0, 0.0, np.where(np.isnan(error), np.inf, error / bound))
        if expected.nonnegative:
            ratio = np.where(found < 0, np.inf, ratio)
        ratio = np.where(np.isfinite(bound), ratio, np.nan)
        beyond = np.isinf(bound) & np.isinf(value)
        if beyond.any():
            left = found * np.sign(value) >= expected.target.format.largest
            ratio = np.where(beyond, np.where(left, 0.0, np.inf), ratio)
    return ratio
