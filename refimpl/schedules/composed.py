"""Schedules made of schedules: one after a warm-up, several one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from refimpl.schedules.polynomial import Constant, line
from refimpl.schedules.schedule import EVALUATION, Schedule, check_boundaries
from refimpl.spec import convention, hyperparameter, whole


@dataclass(frozen=True)
class WarmUp(Schedule):
    """From start (>= 0, at step 0) in equal steps up (or down) to the schedule's first rate; then the schedule.

    The schedule has the say from step `steps` (>= 1) on. `evaluation` is that of the warm-up alone; the recursive one
    divides by the start, which must then be > 0.
    """

    schedule: Schedule = Constant()  # noqa: RUF009 -- frozen
    steps: int = whole(100, at_least=1)
    start: float = hyperparameter(0.0, at_least=0)
    clock: str = convention(
        {
            "after": "the schedule counts steps from the end of the warm-up: it begins with its own first rate",
            "from_start": "the schedule counts the steps of the warm-up too: the rate may jump at its end",
        }
    )
    evaluation: str = convention(EVALUATION)

    def check(self) -> None:
        if not isinstance(self.schedule, Schedule):
            self.refuse("schedule", self.schedule, "a Schedule, such as Constant(learning_rate=0.1)")
        if self.evaluation == "recursive" and self.start == 0:
            self.refuse("evaluation", "recursive", "'closed' unless start > 0")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        warming = line(h.start, self.schedule.rate(0, like), step, self.steps, self.evaluation, like)
        counted = np.maximum(step - self.steps, 0) if self.clock == "after" else step
        return np.where(step < self.steps, warming, self.schedule.rate(counted, like))


@dataclass(frozen=True)
class Sequential(Schedule):
    """Schedules one after the other; each counts its steps from the boundary (>= 1, increasing) where it takes over."""

    schedules: tuple[Schedule, ...] = (Constant(), Constant())
    boundaries: tuple[int, ...] = (100,)

    def check(self) -> None:
        several = isinstance(self.schedules, tuple) and len(self.schedules) > 0
        if not several or not all(isinstance(schedule, Schedule) for schedule in self.schedules):
            self.refuse("schedules", self.schedules, "a tuple of one Schedule or more, such as (Linear(), Cosine())")
        check_boundaries(self, self.boundaries, len(self.schedules) - 1)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        rates: Any = None
        for schedule, (begin, end) in zip(self.schedules, pairwise((0, *self.boundaries, None)), strict=True):
            inside = np.maximum(step - begin, 0) if end is None else np.clip(step, begin, end - 1) - begin
            own = schedule.rate(inside, like)
            rates = own if rates is None else np.where(step < begin, rates, own)
        return rates
