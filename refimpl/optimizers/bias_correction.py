"""The sum of the weights in a moving average that started at zero."""

from __future__ import annotations

import math

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.types import Scalar


def bias_correction(decay: Scalar, step: int) -> Scalar:
    """1 - decay**step, what an average of `step` terms is divided by (Kingma & Ba 2015, section 3); decay in [0, 1).

    Subtracting the rounded power would be wrong by 66 ulp for decay = 0.999 at step 2 in float64.
    """
    if isinstance(decay, DuckArray):  # its arithmetic has the digits, or bounds the rounding that libraries commit
        return 1 - decay**step
    return -math.expm1(step * math.log(decay)) if decay > 0 else 1.0
