"""Schedules: the learning rate at every step, at every boundary and past the end."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.known_values import about, asked
from conformance.strategies.schedules import AT_WORK_STEPS, all_at_work, schedules
from refimpl import schedules as rules
from refimpl.arithmetic import RunningError

RULES = (
    rules.Constant, rules.Linear, rules.Exponential, rules.StepDecay, rules.InverseTime, rules.Cosine, rules.WarmUp,
)  # fmt: skip
by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


@case(
    statement="The rates of a run, from step 0 to well past the end of the schedule, are the rule's.",
    source="the rule's definition in refimpl.schedules",
    kind="property",
    catches="a boundary one step off; a rate that goes on after the end; a warm-up and a decay on one clock",
    capability="schedule",
)
@by_rule
@given(data=st.data())
def test_rates(subject, compare, rule, data):
    spec = data.draw(schedules(rule, subject), label="spec")
    steps = data.draw(st.integers(30, 90), label="steps")
    compare.example(spec=spec)
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    compare.within(subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like), "rates")


@case(
    statement="With no term left out, the rates are the rule's under each of its conventions, long after its end too.",
    source="the rule's definition in refimpl.schedules",
    kind="property",
    catches="a hyperparameter that is ignored, swapped with another or built in; a convention that is another",
    capability="schedule",
)
@by_rule
def test_all_at_work(subject, compare, rule):
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    for spec in all_at_work(rule, subject):
        compare.example(spec=spec)
        found = subject.schedule(spec, AT_WORK_STEPS)
        compare.within(found, spec.rate(np.arange(AT_WORK_STEPS), like=like), "rates")


def _reciprocal_falls_short(length: int) -> bool:
    """Whether length * (1 / length) rounds below 1 in a format that rates are computed in."""
    return any(scalar(length) * (scalar(1) / scalar(length)) < 1 for scalar in (np.float32, np.float64))


LENGTHS = (2, 3, 5, 10, 30, 64, 100, *filter(_reciprocal_falls_short, range(2, 101)))
STAIRS = {
    rules.StepDecay: lambda length: {"initial": 0.75, "factor": 0.5, "every": length},
    rules.Exponential: lambda length: {"initial": 0.75, "decay": 0.5, "decay_steps": length, "staircase": True},
    rules.InverseTime: lambda length: {"initial": 0.75, "decay": 0.5, "decay_steps": length, "staircase": True},
}


@case(
    statement="A decay by stairs has its first rate for as many steps as the stair is long, whatever its length.",
    source="the definition in refimpl.schedules",
    kind="analytic",
    catches="a stair found by multiplying with the rounded reciprocal of its length: one step late at 41, 47, 49, 55",
    capability="schedule",
)
def test_staircase_length(subject, compare):
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    for rule, length in itertools.product(STAIRS, LENGTHS):
        if rule in subject.conventions:
            spec = rule(**{**STAIRS[rule](length), **subject.fixed(rule)})
            compare.example(spec=spec)
            steps = length + 2
            compare.within(subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like), "rates")


def hold_rates(subject, compare, spec, closed, **where):
    """The rates of the first steps against closed forms; those of subject and rule."""
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    steps = len(closed)
    found, certified = subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like)
    compare.example(spec=spec)
    compare.within(found, about([float(rate) for rate in closed], certified), "rates", **where)
    return found, certified


# Fields of a spec, and its rate at step t.
CLOSED = {
    rules.Linear: (
        ({"start": 1.0, "end": 0.0, "steps": 4}, lambda t: Fraction(max(4 - t, 0), 4)),
        ({"start": 0.25, "end": 1.0, "steps": 4}, lambda t: Fraction(1, 4) + Fraction(3 * min(t, 4), 16)),
    ),
    rules.Exponential: (
        ({"initial": 1.0, "decay": 0.5, "decay_steps": 1}, lambda t: Fraction(1, 2**t)),
        ({"initial": 1.0, "decay": 0.5, "decay_steps": 4, "staircase": True}, lambda t: Fraction(1, 2 ** (t // 4))),
    ),
    rules.InverseTime: (
        ({"initial": 1.0, "decay": 0.5, "decay_steps": 1}, lambda t: Fraction(2, 2 + t)),
        ({"initial": 1.0, "decay": 1.0, "decay_steps": 3, "staircase": True}, lambda t: Fraction(1, 1 + t // 3)),
    ),
}


@case(
    statement="Decay has its closed form: linear in equal steps and then the end, exponential by a power of the decay, "
    "inverse in time by 1 / (1 + decay t).",
    source="the definitions in refimpl.schedules, in fractions",
    kind="analytic",
    catches="one step more or less to the end; a decay at each step that is meant for a stair, or the other way round",
    capability="schedule",
)
@pytest.mark.parametrize("rule", list(CLOSED), ids=lambda rule: rule.__name__)
def test_decay(subject, compare, rule):
    for fields, rate in CLOSED[rule]:
        spec = rule(**{**fields, **subject.fixed(rule)})
        hold_rates(subject, compare, spec, [rate(t) for t in range(10)])


@case(
    statement="A decay by steps takes effect at step `every`, or one step later: libraries differ.",
    source="the conventions of StepDecay in refimpl.schedules",
    kind="analytic",
    catches="the other convention: the last step of each stair has the next one's rate",
    capability="schedule",
)
def test_step_boundary(subject, compare):
    rule, every = rules.StepDecay, 3
    for boundary in asked(subject, rule, "boundary", ("at", "after")):
        fields = {"initial": 1.0, "factor": 0.5, "every": every, **subject.fixed(rule), "boundary": boundary}
        passed = [t if boundary == "at" else max(t - 1, 0) for t in range(10)]
        closed = [Fraction(1, 2 ** (t // every)) for t in passed]
        hold_rates(subject, compare, rule(**fields), closed, boundary=boundary)


@case(
    statement="After a warm-up the schedule begins with its own first rate, or goes on as if it had run from step 0.",
    source="the conventions of WarmUp in refimpl.schedules",
    kind="analytic",
    catches="a schedule that has decayed during the warm-up where it should not have, or has not where it should",
    capability="schedule",
)
def test_clock_of_warm_up(subject, compare):
    after = rules.Exponential(**{"initial": 1.0, "decay": 0.5, "decay_steps": 1, **subject.fixed(rules.Exponential)})
    rule, steps = rules.WarmUp, 4
    for clock in asked(subject, rule, "clock", ("after", "from_start")):
        spec = rule(**{"schedule": after, "steps": steps, "start": 0.25, **subject.fixed(rule), "clock": clock})
        warming = [Fraction(1, 4) + Fraction(3, 4) * Fraction(t, steps) for t in range(steps)]
        begin = 0 if clock == "after" else steps
        hold_rates(subject, compare, spec, warming + [Fraction(1, 2 ** (begin + t)) for t in range(5)], clock=clock)


@case(
    statement="Cosine decay passes the mean of peak and floor half-way and has it as its mean over the steps down to "
    "the floor; then it stays there or rises again: libraries differ.",
    source="Loshchilov & Hutter 2017, equation 5; the cosine is odd about a quarter turn, multiples of 30 degrees",
    kind="analytic",
    catches="a period counted in the wrong number of steps; a recursion that drifts; the other convention later",
    capability="schedule",
)
def test_cosine(subject, compare):
    rule, peak, floor, steps = rules.Cosine, 1.0, 0.25, 6
    cosines = [1, math.sqrt(3) / 2, 1 / 2, 0, -1 / 2, -math.sqrt(3) / 2, -1]
    falling = [floor + (peak - floor) * (1 + cosine) / 2 for cosine in cosines]
    for after_end in asked(subject, rule, "after_end", ("holds", "rises")):
        fields = {"peak": peak, "floor": floor, "steps": steps, **subject.fixed(rule), "after_end": after_end}
        later = [floor] * steps if after_end == "holds" else falling[-2::-1]
        found, certified = hold_rates(subject, compare, rule(**fields), falling + later, after_end=after_end)
        total = about((steps + 1) * (peak + floor) / 2, np.sum(certified[: steps + 1]))
        compare.within(np.sum(found[: steps + 1]), total, "sum of the rates down to the floor", after_end=after_end)
