"""An L2 penalty in Adam is not weight decay, and decoupled weight decay is no penalty."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.running.case import case
from conformance.trajectories.steps import PairedRun, check, step_of
from refimpl.optimizers import Adam, AdamW


@case(
    statement="Under a zero gradient and without epsilon, Adam with an L2 penalty takes a first step of one learning"
    " rate towards 0 and then the same path for penalties 1/4 and 1/64, bit for bit: a power of two changes no step.",
    source="Loshchilov & Hutter 2019, section 2; by induction the gradients of one penalty are those of the other,"
    " scaled",
    kind="analytic",
    catches="decoupled decay under the name of a penalty",
    capability="optimizer",
)
def test_penalty_is_not_decay(subject, compare):
    rate, start = 0.5, np.array([1.0, -4.0, 16.0])
    paths: dict[int, np.ndarray] = {}
    for penalty in (0.25, 2.0**-6):
        kinds = {"weight_decay_kind": "coupled", "epsilon_placement": "outside"}
        spec = subject.spec(Adam, learning_rate=rate, weight_decay=penalty, epsilon=0.0, **kinds)
        compare.example(spec=spec)
        run = PairedRun(subject, spec, start)
        for step in range(1, 4):
            before = run.now
            run.step(np.zeros(3))
            if step == 1:
                check(compare, "first step with a penalty", rate * np.sign(start), step_of, before, run.now)
            path = paths.setdefault(step, run.now.actual.parameters)
            compare.equal(run.now.actual.parameters, path, "parameters with a penalty", step=step, penalty=penalty)


@case(
    statement="Under a zero gradient decoupled decay multiplies the parameter by 1 - rate * decay in each step.",
    source="Loshchilov & Hutter 2019, algorithm 2",
    kind="exact",
    catches="AdamW with a penalty; decay that is not scaled by the learning rate",
    capability="optimizer",
)
@pytest.mark.parametrize("rule", [Adam, AdamW], ids=lambda rule: rule.__name__)
def test_decay_is_no_penalty(subject, compare, rule):
    rate, start = 0.5, np.array([1.0, -4.0, 16.0])
    zeros = np.zeros(3, dtype=subject.array_dtype)
    for penalty in (0.25, 2.0**-6):
        spec = subject.spec(rule, learning_rate=rate, weight_decay=penalty, weight_decay_kind="decoupled")
        compare.example(spec=spec)
        run = subject.optimizer(spec, start.astype(subject.array_dtype))
        for step in range(1, 4):  # the products are exact in 24 bits
            run.step(zeros)
            closed = start * (1 - rate * penalty) ** step
            compare.equal(run.parameters(), closed, "parameters with decay", step=step, penalty=penalty)
