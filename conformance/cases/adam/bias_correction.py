"""Adam's bias correction: first steps, constant gradients, and what is wrong without it."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt

import numpy as np
import pytest

from conformance.cases.adam import correction
from conformance.running.case import case
from conformance.strategies.gradients import representable
from conformance.trajectories.steps import PairedRun, check, parameters_of, step_of
from refimpl.optimizers import Adam


def uncorrected(now):
    """The step of one learning rate's scale that the moments as they are would give."""
    return now.slot("first_moment") / np.sqrt(now.slot("second_moment"))


def total_uncorrected(*steps):
    return sum(map(uncorrected, steps))


@case(
    statement="With epsilon after correction and root, the first step is rate * g / (|g| + epsilon), whatever the"
    " decays.",
    source="Kingma & Ba 2015, algorithm 1 with t = 1",
    kind="analytic",
    catches="a missing or one-sided bias correction; a step count that starts at 0 or 2; a first moment without a sign",
    capability="optimizer",
)
def test_first_step(subject, compare):
    magnitudes = 10.0 ** np.arange(-10, 5)
    gradients = representable(np.concatenate([magnitudes, -3 * magnitudes]), subject.dtype)
    epsilon = 1e-8
    for beta1, beta2 in [(0.9, 0.999), (0.3, 0.6)]:
        spec = subject.spec(
            Adam, learning_rate=0.25, beta1=beta1, beta2=beta2, epsilon=epsilon, epsilon_placement="outside"
        )
        compare.example(spec=spec)
        run = PairedRun(subject, spec, np.zeros(len(gradients)))
        start = run.now
        run.step(gradients)
        closed = 0.25 * gradients / (np.abs(gradients) + epsilon)
        check(compare, "first step", closed, step_of, start, run.now, beta1=beta1, beta2=beta2)


@case(
    statement="Under a constant gradient g step t of Adam is rate * g over |g| + epsilon, sqrt(g**2 + epsilon) or |g| +"
    " epsilon / sqrt(1 - beta2**t), by the place of epsilon: after correction and root, under the root, or before the"
    " correction.",
    source="Kingma & Ba 2015, algorithm 1, and section 2 for 'epsilon hat'",
    kind="analytic",
    catches="epsilon added inside the root, or before the correction of the second moment; corrections that drift",
    capability="optimizer",
)
@pytest.mark.parametrize("placement", ["outside", "inside", "uncorrected"])
def test_constant_gradient(subject, compare, placement):
    epsilon, beta2 = 1e-8, 0.999
    gradients = representable(np.array([1e-7, -3e-7, 1e-9, 2e-5, -1.0, 70.0]), subject.dtype)
    size = np.abs(gradients)
    spec = subject.spec(Adam, learning_rate=1.0, beta2=beta2, epsilon=epsilon, epsilon_placement=placement)
    compare.example(spec=spec, gradients=gradients.tolist())
    run = PairedRun(subject, spec, np.zeros(len(gradients)))
    position = np.zeros(len(gradients))
    for step in range(1, 13):
        before = run.now
        run.step(gradients)
        denominator = {
            "outside": size + epsilon,
            "inside": np.hypot(size, sqrt(epsilon)),
            "uncorrected": size + epsilon / float(correction(beta2, step).sqrt()),
        }[placement]
        position = position - gradients / denominator
        check(compare, "step", gradients / denominator, step_of, before, run.now, step=step)
        check(compare, "parameters", position, parameters_of, run.now, step=step)


@case(
    statement="Both corrected, the moments of a constant gradient give steps of one learning rate; at default decays,"
    " with one alone corrected, with none, or with a step divided by the second's correction they do not.",
    source="Kingma & Ba 2015, section 3; the moments are (1 - beta1**t) g and (1 - beta2**t) g**2",
    kind="analytic",
    catches="a correction of one moment alone, its reciprocal, or none",
    capability="optimizer",
)
def test_bias_correction(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0, epsilon_placement="outside")
    compare.example(spec=spec, gradient=1.0)
    run = PairedRun(subject, spec, np.zeros(1))
    for step in range(1, 13):
        before = run.now
        run.step(np.ones(1))
        first, second = correction(beta1, step), correction(beta2, step)
        ratio = first / second.sqrt()
        check(compare, "both corrected", 1.0, step_of, before, run.now, step=step)
        for what, factor, closed in [
            ("none corrected", Decimal(1), ratio),
            ("first moment alone corrected", 1 / first, 1 / second.sqrt()),
            ("second moment alone corrected", second.sqrt(), first),
            ("divided by the second's correction", 1 / second.sqrt(), ratio / second.sqrt()),
        ]:
            check(compare, what, float(closed), lambda now, x=float(factor): uncorrected(now) * x, run.now, step=step)


@case(
    statement="A constant gradient gives Adam steps of one learning rate. At the default decays, where the rate of the"
    " step before is divided by sqrt(1 - beta2**t) and moments are left as they are, steps grow beyond 10**20 learning"
    " rates in 20 steps; where it is multiplied by both corrections, they shrink in each step.",
    source="Kingma & Ba 2015, algorithm 1, which corrects in each step; the products derived here",
    kind="analytic",
    catches="a learning rate that is corrected in place",
    capability="theorem",
)
def test_rate_corrected_in_place(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0)
    compare.example(spec=spec, gradient=1.0)
    run = PairedRun(subject, spec, np.zeros(1))
    rates = dict.fromkeys(("divided in place", "divided by the next correction", "multiplied in place"), Decimal(1))
    lengths: dict[str, list[float]] = {what: [] for what in rates}
    for step in range(1, 21):
        before = run.now
        run.step(np.ones(1))
        check(compare, "corrected in each step", 1.0, step_of, before, run.now, step=step)
        first, second, following = correction(beta1, step), correction(beta2, step), correction(beta2, step + 1)
        corrections = (1 / second.sqrt(), 1 / following.sqrt(), second.sqrt() / first)
        for what, factor in zip(rates, corrections, strict=True):
            rates[what] *= factor
            closed, rate = float(rates[what] * first / second.sqrt()), float(rates[what])
            check(compare, what, closed, lambda now, x=rate: uncorrected(now) * x, run.now, step=step)
            lengths[what].append((rate * uncorrected(run.now.actual)).item())
    growing, later, shrinking = lengths.values()
    compare.exceeds(min(growing[-1], later[-1]), 1e20, "step with the rate divided in place", step=20)
    compare.at_most(np.max(np.diff(shrinking)), 0.0, "change of the steps with the rate multiplied in place")


@case(
    statement="Under a constant gradient, at the default decays without bias correction, the steps start sqrt(10) times"
    " too long, peak at 6.57 times in step 12, are still 1.26 times too long in step 1000 and too long at every step.",
    source="derived here: (1 - beta1**t) / sqrt(1 - beta2**t)",
    kind="analytic",
    catches="moments that gather their weight at a wrong rate",
    capability="theorem",
)
def test_distance_without_correction(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0)
    compare.example(spec=spec, gradient=1.0)
    run = PairedRun(subject, spec, np.zeros(1))
    history, ratios = [], []
    for step in range(1, 1001):
        before = run.now
        run.step(np.ones(1))
        history.append(run.now)
        ratios.append(correction(beta1, step) / correction(beta2, step).sqrt())
        check(compare, "step with correction", 1.0, step_of, before, run.now, step=step)
        check(compare, "step without correction", float(ratios[-1]), uncorrected, run.now, step=step)
    check(compare, "distance with correction", 1000.0, lambda now: -now.parameters, run.now)
    check(compare, "distance without correction", float(sum(ratios)), total_uncorrected, *history)
    lengths = [uncorrected(now.actual).item() for now in history]
    compare.at_most(max(lengths[:11] + lengths[12:]), lengths[11], "longest step but the 12th")
    compare.exceeds(min(lengths), 1.0, "shortest step")
    # For t > 1000 as well: at most 1 / sqrt(1 - beta2**t), which falls, and above 1 where 2 beta1**t <= beta2**t.
    compare.at_most(float(1 / correction(beta2, 1000).sqrt()), lengths[11], "bound on all steps from the 1000th on")
    compare.at_most(2 * float(Decimal(beta1) / Decimal(beta2)) ** 1000, 1.0, "2 (beta1 / beta2)**1000")
