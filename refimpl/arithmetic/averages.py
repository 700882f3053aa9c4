"""The exponential moving average, which libraries evaluate in two algebraic forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import Twin
from refimpl.arithmetic.formats import FLOAT64
from refimpl.arithmetic.running_error import RunningError, in_one_target, rounded


def moving_average(average: Any, value: Any, decay: Any) -> Any:
    """decay * average + (1 - decay) * value, elementwise; decay in [0, 1].

    A running-error evaluation also covers average + (1 - decay) * (value - average). `forms` would not do: there the
    old average occurs twice, and a bound that counts both would grow without limit over the steps.
    """
    twin = next((x for x in (average, value) if isinstance(x, RunningError)), None)
    if twin is not None:
        return _running_error(*(x if isinstance(x, Twin) else twin.constant(x) for x in (average, value, decay)))
    return decay * average + (1 - decay) * value


def _running_error(average: Any, value: Any, decay: Any) -> RunningError:
    weight = 1 - decay
    average, value, target = in_one_target(average, value)
    # What the coefficients themselves may be off by, once they are in the arrays' format.
    decay_error, weight_error = (in_one_target(average, x)[1].bound for x in (decay, weight))
    by_decay, by_weight = abs(decay.value), abs(weight.value)
    largest_decay, largest_weight = by_decay + decay_error, by_weight + weight_error
    # Roundings before the final sum: one product each, or the difference and its product with 1 - decay.
    u = target.format.unit_roundoff + FLOAT64.unit_roundoff
    on_average = np.maximum(decay_error, weight_error) + u * np.maximum(largest_decay, 2 * largest_weight)
    on_value = weight_error + u * 2 * largest_weight
    with np.errstate(all="ignore"):
        magnitudes = [abs(x.value) + x.bound for x in (average, value)]
        # Exact derivatives (decay by the old average, 1 - decay by the new value), then those errors.
        propagated = by_decay * average.bound + by_weight * value.bound
        propagated = propagated + on_average * magnitudes[0] + on_value * magnitudes[1]
        if target.flush_to_zero:
            propagated = propagated + 2 * target.format.smallest_normal
        return rounded(
            decay.value * average.value + weight.value * value.value,
            propagated,
            target,
            average,
            value,
            nonnegative=average.nonnegative and value.nonnegative,
            intermediate=magnitudes[0] + magnitudes[1],
        )
