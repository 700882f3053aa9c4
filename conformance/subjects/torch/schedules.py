"""torch.optim.lr_scheduler: real schedulers, stepped beside an optimizer whose learning rate is read at each step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer, lr_scheduler

from conformance.subjects.subject import Unsupported
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


def rates(spec: Any, steps: int) -> np.ndarray:
    """The float64 learning rates of steps 0 .. steps - 1."""
    if isinstance(spec, OneCycle) and steps > spec.steps:
        raise Unsupported(f"OneCycleLR has rates for {spec.steps} steps, not for {steps}")
    base = base_rate(spec)
    optimizer = torch.optim.SGD([{"params": [torch.zeros(())], "initial_lr": base}], lr=base)
    scheduler = SCHEDULERS[type(spec)](spec, optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(found, dtype=np.float64)


def base_rate(spec: Any) -> float:
    """The optimizer's own learning rate, which the scheduler's factors multiply."""
    match spec:
        case Constant():
            return spec.learning_rate
        case Linear():
            return max(spec.start, spec.end)  # factors above 1 are refused
        case Exponential() | StepDecay() | Polynomial() | PiecewiseConstant():
            return spec.initial
        case Cosine() | CosineRestarts() | OneCycle():
            return spec.peak
        case WarmUp():
            return base_rate(spec.schedule)
        case Sequential():
            return max(map(base_rate, spec.schedules))
    raise Unsupported(f"torch.optim.lr_scheduler has no {type(spec).__name__}")


def _linear(spec: Linear, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    return _line(spec.start, spec.end, spec.steps, optimizer.param_groups[0]["initial_lr"], optimizer)


def _line(start: float, end: float, steps: int, base: float, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if not 0 < start <= base:
        raise Unsupported(f"LinearLR starts at a factor in (0, 1] of the optimizer's rate {base:g}, not at {start:g}")
    return lr_scheduler.LinearLR(optimizer, start / base, end / base, steps)


def _exponential(spec: Exponential, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if spec.decay_steps == 1:
        return lr_scheduler.ExponentialLR(optimizer, spec.decay)
    return lr_scheduler.StepLR(optimizer, spec.decay_steps, spec.decay)  # a staircase, or the spec would be refused


def _piecewise_constant(spec: PiecewiseConstant, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if len(set(spec.factors)) == 1:
        return lr_scheduler.MultiStepLR(optimizer, spec.boundaries, spec.factors[0])
    return lr_scheduler.LambdaLR(optimizer, lambda step: prod(spec.factors[: bisect_right(spec.boundaries, step)]))


def _one_cycle(spec: OneCycle, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    three = spec.phases == 3
    if three and spec.fallen != 2 * spec.rise:
        raise Unsupported(f"OneCycleLR falls for as long as it rises: fallen = {2 * spec.rise:g}, not {spec.fallen:g}")
    return lr_scheduler.OneCycleLR(
        optimizer,
        spec.peak,
        spec.steps,
        pct_start=spec.rise,
        anneal_strategy="cos" if spec.shape == "cosine" else "linear",
        cycle_momentum=False,
        div_factor=spec.start_divisor,
        final_div_factor=spec.end_divisor,
        three_phase=three,
    )


def _warm_up(spec: WarmUp, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if isinstance(spec.schedule, (WarmUp, Sequential, OneCycle)):
        raise Unsupported("SequentialLR cannot follow a SequentialLR")
    line = _line(spec.start, spec.schedule.rate(0), spec.steps, base_rate(spec), optimizer)
    following = SCHEDULERS[type(spec.schedule)](spec.schedule, optimizer)
    return lr_scheduler.SequentialLR(optimizer, [line, following], [spec.steps])


def _sequential(spec: Sequential, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    base = optimizer.param_groups[0]["initial_lr"]
    for part in spec.schedules:
        if isinstance(part, OneCycle) or (isinstance(part, (WarmUp, Sequential)) and part is not spec.schedules[0]):
            raise Unsupported(f"SequentialLR does not lead into a {type(part).__name__}")
        if not isinstance(part, Linear) and base_rate(part) != base:
            raise Unsupported(f"SequentialLR has one rate to begin with, {base:g}; {type(part).__name__} has another")
    schedulers = [SCHEDULERS[type(part)](part, optimizer) for part in spec.schedules]
    return lr_scheduler.SequentialLR(optimizer, schedulers, list(spec.boundaries))


SCHEDULERS: dict[type, Callable[[Any, Optimizer], lr_scheduler.LRScheduler]] = {
    Constant: lambda s, optimizer: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    Linear: _linear,
    Exponential: _exponential,
    StepDecay: lambda s, optimizer: lr_scheduler.StepLR(optimizer, s.every, s.factor),
    Cosine: lambda s, optimizer: lr_scheduler.CosineAnnealingLR(optimizer, s.steps, s.floor),
    Polynomial: lambda s, optimizer: lr_scheduler.PolynomialLR(optimizer, s.steps, s.power),
    PiecewiseConstant: _piecewise_constant,
    CosineRestarts: lambda s, optimizer: lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, s.period, s.growth, s.floor
    ),
    OneCycle: _one_cycle,
    WarmUp: _warm_up,
    Sequential: _sequential,
}
