"""Descent in closed form: quadratics at the limit of stability, constant gradients, decay, steps too small to count."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from conformance.running.case import case
from conformance.trajectories.steps import PairedRun, check, parameters_of, step_of
from refimpl.arithmetic import FORMATS
from refimpl.optimizers import SGD, Adagrad, Adam, RMSprop


@case(
    statement="On a quadratic gradient descent multiplies each coordinate by 1 - rate * curvature. One of positive"
    " curvature converges for rates between 0 and 2 / curvature, goes to and fro for ever at the upper end and diverges"
    " above.",
    source="powers of 1 - rate * curvature",
    kind="exact",
    catches="a step that is not the rate times the gradient",
    capability="optimizer",
)
def test_quadratic(subject, compare):
    rate = Fraction(1, 8)
    factors = [Fraction(n, 16) for n in (8, 0, -15, -16, -17, -32)]
    curvature = np.array([float((1 - factor) / rate) for factor in factors], dtype=subject.array_dtype)
    spec = subject.spec(SGD, learning_rate=float(rate))
    compare.example(spec=spec, curvature=curvature.tolist())
    run = subject.optimizer(spec, np.ones(len(factors), dtype=subject.array_dtype))
    for step in range(1, 65):
        run.step(curvature * run.parameters())
        # The widest product on the way is 33 * 17**(step - 1).
        if 33 * 17 ** (step - 1) < 2 ** FORMATS[subject.dtype].precision:
            compare.equal(run.parameters(), [float(factor**step) for factor in factors], "parameters", step=step)
        compare.equal(run.parameters()[3:4], [(-1.0) ** step], "parameter at the limit", step=step)
    _, _, below, _, above, _ = np.abs(run.parameters())
    compare.at_most(below, 1.0, "distance below the limit", step=64)
    compare.exceeds(above, 1.0, "distance above the limit", step=64)


@case(
    statement="On |x| gradient descent converges for no constant rate: from a quarter of the rate, of 1/8 or of 2**-20,"
    " it goes to and fro between 1/4 and -3/4 of the rate for ever.",
    source="derived here: where steps are as long as the rate, they do not get shorter near the minimum",
    kind="exact",
    catches="steps that shrink with the distance from where the run started",
    capability="optimizer",
)
def test_no_rate_is_small_enough_at_a_kink(subject, compare):
    sides = np.array([1.0, -1.0, 1.0], dtype=subject.array_dtype)
    for rate in (2.0**-3, 2.0**-20):
        spec = subject.spec(SGD, learning_rate=rate)
        compare.example(spec=spec, function="|x|", start=rate / 4)
        run = subject.optimizer(spec, sides * subject.array_dtype.type(rate / 4))
        for step in range(1, 9):
            run.step(np.sign(run.parameters()))
            quarters = -3.0 if step % 2 else 1.0
            compare.equal(run.parameters(), quarters * rate / 4 * sides, "parameters", step=step, rate=rate)


def second_order(sum_of_roots, product_of_roots, first, step):
    """x[step] of x[k + 1] = sum_of_roots * x[k] - product_of_roots * x[k - 1] from x[0] = 1, x[1] = first; real roots.

    In 28 digits, from the roots of the characteristic polynomial.
    """
    root = (sum_of_roots**2 - 4 * product_of_roots).sqrt()
    larger, smaller = (sum_of_roots + root) / 2, (sum_of_roots - root) / 2
    share = (first - smaller) / (larger - smaller)
    return share * larger**step + (1 - share) * smaller**step


@case(
    statement="On a quadratic the heavy ball is stable for rate * curvature from 0 to 2 (1 + momentum), and Nesterov's"
    " form from 0 to that divided by 1 + 2 momentum: to 3 and 3/2 for momentum 1/2, to 5/2 and 5/3 for 1/4.",
    source="roots of the characteristic polynomials z**2 - s z + p, of moduli below 1 where |p| < 1 and |s| < 1 + p"
    " (Jury 1964); the limits are in Cohen et al. 2021, Gradient Descent on Neural Networks Typically Occurs at the"
    " Edge of Stability",
    kind="analytic",
    catches="momentum that multiplies the wrong term; the two forms taken for each other",
    capability="optimizer",
)
@pytest.mark.parametrize("momentum", [0.5, 0.25])
@pytest.mark.parametrize("form", ["heavy ball", "nesterov"])
def test_momentum_on_a_quadratic(subject, compare, form, momentum):
    nesterov, rate = form == "nesterov", 0.125
    limit = 2 * (1 + momentum) / (1 + 2 * momentum if nesterov else 1)
    curvature = np.array([limit * (1 + k * 2.0**-6) / rate for k in (-1, 0, 1)])
    products = [Decimal(float(c)) * Decimal(rate) for c in curvature]  # as they are: 5/3 is not a float
    spec = subject.spec(SGD, learning_rate=rate, momentum=momentum, nesterov=nesterov)
    compare.example(spec=spec, curvature=curvature.tolist())
    run, m = PairedRun(subject, spec, np.ones(3)), Decimal(momentum)
    for step in range(1, 13):
        run.descend(curvature)
        closed = [
            second_order((1 - p) * (1 + m), m * (1 - p), 1 - (1 + m) * p, step)
            if nesterov
            else second_order(1 + m - p, m, 1 - p, step)
            for p in products
        ]
        where = {"form": form, "momentum": momentum}
        check(compare, "parameters", np.array(closed, dtype=float), parameters_of, run.now, step=step, **where)
    for _ in range(step, 60):
        run.descend(curvature)
    below, _, above = np.abs(run.now.actual.parameters)
    compare.at_most(below, 1.0, "distance below the limit", step=60, **where)
    compare.exceeds(above, 1.0, "distance above the limit", step=60, **where)


@case(
    statement="Under a constant gradient g, without epsilon, step t of Adagrad is rate * g / sqrt(initial + t * g**2),"
    " which is rate / sqrt(t) for an accumulator that starts at 0, whatever the size of g.",
    source="Duchi, Hazan & Singer 2011, figure 1",
    kind="analytic",
    catches="1 added under the root; a rate that is divided in place step after step; a decaying average for the sum",
    capability="optimizer",
)
@pytest.mark.parametrize("initial", [0.0, 1.0])
def test_adagrad_under_a_constant_gradient(subject, compare, initial):
    gradients = np.array([2.0**-10, -3.0, 1024.0])
    spec = subject.spec(Adagrad, learning_rate=1.0, epsilon=0.0, initial_accumulator=initial)
    compare.example(spec=spec, gradients=gradients.tolist())
    run = PairedRun(subject, spec, np.zeros(3))
    position = np.zeros(3)
    for step in range(1, 41):
        before = run.now
        run.step(gradients)
        length = np.sign(gradients) / np.sqrt(initial / gradients**2 + step)
        position = position - length
        check(compare, "step", length, step_of, before, run.now, step=step, initial=initial)
        check(compare, "parameters", position, parameters_of, run.now, step=step, initial=initial)


@case(
    statement="Adagrad without epsilon leaves a parameter alone until its first gradient, where that is declared.",
    source="optax 0.2.8, scale_by_rss: a scale of 0 while the accumulator is 0",
    kind="exact",
    catches="0 / 0",
    capability="optimizer",
)
def test_adagrad_before_a_gradient(subject, compare):
    declared = {"epsilon": 0.0, "initial_accumulator": 0.0, "epsilon_placement": "inside_where_positive"}
    spec = subject.spec(Adagrad, learning_rate=1.0, **declared)
    start, gradient = np.array([1.0, -4.0, 16.0]), np.array([0.0, 2.0, 0.0])
    compare.example(spec=spec, gradient=gradient.tolist())
    run = subject.optimizer(spec, start.astype(subject.array_dtype))
    for step in (1, 2, 3):
        run.step(gradient.astype(subject.array_dtype))
        compare.equal(run.parameters()[gradient == 0], start[gradient == 0], "parameters without one", step=step)


@case(
    statement="Under a constant gradient, without epsilon and from an average of 0, step t of RMSprop is rate /"
    " sqrt(1 - decay**t), whatever the gradient's size: 10 rates at first for decay 0.99, then 7.09 and 5.80.",
    source="Tieleman & Hinton 2012, lecture 6.5; derived here: the average is (1 - decay**t) g**2",
    kind="analytic",
    catches="1 added under the root; a correction of the average that the rule does not have; a sum for the average",
    capability="optimizer",
)
def test_rmsprop_under_a_constant_gradient(subject, compare):
    decay = 0.99
    gradients = np.array([2.0**-10, -3.0, 1024.0])
    spec = subject.spec(RMSprop, learning_rate=1.0, decay=decay, epsilon=0.0, centered=False)
    compare.example(spec=spec, gradients=gradients.tolist())
    run = PairedRun(subject, spec, np.zeros(3))
    for step in range(1, 25):
        before = run.now
        run.step(gradients)
        length = np.sign(gradients) / float((1 - Decimal(decay) ** step).sqrt())
        check(compare, "step", length, step_of, before, run.now, step=step)


@case(
    statement="For plain gradient descent an L2 penalty is weight decay: a step multiplies the parameter by 1 - rate *"
    " penalty and subtracts the rate times the gradient.",
    source="Loshchilov & Hutter 2019, proposition 1",
    kind="exact",
    catches="a penalty with a factor 2 or 1/2, or one that the learning rate does not multiply",
    capability="optimizer",
)
@pytest.mark.parametrize("kind", ["coupled", "decoupled"])
def test_penalty_is_decay(subject, compare, kind):
    rate, penalty = Fraction(1, 2), Fraction(1, 4)
    starts, gradients = [Fraction(1), Fraction(-4), Fraction(3)], [Fraction(0), Fraction(1), Fraction(-1, 2)]
    spec = subject.spec(SGD, learning_rate=float(rate), weight_decay=float(penalty), weight_decay_kind=kind)
    compare.example(spec=spec, start=[float(x) for x in starts], gradients=[float(g) for g in gradients])
    run = subject.optimizer(spec, np.array(starts, dtype=subject.array_dtype))
    for step in range(1, 6):
        run.step(np.array(gradients, dtype=subject.array_dtype))
        kept = (1 - rate * penalty) ** step  # of the distance to the minimum, at -gradient / penalty
        exact = [kept * (x + g / penalty) - g / penalty for x, g in zip(starts, gradients, strict=True)]
        compare.equal(run.parameters(), [float(x) for x in exact], "parameters", step=step)


@case(
    statement="With momentum an L2 penalty is not weight decay: under a zero gradient decay multiplies the parameter by"
    " 1 - rate * penalty in each step, and a penalty enters the velocity, so that the second step differs.",
    source="Loshchilov & Hutter 2019, algorithm 1; worked by hand",
    kind="exact",
    catches="decay that enters the velocity, or a penalty that does not",
    capability="optimizer",
)
@pytest.mark.parametrize("kind", ["coupled", "decoupled"])
def test_penalty_with_momentum(subject, compare, kind):
    # Rate 1/2, penalty 1/4: the velocity of the penalty is 1/4, 11/32, 89/256 of the start, and half is subtracted.
    kept = {"coupled": [7 / 8, 45 / 64, 271 / 512], "decoupled": [7 / 8, 49 / 64, 343 / 512]}[kind]
    start = np.array([1.0, -4.0, 3.0], dtype=subject.array_dtype)
    chosen = {"momentum": 0.5, "nesterov": False, "weight_decay": 0.25, "weight_decay_kind": kind}
    spec = subject.spec(SGD, learning_rate=0.5, **chosen)
    compare.example(spec=spec, start=start.tolist(), gradients=0.0)
    run = subject.optimizer(spec, start)
    for step, share in enumerate(kept, start=1):
        run.step(np.zeros(3, dtype=subject.array_dtype))
        compare.equal(run.parameters(), share * start, "parameters", step=step, kind=kind)


@case(
    statement="After a change of the learning rate, momentum continues with the old rate where the velocity contains "
    "it, and with the new one where the rate is outside.",
    source="Sutskever et al. 2013, equations 1-2, for the rate inside; worked by hand",
    kind="exact",
    catches="the velocity of one convention under the name of the other, which no run of constant rate shows",
    capability="optimizer",
)
@pytest.mark.parametrize("rate", ["outside", "inside"])
def test_momentum_after_a_change_of_rate(subject, compare, rate):
    steps = {"outside": [1, 3 / 2, 7 / 16, 15 / 32], "inside": [1, 3 / 2, 1, 3 / 4]}[rate]
    gradients = np.array([1.0, -6.0], dtype=subject.array_dtype)
    spec, later = (subject.spec(SGD, learning_rate=x, momentum=0.5, nesterov=False, rate=rate) for x in (1.0, 0.25))
    compare.example(spec=spec, learning_rate_from_step_3=0.25, gradients=gradients.tolist())
    run = subject.optimizer(spec, np.zeros(2, dtype=subject.array_dtype))
    for step in range(1, 5):
        if step == 3:
            run.change(later)
        run.step(gradients)
        compare.equal(run.parameters(), -sum(steps[:step]) * gradients, "parameters", step=step, rate=rate)


@case(
    statement="With momentum 1/2 and dampening 1/4 the steps are 1, 5/4, 11/8, ... where the first velocity is the"
    " gradient, and 3/4, 9/8, 21/16, ... where it is dampened.",
    source="documentation of torch.optim.SGD, for the first; worked by hand",
    kind="exact",
    catches="dampening of the momentum instead of the gradient, or of the first velocity against the convention",
    capability="optimizer",
)
@pytest.mark.parametrize("first_velocity", ["gradient", "dampened"])
def test_dampening(subject, compare, first_velocity):
    steps = {"gradient": [1, 5 / 4, 11 / 8], "dampened": [3 / 4, 9 / 8, 21 / 16]}[first_velocity]
    gradients = np.array([1.0, -6.0], dtype=subject.array_dtype)
    spec = subject.spec(SGD, learning_rate=1.0, momentum=0.5, dampening=0.25, first_velocity=first_velocity)
    compare.example(spec=spec, gradients=gradients.tolist())
    run = subject.optimizer(spec, np.zeros(2, dtype=subject.array_dtype))
    for step in range(1, 4):
        run.step(gradients)
        expected = -sum(steps[:step]) * gradients
        compare.equal(run.parameters(), expected, "parameters", step=step, first_velocity=first_velocity)


@case(
    statement="From 1, steps of at most half the distance to the next number in their direction are lost, however many;"
    " one of 3/4 of it goes that distance, and eight small ones in one go are not lost.",
    source="IEEE 754 rounding to nearest, ties to even",
    kind="exact",
    catches="parameters kept in another format than declared, in more or in fewer bits",
    capability="optimizer",
)
def test_small_steps_are_lost(subject, compare):
    unit = 2.0 ** -FORMATS[subject.dtype].precision  # the numbers next to 1 are 1 - unit and 1 + 2 unit
    halves = np.array([0.75, 1.0, 1.5, -1.5, -2.0, -3.0], dtype=subject.array_dtype)
    spec = subject.spec(SGD, learning_rate=unit / 2)
    compare.example(spec=spec, start=1.0, gradients=halves.tolist())
    run = subject.optimizer(spec, np.ones(6, dtype=subject.array_dtype))
    for step in range(1, 9):
        run.step(halves)
        moved = np.array([0.0, 0.0, -1.0, 0.0, 0.0, 2.0]) * unit
        compare.equal(run.parameters(), 1.0 + step * moved, "parameters after small steps", step=step)
    run = subject.optimizer(spec, np.ones(6, dtype=subject.array_dtype))
    run.step(8 * halves)
    compare.equal(run.parameters(), 1.0 - np.array([3.0, 4.0, 6.0, -6.0, -8.0, -12.0]) * unit, "after all in one step")


@case(
    statement="A rate proportional to the gradient makes x to x (1 - |x|) on x^2 / 2: from 4 it diverges, 4, -12, 132, "
    "-17292; from 2 it goes to and fro for ever; from 1/2 it falls like 1 / t, between 1 / (2 + t + 1 + 1/2 + ... + "
    "1/t) and 1 / (2 + t) after t steps.",
    source="derived here: 1 / x grows by 1 + 1 / (1 / x - 1) per step",
    kind="exact",
    catches="a rate that the size of the gradient changes; a step that is not the rate times the gradient",
    capability="optimizer",
)
def test_rate_proportional_to_the_gradient(subject, compare):
    exact = [Fraction(x) for x in ("4", "2", "1", "1/2", "-1/2", "-3")]
    spec = subject.spec(SGD, learning_rate=1.0)
    compare.example(spec=spec, start=[float(x) for x in exact], gradient="|x| x")
    run = subject.optimizer(spec, np.array(exact, dtype=subject.array_dtype))
    harmonic = Fraction(0)
    for step in range(1, 65):
        x = run.parameters()
        run.step(np.where(np.abs(x) > 2**15, 0, x * np.abs(x)))  # what has diverged stays where it is
        harmonic += Fraction(1, step)
        if step <= 3:  # so far the squares fit into 24 bits
            exact = [x * (1 - abs(x)) for x in exact]
            compare.equal(run.parameters(), [float(x) for x in exact], "parameters", step=step)
        _, to_and_fro, arrived, slow, mirrored, _ = run.parameters()
        compare.equal(to_and_fro, 2.0 * (-1.0) ** step, "parameter that goes to and fro", step=step)
        compare.equal(arrived, 0.0, "parameter that has arrived", step=step)
        compare.at_most(slow, Fraction(1, 2 + step), "parameter that falls, and 1 / (2 + t)", step=step)
        compare.at_most(1 / (2 + step + harmonic), slow, "what it stays above, and the parameter", step=step)
        compare.equal(mirrored, -float(slow), "parameter that rises", step=step)


@case(
    statement="One learning rate multiplies the steps of all layers alike: their ratio is that of the gradients, bit "
    "for bit where it is a power of two. With curvatures a < b every rate leaves at least (b - a) / (b + a) of one of "
    "both distances, and 2 / (a + b) leaves that of both.",
    source="derived here: a rate of at most 2 / (a + b) leaves at least 1 - 2 a / (a + b) of the one, a larger one at "
    "least 2 b / (a + b) - 1 of the other",
    kind="exact",
    catches="a rate of its own for each coordinate",
    capability="optimizer",
)
def test_one_rate_for_all_layers(subject, compare):
    gradients = 4.0 ** -np.arange(6.0)
    for rate in (2.0**-10, 0.1, 1024.0):
        spec = subject.spec(SGD, learning_rate=rate)
        compare.example(spec=spec, gradients=gradients.tolist())
        run = PairedRun(subject, spec, np.zeros(6))
        start = run.now
        run.step(gradients)
        check(compare, "steps", rate * gradients, step_of, start, run.now, rate=rate)
        found = run.now.actual.parameters
        compare.equal(found, gradients * float(found[0]), "steps, by that of the last layer", rate=rate)
    flat, steep = Fraction(1, 4**8), Fraction(1)
    best = (steep - flat) / (steep + flat)
    for exact in (Fraction(1, 8), Fraction(1), 2 / (flat + steep), Fraction(2), Fraction(3)):
        left = max(abs(1 - exact * curvature) for curvature in (flat, steep))
        compare.at_most(best, left, "larger factor of the distances, at least", rate=float(exact))
        if exact == 2 / (flat + steep):
            compare.at_most(left, best, "larger factor of the distances at the best rate", rate=float(exact))


@case(
    statement="From 0, on one sample x with a right answer, gradient descent moves along x, and Adam without epsilon "
    "along the signs of x: of the weights that fit x = (2, 1), y = 3 they can reach (6/5, 3/5) and (1, 1).",
    source="Wilson, Roelofs, Stern, Srebro & Recht 2017, The marginal value of adaptive gradient methods in machine "
    "learning, section 3; derived here",
    kind="exact",
    catches="moments or steps that are shared by coordinates",
    capability="optimizer",
)
@pytest.mark.parametrize("rule", [SGD, Adam], ids=lambda rule: rule.__name__)
def test_which_fit_is_found(subject, compare, rule):
    x, y = np.array([2.0, 1.0], dtype=subject.array_dtype), 3.0
    spec = subject.spec(rule, learning_rate=0.125, **({"epsilon": 0.0} if rule is Adam else {}))
    direction, fit = (np.array([1.0, 1.0]), Fraction(1)) if rule is Adam else (np.array([2.0, 1.0]), Fraction(3, 5))
    compare.example(spec=spec, x=x.tolist(), y=y, fit=[float(fit * Fraction(part)) for part in direction])
    run = subject.optimizer(spec, np.zeros(2, dtype=subject.array_dtype))
    for step in range(1, 13):
        weights = run.parameters()
        run.step((2 * weights[0] + weights[1] - 3) * x)
        found = run.parameters()
        compare.equal(found, float(found[1]) * direction, "weights, along the direction", step=step)
        if rule is SGD and step <= 6:  # so far all numbers fit into 24 bits
            share = fit * (1 - Fraction(3, 8) ** step)
            compare.equal(found, [float(2 * share), float(share)], "weights of gradient descent", step=step)
    compare.equal(np.array(float(fit) * (x @ direction), dtype=subject.array_dtype), y, "answer of the fit")
