"""Gradient accumulation: the optimizer that steps once in several gradients, along their mean or sum."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.known_values import supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import gradient_history, parameters
from conformance.strategies.hyperparameters import all_terms_active
from conformance.strategies.programs import Program
from conformance.trajectories.program import follow_program, tree_size
from refimpl.arithmetic import RunningError
from refimpl.optimizers import SGD, Adam, GradientAccumulation

KINDS = tuple(GradientAccumulation.conventions()["accumulated"])


@case(
    statement="An optimizer that accumulates gradients follows its rule, step count included, along the mean or sum of "
    "each few, saved and restored between them.",
    source="the definition in refimpl.optimizers.accumulation",
    kind="property",
    catches="a mean of means; a gradient that is lost or counted twice; a step count that counts gradients; decay at "
    "each gradient; an accumulator that is not emptied",
    capability="optimizer",
)
@pytest.mark.parametrize("rule", [SGD, Adam], ids=lambda rule: rule.__name__)
def test_program(subject, compare, rule):
    generator, [few] = random_numbers(31), enlarged((77,))
    spec = all_terms_active(rule, subject.fixed(rule))[0]
    for accumulated in supported_values(subject, GradientAccumulation, "accumulated", KINDS):
        for every, count in ((2, tree_size()), (5, few)):  # a whole tree is compiled several times slower
            accumulating = GradientAccumulation(spec, every, accumulated)
            program = Program((accumulating,) * (2 * every + 1), frozenset({every + 1}))
            compare.example(program=program)
            history = gradient_history(generator, len(program.specs), count, subject.dtype)
            follow_program(subject, compare, program, parameters(generator, count, subject.dtype), history)


@case(
    statement="Of three gradients accumulated, nothing moves for two; then the step is the rate times their mean or "
    "their sum: by a rate of 1/2, of 1, 2 and 6 it is 3/2 or 9/2.",
    source="arithmetic",
    kind="analytic",
    catches="a step at each gradient; a mean that is not divided, or divided twice; the last gradient alone",
    capability="optimizer",
)
def test_mean_or_sum(subject, compare):
    rule = subject.spec(SGD, learning_rate=0.5)
    for accumulated in supported_values(subject, GradientAccumulation, "accumulated", KINDS):
        spec = GradientAccumulation(rule, 3, accumulated)
        compare.example(spec=spec, gradients=[1, 2, 6, 1, 2, 6])
        run = subject.optimizer(spec, np.full(2, 10.0, dtype=subject.array_dtype))
        certified = RunningError.exact(np.full(2, 10.0), subject.target)
        state, change = spec.init(certified), 4.5 if accumulated == "sum" else 1.5
        for step, gradient in enumerate((1.0, 2.0, 6.0) * 2, 1):
            slope = np.array([gradient, -gradient])
            run.step(slope.astype(subject.array_dtype))
            certified, state = spec.step(certified, RunningError.exact(slope, subject.target), state)
            known = 10.0 + np.array([-change, change]) * (step // 3)
            if step < 3:
                compare.equal(run.parameters(), known, "parameters before the first step", accumulated=accumulated)
            compare.within(
                run.parameters(), with_bound_of(known, certified), "parameters", step=step, accumulated=accumulated
            )
