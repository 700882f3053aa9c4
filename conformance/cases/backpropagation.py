"""Backpropagation as it is often written down, and what is wrong with it: small networks whose gradients are exact."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from conformance.known_values import divisor, summed, with_bound_of
from conformance.running.case import case
from conformance.strategies.trees import in_format
from refimpl.activations import Sigmoid
from refimpl.arithmetic import RunningError
from refimpl.layers import Dense
from refimpl.losses import MeanSquaredError
from refimpl.network import Network


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def layout_of(subject) -> str:
    """How the subject has its weights."""
    return subject.spec(Dense).layout


def sigmoid_network(subject, *layers: tuple[np.ndarray, np.ndarray]) -> tuple[Network, list[dict]]:
    """Dense layers with sigmoids under the sum of squared errors, and their parameters.

    layers: for each the weight of shape (inputs, outputs) and the bias.
    """
    layout = layout_of(subject)
    chain = [layer for _ in layers for layer in (subject.spec(Dense, bias=True), subject.spec(Sigmoid))]
    network = Network(chain, summed(subject, MeanSquaredError))
    parameters: list[dict[str, np.ndarray]] = []
    for weight, bias in layers:
        parameters += [{"weight": weight if layout == "input_output" else weight.T, "bias": bias}, {}]
    return network, parameters


def gradients(subject, network: Network, parameters: list[dict], x: np.ndarray, target: np.ndarray) -> list[Any]:
    """The subject's (weight, bias) gradient of each dense layer, weights of shape (inputs, outputs), of the sum of
    squared errors."""
    dtype, terms = subject.array_dtype, divisor(network.loss, target.size)
    _, found = subject.network(network, in_format(parameters, dtype), x.astype(dtype), target.astype(dtype))
    transposed = layout_of(subject) == "output_input"
    weights = [entry["weight"].T if transposed else entry["weight"] for entry in found[::2]]
    return [(weight * terms, entry["bias"] * terms) for weight, entry in zip(weights, found[::2], strict=True)]


# --- the derivative of a sigmoid, taken of its output --------------------------------------------------------------


@case(
    statement="A sigmoid layer with output a multiplies the cotangent by a (1 - a); taking the derivative of a sigmoid "
    "at a instead makes gradients 6.0 per cent too small at the output of this network, 11.6 per cent below.",
    source="Rumelhart, Hinton & Williams 1986, equation 5; the network derived here: every sigmoid is at 1/2, where "
    "the wrong factor is 1 / cosh(1 / 4)**2 of the right one",
    kind="exact",
    catches="the derivative of a sigmoid taken of its output, which applies the sigmoid twice",
    capability="network",
)
def test_sigmoid_derivative_by_output(subject, compare):
    x, target = np.array([[2.0, 1.0]]), np.array([[0.0, 1.0]])
    first = np.array([[1.0, -1.0, 0.5], [3.0, -2.0, 4.0]])
    second = np.array([[1.0, -2.0], [3.0, 4.0], [-2.0, 0.5]])
    network, parameters = sigmoid_network(
        subject, (first, np.array([-5.0, 4.0, -5.0])), (second, np.array([-1.0, -1.25]))
    )
    compare.example(x=x, target=target, parameters=parameters)
    (first_weight, first_bias), (second_weight, second_bias) = gradients(subject, network, parameters, x, target)
    compare.equal(second_bias, [0.25, -0.25], "output bias")
    compare.equal(second_weight, [[0.125, -0.125]] * 3, "output weight")
    compare.equal(first_bias, [0.1875, -0.0625, -0.15625], "hidden bias")
    compare.equal(first_weight, [[0.375, -0.125, -0.3125], [0.1875, -0.0625, -0.15625]], "hidden weight")

    def popular_prime(z: np.ndarray) -> np.ndarray:
        return sigmoid(z) * (1 - sigmoid(z))

    hidden, output = np.full((1, 3), 0.5), np.full((1, 2), 0.5)
    popular_second = 2 * (output - target) * popular_prime(output)
    popular_first = popular_second @ second.T * popular_prime(hidden)
    for where, part, per_cent in (
        ("output", 1 - popular_second[0] / second_bias, 6.0),
        ("below", 1 - popular_first[0] / first_bias, 11.6),
    ):
        compare.exceeds(np.min(part), (per_cent - 0.05) / 100, "part missing", at=where)
        compare.at_most(np.max(part), (per_cent + 0.05) / 100, "part missing", at=where)


@case(
    statement="A sigmoid unit passes on 1 / (4 cosh(z / 2)**2) of the cotangent, which falls like exp(-|z|). With the "
    "derivative taken of the output it is more than 0.1966 everywhere, and units that have stopped learning seem to.",
    source="derived here: an output lies in (0, 1), where sigmoid' exceeds sigmoid'(1) = 0.19661...",
    kind="analytic",
    catches="the derivative of a sigmoid taken of its output, which applies the sigmoid twice",
    capability="network",
)
def test_saturated_sigmoids_do_not_learn(subject, compare):
    z = np.array([-8.0, -3.0, -0.5, 1.0, 1.5, 2.0, 5.0, 8.0])
    network, parameters = sigmoid_network(subject, (np.zeros((1, len(z))), z))
    target = np.full((1, len(z)), 2.0)  # out of reach: every unit has far to go
    x = np.zeros((1, 1))
    compare.example(z=z, target=2.0)
    [(_, found)] = gradients(subject, network, parameters, x, target)

    exact_input = RunningError.exact(z[None], subject.target)
    output = Sigmoid().forward(exact_input)
    certified = Sigmoid().backward(exact_input, MeanSquaredError(reduction="sum").gradient(output, target))
    value = np.array([(math.tanh(v / 2) - 3) / (4 * math.cosh(v / 2) ** 2) for v in z])
    compare.within(found, with_bound_of(value, certified[0]), "bias gradient")

    popular = sigmoid(sigmoid(z)) * (1 - sigmoid(sigmoid(z)))
    compare.exceeds(popular.min(), 0.1966, "least factor when taken of the output")
    compare.exceeds(1 / (4 * math.cosh(1 / 2) ** 2), 0.1966, "sigmoid'(1)")
    times = popular[-1] * 4 * math.cosh(z[-1] / 2) ** 2
    compare.exceeds(times, 586.0, "times too large at z = 8")
    compare.at_most(times, 587.0, "times too large at z = 8")


# --- a product of layers that is taken for a gradient --------------------------------------------------------------


def toy_gradient(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """layer_2.T @ (1 - layer_2) @ layer_1.T @ inputs.T, of shape (outputs, rows) where it is defined."""
    layer_1 = sigmoid(x @ first)
    layer_2 = sigmoid(layer_1 @ second)
    return layer_2.T @ (1 - layer_2) @ layer_1.T @ x.T


X = np.diag([1.0, 2.0])
ORIGIN = np.zeros((2, 2))


@case(
    statement="The matrix product layer_2^T (1 - layer_2) layer_1^T inputs^T is not the gradient of any loss, by the "
    "first weight or by the second: for inputs diag(1, 2), at weights 0, its mixed partial derivatives differ.",
    source="derived here; mixed partial derivatives of a function agree: Rudin 1976, theorem 9.41",
    kind="exact",
    catches="any product of layers and transposes that is called a gradient",
    capability="theorem",
)
def test_toy_gradient_has_no_potential(subject, compare):
    compare.example(inputs=X, first=ORIGIN, second=ORIGIN)
    squared, row_sums, same, ones = X.T @ X.T, X.sum(axis=1), np.eye(2), np.ones((2, 2))
    # [k, l, i, j]: entry (i, j) of the product by weight (k, l) at 0, where every sigmoid is 1/2 and every slope 1/4
    expected = (
        np.einsum("kj,il->klij", squared, ones) / 8,
        np.einsum("j,il,k->klij", row_sums, 2 * same - 1, np.ones(2)) / 16,
    )
    for number, name in enumerate(("first weight", "second weight")):
        partials = np.array([[_partial(number, (k, m)) for m in range(2)] for k in range(2)])
        compare.equal(partials, expected[number], f"partials by the {name}")
        swapped = partials.transpose(2, 3, 0, 1)
        compare.exceeds(np.max(np.abs(partials - swapped)), 0.0, f"mixed partials by the {name}, difference")


SIZES = range(1, 5)


@case(
    statement="The matrix product layer_2^T (1 - layer_2) layer_1^T inputs^T is defined where hidden and output widths "
    "are equal and rows as many as inputs, and has the shape of a weight where all four are equal; nowhere else.",
    source="derived here: the factors have shapes (outputs, rows), (rows, outputs), (hidden, rows) and (inputs, rows)",
    kind="exact",
    catches="a product that is taken for a gradient as it has the shape of one",
    capability="theorem",
)
def test_toy_gradient_shapes(subject, compare):
    compare.example(sizes=list(SIZES))
    for rows, inputs, hidden, outputs in itertools.product(SIZES, repeat=4):
        first, second = np.zeros((inputs, hidden)), np.zeros((hidden, outputs))
        try:
            shape = toy_gradient(np.zeros((rows, inputs)), first, second).shape
        except ValueError:
            shape = ()
        defined = hidden == outputs and rows == inputs
        sizes = {"rows": rows, "inputs": inputs, "hidden": hidden, "outputs": outputs}
        compare.equal(np.array(shape, dtype=float), [outputs, rows] if defined else [], "shape", **sizes)
        of_a_weight = np.asarray(float(shape in (first.shape, second.shape)))
        compare.equal(of_a_weight, rows == inputs == hidden == outputs, "shape of a weight", **sizes)


def _partial(number: int, at: tuple[int, ...]) -> np.ndarray:
    """The product's derivative by one entry of a weight at 0: a complex step whose square is rounded away.

    number: 0 for the first weight, 1 for the second. at: the entry.
    """
    step = 2.0**-100
    moved = [ORIGIN.astype(complex), ORIGIN.astype(complex)]
    moved[number][at] += 1j * step
    return toy_gradient(X, *moved).imag / step


@case(
    statement="The gradient of squared error is zero where the output meets the target, and reverses with the error; "
    "the product layer_2^T (1 - layer_2) layer_1^T inputs^T knows no target.",
    source="Rumelhart, Hinton & Williams 1986, equations 4-7; the network derived here: every sigmoid is at 1/2",
    kind="exact",
    catches="an error that is left out of the backward pass, or an output in its place",
    capability="network",
)
def test_gradient_depends_on_the_target(subject, compare):
    second, second_bias = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([-2.0, -0.5])
    network, parameters = sigmoid_network(subject, (ORIGIN, np.zeros(2)), (second, second_bias))
    error = np.array([[1.0, -0.5], [0.25, 2.0]])
    expected = np.array([[0.0, 1.75], [4.25, -1.25]]) / 4  # of the first weight, at target 1/2 - error
    compare.example(x=X, parameters=parameters, error=error)
    for sign in (0.0, 1.0, -1.0):
        (found, _), _ = gradients(subject, network, parameters, X, 0.5 - sign * error)
        compare.equal(found, sign * expected, "first weight", sign=sign)
    # At weights 0 every output is 1/2, and the target may be so too.
    compare.exceeds(np.min(np.abs(toy_gradient(X, ORIGIN, ORIGIN))), 0.0, "least entry of the product")


# --- sums over units ------------------------------------------------------------------------------------------------


@case(
    statement="Over the units of one layer, dL/dz_i dz_i/db sums to the gradient dL/db, be it the layer of b or one "
    "above; over the units of both layers it sums to twice that. A shift of all biases by one number has as its "
    "gradient the sum over all units with direct partial derivatives, which are 1.",
    source="the chain rule, for each cut between b and L; Werbos 1990, Backpropagation through time: ordered "
    "derivatives; the network derived here: every sigmoid is at 1/2",
    kind="exact",
    catches="a unit that is left out of a sum over paths, or counted for each layer that it acts through",
    capability="network",
)
def test_each_cut_carries_the_whole_gradient(subject, compare):
    x, target = np.array([[1.0, -2.0]]), np.array([[1.5, -0.5]])
    first, second = np.array([[2.0, -1.0, 3.0], [0.5, 4.0, 1.0]]), np.array([[1.0, 3.0], [-2.0, 0.5], [4.0, -1.0]])
    network, parameters = sigmoid_network(subject, (first, -(x @ first)[0]), (second, -second.sum(axis=0) / 2))
    compare.example(x=x, target=target, parameters=parameters)
    (_, of_first), (_, of_second) = gradients(subject, network, parameters, x, target)  # by biases: dL/dz
    compare.equal(of_second, [-0.5, 0.5], "dL/dz of the upper layer")
    whole = [0.25, 0.3125, -0.625]
    compare.equal(of_first, whole, "dL/db, the sum over the units of the lower layer")
    upper_by_bias = second / 4  # dz_o/db_k, through the slope of unit k
    over_upper = np.sum(of_second * upper_by_bias, axis=1, dtype=subject.array_dtype)
    compare.equal(over_upper, whole, "sum over the units of the upper layer")
    compare.equal(of_first + over_upper, 2 * np.array(whole), "sum over the units of both layers")
    shift = np.sum([-0.5, 0.5] * (1 + upper_by_bias.sum(axis=0)))  # forward: dz_o by the shift
    direct = np.sum(of_first, dtype=subject.array_dtype) + np.sum(of_second, dtype=subject.array_dtype)
    compare.equal(direct, shift, "sum over all units with direct partial derivatives")
