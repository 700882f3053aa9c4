"""optax's schedules: functions of a count, which is an array of integers as it is in an optimizer's state."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from conformance.subjects.jax.table import TABLE
from refimpl.schedules import CosineRestarts, OneCycle, PiecewiseConstant, Schedule, Sequential, WarmUp


def rate(spec: Schedule, steps: int) -> Callable[[jax.Array], jax.Array]:
    """The function of a 0-d count below `steps` that gives its rate, in the precision JAX computes it in."""
    schedule = _schedule(spec, steps)
    return lambda count: jnp.asarray(schedule(count))


def _schedule(spec: Schedule, steps: int) -> optax.Schedule:
    match spec:
        case PiecewiseConstant():
            scales = dict(zip(spec.boundaries, spec.factors, strict=True))
            return optax.piecewise_constant_schedule(spec.initial, scales)
        case CosineRestarts():
            return _restarts(spec, steps)
        case OneCycle():
            return _one_cycle(spec)
        case WarmUp():
            line = optax.linear_schedule(spec.start, spec.schedule.rate(0), spec.steps)
            return optax.join_schedules([line, _schedule(spec.schedule, steps)], [spec.steps])
        case Sequential():
            return optax.join_schedules([_schedule(part, steps) for part in spec.schedules], spec.boundaries)
    return TABLE[type(spec)].call(spec)


def _restarts(spec: CosineRestarts, steps: int) -> optax.Schedule:
    """As many cycles as begin within these steps."""
    cycles: list[dict[str, float]] = []
    begin, length, height = 0, spec.period, spec.peak - spec.floor
    while begin < steps:
        peak = spec.floor + height if cycles else spec.peak
        cycles.append(
            {"init_value": peak, "peak_value": peak, "warmup_steps": 0, "decay_steps": length, "end_value": spec.floor}
        )
        begin, length, height = begin + length, length * spec.growth, height * spec.factor
    return optax.sgdr_schedule(cycles)


def _one_cycle(spec: OneCycle) -> optax.Schedule:
    up, down = spec.start_divisor, spec.end_divisor
    match spec.shape, spec.phases:
        case "linear", 3:
            return optax.linear_onecycle_schedule(spec.steps, spec.peak, spec.rise, spec.fallen, up, down)
        case "cosine", 2:
            return TABLE[OneCycle].call(spec)
    peak, fallen = int(spec.rise * spec.steps), int(spec.fallen * spec.steps)
    if spec.phases == 3:
        factors = {peak: up, fallen: 1 / up, spec.steps: 1 / down}
    else:
        factors = {peak: up, spec.steps: 1 / (up * down)}
    return optax.piecewise_interpolate_schedule(spec.shape, spec.peak / up, factors)
