"""Averages of parameters: recurrences from each start, and the average of a constant."""

from __future__ import annotations

import numpy as np

from conformance.known_values import supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import parameters
from conformance.strategies.programs import Program
from conformance.trajectories.program import follow_program, tree_size
from refimpl.arithmetic import RunningError
from refimpl.averaging import ParameterAverage

STARTS = tuple(ParameterAverage.conventions()["start"])


@case(
    statement="The average of parameters follows its recurrence from where it starts, saved and restored on the way.",
    source="Kingma & Ba 2015, section 7.2; the conventions of ParameterAverage in refimpl.averaging",
    kind="property",
    catches="decay and its complement interchanged; another start; a correction that is missing, or of another step",
    capability="optimizer",
)
def test_recurrence(subject, compare):
    generator = random_numbers(41)
    for start in supported_values(subject, ParameterAverage, "start", STARTS):
        for decay in (0.999, 0.9, 0.4):
            spec = subject.spec(ParameterAverage, decay=decay, start=start)
            program = Program((spec,) * 12, frozenset({1, 5}))
            compare.example(program=program)
            history = np.stack([parameters(generator, tree_size(), subject.dtype) for _ in program.specs])
            follow_program(subject, compare, program, parameters(generator, tree_size(), subject.dtype), history)


@case(
    statement="The average of a constant c, from zero, is (1 - decay**n) c, and c once that is corrected; c from the "
    "first c on; and from elsewhere, g, it is c + decay**n (g - c): with a decay of 1/2, in fractions.",
    source="the sum of the geometric series",
    kind="analytic",
    catches="weights that do not sum to 1 - decay**n; a correction by the step before; a start that is another",
    capability="optimizer",
)
def test_constant(subject, compare):
    [count] = enlarged((7,))
    constant, given = np.full(count, 3.0), np.full(count, 11.0)
    for start in supported_values(subject, ParameterAverage, "start", STARTS):
        spec = subject.spec(ParameterAverage, decay=0.5, start=start)
        compare.example(spec=spec, given=11.0, constant=3.0)
        run = subject.optimizer(spec, given.astype(subject.array_dtype))
        certified, parameter = (RunningError.exact(x, subject.target_of(spec)) for x in (given, constant))
        state = spec.init(certified)
        for n in range(1, 11):
            run.step(constant.astype(subject.array_dtype))
            certified, state = spec.step(certified, parameter, state)
            known = {"corrected": 3.0, "first": 3.0, "zero": 3 * (1 - 0.5**n), "given": 3 + 8 * 0.5**n}[start]
            compare.within(run.parameters(), with_bound_of(known, certified), "average", step=n, start=start)
