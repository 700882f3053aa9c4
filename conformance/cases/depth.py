"""Depth: networks that a framework runs without a rounding, in which gradients grow or vanish against expectation.

At the origin tanh has derivative 1, and at 1/2 a sigmoid chain has derivative 1/4: with dyadic weights the gradient of
a layer's bias is an exact product of the matrices above it. Row vectors: h <- tanh(h @ weight + bias).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conformance.case import case
from conformance.strategies.trees import in_format
from refimpl.activations import ReLU, Sigmoid, Tanh
from refimpl.arithmetic import FORMATS
from refimpl.layers import Dense
from refimpl.losses import MeanSquaredError
from refimpl.network import Network


def bias_gradients(subject, activation, weights: Sequence[np.ndarray], biases, x, target) -> list[np.ndarray]:
    """The subject's gradient of every bias under the sum of squared errors of one row."""
    fixed = dict(subject.fixed(Dense))
    layout = fixed.get("layout", "input_output")
    rule = activation(**subject.fixed(activation))
    loss = MeanSquaredError(**{**subject.fixed(MeanSquaredError), "reduction": "sum"})
    network = Network([layer for _ in weights for layer in (Dense(layout=layout), rule)], loss)
    parameters = []
    for weight, bias in zip(weights, biases, strict=True):
        parameters += [{"weight": weight if layout == "input_output" else weight.T, "bias": bias}, {}]
    batch, wanted = (np.atleast_2d(a).astype(subject.array_dtype) for a in (x, target))
    _, gradients = subject.network(network, in_format(parameters, subject.array_dtype), batch, wanted)
    return [gradient["bias"] for gradient in gradients[::2]]


def at_origin(subject, weights: Sequence[np.ndarray], cotangent: np.ndarray) -> list[np.ndarray]:
    """Bias gradients of a tanh network at the origin, for a given cotangent of its output."""
    zeros = np.zeros(len(cotangent))
    return bias_gradients(subject, Tanh, weights, [zeros] * len(weights), zeros, -cotangent / 2)


@case(
    statement="Layers whose every eigenvalue is 0 make the gradient grow by 4 every two layers.",
    source="two nilpotent matrices with a product that is not; Jungers 2009, The Joint Spectral Radius, chapter 1",
    kind="exact",
    catches="weights used in the wrong order or transposed; a derivative of tanh other than 1 at 0",
    capability="network",
)
def test_nilpotent_layers_explode(subject, compare):
    up, down = np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])
    compare.example(matrices=[up.tolist(), down.tolist()], layers=40)
    gradients = at_origin(subject, [up, down] * 20, np.array([1.0, 0.0]))
    for above, gradient in enumerate(reversed(gradients)):
        expected = [0.0, 2.0**above] if above % 2 else [2.0**above, 0.0]
        compare.equal(gradient, expected, "bias gradient", above=above)


@case(
    statement="Layers with an eigenvalue 2 make the gradient vanish by 4 every two layers.",
    source="diag(2, 1/8) and diag(1/8, 2)",
    kind="exact",
    catches="layers that share one weight; a product in the wrong order",
    capability="network",
)
def test_expansive_layers_vanish(subject, compare):
    one, other = np.diag([2.0, 0.125]), np.diag([0.125, 2.0])
    compare.example(matrices=[one.tolist(), other.tolist()], layers=40)
    gradients = at_origin(subject, [one, other] * 20, np.array([1.0, 1.0]))
    for above, gradient in enumerate(reversed(gradients)):
        pairs, odd = divmod(above, 2)
        expected = [0.125 * 0.25**pairs, 2.0 * 0.25**pairs] if odd else [0.25**pairs] * 2
        compare.equal(gradient, expected, "bias gradient", above=above)


@case(
    statement="Shears with all eigenvalues 1 make the gradient grow like the Fibonacci numbers.",
    source="Jungers 2009, The Joint Spectral Radius: a pair with radius (1 + sqrt 5) / 2",
    kind="exact",
    catches="transposed weights, and sums in a format with fewer bits than the declared one",
    capability="network",
)
def test_shears_grow_like_fibonacci(subject, compare):
    right, left = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    fibonacci = [0, 1]
    while len(fibonacci) < 34:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    compare.example(matrices=[right.tolist(), left.tolist()], layers=32)
    gradients = at_origin(subject, [right, left] * 16, np.array([1.0, 0.0]))
    for above, gradient in enumerate(reversed(gradients)):
        low, high = fibonacci[above], fibonacci[above + 1]
        compare.equal(gradient, [low, high] if above % 2 else [high, low], "bias gradient", above=above)


@case(
    statement="A Jordan block with eigenvalue 1/2 first makes the gradient 1024 times larger, and decays much later.",
    source="powers of a Jordan block: Horn & Johnson 2013, section 3.2.5",
    kind="exact",
    catches="decay expected from the first layer on",
    capability="network",
)
def test_jordan_block_peaks_before_it_decays(subject, compare):
    block = np.array([[0.5, 0.0], [1024.0, 0.5]])
    compare.example(matrices=[block.tolist()], layers=40)
    gradients = at_origin(subject, [block] * 40, np.array([1.0, 0.0]))
    for above, gradient in enumerate(reversed(gradients)):
        compare.equal(gradient, [0.5**above, above * 1024.0 * 0.5 ** (above - 1)], "bias gradient", above=above)


@case(
    statement="A chain of sigmoids at 1/2 with weight w multiplies the gradient by exactly w / 4 per layer.",
    source="sigmoid'(0) = 1/4",
    kind="exact",
    catches="a wrong sigmoid derivative at its maximum; numbers flushed to zero by a subject that says it keeps them",
    capability="network",
)
def test_sigmoid_chain_multiplies_by_a_quarter_of_the_weight(subject, compare):
    format_ = FORMATS[subject.dtype]
    layers = 16
    one = np.ones(1)
    # 1: vanishes; 4: stays; 8: explodes; the last: through the subnormal numbers to zero within these layers.
    for exponent in (0, 2, 3, format_.min_exponent // 14):
        weight = 2.0**exponent
        compare.example(layers=layers, weight=weight)
        gradients = bias_gradients(
            subject, Sigmoid, [weight * one[None]] * layers, [-weight * one / 2] * layers, one / 2, np.zeros(1)
        )
        for above, gradient in enumerate(reversed(gradients)):
            exact = format_.round(np.ldexp(0.25 * one, (exponent - 2) * above))
            flushed = subject.target.flush_to_zero and exact < format_.smallest_normal
            compare.equal(gradient, 0.0 * exact if flushed else exact, "bias gradient", weight=weight, above=above)


@case(
    statement="Gates break the eigenvalue criterion: a nilpotent weight under ReLU doubles the gradient per layer.",
    source="Pascanu, Mikolov & Bengio 2013 (the condition is on singular values, not eigenvalues)",
    kind="exact",
    catches="gates taken from the wrong layer or from the output side; a gate open below zero",
    capability="network",
)
def test_gates_make_a_nilpotent_weight_explode(subject, compare):
    weight = np.array([[2.0, 2.0], [-2.0, -2.0]])  # its square is 0
    layers = 10
    biases = [np.array([0.0, -(2.0**layer) - 1]) for layer in range(1, layers + 1)]
    compare.example(matrices=[weight.tolist()], layers=layers)
    start, end = np.array([1.0, 0.0]), np.array([2.0**layers - 0.5, 0.0])
    gradients = bias_gradients(subject, ReLU, [weight] * layers, biases, start, end)
    for above, gradient in enumerate(reversed(gradients)):
        compare.equal(gradient, [2.0**above, 0.0], "bias gradient", above=above)
