"""Schedules: the learning rate at every step, at every boundary and past the end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.strategies.schedules import schedules
from refimpl import schedules as rules
from refimpl.arithmetic import RunningError


@case(
    statement="The rates of a run, from step 0 to well past the end of the schedule, are the rule's.",
    source="the rule's definition in refimpl.schedules",
    kind="property",
    catches="a boundary one step off; a rate that goes on after the end; a warm-up and a decay on one clock",
    capability="schedule",
)
@pytest.mark.parametrize(
    "rule",
    [
        rules.Constant, rules.Linear, rules.Exponential, rules.StepDecay, rules.InverseTime, rules.Cosine, rules.WarmUp,
    ],
    ids=lambda rule: rule.__name__,
)  # fmt: skip
@given(data=st.data())
def test_rates(subject, compare, rule, data):
    spec = data.draw(schedules(rule, subject), label="spec")
    steps = data.draw(st.integers(30, 90), label="steps")
    compare.example(spec=spec)
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    compare.within(subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like), "rates")


def _reciprocal_falls_short(length: int) -> bool:
    """Whether length * (1 / length) rounds below 1 in a format that rates are computed in."""
    return any(scalar(length) * (scalar(1) / scalar(length)) < 1 for scalar in (np.float32, np.float64))


STAIRS = (2, 3, 5, 10, 30, 64, 100, *filter(_reciprocal_falls_short, range(2, 101)))


@case(
    statement="A decay by stairs has its first rate for as many steps as the stair is long, whatever its length.",
    source="the definition in refimpl.schedules",
    kind="analytic",
    catches="a stair found by multiplying with the rounded reciprocal of its length: one step late at 41, 47, 49, 55",
    capability="schedule",
)
def test_staircase_length(subject, compare):
    fixed = subject.fixed(rules.StepDecay)
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    for length in STAIRS:
        spec = rules.StepDecay(**{"initial": 0.75, "factor": 0.5, "every": length, **fixed})
        compare.example(spec=spec)
        steps = length + 2
        compare.within(subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like), "rates")
