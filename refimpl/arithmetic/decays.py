"""The decay of a parameter, which libraries subtract by itself, as a factor, or in one sum with the step."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import reduce

import numpy as np

from refimpl.arithmetic.formats import FLOAT64, binade
from refimpl.arithmetic.operations import Operation
from refimpl.arithmetic.products import product
from refimpl.arithmetic.running_error import RunningError, in_one_target, rounded
from refimpl.types import Array, Float64Array, Scalar

_U = FLOAT64.unit_roundoff


@Operation
def decayed_parameter(parameter: Array, *shares: Scalar) -> Array:
    """parameter * (1 - s), elementwise; s is the product of the shares, such as learning_rate * weight_decay.

    The bound of a running-error evaluation also covers parameter - s * parameter, multiplied in any order. `covering`
    would not do: there the parameter occurs twice, and over the steps a bound that counts both would grow.
    """
    return parameter * (1 - reduce(operator.mul, shares))


@decayed_parameter.rule_for(RunningError)
def _decayed_parameter(parameter: RunningError, *shares: RunningError) -> RunningError:
    share = reduce(operator.mul, shares)
    rest = 1 - share
    parameter, factor, target = in_one_target(parameter, rest)
    magnitude, decay = _largest_decay(parameter, shares)
    # The value here has the factor's rounding, whatever the form: 1 - s in float64.
    reference = _U * (len(shares) * abs(share.value) + abs(rest.value)) * magnitude
    roundings = np.maximum(factor.bound * magnitude, decay.bound + reference)
    # Every form keeps 1 - s of the parameter's own error, however often it reads the parameter.
    propagated = abs(factor.value) * parameter.bound + roundings
    return rounded(parameter.value * factor.value, propagated, target, parameter, decay)


def _largest_decay(parameter: RunningError, shares: Iterable[RunningError]) -> tuple[Float64Array, RunningError]:
    """The largest parameter that the target may hold, and its decay, multiplied in any order."""
    magnitude = abs(parameter.value) + parameter.bound
    target = parameter.target
    flushed = np.full_like(magnitude, target.format.smallest_normal if target.flush_to_zero else 0.0)
    return magnitude, product(*shares, RunningError(magnitude, flushed, target))


@Operation
def fused_decay(updated: Array, decayed: Array, parameter: Array, *shares: Scalar) -> Array:
    """`updated`, which is `decayed` - step, where `decayed` is decayed_parameter(parameter, *shares).

    The bound of a running-error evaluation also covers parameter - (s * parameter + step). Libraries evaluate that when
    they add the decay to the direction before the learning rate multiplies both.
    """
    return updated


@fused_decay.rule_for(RunningError)
def _fused_decay(
    updated: RunningError, decayed: RunningError, parameter: RunningError, *shares: RunningError
) -> RunningError:
    format_ = updated.target.format
    step = abs(updated.value - decayed.value) + updated.bound + decayed.bound
    product_ = _largest_decay(parameter, shares)[1]
    decay = abs(product_.value) + product_.bound
    # One more rounding, that of the sum, which lies no further from it than the step itself, a number of the format.
    extra = np.minimum((format_.unit_roundoff + _U) * (step + decay), decay)
    # And the product with the learning rate may lie in a higher binade than the step, whose rounding is counted: beyond
    # the power of two between them by the decay and the sum's rounding at most.
    least = np.maximum(step - 2 * (updated.bound + decayed.bound), 0.0)
    most = (step + decay) * (1 + 2 * format_.unit_roundoff)  # the sum's rounding may lead there
    extra = extra + np.minimum(format_.unit_roundoff * (binade(most) - binade(least)), 2 * decay)
    sizes = [abs(float(x.value)) for x in shares if x.value != 0]
    if updated.target.flush_to_zero:
        extra = extra + format_.smallest_normal * max([1.0, *sizes])
    # The learning rate may multiply the sum afterwards, which is so much larger before.
    in_range = step + decay <= format_.largest * min([1.0, *sizes])
    claimed = np.isfinite(updated.bound)
    bound = np.where(in_range, (updated.bound + extra) * (1 + 4 * _U), np.inf)
    return RunningError(
        np.where(claimed & ~in_range, np.nan, updated.value),
        np.where(claimed, bound, updated.bound),
        updated.target,
        undecided=updated.undecided,
    )
