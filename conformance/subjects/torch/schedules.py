"""torch.optim.lr_scheduler: real schedulers, stepped after an optimizer whose learning rate is read at each step."""

from __future__ import annotations

from bisect import bisect_right
from math import prod

import numpy as np
import torch
from torch.optim import Optimizer, lr_scheduler

from conformance.subjects.subject import Unsupported
from conformance.subjects.torch.table import BASE_RATE, TABLE
from refimpl.schedules import Exponential, Linear, OneCycle, PiecewiseConstant, Schedule, Sequential, WarmUp


def rates(spec: Schedule, steps: int) -> np.ndarray:
    """The float64 learning rates of steps 0 .. steps - 1."""
    if isinstance(spec, OneCycle) and steps > spec.steps:
        raise Unsupported(f"OneCycleLR has rates for {spec.steps} steps, not for {steps}")
    base = base_rate(spec)
    optimizer = torch.optim.SGD([{"params": [torch.zeros(())], "initial_lr": base}], lr=base)
    scheduler = _scheduler(spec, optimizer)
    read = []
    for _ in range(steps):
        read.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(read, dtype=np.float64)


def base_rate(spec: Schedule) -> float:
    """The optimizer's own learning rate, which the scheduler's factors multiply."""
    match spec:
        case Linear():
            return max(spec.start, spec.end)  # factors above 1 are refused
        case OneCycle():
            return spec.peak  # which the scheduler sets itself
        case WarmUp():
            return base_rate(spec.schedule)
        case Sequential():
            return max(map(base_rate, spec.schedules))
    (name,) = (name for name, relation in TABLE[type(spec)].relations.items() if relation == BASE_RATE)
    rate: float = getattr(spec, name)
    return rate


def _scheduler(spec: Schedule, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    match spec:
        case Linear():
            return _line(spec.start, spec.end, spec.steps, optimizer.param_groups[0]["initial_lr"], optimizer)
        case Exponential(decay_steps=steps) if steps > 1:  # a staircase, or the spec would be refused
            return lr_scheduler.StepLR(optimizer, steps, spec.decay)
        case PiecewiseConstant():
            return _piecewise_constant(spec, optimizer)
        case OneCycle(phases=3) if spec.fallen != 2 * spec.rise:
            raise Unsupported(
                f"OneCycleLR falls for as long as it rises: fallen = {2 * spec.rise:g}, not {spec.fallen:g}"
            )
        case WarmUp():
            return _warm_up(spec, optimizer)
        case Sequential():
            return _sequential(spec, optimizer)
    return TABLE[type(spec)].call(spec, optimizer)


def _line(start: float, end: float, steps: int, base: float, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if not 0 < start <= base:
        raise Unsupported(f"LinearLR starts at a factor in (0, 1] of the optimizer's rate {base:g}, not at {start:g}")
    return lr_scheduler.LinearLR(optimizer, start / base, end / base, steps)


def _piecewise_constant(spec: PiecewiseConstant, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if len(set(spec.factors)) == 1:
        return lr_scheduler.MultiStepLR(optimizer, spec.boundaries, spec.factors[0])
    return lr_scheduler.LambdaLR(optimizer, lambda step: prod(spec.factors[: bisect_right(spec.boundaries, step)]))


def _warm_up(spec: WarmUp, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if isinstance(spec.schedule, (WarmUp, Sequential, OneCycle)):
        raise Unsupported("SequentialLR cannot follow a SequentialLR")
    line = _line(spec.start, spec.schedule.rate(0), spec.steps, base_rate(spec), optimizer)
    return lr_scheduler.SequentialLR(optimizer, [line, _scheduler(spec.schedule, optimizer)], [spec.steps])


def _sequential(spec: Sequential, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    base = optimizer.param_groups[0]["initial_lr"]
    for part in spec.schedules:
        if isinstance(part, OneCycle) or (isinstance(part, (WarmUp, Sequential)) and part is not spec.schedules[0]):
            raise Unsupported(f"SequentialLR does not lead into a {type(part).__name__}")
        if not isinstance(part, Linear) and base_rate(part) != base:
            raise Unsupported(f"SequentialLR has one rate to begin with, {base:g}; {type(part).__name__} has another")
    schedulers = [_scheduler(part, optimizer) for part in spec.schedules]
    return lr_scheduler.SequentialLR(optimizer, schedulers, list(spec.boundaries))
