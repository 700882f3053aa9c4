"""Keras's schedules: functions of a count, which is an array of integers as it is in an optimizer's state."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from operator import mul
from typing import Any

import keras

from refimpl.schedules import (
    Cosine,
    CosineRestarts,
    Exponential,
    InverseTime,
    Linear,
    PiecewiseConstant,
    Polynomial,
    StepDecay,
)

schedules = keras.optimizers.schedules


def _levels(spec: PiecewiseConstant) -> list[float]:
    """Keras takes the rates themselves, where the rule has factors."""
    return list(accumulate(spec.factors, mul, initial=spec.initial))


SCHEDULES: dict[type, Callable[[Any], Any]] = {
    Linear: lambda s: schedules.PolynomialDecay(s.start, s.steps, s.end),
    Polynomial: lambda s: schedules.PolynomialDecay(s.initial, s.steps, s.end, power=s.power),
    Exponential: lambda s: schedules.ExponentialDecay(s.initial, s.decay_steps, s.decay, staircase=s.staircase),
    StepDecay: lambda s: schedules.ExponentialDecay(s.initial, s.every, s.factor, staircase=True),
    PiecewiseConstant: lambda s: schedules.PiecewiseConstantDecay(s.boundaries, _levels(s)),
    InverseTime: lambda s: schedules.InverseTimeDecay(s.initial, s.decay_steps, s.decay, staircase=s.staircase),
    Cosine: lambda s: schedules.CosineDecay(s.peak, s.steps, alpha=s.floor / s.peak),
    CosineRestarts: lambda s: schedules.CosineDecayRestarts(
        s.peak, s.period, t_mul=float(s.growth), m_mul=s.factor, alpha=s.floor / s.peak
    ),
}


def rate(spec: Any) -> Callable[[Any], Any]:
    """The function of a 0-d count that gives its rate."""
    return SCHEDULES[type(spec)](spec)
