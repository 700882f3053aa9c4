"""Batch normalization: scaled weights, gradients along them, what depth does to gradients, running statistics."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.judging.comparison import FALSE_ALARM_RATE
from conformance.known_values import summed, with_bound_of
from conformance.running.case import case
from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from conformance.strategies.trees import in_format
from refimpl.activations import ReLU, Tanh
from refimpl.arithmetic import FORMATS, RunningError
from refimpl.layers import BatchNormalization, Dense, RunningStatistics
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.trees import map_leaves

SEEDS = st.integers(0, 2**32 - 1)
INPUTS, FEATURES, OUTPUTS, ROWS = 5, 3, 2, 7


def normalized(subject, epsilon: float, *after: Any) -> Network:
    """A dense layer without bias, batch normalization, and the layers after it, under squared errors."""
    batch_normalization = subject.spec(BatchNormalization, epsilon=epsilon)
    return Network([dense(subject), batch_normalization, *after], summed(subject, MeanSquaredError))


def dense(subject) -> Dense:
    return subject.spec(Dense, bias=False)


def weight(subject, entries: np.ndarray) -> dict[str, np.ndarray]:
    """Parameters of a dense layer without bias, entries of shape (inputs, outputs)."""
    return {"weight": entries if dense(subject).layout == "input_output" else entries.T}


def drawn(subject, generator: np.random.Generator, *shape: int) -> np.ndarray:
    return representable(generator.standard_normal(shape), subject.dtype)


@pytest.mark.parametrize("epsilon", [0.0, 2.0**-10])
@case(
    statement="Weights times 4 and epsilon times 16 change no bit of the loss and of the gradients above, and make "
    "the gradient of the weights exactly a quarter; after a step of gradient descent in the weights, with 16 times "
    "the rate, the loss is the same again.",
    source="Ioffe & Szegedy 2015, section 3.3: BN((a W) u) = BN(W u), and its gradients",
    kind="exact",
    catches="epsilon outside the root, or another one in the backward pass; a smallest variance that nobody declared",
    capability="network",
)
@given(seed=SEEDS)
def test_scale_of_weights(epsilon, subject, compare, seed):
    generator = np.random.default_rng(seed)
    weights, above = drawn(subject, generator, INPUTS, FEATURES), drawn(subject, generator, FEATURES, OUTPUTS)
    normalization = {"scale": drawn(subject, generator, FEATURES), "shift": drawn(subject, generator, FEATURES)}
    x, target = drawn(subject, generator, ROWS, INPUTS), drawn(subject, generator, ROWS, OUTPUTS)

    def run(factor: float, entries: np.ndarray) -> tuple[np.ndarray, list[dict]]:
        network = normalized(subject, factor**2 * epsilon, subject.spec(Tanh), dense(subject))
        parameters = [{"weight": entries}, normalization, {}, weight(subject, above)]
        sent = (in_format(array, subject.array_dtype) for array in (parameters, x, target))
        return subject.network(network, *sent)

    compare.example(seed=seed)
    entries = weight(subject, weights)["weight"]
    (loss, (of_weights, *rest)), (scaled_loss, (of_scaled, *scaled_rest)) = run(1.0, entries), run(4.0, 4 * entries)
    compare.equal(scaled_loss, loss, "loss of 4 W")
    compare.equal(4 * of_scaled["weight"], of_weights["weight"], "4 times the gradient at 4 W")
    # A step of gradient descent, with the rates 1/8 and 2: the weights stay 4 times as large.
    (after, _), (scaled_after, _) = (
        run(factor, factor * entries - rate * gradient["weight"])
        for factor, rate, gradient in ((1.0, 0.125, of_weights), (4.0, 2.0, of_scaled))
    )
    compare.equal(scaled_after, after, "loss after a step from 4 W")
    for layer, (found, expected) in enumerate(zip(scaled_rest, rest, strict=True), start=1):
        for name, array in found.items():
            compare.equal(array, expected[name], f"gradient of {name}", layer=layer)


@pytest.mark.parametrize("epsilon", [0.0, 2.0**-10, 0.5])
@case(
    statement="A feature's weights times their gradient are its scale times the gradient of that, times "
    "epsilon / (variance + epsilon): at epsilon 0 the gradient is perpendicular to the weights.",
    source="Euler's theorem for BN(t W, t**2 epsilon) = BN(W, epsilon); Ioffe & Szegedy 2015, section 3.3",
    kind="analytic",
    catches="mean or variance taken as constants; epsilon in one pass only, outside the root, or of another value",
    capability="network",
)
@given(seed=SEEDS)
def test_gradient_along_the_weights(epsilon, subject, compare, seed):
    generator = np.random.default_rng(seed)
    weights = drawn(subject, generator, INPUTS, FEATURES)
    normalization = {"scale": drawn(subject, generator, FEATURES), "shift": drawn(subject, generator, FEATURES)}
    x, target = drawn(subject, generator, ROWS, INPUTS), drawn(subject, generator, ROWS, FEATURES)
    network, parameters = normalized(subject, epsilon), [weight(subject, weights), normalization]
    compare.example(seed=seed)
    sent = (in_format(array, subject.array_dtype) for array in (parameters, x, target))
    _, (found, _) = subject.network(network, *sent)

    parameters, x, target = map_leaves(lambda a: RunningError.exact(a, subject.target), [parameters, x, target])
    _, (certified, of_normalization) = network.gradients(parameters, x, target)
    product = network.activations(parameters, x)[1]
    variance = np.mean((product - np.mean(product, axis=0)) ** 2, axis=0)
    theorem = parameters[1]["scale"] * of_normalization["scale"] * (epsilon / (variance + epsilon))

    gradient, bound = (weight(subject, a)["weight"] for a in (found["weight"], certified["weight"].bound))
    along = [
        float(sum(Fraction(w) * Fraction(float(g)) for w, g in zip(*columns, strict=True)))
        for columns in zip(weights.T, gradient.T, strict=True)
    ]
    # The subject and the exact gradient are both within the bound of the reference; the sum is rounded once.
    roundoff = 2 * FORMATS[subject.dtype].unit_roundoff * np.abs(along)
    limit = 2 * np.sum(np.abs(weights) * bound, axis=0) + theorem.bound + roundoff
    expected = RunningError(theorem.value, limit, subject.target)
    terms = np.max(np.abs(weights * gradient), axis=0)
    found_along = np.array(along).astype(subject.array_dtype)
    compare.within(found_along, expected, "gradient along the weights", terms=terms)


@case(
    statement="Adding to features a number so large that squares of them would lose the variance moves loss and "
    "gradients by no more than roundings of the features themselves would.",
    source="BN(u + c) = BN(u); variance in two passes or by updates, not by squares: Chan, Golub & LeVeque 1983, "
    "Algorithms for computing the sample variance, table 1",
    kind="analytic",
    catches="the mean of squares less the square of the mean, which cancels; a mean over the features",
    capability="network",
)
def test_large_mean(subject, compare):
    deviations = np.array([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])
    large = 2.0 ** (FORMATS[subject.dtype].precision // 2 + 2)
    entries = {"scale": np.array([2.0, -1.0, 0.5]), "shift": np.array([1.0, 3.0, -2.0])}
    target = np.array([[1.0, 0.0, 2.0], [-1.0, 4.0, 3.0], [2.0, 2.0, -5.0], [0.0, 1.0, 1.0]])
    spec = subject.spec(BatchNormalization, epsilon=3.0)
    network = Network([spec], summed(subject, MeanSquaredError))
    compare.example(network=network, deviations=deviations.tolist(), mean=large)

    mean = large * np.array([1.0, -0.5, 0.25])
    sent = (in_format(array, subject.array_dtype) for array in ([entries], mean + deviations, target))
    loss, gradients = subject.network(network, *sent)
    # Roundings of that size: n of a mean of n rows and, in x * factor + (shift - mean * factor), four more.
    roundings = (len(deviations) + 4) * FORMATS[subject.dtype].unit_roundoff * np.abs(mean)
    exactly = RunningError.exact(deviations, subject.target)
    moved = RunningError(deviations, np.broadcast_to(roundings, deviations.shape), subject.target)
    parameters, target = map_leaves(lambda a: RunningError.exact(a, subject.target), [[entries], target])
    known, [of_entries] = network.gradients(parameters, exactly, target)
    bounded, [bounds] = network.gradients(parameters, moved, target)
    compare.within(loss, with_bound_of(known.value, bounded), "loss")
    compare.tree(
        gradients, [{name: with_bound_of(of_entries[name].value, bounds[name]) for name in bounds}], "gradients"
    )


@case(
    statement="The running mean and variance are moving averages of those of the batches.",
    source="Ioffe & Szegedy 2015, algorithm 2; each library's documentation for bias and momentum",
    kind="property",
    catches="a biased variance for an unbiased one; momentum as the weight of the new value; a mean over wrong axes",
    capability="network",
)
@given(data=st.data())
def test_running_statistics(subject, compare, data):
    rule = data.draw(specs(RunningStatistics, subject.fixed(RunningStatistics)), label="rule")
    shape = enlarged(data.draw(st.sampled_from([(2, 5), (8, 3), (5, 2, 7)]), label="shape of a batch"), axis=-1)
    generator = random_numbers(data.draw(SEEDS, label="seed"))
    certified = map_leaves(lambda a: RunningError.exact(a, subject.target), rule.init(shape[-1]))
    statistics = in_format(rule.init(shape[-1]), subject.array_dtype)
    compare.example(rule=rule, shape=shape)
    for step in range(5):
        batch = representable(drawn(subject, generator, *shape) * 3.0 + 2.0, subject.dtype)
        statistics = subject.running_statistics(rule, statistics, batch.astype(subject.array_dtype))
        certified = rule.update(certified, RunningError.exact(batch, subject.target))
        compare.tree(statistics, certified, "running statistics", step=step)


# --- wide ReLU layers at initialization -----------------------------------------------------------------------------

IN_LARGE_BATCHES = math.pi / (math.pi - 1)


def wide_relu_layers(rows: int) -> tuple[float, float]:
    """Of wide layers relu(batch normalization of x W) and a batch of more than 3 rows: E y_b y_c for rows b != c of a
    unit's output y, and the factor of the mean square of a cotangent that sums to 0 over the batch.

    A unit's normalized preactivation is uniform on the sphere of radius sqrt(rows) perpendicular to (1, ..., 1), with
    correlation c = -1 / (rows - 1) of its entries.
    """
    b = float(rows)
    c = -1 / (b - 1)
    shared = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)  # Cho & Saul 2009, equation 6
    both_open = 1 / 4 + math.asin(c) / (2 * math.pi)
    # E tr(G D G D) and E u' D G D u, with G the centering, D the gates and u the direction of the preactivations
    centred = (b - 2) / 2 + 1 / (2 * b) + (1 - 1 / b) * both_open
    along = 1 / 2 - (1 / 2 + (b - 1) * shared) / b
    # E rows / ||G z||^2 is rows / (rows - 3) over the gap between E y_b^2 = 1/2 and E y_b y_c of the layer below, and
    # over the weight variance, which the weights themselves bring back.
    return shared, b / (b - 3) / (1 / 2 - shared) * (centred - along) / (b - 1)


@case(
    statement="Wide layers relu(batch normalization of x W) of a batch of B rows multiply the mean square of a "
    "cotangent by a number that falls from 3.08 for B = 4 towards pi / (pi - 1) = 1.467, whatever the variance "
    "of the weights; one layer of n inputs, with the scalar products of centred rows that wide layers have, "
    "multiplies it by exactly (n - 2) / n of that in expectation.",
    source="Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, A mean field theory of batch normalization, for "
    "large batches; at B rows and n inputs derived here",
    kind="statistical",
    catches="mean or variance taken as constants in the backward pass; growth expected to follow the weights",
    capability="theorem",
)
def test_wide_relu_layers_explode(subject, compare):
    before = 4 * (wide_relu_layers(4)[1] - IN_LARGE_BATCHES)
    for rows in (5, 6, 12, 16, 64, 1024, 2**20):
        _, factor = wide_relu_layers(rows)
        compare.exceeds(factor, IN_LARGE_BATCHES, "factor per layer, and its limit", rows=rows)
        beyond = (factor - IN_LARGE_BATCHES) * rows
        compare.at_most(beyond, before, "rows times what is beyond the limit, and with fewer rows", rows=rows)
        before = beyond

    normalization, generator = BatchNormalization(epsilon=0.0), np.random.default_rng(17)
    rows, inputs, units = 12, 20, 40000
    shared, factor = wide_relu_layers(rows)
    expected = factor * (inputs - 2) / inputs
    compare.example(rows=rows, inputs=inputs, units=units, wide=factor, expected=expected)
    # Centred rows of equal norms and scalar products, as the layers below make them; what is not centred has no effect.
    x = math.sqrt(inputs * (1 / 2 - shared)) * np.eye(rows, inputs) + generator.standard_normal(inputs)
    for deviation in (0.5, 3.0):
        weights = deviation * generator.standard_normal((inputs, units))
        entries = {"scale": np.ones(units), "shift": np.zeros(units)}
        preactivations = x @ weights
        normalized = normalization.forward(entries, preactivations)
        outputs = ReLU().forward(normalized)
        products = (np.sum(outputs, axis=0) ** 2 - np.sum(outputs**2, axis=0)) / (rows * (rows - 1))
        where = {"deviation": deviation}
        error = float(np.std(products)) / math.sqrt(units)
        compare.estimate(np.mean(products), shared, error, "product of the outputs of two rows", **where)
        cotangents = generator.standard_normal((rows, units))
        cotangents -= cotangents.mean(axis=0)
        passed = normalization.backward(entries, preactivations, ReLU().backward(normalized, cotangents))[1]
        # Of independent random signs, so that the mean square of the sum over units is the sum of their squares.
        squares = np.sum(weights**2, axis=0) * np.sum(passed**2, axis=0) / (rows - 1)
        error = float(np.std(squares)) / math.sqrt(units)
        compare.estimate(np.mean(squares), expected, error, "factor of the mean square", **where)

    rows, width, depth, networks = 16, 64, 8, 32
    compare.example(rows=rows, width=width, layers=depth, networks=networks, wide=wide_relu_layers(rows)[1] ** depth)
    growths = [growth_through(normalization, rows, width, depth, generator) for _ in range(networks)]
    error = float(np.std(growths)) / math.sqrt(networks)
    lowest = np.mean(growths) - NormalDist().inv_cdf(1 - FALSE_ALARM_RATE) * error
    compare.exceeds(lowest, IN_LARGE_BATCHES**depth, "factor of the mean square through eight layers, for sure")


def growth_through(
    normalization: BatchNormalization, rows: int, width: int, depth: int, generator: np.random.Generator
) -> float:
    """||b||^2 / ||c||^2 for a random cotangent c above so many layers and b below them."""
    entries = {"scale": np.ones(width), "shift": np.zeros(width)}
    shared, _ = wide_relu_layers(rows)
    x, passed = math.sqrt(width * (1 / 2 - shared)) * np.eye(rows, width), []
    for _ in range(depth):
        weights = generator.standard_normal((width, width))
        preactivations = x @ weights
        normalized = normalization.forward(entries, preactivations)
        passed.append((weights, preactivations, normalized))
        x = ReLU().forward(normalized)
    cotangent = generator.standard_normal((rows, width))
    cotangent -= cotangent.mean(axis=0)
    start = np.sum(cotangent**2)
    for weights, preactivations, normalized in reversed(passed):
        gated = ReLU().backward(normalized, cotangent)
        cotangent = normalization.backward(entries, preactivations, gated)[1] @ weights.T
    return float(np.sum(cotangent**2) / start)
