"""When RAdam begins to rectify its steps."""

from __future__ import annotations

import numpy as np

from conformance.known_values import supported_values
from conformance.running.case import case
from conformance.trajectories.steps import PairedRun, check, step_of
from refimpl.optimizers import RAdam

# The first step at which the average of squares, with beta2 = 4/5, is longer than the threshold.
FIRST_RECTIFIED = {4.0: 5, 5.0: 7}


def step_relative_to_first(before, after):
    """What a step subtracted from each parameter, minus what it subtracted from the first."""
    step = step_of(before, after)
    return step[1:] - step[:1]


@case(
    statement="Under constant gradients RAdam's steps are in proportion to them until the average of squares is long "
    "enough, and from then on the same for gradients of every size.",
    source="Liu et al. 2020, algorithm 2; the length after t steps, 9 - 2 t p / (1 - p) with p = (4/5)**t for "
    "beta2 = 4/5, is 4.13, 4.75 and 5.28 for t = 5, 6 and 7",
    kind="analytic",
    catches="a threshold for the number of steps, not for the length; one that is passed a step early or late",
    capability="optimizer",
)
def test_rectification(subject, compare):
    sizes = np.array([0.25, 3.0, 40.0])
    for threshold in supported_values(subject, RAdam, "threshold", tuple(FIRST_RECTIFIED)):
        spec = subject.spec(RAdam, learning_rate=0.5, beta2=0.8, epsilon=0.0, weight_decay=0.0, threshold=threshold)
        compare.example(spec=spec, gradients=sizes.tolist())
        run = PairedRun(subject, spec, np.zeros(3))
        for step in range(1, 11):
            before = run.now
            run.step(sizes)
            if step < FIRST_RECTIFIED[threshold]:
                check(compare, "plain step", 0.5 * sizes, step_of, before, run.now, step=step)
            else:
                check(compare, "relative to the first", 0.0, step_relative_to_first, before, run.now, step=step)
