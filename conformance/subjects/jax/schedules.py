"""optax's schedules: functions of a count, which is an array of integers as it is in an optimizer's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from refimpl.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Linear,
    OneCycle,
    PiecewiseConstant,
    Polynomial,
    Sequential,
    StepDecay,
    WarmUp,
)


def _schedule(spec: Any, steps: int) -> optax.Schedule:
    return SCHEDULES[type(spec)](spec, steps)


def _restarts(spec: CosineRestarts, steps: int) -> optax.Schedule:
    """As many cycles as begin within these steps."""
    cycles: list[dict[str, float]] = []
    begin, length, height = 0, spec.period, spec.peak - spec.floor
    while begin < steps:
        peak = spec.floor + height if cycles else spec.peak
        cycles.append(
            {
                "init_value": peak,
                "peak_value": peak,
                "warmup_steps": 0,
                "decay_steps": length,
                "end_value": spec.floor,
            }
        )
        begin, length, height = begin + length, length * spec.growth, height * spec.factor
    return optax.sgdr_schedule(cycles)


def _one_cycle(spec: OneCycle, steps: int) -> optax.Schedule:
    up, down = spec.start_divisor, spec.end_divisor
    match spec.shape, spec.phases:
        case "linear", 3:
            return optax.linear_onecycle_schedule(spec.steps, spec.peak, spec.rise, spec.fallen, up, down)
        case "cosine", 2:
            return optax.cosine_onecycle_schedule(spec.steps, spec.peak, spec.rise, up, down)
    peak, fallen = int(spec.rise * spec.steps), int(spec.fallen * spec.steps)
    if spec.phases == 3:
        factors = {peak: up, fallen: 1 / up, spec.steps: 1 / down}
    else:
        factors = {peak: up, spec.steps: 1 / (up * down)}
    return optax.piecewise_interpolate_schedule(spec.shape, spec.peak / up, factors)


def _warm_up(spec: WarmUp, steps: int) -> optax.Schedule:
    line = optax.linear_schedule(spec.start, spec.schedule.rate(0), spec.steps)
    return optax.join_schedules([line, _schedule(spec.schedule, steps)], [spec.steps])


def _sequential(spec: Sequential, steps: int) -> optax.Schedule:
    return optax.join_schedules([_schedule(part, steps) for part in spec.schedules], spec.boundaries)


SCHEDULES: dict[type, Callable[[Any, int], optax.Schedule]] = {
    Constant: lambda s, _: optax.constant_schedule(s.learning_rate),
    Linear: lambda s, _: optax.linear_schedule(s.start, s.end, s.steps),
    Polynomial: lambda s, _: optax.polynomial_schedule(s.initial, s.end, s.power, s.steps),
    Exponential: lambda s, _: optax.exponential_decay(s.initial, s.decay_steps, s.decay, staircase=s.staircase),
    StepDecay: lambda s, _: optax.exponential_decay(s.initial, s.every, s.factor, staircase=True),
    PiecewiseConstant: lambda s, _: optax.piecewise_constant_schedule(
        s.initial, dict(zip(s.boundaries, s.factors, strict=True))
    ),
    Cosine: lambda s, _: optax.cosine_decay_schedule(s.peak, s.steps, alpha=s.floor / s.peak),
    CosineRestarts: _restarts,
    OneCycle: _one_cycle,
    WarmUp: _warm_up,
    Sequential: _sequential,
}


def rate(spec: Any, steps: int) -> Callable[[jax.Array], jax.Array]:
    """The function of a 0-d count below `steps` that gives its rate, in the precision JAX computes it in."""
    schedule = _schedule(spec, steps)
    return lambda count: jnp.asarray(schedule(count))
