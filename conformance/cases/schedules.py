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
