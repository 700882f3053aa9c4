"""What epsilon does to Adam: it has the units of a gradient, and sets the size below which steps vanish."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.running.case import case
from conformance.strategies.gradients import representable
from conformance.trajectories.steps import PairedRun, check, step_of
from refimpl.optimizers import Adam


@case(
    statement="Scaling gradients and epsilon by one power of two changes no bit of the run.",
    source="Kingma & Ba 2015, section 2.1; exact since such a scaling does not round",
    kind="exact",
    catches="epsilon under the root, where it has the units of a squared gradient; a second, hidden epsilon",
    capability="optimizer",
)
def test_gradients_and_epsilon_scale_together(subject, compare):
    spec = subject.spec(Adam, learning_rate=0.03, epsilon=2.0**-3, epsilon_placement="outside")
    generator = np.random.default_rng(33)
    history = representable(generator.standard_normal((8, 53)), subject.dtype).astype(subject.array_dtype)
    paths: dict[int, np.ndarray] = {}
    for scale in (1.0, 2.0**-15, 2.0**12):
        scaled = replace(spec, epsilon=spec.epsilon * scale)
        compare.example(spec=scaled, scale=scale)
        run = subject.optimizer(scaled, np.ones(53, dtype=subject.array_dtype))
        for step, gradient in enumerate(history, 1):
            run.step(gradient * subject.array_dtype.type(scale))
            path = paths.setdefault(step, np.array(run.parameters()))
            compare.equal(run.parameters(), path, "parameters", step=step, scale=scale)


@case(
    statement="The step of a constant gradient is nearly one learning rate far above epsilon, whatever its size, and"
    " far below vanishes in proportion to it.",
    source="Kingma & Ba 2015, algorithm 1: rate * g / (|g| + epsilon) for a constant gradient",
    kind="analytic",
    catches="an epsilon much larger or smaller than declared",
    capability="optimizer",
)
def test_gradients_below_epsilon(subject, compare):
    epsilon = 2.0**-20
    exponents = np.arange(-30, 31, 6)
    spec = subject.spec(Adam, learning_rate=1.0, epsilon=epsilon, epsilon_placement="outside")
    compare.example(spec=spec, gradients=(2.0**exponents * epsilon).tolist())
    run = PairedRun(subject, spec, np.zeros(len(exponents)))
    for step in range(1, 6):
        before = run.now
        run.step(2.0**exponents * epsilon)
        check(compare, "step", 1 / (1 + 2.0**-exponents), step_of, before, run.now, step=step)
