"""The quotient of two arrays, which libraries form by a division or by a reciprocal."""

from __future__ import annotations

from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import constant
from refimpl.arithmetic.running_error import RunningError, divide


def quotient(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator, elementwise with broadcasting.

    The bound of a running-error evaluation also covers numerator * (1 / denominator), where the reciprocal is in the
    target's normal range.
    """
    twin = next((x for x in (numerator, denominator) if isinstance(x, RunningError)), None)
    if twin is None:
        return numerator / denominator
    with np.errstate(all="ignore"):
        return divide(constant(numerator, twin), constant(denominator, twin), reciprocals=1)
