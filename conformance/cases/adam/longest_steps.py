"""The longest steps that gradients can make Adam take, and the bound that the paper states."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt

import numpy as np
import pytest

from conformance.cases.adam import correction
from conformance.running.case import case
from conformance.strategies.gradients import representable
from conformance.trajectories.steps import PairedRun, check, step_of
from refimpl.optimizers import Adam


def tight_bound(beta1, beta2, step):
    """The longest step number `step` that gradients can cause, in learning rates; 28 digits.

    The Cauchy-Schwarz inequality for the first moment, with the weights of the second.
    """
    beta1, beta2 = Decimal(beta1), Decimal(beta2)
    ratio = beta1**2 / beta2
    largest_ratio = (1 - beta1) * ((1 - ratio**step) / (1 - ratio) / (1 - beta2)).sqrt()
    return largest_ratio * correction(beta2, step).sqrt() / correction(beta1, step)


def stated_bound(beta1, beta2):
    """The bound of Kingma & Ba 2015, section 2.1, in learning rates."""
    return max(1.0, (1 - beta1) / sqrt(1 - beta2))


LONGEST_STEPS = "derived here (Cauchy-Schwarz inequality), against the bound stated in Kingma & Ba 2015, section 2.1"


@case(
    statement="Gradients that grow by beta2 / beta1 each step make every step as long as gradients can make it: with"
    " decays 1/2 and 3/4 longer than one learning rate from step 2 on.",
    source=LONGEST_STEPS,
    kind="analytic",
    catches="a second moment that sees the gradient before or after the first does; decays that are interchanged",
    capability="optimizer",
)
def test_longest_steps(subject, compare):
    beta1, beta2, steps = 0.5, 0.75, 12
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0, epsilon_placement="outside")
    generator = np.random.default_rng(30)
    elements = 64
    others = generator.choice([-1.0, 1.0], (steps, elements)) * np.exp(generator.normal(0.0, 3.0, (steps, elements)))
    growing = 1.5 ** np.arange(steps)  # exact
    compare.example(spec=spec, gradients=growing[:3].tolist())
    run = PairedRun(subject, spec, np.zeros(elements + 1))
    for step in range(1, steps + 1):
        before = run.now
        run.step(np.append(growing[step - 1], representable(others[step - 1], subject.dtype)))
        bound = float(tight_bound(beta1, beta2, step))
        check(compare, "longest step", [bound], lambda a, b: step_of(a, b)[:1], before, run.now, step=step)
        found, certified = step_of(before.actual, run.now.actual)[1:], step_of(before.certified, run.now.certified)[1:]
        beyond_rounding = np.abs(found.astype(np.float64)) - certified.bound
        compare.at_most(beyond_rounding.max(), bound, "step under other gradients", step=step)
        if step >= 2:
            longest = step_of(before.actual, run.now.actual)[0]
            compare.exceeds(longest, stated_bound(beta1, beta2), "longest step over the stated bound", step=step)


@case(
    statement="At the default decays the longest step is 5.78 learning rates by step 1000, on its way to 7.27, over the"
    " stated bound of 3.16; with 0.9 and 0.99 it is 1.87 by step 100, on its way to 2.35, over a stated bound of 1.",
    source=LONGEST_STEPS,
    kind="analytic",
    catches="a bound on the ratio of the moments that neglects what the first moment remembers",
    capability="theorem",
)
@pytest.mark.parametrize("beta2", [0.999, 0.99])
def test_longest_steps_of_usual_decays(subject, compare, beta2):
    beta1 = 0.9
    growth, stated = Decimal(beta2) / Decimal(beta1), stated_bound(beta1, beta2)
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0)
    compare.example(spec=spec, growth=float(growth), stated_bound=stated)
    run = PairedRun(subject, spec, np.zeros(1))
    for step in range(1, {0.999: 1001, 0.99: 101}[beta2]):
        before = run.now
        run.step(np.array([float(growth ** (step - 1))]))
        bound = float(tight_bound(beta1, beta2, step))
        check(compare, "longest step", bound, step_of, before, run.now, step=step, beta1=beta1, beta2=beta2)
        if bound > stated:
            longest = step_of(before.actual, run.now.actual).item()
            compare.exceeds(longest, stated, "longest step over the stated bound", step=step, beta2=beta2)
