"""The exponential moving average, which libraries evaluate in two algebraic forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from refimpl.arithmetic.dispatch import Twin
from refimpl.arithmetic.formats import FLOAT64, Target
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


def _running_error(average: RunningError, value: RunningError, decay: RunningError) -> RunningError:
    weight = 1 - decay
    average, value, target = in_one_target(average, value)
    decay_in, weight_in = (in_one_target(average, x)[1] for x in (decay, weight))
    result = decay.value * average.value + weight.value * value.value
    magnitudes = [np.abs(x.value) + x.bound for x in (average, value)]
    coefficient_errors = np.maximum(decay_in.bound, weight_in.bound), weight_in.bound
    # Exact derivatives: decay by the old average, 1 - decay by the new value. Then the coefficients' own errors.
    propagated = (
        np.abs(decay.value) * average.bound
        + np.abs(weight.value) * value.bound
        + coefficient_errors[0] * magnitudes[0]
        + coefficient_errors[1] * magnitudes[1]
    )
    # Roundings before the final sum: one product each, or the difference and its product with 1 - decay.
    roundoff = _roundoff(target)
    largest_weight = np.abs(weight.value) + weight_in.bound
    propagated = propagated + roundoff * (
        np.maximum(np.abs(decay.value), 2 * largest_weight) * magnitudes[0] + 2 * largest_weight * magnitudes[1]
    )
    return rounded(result, propagated, target, average, value, nonnegative=average.nonnegative and value.nonnegative)


def _roundoff(target: Target) -> float:
    return target.format.unit_roundoff + FLOAT64.unit_roundoff
