"""optax's schedules: functions of a count, which is an array of integers as it is in an optimizer's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from refimpl.schedules import Constant, Cosine, Exponential, Linear, StepDecay, WarmUp


def _warm_up(spec: WarmUp) -> optax.Schedule:
    line = optax.linear_schedule(spec.start, spec.schedule.rate(0), spec.steps)
    return optax.join_schedules([line, SCHEDULES[type(spec.schedule)](spec.schedule)], [spec.steps])


SCHEDULES: dict[type, Callable[[Any], optax.Schedule]] = {
    Constant: lambda s: optax.constant_schedule(s.learning_rate),
    Linear: lambda s: optax.linear_schedule(s.start, s.end, s.steps),
    Exponential: lambda s: optax.exponential_decay(s.initial, s.decay_steps, s.decay, staircase=s.staircase),
    StepDecay: lambda s: optax.exponential_decay(s.initial, s.every, s.factor, staircase=True),
    Cosine: lambda s: optax.cosine_decay_schedule(s.peak, s.steps, alpha=s.floor / s.peak),
    WarmUp: _warm_up,
}


def rate(spec: Any) -> Callable[[jax.Array], jax.Array]:
    """The function of a 0-d count that gives its rate, in the precision JAX computes it in."""
    schedule = SCHEDULES[type(spec)](spec)
    return lambda count: jnp.asarray(schedule(count))
