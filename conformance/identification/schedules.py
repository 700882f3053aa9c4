"""Identifying schedules: every rate from the first step to well past the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task
from conformance.strategies.schedules import AT_WORK, AT_WORK_STEPS, steps_that_have_rates
from conformance.subjects import Subject
from refimpl.arithmetic import RunningError, Target
from refimpl.schedules import Constant, CosineRestarts, Schedule
from refimpl.spec import Spec

INNER = CosineRestarts(peak=0.6, floor=0.04, period=7)  # the same in every library


class Schedules(Task):
    """rate(step, **hyperparameters) -> float; step 0, 1, ..."""

    rules = (Schedule,)
    capability = "schedule"
    takes = ("step",)
    returns = "the rate"
    at_work = {name: values[0] for name, values in AT_WORK.items()} | {
        "schedule": INNER, "schedules": (Constant(learning_rate=INNER.peak), INNER) * 2,
        "steps": 31, "rise": 0.25, "fallen": 0.5,
    }  # fmt: skip

    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        steps = min(steps_that_have_rates(spec, AT_WORK_STEPS) for spec in specs)
        return [Input(f"steps 0 to {steps - 1}", steps)]

    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        hyperparameters = {name: getattr(spec, name) for name in names}
        rates = [function(step, **hyperparameters) for step in range(given.data)]
        return [self.part("rate", {"step": step}, rate, ()) for step, rate in enumerate(rates)]

    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        rates = spec.rate(np.arange(given.data), like=RunningError.exact(np.zeros(()), target))
        return [Part("rate", {"step": step}, rates[step]) for step in range(given.data)]

    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        @cache
        def rates(spec: Any) -> np.ndarray:
            return subject.schedule(spec, steps_that_have_rates(spec, AT_WORK_STEPS))

        return lambda step, **hyperparameters: rates(build(**hyperparameters))[step]

    def target(self, subject: Subject, rule: type[Spec]) -> Target:
        return subject.rate_target
