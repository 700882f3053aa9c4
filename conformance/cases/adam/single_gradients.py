"""Adam after a single gradient, early or late, or after one that is much larger than the others."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt

import numpy as np

from conformance.cases.adam import correction
from conformance.running.case import case
from conformance.trajectories.steps import PairedRun, check, parameters_of, step_of
from refimpl.optimizers import Adam


def length_after_single(beta1, beta2, first_step, step):
    """The step, in learning rates, of a parameter whose only gradient came in first_step; 28 digits."""
    age = step - first_step
    if age < 0:
        return Decimal(0)
    first = Decimal(beta1) ** age * correction(beta1, 1) / correction(beta1, step)
    second = Decimal(beta2) ** age * correction(beta2, 1) / correction(beta2, step)
    return first / second.sqrt()


def distance_after_single(beta1, beta2, first_step, step):
    """How far, in learning rates, such a parameter has moved after this step."""
    return sum(length_after_single(beta1, beta2, first_step, t) for t in range(first_step, step + 1))


@case(
    statement="After a single gradient, in step 1, Adam continues in its direction, by steps that follow from the "
    "decays alone: at the default ones 5.73 learning rates within 30 steps.",
    source="derived here: m = beta1**(t - 1) (1 - beta1) g and v = beta2**(t - 1) (1 - beta2) g**2 at step t",
    kind="analytic",
    catches="moments that do not decay under zero gradients; steps left out where the gradient is zero",
    capability="optimizer",
)
def test_single_gradient(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0, epsilon_placement="outside")
    gradients = np.array([1.0, -0.125, 24.0])
    compare.example(spec=spec, gradients=gradients.tolist())
    run = PairedRun(subject, spec, np.zeros(len(gradients)))
    distance = Decimal(0)
    for step in range(1, 31):
        before = run.now
        run.step(gradients if step == 1 else np.zeros(len(gradients)))
        length = length_after_single(beta1, beta2, 1, step)
        distance += length
        check(compare, "step", np.sign(gradients) * float(length), step_of, before, run.now, step=step)
        check(compare, "parameters", -np.sign(gradients) * float(distance), parameters_of, run.now, step=step)


@case(
    statement="At the default decays a single gradient in step s, of any size, moves a parameter by 6.01 learning rates"
    " in all for s = 1, by 5.11 for s = 7, which is the least, by 10.20 for s = 100, and for large s by nearly 31.77.",
    source="derived here: m = beta1**(t - s) (1 - beta1) g and v = beta2**(t - s) (1 - beta2) g**2 at step t",
    kind="analytic",
    catches="a step count, or a correction, that begins with the first gradient of a parameter",
    capability="theorem",
)
def test_late_single_gradient(subject, compare):
    beta1, beta2, ages = 0.9, 0.999, 200  # after which a step is below 1e-8 learning rates
    # A step is a weight of its age times sqrt(1 - beta2**t) / (1 - beta1**t), which grows from t = 12 on, towards 1: so
    # does the distance, from s = 12 on. Before, s = 7 has the least.
    in_all = {s: distance_after_single(beta1, beta2, s, s + ages) for s in (*range(1, 14), 20_000)}
    least = min(in_all, key=lambda s: in_all[s])
    compare.equal(np.asarray(least, dtype=subject.array_dtype), 7, "step of a gradient that moves the least")
    limit = (1 - beta1) / sqrt(1 - beta2) / (1 - beta1 / sqrt(beta2))
    compare.at_most(float(in_all[20_000]), limit, "distance after a gradient in step 20000")
    compare.exceeds(float(in_all[20_000]), 31.76, "distance after a gradient in step 20000")

    late, gradients, epsilon = np.array([1, 7, 100]), np.array([1.0, -0.125, 24.0]), 2.0**-100  # before it, not 0 / 0
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=epsilon, epsilon_placement="outside")
    compare.example(spec=spec, gradients=gradients.tolist(), in_step=late.tolist())
    run = PairedRun(subject, spec, np.zeros(len(gradients)))
    for step in range(1, 201):
        before = run.now
        run.step(np.where(late == step, gradients, 0.0))
        length = np.array([float(length_after_single(beta1, beta2, s, step)) for s in late.tolist()])
        check(compare, "step", np.sign(gradients) * length, step_of, before, run.now, step=step)
    distance = np.array([float(distance_after_single(beta1, beta2, s, step)) for s in late.tolist()])
    check(compare, "parameters", -np.sign(gradients) * distance, parameters_of, run.now, step=step)


@case(
    statement="After a gradient that is S times as large as those that follow, Adam's steps are not of one learning"
    " rate: at the default decays they fall to 0.351 by step 30 for S = 16, and to 0.0325 for S = 1024.",
    source="derived here: at step t, m = 1 - beta1**t + (S - 1) (1 - beta1) beta1**(t - 1), and v of squares likewise",
    kind="analytic",
    catches="a second moment that forgets as fast as the first",
    capability="optimizer",
)
def test_gradients_after_a_larger_one(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0, epsilon_placement="outside")
    sizes = (1, 16, 1024)
    compare.example(spec=spec, first_gradients=sizes, later_gradients=1.0)
    run = PairedRun(subject, spec, np.zeros(len(sizes)))
    for step in range(1, 31):
        before = run.now
        run.step(np.array(sizes, dtype=float) if step == 1 else np.ones(len(sizes)))
        lengths = []
        for size in sizes:
            first = correction(beta1, step) + (size - 1) * correction(beta1, 1) * Decimal(beta1) ** (step - 1)
            second = correction(beta2, step) + (size**2 - 1) * correction(beta2, 1) * Decimal(beta2) ** (step - 1)
            lengths.append(float(first / correction(beta1, step) / (second / correction(beta2, step)).sqrt()))
        check(compare, "step", np.array(lengths), step_of, before, run.now, step=step)
