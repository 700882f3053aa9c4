"""torch.optim.lr_scheduler: real schedulers, stepped beside an optimizer whose learning rate is read at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer, lr_scheduler

from conformance.subjects.subject import NotOffered
from refimpl.schedules import Constant, Cosine, Exponential, Linear, StepDecay, WarmUp


def rates(spec: Any, steps: int) -> np.ndarray:
    """The float64 learning rates of steps 0 .. steps - 1."""
    optimizer = torch.optim.SGD([torch.zeros(())], lr=base_rate(spec))
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
        case Exponential() | StepDecay():
            return spec.initial
        case Cosine():
            return spec.peak
        case WarmUp():
            return base_rate(spec.schedule)
    raise NotOffered(f"torch.optim.lr_scheduler has no {type(spec).__name__}")


def _linear(spec: Linear, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    return _line(spec.start, spec.end, spec.steps, base_rate(spec), optimizer)


def _line(start: float, end: float, steps: int, base: float, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if not 0 < start <= base:
        raise NotOffered(f"LinearLR starts at a factor in (0, 1] of the optimizer's rate {base:g}, not at {start:g}")
    return lr_scheduler.LinearLR(optimizer, start / base, end / base, steps)


def _exponential(spec: Exponential, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if spec.decay_steps == 1:
        return lr_scheduler.ExponentialLR(optimizer, spec.decay)
    return lr_scheduler.StepLR(optimizer, spec.decay_steps, spec.decay)  # a staircase, or the spec would be refused


def _warm_up(spec: WarmUp, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    if isinstance(spec.schedule, WarmUp):
        raise NotOffered("SequentialLR cannot follow a SequentialLR")
    line = _line(spec.start, spec.schedule.rate(0), spec.steps, base_rate(spec), optimizer)
    following = SCHEDULERS[type(spec.schedule)](spec.schedule, optimizer)
    return lr_scheduler.SequentialLR(optimizer, [line, following], [spec.steps])


SCHEDULERS: dict[type, Callable[[Any, Optimizer], lr_scheduler.LRScheduler]] = {
    Constant: lambda s, optimizer: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    Linear: _linear,
    Exponential: _exponential,
    StepDecay: lambda s, optimizer: lr_scheduler.StepLR(optimizer, s.every, s.factor),
    Cosine: lambda s, optimizer: lr_scheduler.CosineAnnealingLR(optimizer, s.steps, s.floor),
    WarmUp: _warm_up,
}
