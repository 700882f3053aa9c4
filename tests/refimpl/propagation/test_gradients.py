"""Norms per layer and Jacobians: against Network.gradients, closed chains at depth 10 000, exact integers."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.activations import ReLU, Sigmoid, Softmax, Tanh
from refimpl.layers import Dense, Residual
from refimpl.losses import MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.propagation import gradient_norms, jacobians, log_gain
from refimpl.regularization import L2
from tests.refimpl.propagation.exact import holds

NETWORK = Network(
    [Dense(), Tanh(), Dense(layout="output_input", bias=False), Softmax(), Dense()], SoftmaxCrossEntropy()
)


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    first, second, third = rng.normal(size=(7, 5)), rng.normal(size=(3, 5)), rng.normal(size=(3, 2))
    parameters = [{"weight": first, "bias": rng.normal(size=5)}, {}, {"weight": second}, {}]
    parameters.append({"weight": third, "bias": rng.normal(size=2)})
    return parameters, rng.normal(size=(4, 7)), np.eye(2)[[0, 1, 1, 0]]


def test_norms_are_those_of_the_gradients():
    parameters, x, target = drawn()
    _, gradients = NETWORK.gradients(parameters, x, target)
    norms = gradient_norms(NETWORK, parameters, x, target)
    assert [list(layer.parameters) for layer in norms] == [list(layer_parameters) for layer_parameters in parameters]
    for layer, layer_gradients in zip(norms, gradients, strict=True):
        for name, gradient in layer_gradients.items():
            assert abs(layer.parameters[name] - math.log10(np.sqrt((gradient**2).sum()))) <= 1e-14


def test_cotangents_are_those_of_each_layers_output():
    """A network of the layers above has that cotangent for its input."""
    parameters, x, target = drawn(1)
    norms, values = gradient_norms(NETWORK, parameters, x, target), NETWORK.activations(parameters, x)
    output_cotangent = NETWORK.loss.gradient(values[-1], target)
    assert abs(norms[-1].cotangent - math.log10(np.sqrt((output_cotangent**2).sum()))) <= 1e-14
    for index in range(4):
        above = Network(NETWORK.layers[index + 1 :])
        _, cotangent = above.backward(parameters[index + 1 :], values[index + 1], output_cotangent)
        assert abs(norms[index].cotangent - math.log10(np.sqrt((cotangent**2).sum()))) <= 1e-14


def test_sigmoid_chain_10000_layers_deep_decays_by_its_closed_form():
    """w / 4 per layer: at the input of every layer, 1/2 after the bias, the derivative is 1/4 exactly."""
    depth, weight = 5000, 0.75
    network = Network([Dense(), Sigmoid()] * depth, MeanSquaredError())
    parameters = [{"weight": np.array([[weight]]), "bias": np.array([-weight / 2])}, {}] * depth
    norms = gradient_norms(network, parameters, np.array([[0.5]]), np.array([[-0.5]]))
    with mpmath.workdps(50):
        factor = mpmath.log10(mpmath.mpf(weight) / 4)
        for layer in (0, 1, 2500, depth - 1):
            above = depth - 1 - layer
            exact = mpmath.log10(2) + above * factor  # the loss has derivative 2 (0.5 + 0.5)
            assert abs(norms[2 * layer + 1].cotangent - exact) <= 1e-11
            assert abs(norms[2 * layer].parameters["bias"] - (exact - mpmath.log10(4))) <= 1e-11
            assert abs(norms[2 * layer].parameters["weight"] - (exact - mpmath.log10(8))) <= 1e-11
    assert norms[0].cotangent < -3600


def test_tanh_chain_explodes_by_its_closed_form():
    depth = 1500
    network = Network([Dense(bias=False), Tanh()] * depth, MeanSquaredError("sum"))
    parameters = [{"weight": np.diag([2.0, 8.0])}, {}] * depth
    norms = gradient_norms(network, parameters, np.zeros((1, 2)), np.array([[-0.5, 0.0]]))
    assert abs(norms[0].cotangent - (depth - 1) * math.log10(2)) <= 1e-11
    assert norms[0].cotangent > 308
    assert norms[0].parameters["weight"] == -math.inf  # its input is zero


def test_the_penalty_is_left_out():
    parameters, x, target = drawn()
    penalised = Network(NETWORK.layers, NETWORK.loss, L2(0.5))
    assert gradient_norms(penalised, parameters, x, target) == gradient_norms(NETWORK, parameters, x, target)


def test_float32_inputs_are_taken():
    parameters, x, target = drawn()
    x = x.astype(np.float32)
    assert gradient_norms(NETWORK, parameters, x, target) == gradient_norms(
        NETWORK, parameters, x.astype(np.float64), target
    )


# --- Jacobians ---


def test_jacobians_of_a_gated_network_are_its_open_rows():
    weight = np.array([[2.0, -3.0, 1.0], [1.0, 5.0, -7.0]])
    network = Network([Dense(layout="output_input", bias=False), ReLU(), Dense(bias=False)])
    parameters = [{"weight": weight}, {}, {"weight": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])}]
    found = jacobians(network, parameters, np.array([1.0, 1.0, 1.0]))  # 0 and -1: both closed
    assert np.array_equal(found[0], weight)
    assert np.array_equal(found[1], np.zeros((2, 2)))
    assert np.array_equal(found[2], [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    open_first = jacobians(network, parameters, np.array([1.0, 0.0, 1.0]))[1]
    assert np.array_equal(open_first, np.diag([1.0, 0.0]))


def test_residual_branches_add_to_the_identity():
    weight = np.array([[0.5, -0.25], [1.0, 0.125]])
    network = Network([Residual([Dense(bias=False), Tanh()], scale=0.5)] * 3, MeanSquaredError("sum"))
    parameters = [{"branch": [{"weight": weight}, {}]}] * 3
    step = np.eye(2) + weight.T / 2
    assert all(np.array_equal(found, step) for found in jacobians(network, parameters, np.zeros(2)))
    output_cotangent = np.array([-2.0, 3.0])
    norms = gradient_norms(network, parameters, np.zeros((1, 2)), -output_cotangent[np.newaxis] / 2)
    for layer, cotangent in zip(
        norms, (step.T @ step.T @ output_cotangent, step.T @ output_cotangent, output_cotangent), strict=True
    ):
        assert abs(layer.cotangent - math.log10(np.sqrt((cotangent**2).sum()))) <= 1e-14
        assert layer.parameters == {"branch": -math.inf}  # the input is zero


def test_gain_through_jacobians_is_the_ratio_of_the_cotangents():
    parameters, x, target = drawn(2)
    norms = gradient_norms(NETWORK, parameters, x[:1], target[:1])
    output_cotangent = NETWORK.loss.gradient(NETWORK.forward(parameters, x[:1]), target[:1])[0]
    steps = jacobians(NETWORK, parameters, x[0])
    through = log_gain([step.T for step in reversed(steps[1:])], output_cotangent)
    change = (norms[0].cotangent - norms[-1].cotangent) * math.log(10)
    # Both are rounded: the bracket is that of exact Jacobians.
    assert holds(through, change, width=1e-12)


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p, x, y: gradient_norms([Dense()], p, x, y), TypeError, "network must be a refimpl.Network, got list"),
        (lambda p, x, y: jacobians(None, p, x), TypeError, "network must be a refimpl.Network, got NoneType"),
        (lambda p, x, y: gradient_norms(Network(NETWORK.layers), p, x, y), ValueError, "network has no loss"),
        (lambda p, x, y: gradient_norms(NETWORK, p[:-1], x, y), ValueError, "parameters must be a list"),
        (lambda p, x, y: gradient_norms(NETWORK, p, x[:, 1:], y), ValueError, r"layers\[0\].*takes 7 inputs"),
        (lambda p, x, y: gradient_norms(NETWORK, p, x, y[1:]), ValueError, "target has shape"),
        (lambda p, x, y: jacobians(NETWORK, p, x), ValueError, r"x must be a vector .* got shape \(4, 7\)"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(*drawn())
