"""Adam in closed form: constant, geometric, single and periodic gradients, and what epsilon and a penalty do to it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import sqrt

import numpy as np
import pytest

from conformance.case import case
from conformance.following.steps import Beside, hold, parameters_of, step_of
from conformance.known_values import asked
from conformance.strategies.gradients import representable
from refimpl.optimizers import SGD, Adam, AdamW, RAdam


def gathered(decay, steps):
    """1 - decay**steps in 28 digits: the weight that a moving average has after so many steps from zero."""
    return 1 - Decimal(decay) ** steps


def uncorrected(now):
    """The step of one learning rate's scale that the moments as they are would give."""
    return now.slot("first_moment") / np.sqrt(now.slot("second_moment"))


def total_uncorrected(*steps):
    return sum(map(uncorrected, steps))


@case(
    statement="The first step is rate * g / (|g| + epsilon), whatever the decays.",
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
        run = Beside(subject, spec, np.zeros(len(gradients)))
        start = run.now
        run.step(gradients)
        closed = 0.25 * gradients / (np.abs(gradients) + epsilon)
        hold(compare, "first step", closed, step_of, start, run.now, beta1=beta1, beta2=beta2)


@case(
    statement="Under a constant gradient Adam goes the same distance each step, and the place of epsilon decides it.",
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
    run = Beside(subject, spec, np.zeros(len(gradients)))
    position = np.zeros(len(gradients))
    for step in range(1, 13):
        before = run.now
        run.step(gradients)
        denominator = {
            "outside": size + epsilon,
            "inside": np.hypot(size, sqrt(epsilon)),
            "uncorrected": size + epsilon / float(gathered(beta2, step).sqrt()),
        }[placement]
        position = position - gradients / denominator
        hold(compare, "step", gradients / denominator, step_of, before, run.now, step=step)
        hold(compare, "parameters", position, parameters_of, run.now, step=step)


@case(
    statement="Corrected, both moments of a constant gradient give steps of one learning rate; any other use of the"
    " corrections does not.",
    source="Kingma & Ba 2015, section 3; the moments are (1 - beta1**t) g and (1 - beta2**t) g**2",
    kind="analytic",
    catches="a correction of one moment alone, its reciprocal, or corrections that pile up in the learning rate",
    capability="optimizer",
)
def test_bias_correction(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0, epsilon_placement="outside")
    compare.example(spec=spec, gradient=1.0)
    run = Beside(subject, spec, np.zeros(1))
    rate = Decimal(1)  # into which the corrections are multiplied step after step
    for step in range(1, 13):
        before = run.now
        run.step(np.ones(1))
        first, second = gathered(beta1, step), gathered(beta2, step)
        ratio = first / second.sqrt()
        hold(compare, "both corrected", 1.0, step_of, before, run.now, step=step)
        for what, factor, closed in [
            ("none corrected", Decimal(1), ratio),
            ("first moment alone corrected", 1 / first, 1 / second.sqrt()),
            ("second moment alone corrected", second.sqrt(), first),
            ("divided by the second's correction", 1 / second.sqrt(), ratio / second.sqrt()),
            ("corrections multiplied into the rate", rate / ratio, rate),
        ]:
            hold(compare, what, float(closed), lambda now, x=float(factor): uncorrected(now) * x, run.now, step=step)
        rate = rate / ratio


@case(
    statement="Without bias correction the steps start sqrt(10) times too long, peak at 6.57 times in step 12 and are"
    " 1.26 times too long in step 1000: twice the distance by then.",
    source="derived here: (1 - beta1**t) / sqrt(1 - beta2**t) at the default decays",
    kind="analytic",
    catches="moments that gather their weight at a wrong rate",
    capability="theorem",
)
def test_distance_without_correction(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0)
    compare.example(spec=spec, gradient=1.0)
    run = Beside(subject, spec, np.zeros(1))
    history, ratios = [], []
    for step in range(1, 1001):
        before = run.now
        run.step(np.ones(1))
        history.append(run.now)
        ratios.append(gathered(beta1, step) / gathered(beta2, step).sqrt())
        hold(compare, "step with correction", 1.0, step_of, before, run.now, step=step)
        hold(compare, "step without correction", float(ratios[-1]), uncorrected, run.now, step=step)
    hold(compare, "distance with correction", 1000.0, lambda now: -now.parameters, run.now)
    hold(compare, "distance without correction", float(sum(ratios)), total_uncorrected, *history)
    lengths = [uncorrected(now.found).item() for now in history]
    compare.at_most(max(lengths[:11] + lengths[12:]), lengths[11], "longest step but the 12th")


def tight_bound(beta1, beta2, step):
    """The longest step number `step` that gradients can cause, in learning rates; 28 digits.

    The Cauchy-Schwarz inequality for the first moment, with the weights of the second.
    """
    beta1, beta2 = Decimal(beta1), Decimal(beta2)
    ratio = beta1**2 / beta2
    largest_ratio = (1 - beta1) * ((1 - ratio**step) / (1 - ratio) / (1 - beta2)).sqrt()
    return largest_ratio * gathered(beta2, step).sqrt() / gathered(beta1, step)


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
    lanes = 64
    others = generator.choice([-1.0, 1.0], (steps, lanes)) * np.exp(generator.normal(0.0, 3.0, (steps, lanes)))
    growing = 1.5 ** np.arange(steps)  # exact
    compare.example(spec=spec, gradients=growing[:3].tolist())
    run = Beside(subject, spec, np.zeros(lanes + 1))
    for step in range(1, steps + 1):
        before = run.now
        run.step(np.append(growing[step - 1], representable(others[step - 1], subject.dtype)))
        bound = float(tight_bound(beta1, beta2, step))
        hold(compare, "longest step", [bound], lambda a, b: step_of(a, b)[:1], before, run.now, step=step)
        found, certified = step_of(before.found, run.now.found)[1:], step_of(before.certified, run.now.certified)[1:]
        beyond_rounding = np.abs(found.astype(np.float64)) - certified.bound
        compare.at_most(beyond_rounding.max(), bound, "step under other gradients", step=step)
        if step >= 2:
            longest = step_of(before.found, run.now.found)[0]
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
    run = Beside(subject, spec, np.zeros(1))
    for step in range(1, {0.999: 1001, 0.99: 101}[beta2]):
        before = run.now
        run.step(np.array([float(growth ** (step - 1))]))
        bound = float(tight_bound(beta1, beta2, step))
        hold(compare, "longest step", bound, step_of, before, run.now, step=step, beta1=beta1, beta2=beta2)
        if bound > stated:
            longest = step_of(before.found, run.now.found).item()
            compare.exceeds(longest, stated, "longest step over the stated bound", step=step, beta2=beta2)


@case(
    statement="After a single gradient Adam goes on in its direction, by steps that follow from the decays alone:"
    " at the default ones 5.73 learning rates within 30 steps, and 6.01 in all.",
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
    run = Beside(subject, spec, np.zeros(len(gradients)))
    distance = Decimal(0)
    for step in range(1, 31):
        before = run.now
        run.step(gradients if step == 1 else np.zeros(len(gradients)))
        first = Decimal(beta1) ** (step - 1) * gathered(beta1, 1) / gathered(beta1, step)
        second = Decimal(beta2) ** (step - 1) * gathered(beta2, 1) / gathered(beta2, step)
        length = first / second.sqrt()
        distance += length
        hold(compare, "step", np.sign(gradients) * float(length), step_of, before, run.now, step=step)
        hold(compare, "parameters", -np.sign(gradients) * float(distance), parameters_of, run.now, step=step)


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
    statement="The step does not depend on the size of a gradient far above epsilon, and vanishes with it below.",
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
    run = Beside(subject, spec, np.zeros(len(exponents)))
    for step in range(1, 6):
        before = run.now
        run.step(2.0**exponents * epsilon)
        hold(compare, "step", 1 / (1 + 2.0**-exponents), step_of, before, run.now, step=step)


CONVERGENCE = "Reddi, Kale & Kumar 2018, On the Convergence of Adam and Beyond"


@case(
    statement="Under the gradients 3, -1, -1 over and over, whose mean is 1/3, Adam with decays 0 and 1/10 climbs by"
    " 0.681 learning rates a cycle, where gradient descent goes down by 1.",
    source=f"the example of {CONVERGENCE}, theorem 1; exact drift derived here",
    kind="analytic",
    catches="a second moment that remembers too long or too little, or that lags behind the first by a step",
    capability="optimizer",
)
def test_periodic_gradients(subject, compare):
    cycle, cycles, a = (3.0, -1.0, -1.0), 8, Decimal("0.1")
    spec = subject.spec(Adam, learning_rate=1.0, beta1=0.0, beta2=0.1, epsilon=0.0, epsilon_placement="outside")
    compare.example(spec=spec, gradients=cycle)
    adam = Beside(subject, spec, np.zeros(1))
    descent = subject.optimizer(subject.spec(SGD, learning_rate=1.0), np.zeros(1, dtype=subject.array_dtype))
    for number in range(1, cycles + 1):
        before = adam.now
        for gradient in cycle:
            adam.step(np.array([gradient]))
            descent.step(np.array([gradient], dtype=subject.array_dtype))
        compare.equal(descent.parameters(), [-float(number)], "gradient descent", cycle=number)
        positions = [moment.found.parameters.item() for moment in (before, adam.now)]
        compare.exceeds(positions[1], positions[0], "Adam after a cycle, over Adam before it", cycle=number)
    weights = 1 + a + a**2  # of the squares 9, 1, 1, newest first, once the start is forgotten
    second = [(9 + a + a**2) / weights, (1 + 9 * a + a**2) / weights, (1 + a + 9 * a**2) / weights]
    drift = -3 / second[0].sqrt() + 1 / second[1].sqrt() + 1 / second[2].sqrt()
    hold(compare, "Adam's drift per cycle", float(drift), lambda a, b: -step_of(a, b), before, adam.now)


@case(
    statement="Projected on [-1, 1], with a rate that falls as 1 / sqrt(t), Adam ends each cycle of the gradients"
    " 3, -1, -1 at the worst point 1 and keeps a regret above 2/3 per step; that of gradient descent vanishes.",
    source=f"{CONVERGENCE}, theorem 1; for gradient descent Zinkevich 2003, theorem 1",
    kind="analytic",
    catches="a claim of convergence that takes the effective rate of Adam to be decreasing",
    capability="theorem",
)
def test_regret_on_periodic_gradients(subject, compare):
    cycle, cycles, rate = (3.0, -1.0, -1.0), 400, 0.25
    adam = subject.spec(Adam, beta1=0.0, beta2=0.1, epsilon=0.0)
    compare.example(spec=adam, gradients=cycle, rate="0.25 / sqrt(t)")
    regret = {}
    for spec in (adam, subject.spec(SGD)):
        x, total, step = np.ones(1), 0.0, 0
        state = spec.init(x)
        for number in range(1, cycles + 1):
            for gradient in cycle:
                step += 1
                total += gradient * (x.item() + 1)  # over the best fixed point, -1
                x, state = replace(spec, learning_rate=rate / sqrt(step)).step(x, np.array([gradient]), state)
                x = np.clip(x, -1.0, 1.0)
            if spec is adam:
                compare.equal(x, [1.0], "Adam at the end of a cycle", cycle=number)
        regret[type(spec)] = total / step
    compare.exceeds(regret[Adam], 2 / 3, "Adam's regret per step")
    diameter, largest = 2.0, 3.0
    limit = (diameter**2 / (2 * rate) + largest**2 * rate) / sqrt(3 * cycles)
    compare.at_most(regret[SGD], limit, "gradient descent's regret per step")


@case(
    statement="Under a zero gradient and without epsilon, Adam with an L2 penalty takes a first step of one learning"
    " rate and then a path that is the same for every penalty.",
    source="Loshchilov & Hutter 2019, section 2",
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
        run = Beside(subject, spec, start)
        for step in range(1, 4):
            before = run.now
            run.step(np.zeros(3))
            if step == 1:
                hold(compare, "first step with a penalty", rate * np.sign(start), step_of, before, run.now)
            path = paths.setdefault(step, run.now.found.parameters)
            compare.equal(run.now.found.parameters, path, "parameters with a penalty", step=step, penalty=penalty)


@case(
    statement="Under a zero gradient decoupled decay shrinks the parameter by 1 - rate * decay each step.",
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


# The first step at which the average of squares, with beta2 = 4/5, is longer than the threshold.
FIRST_RECTIFIED = {4.0: 5, 5.0: 7}


def step_beside_first(before, after):
    """What a step took off each parameter, beside what it took off the first."""
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
    for threshold in asked(subject, RAdam, "threshold", tuple(FIRST_RECTIFIED)):
        spec = subject.spec(RAdam, learning_rate=0.5, beta2=0.8, epsilon=0.0, weight_decay=0.0, threshold=threshold)
        compare.example(spec=spec, gradients=sizes.tolist())
        run = Beside(subject, spec, np.zeros(3))
        for step in range(1, 11):
            before = run.now
            run.step(sizes)
            if step < FIRST_RECTIFIED[threshold]:
                hold(compare, "plain step", 0.5 * sizes, step_of, before, run.now, step=step)
            else:
                hold(compare, "beside the first", 0.0, step_beside_first, before, run.now, step=step)
