"""Schedules: the learning rate at every step, at every boundary and past the end.

Left out: Keras's count of micro-steps under gradient accumulation, which is no schedule; PyTorch's `step(epoch)`, which
is deprecated; momentum that runs against the rate in OneCycleLR.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.known_values import offered, supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.schedules import AT_WORK_STEPS, all_terms_active, schedules, steps_that_have_rates
from refimpl import schedules as rules
from refimpl.arithmetic import RunningError

RULES = (
    rules.Constant, rules.Linear, rules.Polynomial, rules.Exponential, rules.StepDecay, rules.PiecewiseConstant,
    rules.InverseTime, rules.Cosine, rules.CosineRestarts, rules.OneCycle, rules.WarmUp, rules.Sequential,
)  # fmt: skip
by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


@case(
    statement="The rates of a run, from step 0 to well past the end of the schedule, are the rule's.",
    source="the rule's definition in refimpl.schedules",
    kind="property",
    catches="a boundary one step off; a rate that continues after the end; a warm-up and a decay on one clock",
    capability="schedule",
)
@by_rule
@given(data=st.data())
def test_rates(subject, compare, rule, data):
    spec = data.draw(schedules(rule, subject), label="spec")
    steps = steps_that_have_rates(spec, data.draw(st.integers(30, 60), label="steps"))
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
def test_all_terms_active(subject, compare, rule):
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    for spec in all_terms_active(rule, subject):
        compare.example(spec=spec)
        steps = steps_that_have_rates(spec, AT_WORK_STEPS)
        compare.within(subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like), "rates")


def _reciprocals_fall_short(scalar: type[np.floating]) -> list[int]:
    """The first two lengths for which length * (1 / length) rounds below 1."""
    return [length for length in range(2, 101) if scalar(length) * (scalar(1) / scalar(length)) < 1][:2]


LENGTHS = (3, 10, 100, *_reciprocals_fall_short(np.float32), *_reciprocals_fall_short(np.float64))
STAIRS: dict[type[rules.Schedule], Any] = {
    rules.StepDecay: lambda length: {"initial": 0.75, "factor": 0.5, "every": length},
    rules.Exponential: lambda length: {"initial": 0.75, "decay": 0.5, "decay_steps": length, "staircase": True},
    rules.InverseTime: lambda length: {"initial": 0.75, "decay": 0.5, "decay_steps": length, "staircase": True},
}


@case(
    statement="A decay by stairs has its first rate for as many steps as the stair is long, whatever its length.",
    source="the definition in refimpl.schedules",
    kind="analytic",
    catches="a stair found by multiplying with the rounded reciprocal of its length: one step late at 41, 47, 49, 98",
    capability="schedule",
)
def test_staircase_length(subject, compare):
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    requests = [(rule, fields(length), length) for rule, fields in STAIRS.items() for length in LENGTHS]
    for spec, length in offered(subject, requests):
        compare.example(spec=spec)
        steps = length + 2
        compare.within(subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like), "rates")


def check_rates(subject, compare, spec, closed, **where):
    """The rates of the first steps against closed forms; those of subject and rule."""
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    steps = len(closed)
    found, certified = subject.schedule(spec, steps), spec.rate(np.arange(steps), like=like)
    compare.example(spec=spec)
    compare.within(found, with_bound_of([float(rate) for rate in closed], certified), "rates", **where)
    return found, certified


# Fields of a spec, and its rate at step t.
CLOSED = {
    rules.Linear: (
        ({"start": 1.0, "end": 0.0, "steps": 4}, lambda t: Fraction(max(4 - t, 0), 4)),
        ({"start": 0.25, "end": 1.0, "steps": 4}, lambda t: Fraction(1, 4) + Fraction(3 * min(t, 4), 16)),
    ),
    rules.Polynomial: (
        ({"initial": 1.0, "end": 0.0, "steps": 4, "power": 2.0}, lambda t: Fraction(max(4 - t, 0) ** 2, 16)),
        ({"initial": 0.5, "end": 0.0, "steps": 5, "power": 3.0}, lambda t: Fraction(max(5 - t, 0) ** 3, 250)),
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
    statement="Decay has its closed form: linear in equal steps and then the end, polynomial by a power of the steps "
    "left, exponential by a power of the decay, inverse in time by 1 / (1 + decay t).",
    source="the definitions in refimpl.schedules, in fractions",
    kind="analytic",
    catches="one step more or less to the end; a decay at each step that is meant for a stair, or the other way round",
    capability="schedule",
)
@pytest.mark.parametrize("rule", list(CLOSED), ids=lambda rule: rule.__name__)
def test_decay(subject, compare, rule):
    for spec, rate in offered(subject, [(rule, *closed) for closed in CLOSED[rule]]):
        check_rates(subject, compare, spec, [rate(t) for t in range(10)])


@case(
    statement="A polynomial decay by a power that is not whole is at its end from step `steps` on, and a number.",
    source="the definition in refimpl.schedules",
    kind="analytic",
    catches="1 - step / steps formed with a rounded reciprocal: below 0 at the end, where a root is NaN",
    capability="schedule",
)
def test_polynomial_end(subject, compare):
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    for steps, power in itertools.product((5, 10, 13), (0.5, 1.7)):
        spec = subject.spec(rules.Polynomial, initial=0.75, end=0.0, steps=steps, power=power)
        compare.example(spec=spec)
        found = subject.schedule(spec, steps + 3)
        compare.within(found, spec.rate(np.arange(steps + 3), like=like), "rates")
        later = found[steps:][np.isfinite(found[steps:])]
        compare.within(later, RunningError.exact(np.zeros(later.shape), subject.rate_target), "rates at the end")


@case(
    statement="A decay by steps takes effect at step `every`, or one step later: libraries differ.",
    source="the conventions of StepDecay in refimpl.schedules",
    kind="analytic",
    catches="the other convention: the last step of each stair has the next one's rate",
    capability="schedule",
)
def test_step_boundary(subject, compare):
    rule, every = rules.StepDecay, 3
    for boundary in supported_values(subject, rule, "boundary", ("at", "after")):
        spec = subject.spec(rule, initial=1.0, factor=0.5, every=every, boundary=boundary)
        passed = [t if boundary == "at" else max(t - 1, 0) for t in range(10)]
        closed = [Fraction(1, 2 ** (t // every)) for t in passed]
        check_rates(subject, compare, spec, closed, boundary=boundary)


@case(
    statement="After a warm-up the schedule begins with its own first rate, or continues as if it had run from step 0.",
    source="the conventions of WarmUp in refimpl.schedules",
    kind="analytic",
    catches="a schedule that has decayed during the warm-up where it should not have, or has not where it should",
    capability="schedule",
)
def test_clock_of_warm_up(subject, compare):
    after = subject.spec(rules.Exponential, initial=1.0, decay=0.5, decay_steps=1)
    rule, steps = rules.WarmUp, 4
    for clock in supported_values(subject, rule, "clock", ("after", "from_start")):
        spec = subject.spec(rule, schedule=after, steps=steps, start=0.25, clock=clock)
        warming = [Fraction(1, 4) + Fraction(3, 4) * Fraction(t, steps) for t in range(steps)]
        begin = 0 if clock == "after" else steps
        check_rates(subject, compare, spec, warming + [Fraction(1, 2 ** (begin + t)) for t in range(5)], clock=clock)


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
    for after_end in supported_values(subject, rule, "after_end", ("holds", "rises")):
        spec = subject.spec(rule, peak=peak, floor=floor, steps=steps, after_end=after_end)
        later = [floor] * steps if after_end == "holds" else falling[-2::-1]
        found, certified = check_rates(subject, compare, spec, falling + later, after_end=after_end)
        total = with_bound_of((steps + 1) * (peak + floor) / 2, np.sum(certified[: steps + 1]))
        compare.within(np.sum(found[: steps + 1]), total, "sum of the rates down to the floor", after_end=after_end)


def raised(share):
    """(1 + cos(pi * share)) / 2 where that is a root: share in twelfths or quarters."""
    cosines = {
        Fraction(0): 1.0, Fraction(1, 6): math.sqrt(3) / 2, Fraction(1, 4): math.sqrt(2) / 2, Fraction(1, 3): 1 / 2,
        Fraction(1, 2): 0.0, Fraction(2, 3): -1 / 2, Fraction(3, 4): -math.sqrt(2) / 2,
        Fraction(5, 6): -math.sqrt(3) / 2, Fraction(1): -1.0,
    }  # fmt: skip
    return (1 + cosines[share]) / 2


@case(
    statement="Each boundary multiplies the rate by the next factor: at the boundary, or one step later.",
    source="the conventions of PiecewiseConstant in refimpl.schedules",
    kind="analytic",
    catches="the other convention; a factor taken for a rate; factors that do not accumulate, or the last one missing",
    capability="schedule",
)
def test_piecewise_constant(subject, compare):
    rule = rules.PiecewiseConstant
    for boundary in supported_values(subject, rule, "boundary", ("at", "after")):
        for factors in ((0.5, 0.5), (0.25, 3.0)):
            late = 0 if boundary == "at" else 1
            spec = subject.spec(rule, initial=1.0, boundaries=(3, 6), factors=factors, boundary=boundary)
            levels = [Fraction(1), Fraction(factors[0]), Fraction(factors[0]) * Fraction(factors[1])]
            closed = [levels[(t >= 3 + late) + (t >= 6 + late)] for t in range(10)]
            check_rates(subject, compare, spec, closed, boundary=boundary)


@case(
    statement="A cosine with restarts is back at the peak one step after the last of its cycle, which is not the "
    "floor; the next cycle is `growth` times as long, and `factor` times as high.",
    source="Loshchilov & Hutter 2017, section 4; pytorch#47560 on the floor that no step reaches",
    kind="analytic",
    catches="cycles that include the floor; lengths that do not grow, or grow by sums; a cycle one step off",
    capability="schedule",
)
def test_restarts(subject, compare):
    rule, peak, floor, period = rules.CosineRestarts, 1.0, 0.25, 4
    for growth, factor in itertools.product((1, 3), supported_values(subject, rule, "factor", (1.0, 0.5))):
        spec = subject.spec(rule, peak=peak, floor=floor, period=period, growth=growth, factor=factor)
        # Whole cycles of 4 steps, or one of 4 and one of 12: fractions of which every cosine is a root.
        cycles = [(number, 4, t) for number in range(4) for t in range(4)]
        if growth == 3:
            cycles = [(0, 4, t) for t in range(4)] + [(1, 12, t) for t in range(12)]
        known = {i: (n, Fraction(t, length)) for i, (n, length, t) in enumerate(cycles)}
        within = [i for i, (_, share) in known.items() if share.denominator in (1, 2, 3, 4, 6)]
        like = RunningError.exact(np.zeros(()), subject.rate_target)
        found, certified = subject.schedule(spec, len(cycles)), spec.rate(np.arange(len(cycles)), like=like)
        closed = [floor + (peak - floor) * factor ** known[i][0] * raised(known[i][1]) for i in within]
        compare.example(spec=spec)
        compare.within(found[within], with_bound_of(closed, certified[within]), "rates", growth=growth, factor=factor)


@case(
    statement="One cycle rises to the peak, falls, and ends at a part of its first rate; PyTorch counts its phases to "
    "the last step, optax to the number of steps.",
    source="Smith & Topin 2017; the conventions of OneCycle in refimpl.schedules",
    kind="analytic",
    catches="a peak one step early or late; phases that do not meet; a last rate taken from the peak; a third phase",
    capability="schedule",
)
@pytest.mark.parametrize("phases", [2, 3])
@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_one_cycle(subject, compare, shape, phases):
    rule, peak, start_divisor, end_divisor = rules.OneCycle, 1.0, 4.0, 8.0
    start, end = peak / start_divisor, peak / start_divisor / end_divisor
    for counting in supported_values(subject, rule, "counting", ("first_to_last", "rounded_down")):
        # The times of the phases, in steps. Shares a little above k / steps are rounded down to k steps.
        times, steps, shares = {
            ("first_to_last", 2): ([0, 3, 15], 16, (0.25, 0.5)),
            ("first_to_last", 3): ([0, 3, 6, 15], 16, (0.25, 0.5)),
            ("rounded_down", 2): ([0, 4, 16], 16, (0.28125, 0.75)),
            ("rounded_down", 3): ([0, 4, 8, 16], 16, (0.28125, 0.53125)),
        }[counting, phases]
        fields = dict(zip(("rise", "fallen"), shares, strict=True))
        fields |= {"start_divisor": start_divisor, "end_divisor": end_divisor, "shape": shape, "counting": counting}
        spec = subject.spec(rule, peak=peak, steps=steps, phases=phases, **fields)
        levels = [start, peak, *[start] * (phases - 2), end]
        closed = {}
        for (begin, until), (low, high) in zip(itertools.pairwise(times), itertools.pairwise(levels), strict=True):
            for t in range(begin, until + 1):
                share = Fraction(t - begin, until - begin)
                if shape == "linear":
                    closed[t] = low + (high - low) * float(share)
                elif share.denominator in (1, 2, 3, 4, 6):
                    closed[t] = high + (low - high) * raised(share)
        if counting == "rounded_down":
            closed |= {steps + 1: end, steps + 7: end}
        length = max(closed) + 1
        like = RunningError.exact(np.zeros(()), subject.rate_target)
        found, certified = subject.schedule(spec, length), spec.rate(np.arange(length), like=like)
        compare.example(spec=spec)
        compare.within(found[list(closed)], with_bound_of(list(closed.values()), certified[list(closed)]), "rates")


def sequence(subject):
    """Schedules of one rate, up to it, at it and down from it; the boundaries between them, and the rates."""
    specs = (
        subject.spec(rules.Linear, start=0.25, end=1.0, steps=3),
        subject.spec(rules.Constant, learning_rate=1.0),
        subject.spec(rules.StepDecay, initial=1.0, factor=0.5, every=2, boundary="at"),
    )
    closed = [Fraction(1 + t, 4) for t in range(3)] + [Fraction(1)] * 4 + [Fraction(1, 2 ** (t // 2)) for t in range(5)]
    return specs, (3, 7), closed


@case(
    statement="Of schedules in sequence each has the say from its boundary on, and counts its steps from there.",
    source="the definition in refimpl.schedules",
    kind="analytic",
    catches="a schedule that has run before it has the say; a boundary one step off; schedules left out",
    capability="schedule",
)
def test_sequence(subject, compare):
    specs, boundaries, closed = sequence(subject)
    check_rates(subject, compare, rules.Sequential(specs, boundaries), closed)


@case(
    statement="A sequence within a sequence has its own rates, until the outer one leads on.",
    source="the definition in refimpl.schedules; pytorch#196243",
    kind="analytic",
    catches="a step that the outer schedule takes in the inner one when it is made",
    capability="schedule",
)
def test_sequence_in_sequence(subject, compare):
    (*inner, last), boundaries, closed = sequence(subject)
    nested = rules.Sequential((rules.Sequential(tuple(inner), boundaries[:1]), last), boundaries[1:])
    check_rates(subject, compare, nested, closed)
