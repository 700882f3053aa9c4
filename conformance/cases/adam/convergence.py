"""The periodic gradients on which Adam does not converge, and gradient descent does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import sqrt

import numpy as np

from conformance.running.case import case
from conformance.trajectories.steps import PairedRun, check, step_of
from refimpl.optimizers import SGD, Adam

CONVERGENCE = "Reddi, Kale & Kumar 2018, On the Convergence of Adam and Beyond"


CYCLE = (3.0, -1.0, -1.0)


@case(
    statement="Under the gradients 3, -1, -1 over and over, whose mean is 1/3, Adam with decays 0 and 1/10 climbs in"
    " each cycle, by 0.681 learning rates once its start is forgotten, where gradient descent goes down by 1.",
    source=f"the example of {CONVERGENCE}, theorem 1; exact drift derived here",
    kind="analytic",
    catches="a second moment that remembers too long or too little, or that lags behind the first by a step",
    capability="optimizer",
)
def test_periodic_gradients(subject, compare):
    cycle, cycles, a = CYCLE, 8, Decimal("0.1")
    spec = subject.spec(Adam, learning_rate=1.0, beta1=0.0, beta2=0.1, epsilon=0.0, epsilon_placement="outside")
    compare.example(spec=spec, gradients=cycle)
    adam = PairedRun(subject, spec, np.zeros(1))
    descent = subject.optimizer(subject.spec(SGD, learning_rate=1.0), np.zeros(1, dtype=subject.array_dtype))
    for number in range(1, cycles + 1):
        before = adam.now
        for gradient in cycle:
            adam.step(np.array([gradient]))
            descent.step(np.array([gradient], dtype=subject.array_dtype))
        compare.equal(descent.parameters(), [-float(number)], "gradient descent", cycle=number)
        positions = [snapshot.actual.parameters.item() for snapshot in (before, adam.now)]
        compare.exceeds(positions[1], positions[0], "Adam after a cycle, over Adam before it", cycle=number)
    weights = 1 + a + a**2  # of the squares 9, 1, 1, newest first, once the start is forgotten
    second = [(9 + a + a**2) / weights, (1 + 9 * a + a**2) / weights, (1 + a + 9 * a**2) / weights]
    drift = -3 / second[0].sqrt() + 1 / second[1].sqrt() + 1 / second[2].sqrt()
    check(compare, "Adam's drift per cycle", float(drift), lambda a, b: -step_of(a, b), before, adam.now)


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
    # Compared with the best point -1 it loses 3 * 2 there, and gains less than 2 * 2.
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
