"""Whole training runs: small networks from a common start on common batches, and what gradient descent fits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from conformance.known_values import with_bound_of
from conformance.running.case import case
from conformance.strategies.gradients import representable
from conformance.trajectories.training import Step, Training, certified, follow_training, largest_bound
from refimpl.activations import ReLU, Sigmoid, Tanh
from refimpl.layers import Dense
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError
from refimpl.network import Network
from refimpl.optimizers import SGD, Adam

ROWS = 32  # of a mini-batch
BATCHES, EPOCHS = 5, 6


def dense(subject, weight: np.ndarray, bias: np.ndarray) -> tuple[Dense, dict[str, np.ndarray]]:
    """The dense layer of the subject and its parameters, given the weight of shape (inputs, outputs)."""
    layer = subject.spec(Dense, bias=True)
    return layer, {"weight": weight if layer.layout == "input_output" else weight.T, "bias": bias}


def drawn_dense(
    subject, generator: np.random.Generator, inputs: int, outputs: int
) -> tuple[Dense, dict[str, np.ndarray]]:
    """A dense layer with weights of variance 2 / inputs (He et al. 2015, equation 10), and biases other than 0."""
    weight = generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
    bias = generator.standard_normal(outputs) / 8
    return dense(subject, representable(weight, subject.dtype), representable(bias, subject.dtype))


def epochs(spec: Any, x: np.ndarray, y: np.ndarray) -> list[Step]:
    """The steps of all epochs; each goes through the mini-batches in the same order."""
    return [Step(spec, *rows) for rows in zip(np.split(x, BATCHES), np.split(y, BATCHES), strict=True)] * EPOCHS


def compare_run(subject, compare, training: Training, *, growth: float) -> list[dict]:
    """Compares each step, and in float64 the whole run; returns the last parameters.

    growth: what the certified error of the whole run stays below, as a multiple of that of its first step. Sixteen
    digits outlast it, the seven of float32 need not.
    """
    if subject.dtype != "float64":
        return list(follow_training(subject, compare, training))[-1]
    target = subject.target_of(training.steps[0].spec)
    run = list(zip(follow_training(subject, compare, training), certified(training, target), strict=True))
    for number, (found, expected) in enumerate(run, start=1):
        compare.tree(found, expected, "parameters of the whole run", step=number)
    (_, first), (found, last) = run[0], run[-1]
    compare.at_most(largest_bound(last) / largest_bound(first), growth, "growth of the certified error")
    return found


@case(
    statement="A 10-10-1 network with binary cross-entropy follows Adam through 30 mini-batches of 32; in float64 the "
    "certified error of the whole run grows less than 16-fold after the first step.",
    source="Kingma & Ba 2015, algorithm 1; Rumelhart, Hinton & Williams 1986, equations 4-7; bounds of the whole run: "
    "Higham 2002, section 3.3",
    kind="exact",
    catches="stale gradients or moments, batches mixed up, a head that does not fit its loss, a step count off by one",
    capability="network",
)
@pytest.mark.parametrize("rule", [BinaryCrossEntropy, BinaryCrossEntropyWithLogits], ids=lambda rule: rule.__name__)
def test_binary_cross_entropy(subject, compare, rule):
    generator = np.random.default_rng(1010)
    x = representable(generator.standard_normal((ROWS * BATCHES, 10)), subject.dtype)
    y = (x @ generator.standard_normal((10, 1)) > 0).astype(np.float64)
    hidden, head = drawn_dense(subject, generator, 10, 10), drawn_dense(subject, generator, 10, 1)
    parameters = [hidden[1], {}, head[1]]
    layers: list[Any] = [hidden[0], subject.spec(ReLU), head[0]]
    if rule is BinaryCrossEntropy:  # wants probabilities
        layers, parameters = [*layers, subject.spec(Sigmoid)], [*parameters, {}]
    network, spec = Network(layers, subject.spec(rule)), subject.spec(Adam, learning_rate=1e-3)
    compare.example(network=network, spec=spec)
    last = compare_run(subject, compare, Training(network, parameters, epochs(spec, x, y)), growth=16)
    compare.exceeds(network.objective(parameters, x, y), network.objective(last, x, y), "loss before training")


@case(
    statement="A 10-1 ReLU network with squared error follows Adam through 30 mini-batches of 32; in float64 the "
    "certified error of the whole run grows less than 16-fold after the first step.",
    source="Kingma & Ba 2015, algorithm 1; bounds of the whole run: Higham 2002, section 3.3",
    kind="exact",
    catches="stale gradients or moments, batches mixed up, a mean over the wrong count, a step count off by one",
    capability="network",
)
def test_squared_error(subject, compare):
    generator = np.random.default_rng(101)
    x = representable(generator.standard_normal((ROWS * BATCHES, 10)), subject.dtype)
    noise = generator.standard_normal((len(x), 1)) / 8
    y = representable(np.maximum(x @ generator.standard_normal((10, 1)) + noise, 0), subject.dtype)
    layer, entries = drawn_dense(subject, generator, 10, 1)
    parameters = [entries, {}]
    network = Network([layer, subject.spec(ReLU)], subject.spec(MeanSquaredError))
    spec = subject.spec(Adam, learning_rate=1e-3)
    compare.example(network=network, spec=spec)
    last = compare_run(subject, compare, Training(network, parameters, epochs(spec, x, y)), growth=16)
    compare.exceeds(network.objective(parameters, x, y), network.objective(last, x, y), "loss before training")


@case(
    statement="A 2-2-1 tanh network learns XOR in 20 steps of momentum, to outputs beyond 1/2 on the right side; in "
    "float64 the certified error of the whole run grows less than 2**24-fold after the first step.",
    source="Rumelhart, Hinton & Williams 1986 (two hidden units are enough); bounds of the whole run: Higham 2002, "
    "section 3.3",
    kind="exact",
    catches="a velocity lost between steps, hidden units that share a gradient, a dropped bias",
    capability="network",
)
def test_xor(subject, compare):
    x, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[-1.0], [1.0], [1.0], [-1.0]])
    hidden = dense(subject, np.array([[1.5, 2.0], [2.0, 1.5]]), np.array([-1.0, -2.5]))
    head = dense(subject, np.array([[0.5], [0.25]]), np.zeros(1))
    parameters = [hidden[1], {}, head[1]]
    network = Network([hidden[0], subject.spec(Tanh), head[0]], subject.spec(MeanSquaredError, reduction="mean"))
    spec = subject.spec(SGD, learning_rate=0.125, momentum=0.5, nesterov=False)
    compare.example(network=network, spec=spec, start=parameters)
    last = compare_run(subject, compare, Training(network, parameters, [Step(spec, x, y)] * 20), growth=2.0**24)
    compare.at_most((network.forward(parameters, x) * y).min(), 0.0, "least output on the right side, before training")
    compare.exceeds((network.forward(last, x) * y).min(), 0.5, "least output on the right side, after training")


# --- one input, one output: y = 2 x + 1 and noise -----------------------------------------------------------------


def line(subject) -> tuple[Network, list[dict]]:
    """The linear model that starts at 0, under the mean of squared errors, and its parameters."""
    layer, entries = dense(subject, np.zeros((1, 1)), np.zeros(1))
    return Network([layer], subject.spec(MeanSquaredError, reduction="mean")), [entries]


def slope_and_intercept(parameters: list[dict]) -> Any:
    """Both as one array (or running-error array) of shape (2,)."""
    return np.concatenate([np.ravel(parameters[0]["weight"]), parameters[0]["bias"]])


def gradient_descent(subject, rates: Sequence[float], batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Training:
    """Plain descent from 0, with a rate and a batch (x, y), both of shape (rows,), for each step."""
    network, start = line(subject)
    specs = [subject.spec(SGD, learning_rate=rate) for rate in rates]
    return Training(
        network, start, [Step(spec, x[:, None], y[:, None]) for spec, (x, y) in zip(specs, batches, strict=True)]
    )


def check_exact(compare, found: list[dict], expected: Any, exact: Sequence[Fraction], step: int) -> None:
    """Checks the subject's slope and intercept against the exact ones, within the bound of the certified parameters."""
    known = with_bound_of([float(x) for x in exact], slope_and_intercept(expected))
    compare.within(slope_and_intercept(found), known, "slope and intercept", step=step)


def fractions(values: np.ndarray) -> list[Fraction]:
    return [Fraction(value) for value in np.ravel(values)]


def least_squares(x: np.ndarray, y: np.ndarray) -> tuple[Fraction, Fraction]:
    """Slope and intercept that solve the normal equations, exactly; shapes (rows,)."""
    xs, ys = fractions(x), fractions(y)
    mean_x, mean_y = Fraction(sum(xs), len(xs)), Fraction(sum(ys), len(ys))
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(xs, ys, strict=True))
    slope = Fraction(covariance, sum((a - mean_x) ** 2 for a in xs))
    return slope, mean_y - slope * mean_x


def exact_descent(training: Training) -> Iterator[tuple[Fraction, Fraction]]:
    """Slope and intercept after each step: the affine maps that a batch's sums define, without a rounding."""
    slope = intercept = Fraction(0)
    for step in training.steps:
        x, y = fractions(step.x), fractions(step.y)
        share = 2 * Fraction(step.spec.learning_rate) / len(x)
        xx, xy = (sum(a * b for a, b in zip(x, other, strict=True)) for other in (x, y))
        slope, intercept = (
            slope - share * (xx * slope + sum(x) * intercept - xy),
            intercept - share * (sum(x) * slope + len(x) * intercept - sum(y)),
        )
        yield slope, intercept


@case(
    statement="Mini-batch descent with a decaying rate on noisy samples of y = 2 x + 1 follows its affine recursion.",
    source="Robbins & Monro 1951 (the rates); the recursion in exact fractions, derived here",
    kind="exact",
    catches="rates of the wrong step, a mean over the wrong count, a gradient of slope and intercept mixed up",
    capability="network",
)
def test_linear_regression(subject, compare):
    generator = np.random.default_rng(21)
    x = np.rint(generator.uniform(-32, 32, 35)) / 16
    y = 2 * x + 1 + np.rint(generator.standard_normal(35) * 8) / 32
    batches = list(zip(np.split(x, 5), np.split(y, 5), strict=True)) * 8
    training = gradient_descent(subject, [0.25 / (1 + step / 4) for step in range(len(batches))], batches)
    compare.example(x=x.tolist(), y=y.tolist(), rate="1 / (4 + step)", batches=5)
    runs = zip(
        follow_training(subject, compare, training),
        certified(training, subject.target_of(training.steps[0].spec)),
        exact_descent(training),
        strict=True,
    )
    for number, (found, expected, exact) in enumerate(runs, start=1):
        check_exact(compare, found, expected, exact, number)


ENDS = np.array([1.0, -1.0])
NOISE = np.array([3, -1, 2, 4, -2, 1, -3, 5, 1, -4, 0, 2, -5, 3, 2, -2]) / 16  # of samples at 1, -1, 1, -1, ...


def samples_at_the_ends() -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of one sample of y = 2 x + 1 and noise, at 1 and -1 in turn."""
    x = np.tile(ENDS, len(NOISE) // 2)
    return [(x[i : i + 1], 2 * x[i : i + 1] + 1 + NOISE[i : i + 1]) for i in range(len(NOISE))]


@case(
    statement="With the rate 1 / (4 k) at the k-th pair of samples at 1 and -1, stochastic gradient descent is at the "
    "least squares of all samples so far after every pair.",
    source="derived here: slope + intercept and intercept - slope are running means; rates as in Robbins & Monro 1951",
    kind="exact",
    catches="a rate applied one step late, a decaying rate that is ignored, a lost factor 2 of squared error",
    capability="network",
)
def test_decaying_rate_fits_all_samples(subject, compare):
    batches = samples_at_the_ends()
    training = gradient_descent(subject, [1 / (4 * (1 + step // 2)) for step in range(len(batches))], batches)
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    compare.example(x=x.tolist(), y=y.tolist(), rate="1 / (4 k)")
    target = subject.target_of(training.steps[0].spec)
    runs = zip(follow_training(subject, compare, training), certified(training, target), strict=True)
    for number, (found, expected) in enumerate(runs, start=1):
        if number % 2 == 0:
            exact = least_squares(x[:number], y[:number])
            check_exact(compare, found, expected, exact, number)


@case(
    statement="With the constant rate 1/4 on the same samples, stochastic gradient descent fits the last two after "
    "every pair and has forgotten all others, so that it settles nowhere while their noise differs.",
    source="derived here: each step solves for its own sample",
    kind="exact",
    catches="a rate that decays on its own, a hidden average of parameters, a lost factor 2 of squared error",
    capability="network",
)
def test_constant_rate_fits_the_last_samples(subject, compare):
    batches = samples_at_the_ends()
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    training = gradient_descent(subject, [0.25] * len(batches), batches)
    compare.example(x=x.tolist(), y=y.tolist(), rate=0.25)
    for number, found in enumerate(follow_training(subject, compare, training), start=1):
        if number % 2 == 0:
            last_two = least_squares(x[number - 2 : number], y[number - 2 : number])
            compare.equal(slope_and_intercept(found), [float(v) for v in last_two], "fit of two samples", step=number)
    distance = max(abs(a - b) for a, b in zip(last_two, least_squares(x, y), strict=True))
    compare.exceeds(float(distance), 0.0, "distance from least squares")


@case(
    statement="The mean of stochastic gradient descent over all draws of samples with replacement is gradient descent "
    "on all samples, exactly: what is left to the optimum is multiplied by 1 - rate * curvature in each step. The mean "
    "over all orders without repetition is another.",
    source="derived here: the gradient is affine, and its mean over the samples is the gradient of the whole, whatever "
    "was drawn before; without repetition the draws depend",
    kind="exact",
    catches="a mean over a mini-batch that is a sum, gradients of another sample, a rate of another step",
    capability="network",
)
def test_mean_over_draws_is_gradient_descent(subject, compare):
    x = np.array([-1.5, -0.5, 0.5, 1.5])
    y = 2 * x + 1 + np.array([1, -1, -1, 1]) / 8  # noise orthogonal to 1 and x: the optimum is (2, 1)
    rates = [0.25, 0.125]
    compare.example(x=x.tolist(), y=y.tolist(), rates=rates)

    exact, curvature = np.array([-2.0, -1.0]), 2 * np.array([np.mean(x**2), 1.0])  # from the optimum, of a start at 0
    exact = np.array([2.0, 1.0]) + exact * np.prod([1 - rate * curvature for rate in rates], axis=0)
    *_, together = follow_training(subject, compare, gradient_descent(subject, rates, [(x, y)] * len(rates)))
    compare.equal(slope_and_intercept(together), exact, "all samples in each step")

    draws = list(itertools.product(range(len(x)), repeat=len(rates)))
    ends = np.array([
        slope_and_intercept(list(follow_training(subject, compare, run))[-1])
        for draw in draws
        for run in [gradient_descent(subject, rates, [(x[[i]], y[[i]]) for i in draw])]
    ])  # fmt: skip
    compare.equal(np.mean(ends, axis=0, dtype=subject.array_dtype), exact, "mean over all draws")
    compare.exceeds(np.min(np.ptp(ends, axis=0)), 0.0, "spread of the draws")
    twice = np.array([first == second for first, second in draws])
    # In fractions: means of 107/64 and 131/192, and 95/64 and 5/8 above.
    compare.equal(np.sum(ends[~twice], axis=0), [321 / 16, 131 / 16], "sum over all orders without repetition")
