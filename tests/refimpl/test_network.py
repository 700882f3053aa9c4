"""Networks: backward against forward, 50 digits, closed forms of theory, exact integers, float32 bounds, bad input."""

import itertools

import mpmath
import numpy as np
import pytest

from refimpl.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.layers import Activated, Dense
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.regularization import L1, L2
from refimpl.trees import leaves, map_leaves
from tests.refimpl.precision import relative_error

ACTIVATIONS = [
    Tanh(), Sigmoid(), GELU(), ReLU(), SiLU(), Softplus(), LeakyReLU(slope=0.2), ELU(alpha=0.7),
    GELU(approximation="tanh"), Softmax(), LogSoftmax(), Identity(), Softplus(threshold=20.0),
]  # fmt: skip
WIDTHS = (7, 5, 3, 2, 6, 4, 5, 3, 2)
ROWS = 3


def drawn(network, widths, seed):
    """Parameters of normal distribution for the widths, an input, and a target that the loss takes."""
    rng = np.random.default_rng(seed)
    first, widths, parameters = widths[0], iter(itertools.pairwise(widths)), []
    for layer in network.layers:
        parameters.append({})
        if isinstance(layer, Dense):
            inputs, outputs = next(widths)
            weight = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
            parameters[-1]["weight"] = weight if layer.layout == "input_output" else weight.T
            if layer.bias:
                parameters[-1]["bias"] = rng.normal(size=outputs) / 3
    x = rng.normal(size=(ROWS, first))
    shape = np.shape(network.forward(parameters, x))
    target = rng.uniform(0.1, 0.9, shape)
    if isinstance(network.loss, SoftmaxCrossEntropy) and network.loss.labels == "index":
        target = rng.integers(0, shape[-1], shape[:-1])
    return parameters, x, target


def stack(depth, activations, loss, penalty=None):
    """Dense layers with these activations in turn between them, layouts and biases alternating."""
    layers = []
    for index in range(depth):
        if index:
            layers.append(activations[(index - 1) % len(activations)])
        layers.append(Dense(layout=("input_output", "output_input")[index % 2], bias=index % 3 != 1))
    return Network(layers, loss, penalty)


NETWORKS = {
    "eight layers of smooth activations": stack(8, [Tanh(), Sigmoid(), GELU(), SiLU()], SoftmaxCrossEntropy()),
    "eight layers with kinks": stack(8, [ReLU(), LeakyReLU(slope=0.2), ELU(alpha=0.7)], MeanSquaredError(), L2(0.03)),
    "seven layers, axes": stack(
        7,
        [Softmax(), LogSoftmax(), Softplus(), GELU(approximation="tanh")],
        BinaryCrossEntropyWithLogits("sum"),
        L1(0.1),
    ),
    "three layers, labels": stack(3, [Tanh(), Identity()], SoftmaxCrossEntropy(labels="index"), L2(0.1, half=False)),
    "ends in an activation": Network([Dense(), Softplus(threshold=20.0), Dense(), Sigmoid()], BinaryCrossEntropy()),
    **{f"around {a!r}": Network([Dense(), a, Dense(layout="output_input")], MeanSquaredError()) for a in ACTIVATIONS},
}
every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_gradients_are_within_1e_13_of_50_digits(name):
    """The largest error of each array, relative to its largest entry."""
    network = NETWORKS[name]
    for seed in range(2):
        parameters, x, target = drawn(network, WIDTHS, seed)
        objective, gradients = network.gradients(parameters, x, target)
        exactly = map_leaves(Multiprecision, parameters)
        exact_target = target if target.dtype.kind == "i" else Multiprecision(target)
        exact_objective, exact = network.gradients(exactly, Multiprecision(x), exact_target)
        assert relative_error(objective, exact_objective) <= 1e-13
        assert network.objective(parameters, x, target) == objective
        expected = dict(leaves(exact))
        for path, gradient in leaves(gradients):
            assert relative_error(gradient, expected[path]) <= 1e-13


STEP = mpmath.mpf(10) ** -20


@every_network
def test_gradients_are_the_limit_of_difference_quotients(name):
    """Of the 50-digit objective, along a random direction in each array of parameters. The central quotient is off by
    STEP**2 / 6 times a third derivative, below 10**8 at these sizes, and by 10**-45 / STEP of rounding."""
    network = NETWORKS[name]
    parameters, x, target = drawn(network, WIDTHS, 2)
    parameters, x = map_leaves(Multiprecision, parameters), Multiprecision(x)
    target = target if target.dtype.kind == "i" else Multiprecision(target)
    _, gradients = network.gradients(parameters, x, target)
    rng = np.random.default_rng(3)
    with mpmath.workdps(DIGITS):
        allowed = 10**8 * STEP**2 + mpmath.mpf(10) ** -45 / STEP
    for index, own in enumerate(gradients):
        for key, gradient in own.items():
            direction = Multiprecision(rng.uniform(-1, 1, gradient.shape))

            def objective(t, index=index, key=key, direction=direction):
                moved = [dict(layer) for layer in parameters]
                moved[index][key] = moved[index][key] + t * direction
                return network.objective(moved, x, target)

            quotient = (objective(STEP) - objective(-STEP)) / (2 * STEP)
            assert abs((gradient * direction).sum() - quotient).value <= allowed


def test_cotangent_of_the_input_is_the_limit_of_difference_quotients():
    network = NETWORKS["seven layers, axes"]
    parameters, x, _ = drawn(network, WIDTHS, 4)
    parameters, x = map_leaves(Multiprecision, parameters), Multiprecision(x)
    rng = np.random.default_rng(5)
    output = network.forward(parameters, x)
    cotangent, direction = (Multiprecision(rng.uniform(-1, 1, a.shape)) for a in (output, x))
    _, x_cotangent = network.backward(parameters, x, cotangent)
    ahead, behind = ((network.forward(parameters, x + t * direction) * cotangent).sum() for t in (STEP, -STEP))
    with mpmath.workdps(DIGITS):
        allowed = 10**8 * STEP**2 + mpmath.mpf(10) ** -45 / STEP
    assert abs((x_cotangent * direction).sum() - (ahead - behind) / (2 * STEP)).value <= allowed


# --- closed forms ---


def chain(activation, depth):
    return Network([layer for _ in range(depth) for layer in (Dense(), activation)])


@pytest.mark.parametrize("w", [1.0, 3.0, -2.5, 4.0])
def test_sigmoid_chain_around_one_half_has_gradient_w_over_4_to_its_depth(w):
    """h <- sigmoid(w (h - 1/2)) from 1/2: every slope is exactly w / 4."""
    for depth in (1, 2, 7, 20):
        parameters = [{"weight": np.array([[w]]), "bias": np.array([-w / 2])}, {}] * depth
        output = chain(Sigmoid(), depth).forward(parameters, np.array([0.5]))
        _, x_cotangent = chain(Sigmoid(), depth).backward(parameters, np.array([0.5]), np.array([1.0]))
        assert (output, x_cotangent) == (0.5, (w / 4) ** depth)


@pytest.mark.parametrize("w", [1.0, 3.0, -2.5])
def test_tanh_chain_at_the_origin_has_gradient_w_to_its_depth(w):
    for depth in (1, 2, 7, 20):
        parameters = [{"weight": np.array([[w]]), "bias": np.zeros(1)}, {}] * depth
        _, x_cotangent = chain(Tanh(), depth).backward(parameters, np.zeros(1), np.ones(1))
        assert x_cotangent == w**depth


def test_tanh_network_at_the_origin_has_exact_integer_jacobian_products():
    rng = np.random.default_rng(6)
    matrices = [rng.integers(-4, 5, shape).astype(float) for shape in itertools.pairwise(WIDTHS)]
    network = Network([layer for _ in matrices for layer in (Dense(bias=False), Tanh())])
    parameters = [entry for matrix in matrices for entry in ({"weight": matrix}, {})]
    _, x_cotangent = network.backward(parameters, np.zeros((2, 7)), np.eye(2))
    assert np.array_equal(x_cotangent, np.linalg.multi_dot(matrices).T)


def test_closed_gate_makes_a_nilpotent_recurrence_explode():
    """W = 2 [[1, -1], [1, -1]] has W W = 0; with the second unit off, ten steps multiply by 2**10."""
    layer = {"weight": 2 * np.array([[1.0, -1.0], [1.0, -1.0]]), "bias": np.array([0.0, -1e6])}
    network = Network([Dense(layout="output_input"), ReLU()] * 10)
    _, x_cotangent = network.backward([layer, {}] * 10, np.array([3.0, 1.0]), np.array([1.0, 0.0]))
    assert x_cotangent.tolist() == [1024.0, -1024.0]


# --- dense layers, exactly ---


def integers(rng, *shape):
    return rng.integers(-9, 10, shape).astype(float)


@pytest.mark.parametrize("layout", ["input_output", "output_input"])
def test_dense_passes_are_adjoint_exactly_on_integers(layout):
    """<J v, w> = <v, J' w> for a change of the input, of the weight and of the bias."""
    rng, layer = np.random.default_rng(7), Dense(layout=layout)
    x, dx, cotangent = integers(rng, 5, 3), integers(rng, 5, 3), integers(rng, 5, 2)
    shape = (3, 2) if layout == "input_output" else (2, 3)
    parameters = {"weight": integers(rng, *shape), "bias": integers(rng, 2)}
    change = {"weight": integers(rng, *shape), "bias": integers(rng, 2)}
    gradients, x_cotangent = layer.backward(parameters, x, cotangent)
    output = layer.forward(parameters, x)
    by_input = layer.forward(parameters, x + dx) - output
    assert np.sum(by_input * cotangent) == np.sum(dx * x_cotangent)
    for key in ("weight", "bias"):
        by_parameter = layer.forward(parameters | {key: parameters[key] + change[key]}, x) - output
        assert np.sum(by_parameter * cotangent) == np.sum(change[key] * gradients[key])


def test_layouts_are_transposes_of_each_other():
    rng = np.random.default_rng(8)
    x, weight, bias, cotangent = integers(rng, 5, 3), integers(rng, 3, 2), integers(rng, 2), integers(rng, 5, 2)
    plain, transposed = {"weight": weight, "bias": bias}, {"weight": weight.T, "bias": bias}
    first, second = Dense(), Dense(layout="output_input")
    assert np.array_equal(first.forward(plain, x), second.forward(transposed, x))
    (plain_gradients, x_first), (transposed_gradients, x_second) = (
        first.backward(plain, x, cotangent), second.backward(transposed, x, cotangent)
    )  # fmt: skip
    assert np.array_equal(plain_gradients["weight"], transposed_gradients["weight"].T)
    assert np.array_equal(plain_gradients["bias"], transposed_gradients["bias"])
    assert np.array_equal(x_first, x_second)
    assert transposed_gradients["weight"].shape == (2, 3)


def test_leading_axes_are_rows_of_one_batch():
    rng, layer = np.random.default_rng(9), Dense()
    parameters = {"weight": integers(rng, 3, 2), "bias": integers(rng, 2)}
    x, cotangent = integers(rng, 2, 5, 3), integers(rng, 2, 5, 2)
    gradients, x_cotangent = layer.backward(parameters, x, cotangent)
    flat, rows_cotangent = layer.backward(parameters, x.reshape(10, 3), cotangent.reshape(10, 2))
    assert layer.forward(parameters, x).shape == (2, 5, 2)
    assert np.array_equal(x_cotangent, rows_cotangent.reshape(2, 5, 3))
    assert all(np.array_equal(gradients[key], flat[key]) for key in parameters)
    single, single_cotangent = layer.backward(parameters, x[0, 0], cotangent[0, 0])
    assert np.array_equal(single["weight"], np.outer(x[0, 0], cotangent[0, 0]))
    assert single_cotangent.shape == (3,)


def test_rectified_network_of_integers_has_exact_gradients():
    """Its objective is quadratic between gates, where the central quotient is exact, and so is float64 on integers."""
    rng = np.random.default_rng(10)
    network = Network([Dense(), ReLU(), Dense(layout="output_input")], MeanSquaredError("sum"))
    parameters = [{"weight": integers(rng, 3, 5), "bias": integers(rng, 5) + 0.5}, {},
                  {"weight": integers(rng, 2, 5), "bias": integers(rng, 2)}]  # fmt: skip
    x, target, step = integers(rng, 4, 3), integers(rng, 4, 2), 2.0**-7
    _, gradients = network.gradients(parameters, x, target)
    for index, key in [(0, "weight"), (0, "bias"), (2, "weight"), (2, "bias")]:
        for position in np.ndindex(parameters[index][key].shape):
            ends = []
            for t in (step, -step):
                moved = [dict(layer) for layer in parameters]
                moved[index][key] = moved[index][key].copy()
                moved[index][key][position] += t
                ends.append(network.objective(moved, x, target))
            assert (ends[0] - ends[1]) / (2 * step) == gradients[index][key][position]


# --- how a network is put together ---


def test_activations_are_the_input_of_every_layer_and_the_output():
    network = NETWORKS["ends in an activation"]
    parameters, x, _ = drawn(network, WIDTHS, 11)
    values = network.activations(parameters, x)
    assert len(values) == len(network.layers) + 1
    assert np.array_equal(values[0], x)
    assert np.array_equal(values[-1], network.forward(parameters, x))
    for layer, entry, before, after in zip(network.layers, parameters, values, values[1:], strict=False):
        assert np.array_equal(layer.forward(entry, before), after)


def test_backward_is_that_of_each_layer_on_its_own_input():
    network = NETWORKS["eight layers of smooth activations"]
    parameters, x, target = drawn(network, WIDTHS, 12)
    values = network.activations(parameters, x)
    cotangent = network.loss.gradient(values[-1], target)
    gradients, x_cotangent = network.backward(parameters, x, cotangent)
    for index in reversed(range(len(network.layers))):
        local, cotangent = network.layers[index].backward(parameters[index], values[index], cotangent)
        assert all(np.array_equal(local[key], gradients[index][key]) for key in parameters[index])
    assert np.array_equal(cotangent, x_cotangent)


def test_penalty_adds_its_value_and_its_gradient():
    layers = [Dense(), Tanh(), Dense(bias=False)]
    plain, penalized = Network(layers, MeanSquaredError()), Network(layers, MeanSquaredError(), L2(0.3))
    parameters, x, target = drawn(plain, (3, 5, 2), 13)
    (loss, gradients), (objective, penalized_gradients) = (
        n.gradients(parameters, x, target) for n in (plain, penalized)
    )
    assert objective == loss + L2(0.3).value(parameters)
    expected = dict(leaves(map_leaves(np.add, gradients, L2(0.3).gradient(parameters))))
    assert all(np.array_equal(actual, expected[path]) for path, actual in leaves(penalized_gradients))


def test_gradients_have_the_structure_of_the_parameters():
    network = NETWORKS["eight layers with kinks"]
    parameters, x, target = drawn(network, WIDTHS, 14)
    _, gradients = network.gradients(parameters, x, target)
    assert [list(layer) for layer in gradients] == [list(layer) for layer in parameters]
    assert [leaf.shape for _, leaf in leaves(gradients)] == [leaf.shape for _, leaf in leaves(parameters)]


def test_nothing_passed_in_is_changed():
    network = NETWORKS["three layers, labels"]
    parameters, x, target = drawn(network, WIDTHS, 15)
    copies = map_leaves(np.copy, [parameters, x, target])
    network.gradients(parameters, x, target)
    for (_, now), (_, before) in zip(leaves([parameters, x, target]), leaves(copies), strict=True):
        assert np.array_equal(now, before)


# --- bounds ---


def tanh32(x):
    return np.tanh(x.astype(np.float64)).astype(np.float32)


def exp32(x):
    return np.exp(x.astype(np.float64)).astype(np.float32)


@pytest.mark.parametrize("order", ["forward", "reversed", "with the bias first"])
def test_bounds_contain_a_float32_network_in_any_order_of_summation(order):
    """8-16-4, tanh, softmax cross-entropy, written out with outer products instead of matrices."""
    accuracy = dict.fromkeys(("exp", "log", "log1p", "tanh"), 0.5 + 2.0**-27)
    target = Target(FLOAT32, functions={"float32": accuracy})
    network = Network([Dense(), Tanh(), Dense(layout="output_input")], SoftmaxCrossEntropy(labels="index"))
    worst = 0.0
    for seed in range(5):
        parameters, x, labels = drawn(network, (8, 16, 4), seed)
        parameters, x = map_leaves(lambda leaf: leaf.astype(np.float32), parameters), x.astype(np.float32)
        certified = map_leaves(lambda leaf: RunningError.exact(leaf, target), parameters)
        _, bounds = network.gradients(certified, RunningError.exact(x, target), labels)
        actual = float32_gradients(parameters, x, labels, order)
        for (path, bound), (_, gradient) in zip(leaves(bounds), leaves(actual), strict=True):
            assert gradient.dtype == np.float32
            assert bound.within(gradient).all(), path
            worst = max(worst, float(np.max(np.abs(gradient - bound.value) / bound.bound)))
    assert worst > 1 / 100  # published for torch and jax on such networks: 0.04


def test_bounds_contain_a_sum_that_starts_with_a_large_bias():
    """Every partial sum then is as large as the bias, and rounded so."""
    rng = np.random.default_rng(16)
    x, weight = (rng.uniform(0, 1e-3, shape).astype(np.float32) for shape in ((50, 30), (30, 7)))
    bias = rng.uniform(1, 2, 7).astype(np.float32)
    total = np.broadcast_to(bias, (50, 7))
    for k in range(30):
        total = total + np.multiply.outer(x[:, k], weight[k])
    arrays = [RunningError.exact(a, Target(FLOAT32)) for a in (weight, bias, x)]
    certified = Dense().forward({"weight": arrays[0], "bias": arrays[1]}, arrays[2])
    assert certified.within(total).all()
    # More than one rounding of the whole, which is all that a product and a separate sum would have
    assert np.max(np.abs(total - certified.value) / FLOAT32.ulp(certified.value)) > 1


def float32_gradients(parameters, x, labels, order):
    (w, b), (v, c) = (parameters[i].values() for i in (0, 2))

    def product(left, right, start=None):
        """left @ right, one outer product after another."""
        terms = [np.multiply.outer(left[:, k], right[k]) for k in range(left.shape[1])]
        terms = terms[::-1] if order == "reversed" else terms
        if start is not None:
            terms = [start, *terms] if order == "with the bias first" else [*terms, start]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    hidden = tanh32(product(x, w, b))
    logits = product(hidden, v.T, c)
    exponentials = exp32(logits - logits.max(axis=-1, keepdims=True))
    softmax = exponentials / exponentials.sum(axis=-1, keepdims=True)
    logits_cotangent = (softmax - np.eye(4, dtype=np.float32)[labels]) / np.float32(len(x))
    hidden_cotangent = product(logits_cotangent, v) * (1 - hidden * hidden)
    return [
        {"weight": product(x.T, hidden_cotangent), "bias": hidden_cotangent.sum(axis=0)},
        {},
        {"weight": product(logits_cotangent.T, hidden), "bias": logits_cotangent.sum(axis=0)},
    ]


# --- bad input ---

SMALL = Network([Dense(), Tanh(), Dense()], MeanSquaredError())
FITTING = [{"weight": np.ones((3, 5)), "bias": np.ones(5)}, {}, {"weight": np.ones((5, 2)), "bias": np.ones(2)}]
X = np.ones((4, 3))


def with_layer(index, layer):
    return [*FITTING[:index], layer, *FITTING[index + 1 :]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Network([]), ["layers", "at least one"]),
        (lambda: Network(5), ["Network: layers", "list or tuple", "int 5"]),
        (lambda: Network([Dense(), np.tanh]), ["layers[1]", "ufunc", "layer or an activation"]),
        (lambda: Network([Dense()], loss="mse"), ["loss", "'mse'", "refimpl.losses"]),
        (lambda: Network([Dense()], penalty=0.1), ["penalty", "0.1", "refimpl.regularization"]),
        (lambda: Dense(layout="rows"), ["layout", "'rows'", "'input_output'", "'output_input'"]),
        (lambda: Dense(bias=None), ["bias", "None", "True", "False"]),
        (lambda: Activated("tanh"), ["activation", "'tanh'", "refimpl.activations"]),
        (lambda: Network([Dense()]).objective([FITTING[0]], X, X), ["no loss", "loss="]),
        (lambda: Network([Dense()]).gradients([FITTING[0]], X, X), ["no loss", "loss="]),
        (lambda: SMALL.forward(FITTING[:2], X), ["parameters", "3 layers", "2"]),
        (lambda: SMALL.forward([*FITTING, {}], X), ["parameters", "3 layers", "4"]),
        (lambda: SMALL.forward({"weight": X}, X), ["parameters", "list", "dict"]),
        (lambda: SMALL.forward(tuple(FITTING), X), ["parameters", "list", "tuple"]),
        (lambda: SMALL.forward(FITTING, np.ones((4, 2))), ["layers[0]", "(3, 5)", "3 inputs", "(4, 2)"]),
        (lambda: SMALL.forward(FITTING, np.array(1.0)), ["layers[0]", "3 inputs", "()"]),
        (lambda: SMALL.forward(FITTING, np.ones((4, 3), int)), ["layers[0]", "x", "int64"]),
        (lambda: SMALL.forward(with_layer(2, {"weight": np.ones((3, 2)), "bias": np.ones(2)}), X),
         ["layers[2]", "(3, 2)", "(4, 5)"]),
        (lambda: SMALL.forward(with_layer(2, {"weight": np.ones(5), "bias": np.ones(2)}), X),
         ["layers[2]", "weight", "two", "(5,)"]),
        (lambda: SMALL.forward(with_layer(0, {"weight": np.ones((3, 0)), "bias": np.ones(0)}), X),
         ["layers[0]", "weight", "non-empty", "(3, 0)"]),
        (lambda: SMALL.forward(with_layer(0, {"weight": np.ones((3, 5)), "bias": np.ones(3)}), X),
         ["layers[0]", "bias", "(5,)", "(3,)"]),
        (lambda: SMALL.forward(with_layer(0, {"weight": np.ones((3, 5))}), X), ["layers[0]", "'bias'", "['weight']"]),
        (lambda: SMALL.forward(with_layer(1, FITTING[0]), X), ["layers[1]", "parameters", "[]", "'weight'"]),
        (lambda: SMALL.forward(with_layer(1, None), X), ["layers[1]", "parameters", "NoneType"]),
        (lambda: SMALL.forward(with_layer(0, {"bias": X, 3: X}), X),
         ["layers[0]", "parameters", "['bias', 3]", "['bias', 'weight']"]),
        (lambda: SMALL.forward(with_layer(0, 5), X), ["layers[0]", "parameters", "int 5", "'weight'"]),
        (lambda: SMALL.forward(with_layer(0, {"weight": [[1.0]], "bias": np.ones(1)}), X),
         ["layers[0]", "parameters['weight']", "list"]),
        (lambda: SMALL.backward(FITTING, X, np.ones((4, 3))), ["layers[2]", "cotangent", "(4, 3)", "(4, 2)"]),
        (lambda: SMALL.gradients(FITTING, X, np.ones((4, 3))), ["target", "(4, 3)", "(4, 2)"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_layer_value_and_what_is_allowed(call, words):
    with pytest.raises((TypeError, ValueError)) as refusal:
        call()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
