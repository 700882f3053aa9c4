"""The exponential moving average, which libraries evaluate in two algebraic forms."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic.formats import FLOAT64
from refimpl.arithmetic.operations import Operation
from refimpl.arithmetic.running_error import RunningError, in_one_target, is_power_of_two, rounded
from refimpl.types import Array, Scalar


@Operation
def moving_average(average: Array, value: Array, decay: Scalar) -> Array:
    """decay * average + (1 - decay) * value, elementwise; decay in [0, 1].

    A running-error evaluation also covers average + (1 - decay) * (value - average). `covering` would not do: there the
    old average occurs twice, and a bound that counts both would grow without limit over the steps.
    """
    return decay * average + (1 - decay) * value


@moving_average.rule_for(RunningError)
def _moving_average(average: RunningError, value: RunningError, decay: RunningError) -> RunningError:
    weight = 1 - decay
    average, value, target = in_one_target(average, value)
    decay, weight = (in_one_target(average, x)[1] for x in (decay, weight))  # once they are in the arrays' format
    largest_decay, largest_weight = (abs(x.value) + x.bound for x in (decay, weight))
    # Roundings before the final sum: one product each, or the difference and its product with 1 - decay.
    u = target.format.unit_roundoff + FLOAT64.unit_roundoff
    of_decay, of_weight = (0.0 if is_power_of_two(x) else 1.0 for x in (decay, weight))
    of_difference = (1 + of_weight) * largest_weight
    on_average = np.maximum(decay.bound, weight.bound) + u * np.maximum(of_decay * largest_decay, of_difference)
    on_value = weight.bound + u * of_difference
    magnitudes = [abs(x.value) + x.bound for x in (average, value)]
    # Exact derivatives (decay by the old average, 1 - decay by the new value), then those errors.
    propagated = abs(decay.value) * average.bound + abs(weight.value) * value.bound
    propagated = propagated + on_average * magnitudes[0] + on_value * magnitudes[1]
    if target.flush_to_zero:
        propagated = propagated + 2 * target.format.smallest_normal
    # Next to zero the difference may be rounded to twice the average, a subnormal number kept in more precision:
    # average + weight * (value - average) is not negative for weights of at most 1/2.
    keeps_sign = average.nonnegative and value.nonnegative and bool(np.all(largest_weight <= 0.5))
    return rounded(
        decay.value * average.value + weight.value * value.value,
        propagated,
        target,
        average,
        value,
        nonnegative=keeps_sign,
        intermediate=magnitudes[0] + magnitudes[1],
    )
