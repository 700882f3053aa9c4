"""Adam in closed form: constant, geometric, single and periodic gradients, and what epsilon and a penalty do to it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import sqrt

import numpy as np
import pytest

from conformance.known_values import asked
from conformance.running.case import case
from conformance.strategies.gradients import representable
from conformance.trajectories.steps import Beside, hold, parameters_of, step_of
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
        run = Beside(subject, spec, np.zeros(len(gradients)))
        start = run.now
        run.step(gradients)
        closed = 0.25 * gradients / (np.abs(gradients) + epsilon)
        hold(compare, "first step", closed, step_of, start, run.now, beta1=beta1, beta2=beta2)


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
    run = Beside(subject, spec, np.zeros(1))
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
        ]:
            hold(compare, what, float(closed), lambda now, x=float(factor): uncorrected(now) * x, run.now, step=step)


@case(
    statement="A constant gradient gives Adam steps of one learning rate. At the default decays, where the rate of the"
    " step before is divided by sqrt(1 - beta2**t) and moments are left as they are, steps grow beyond 10**20 learning"
    " rates in 20 steps; where it is multiplied by both corrections, they shrink in each step.",
    source="Kingma & Ba 2015, algorithm 1, which corrects anew in each step; the products derived here",
    kind="analytic",
    catches="a learning rate that is corrected in place",
    capability="theorem",
)
def test_rate_corrected_in_place(subject, compare):
    beta1, beta2 = 0.9, 0.999
    spec = subject.spec(Adam, learning_rate=1.0, beta1=beta1, beta2=beta2, epsilon=0.0)
    compare.example(spec=spec, gradient=1.0)
    run = Beside(subject, spec, np.zeros(1))
    rates = dict.fromkeys(("divided in place", "divided by the next correction", "multiplied in place"), Decimal(1))
    lengths: dict[str, list[float]] = {what: [] for what in rates}
    for step in range(1, 21):
        before = run.now
        run.step(np.ones(1))
        hold(compare, "corrected anew", 1.0, step_of, before, run.now, step=step)
        first, second, following = gathered(beta1, step), gathered(beta2, step), gathered(beta2, step + 1)
        corrections = (1 / second.sqrt(), 1 / following.sqrt(), second.sqrt() / first)
        for what, correction in zip(rates, corrections, strict=True):
            rates[what] *= correction
            closed, rate = float(rates[what] * first / second.sqrt()), float(rates[what])
            hold(compare, what, closed, lambda now, x=rate: uncorrected(now) * x, run.now, step=step)
            lengths[what].append((rate * uncorrected(run.now.found)).item())
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
    compare.exceeds(min(lengths), 1.0, "shortest step")
    # For t > 1000 as well: at most 1 / sqrt(1 - beta2**t), which falls, and above 1 where 2 beta1**t <= beta2**t.
    compare.at_most(float(1 / gathered(beta2, 1000).sqrt()), lengths[11], "bound on all steps from the 1000th on")
    compare.at_most(2 * float(Decimal(beta1) / Decimal(beta2)) ** 1000, 1.0, "2 (beta1 / beta2)**1000")


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
    statement="After a single gradient, in step 1, Adam goes on in its direction, by steps that follow from the decays"
    " alone: at the default ones 5.73 learning rates within 30 steps.",
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
        length = length_after_single(beta1, beta2, 1, step)
        distance += length
        hold(compare, "step", np.sign(gradients) * float(length), step_of, before, run.now, step=step)
        hold(compare, "parameters", -np.sign(gradients) * float(distance), parameters_of, run.now, step=step)


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
    run = Beside(subject, spec, np.zeros(len(gradients)))
    for step in range(1, 201):
        before = run.now
        run.step(np.where(late == step, gradients, 0.0))
        length = np.array([float(length_after_single(beta1, beta2, s, step)) for s in late.tolist()])
        hold(compare, "step", np.sign(gradients) * length, step_of, before, run.now, step=step)
    distance = np.array([float(distance_after_single(beta1, beta2, s, step)) for s in late.tolist()])
    hold(compare, "parameters", -np.sign(gradients) * distance, parameters_of, run.now, step=step)


def length_after_single(beta1, beta2, first_step, step):
    """The step, in learning rates, of a parameter whose only gradient came in first_step; 28 digits."""
    age = step - first_step
    if age < 0:
        return Decimal(0)
    first = Decimal(beta1) ** age * gathered(beta1, 1) / gathered(beta1, step)
    second = Decimal(beta2) ** age * gathered(beta2, 1) / gathered(beta2, step)
    return first / second.sqrt()


def distance_after_single(beta1, beta2, first_step, step):
    """How far, in learning rates, such a parameter has moved after this step."""
    return sum(length_after_single(beta1, beta2, first_step, t) for t in range(first_step, step + 1))


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
    run = Beside(subject, spec, np.zeros(len(sizes)))
    for step in range(1, 31):
        before = run.now
        run.step(np.array(sizes, dtype=float) if step == 1 else np.ones(len(sizes)))
        lengths = []
        for size in sizes:
            first = gathered(beta1, step) + (size - 1) * gathered(beta1, 1) * Decimal(beta1) ** (step - 1)
            second = gathered(beta2, step) + (size**2 - 1) * gathered(beta2, 1) * Decimal(beta2) ** (step - 1)
            lengths.append(float(first / gathered(beta1, step) / (second / gathered(beta2, step)).sqrt()))
        hold(compare, "step", np.array(lengths), step_of, before, run.now, step=step)


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
    run = Beside(subject, spec, np.zeros(len(exponents)))
    for step in range(1, 6):
        before = run.now
        run.step(2.0**exponents * epsilon)
        hold(compare, "step", 1 / (1 + 2.0**-exponents), step_of, before, run.now, step=step)


CONVERGENCE = "Reddi, Kale & Kumar 2018, On the Convergence of Adam and Beyond"


@case(
    statement="Under the gradients 3, -1, -1 over and over, whose mean is 1/3, Adam with decays 0 and 1/10 climbs in"
    " each cycle, by 0.681 learning rates once its start is forgotten, where gradient descent goes down by 1.",
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
    statement="On [-1, 1] and from 1, with rates a / sqrt(t) or a constant rate a, whatever a > 0, Adam of decays 0 and"
    " 1/10 ends each cycle of the gradients 3, -1, -1 at the worst point 1, with a regret above 2/3 per step. That of"
    " gradient descent vanishes with rates a / sqrt(t), and ends up at 5 a per cycle with a constant rate a <= 1.",
    source=f"{CONVERGENCE}, theorem 1; the proof for these decays derived here; for gradient descent Zinkevich 2003,"
    " theorem 1",
    kind="analytic",
    catches="a claim of convergence that takes the effective rate of Adam to be decreasing",
    capability="theorem",
)
def test_regret_on_periodic_gradients(subject, compare):
    adam, descent = subject.spec(Adam, beta1=0.0, beta2=0.1, epsilon=0.0), subject.spec(SGD)
    # The proof, for any a: in each cycle Adam goes further to the right than to the left, and so from 1 back to 1.
    # Beside the best point -1 it pays 3 * 2 there, and wins back less than 2 * 2.
    for cycle, (left, right) in (("first", first_cycle()), ("later", later_cycles())):
        compare.exceeds(right, left, "least way to the right, in rates at the gradient 3", cycle=cycle)
    for falls, rate, cycles in [(True, 0.25, 400), (True, 8.0, 30), (True, 2.0**-6, 30), (False, 0.25, 30)]:
        where = {"falls": falls, "rate": rate}
        compare.example(spec=adam, gradients=CYCLE, **where)
        costs = list(regrets(adam, rate, cycles, falls))
        for number, (end, cost) in enumerate(costs, 1):
            compare.equal(end, [1.0], "Adam at the end of a cycle", cycle=number, **where)
            compare.exceeds(cost, 2.0, "Adam's regret in a cycle", cycle=number, **where)
    total = sum(cost for _, cost in regrets(descent, 0.25, 400, falls=True))
    diameter, largest = 2.0, 3.0
    limit = (diameter**2 / (2 * 0.25) + largest**2 * 0.25) * sqrt(400 * len(CYCLE))
    compare.at_most(total, limit, "gradient descent's regret")
    *_, (_, cost) = regrets(descent, 0.25, 30, falls=False)
    compare.equal(np.asarray(cost, dtype=subject.array_dtype), 5 * 0.25, "gradient descent's regret in a cycle")


CYCLE = (3.0, -1.0, -1.0)


def regrets(spec, rate, cycles, falls):
    """Where a run on [-1, 1] that starts at 1 is after each cycle, and what the cycle cost over the point -1."""
    x, step = np.ones(1), 0
    state = spec.init(x)
    for _ in range(cycles):
        cost = 0.0
        for gradient in CYCLE:
            step += 1
            cost += gradient * (x.item() + 1)
            now = replace(spec, learning_rate=rate / sqrt(step) if falls else rate)
            x, state = now.step(x, np.array([gradient]), state)
            x = np.clip(x, -1.0, 1.0)
        yield x, cost


def first_cycle():
    """How far Adam of decays 0 and 1/10 goes to the left and to the right in steps 1, 2, 3, in the first of its rates
    1 / sqrt(t); with a constant rate further to the right."""
    a = 0.1
    second = (9.0, (1 + 9 * a) / (1 + a), (1 + a + 9 * a**2) / (1 + a + a**2))
    return 3 / sqrt(second[0]), sqrt(1 / 2 / second[1]) + sqrt(1 / 3 / second[2])


def later_cycles():
    """At most how far to the left, and at least how far to the right, in steps t, t + 1, t + 2 for any t >= 4; in rates
    of step t.

    The second moment is sum(a**k s) / sum(a**k) over the squares s, newest first: 9, 1, 1 over and over at the gradient
    3, 1, 9, 1 and 1, 1, 9 at those after it. The sums end with step 1, so that the lower one is from (1 - a**4) /
    (1 - a) to 1 / (1 - a). Rates 1 / sqrt(t) fall by sqrt(t / (t + 1)) and sqrt(t / (t + 2)), the least for t = 4.
    """
    a = 0.1
    least = (9 + a + a**2) * (1 - a)
    largest = [(x + a * y + a**2 * z) / (1 - a**3) * (1 - a) / (1 - a**4) for x, y, z in ((1, 9, 1), (1, 1, 9))]
    return 3 / sqrt(least), sqrt(4 / 5 / largest[0]) + sqrt(4 / 6 / largest[1])


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
        run = Beside(subject, spec, start)
        for step in range(1, 4):
            before = run.now
            run.step(np.zeros(3))
            if step == 1:
                hold(compare, "first step with a penalty", rate * np.sign(start), step_of, before, run.now)
            path = paths.setdefault(step, run.now.found.parameters)
            compare.equal(run.now.found.parameters, path, "parameters with a penalty", step=step, penalty=penalty)


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
