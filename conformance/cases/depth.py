"""Depth: networks that a framework runs without a rounding, in which gradients grow or vanish against expectation.

At the origin tanh has derivative 1, and at 1/2 a sigmoid chain has derivative 1/4: with dyadic weights the gradient of
a layer's bias is an exact product of the matrices above it, as in a linear network. Row vectors:
h <- tanh(h @ weight + bias), so that the weight itself multiplies the gradient, as a column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from conformance.claims.witnesses import WITNESSES, turn
from conformance.known_values import divisor, summed, with_bound_of
from conformance.running.case import case
from conformance.strategies.trees import in_format
from refimpl.activations import Identity, ReLU, Sigmoid, Tanh
from refimpl.arithmetic import FORMATS, RunningError
from refimpl.layers import Dense
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.propagation import log_singular_value_bounds, spectral_radius
from refimpl.trees import map_leaves


def network_of(subject, activation, weights: Sequence[np.ndarray], biases) -> tuple[Network, list[dict]]:
    """Dense layers, each with the activation, under the sum of squared errors; and their parameters."""
    dense, rule = subject.spec(Dense, bias=True), subject.spec(activation)
    network = Network([layer for _ in weights for layer in (dense, rule)], summed(subject, MeanSquaredError))
    parameters: list[dict] = []
    for weight, bias in zip(weights, biases, strict=True):
        parameters += [{"weight": weight if dense.layout == "input_output" else weight.T, "bias": bias}, {}]
    return network, parameters


def all_gradients(subject, activation, weights: Sequence[np.ndarray], biases, x, target) -> list[dict]:
    """The subject's gradients of every dense layer, for one row, of the sum of squared errors."""
    network, parameters = network_of(subject, activation, weights, biases)
    batch, wanted = (np.atleast_2d(a).astype(subject.array_dtype) for a in (x, target))
    _, gradients = subject.network(network, in_format(parameters, subject.array_dtype), batch, wanted)
    return map_leaves(lambda leaf: leaf * divisor(network.loss, wanted.size), gradients[::2])


def bias_gradients(subject, *network) -> list[np.ndarray]:
    """Those of the biases: cotangents of the preactivations."""
    return [gradient["bias"] for gradient in all_gradients(subject, *network)]


def certified_bias_gradients(subject, activation, weights, biases, x, target) -> list[RunningError]:
    """The same of the reference, with bounds for the subject."""
    network, parameters = network_of(subject, activation, weights, biases)
    batch, wanted = (np.atleast_2d(a) for a in (x, target))
    sent = map_leaves(lambda leaf: RunningError.exact(leaf, subject.target), [parameters, batch, wanted])
    _, gradients = network.gradients(*sent)
    return [gradient["bias"] * divisor(network.loss, wanted.size) for gradient in gradients[::2]]


def origin(weights: Sequence[np.ndarray], cotangent: np.ndarray) -> tuple:
    """Biases, input and target of a tanh network at the origin with that cotangent of its output."""
    zeros = np.zeros(len(cotangent))
    return [zeros] * len(weights), zeros, -cotangent / 2


def at_origin(subject, weights: Sequence[np.ndarray], cotangent: np.ndarray) -> list[np.ndarray]:
    """Bias gradients of a tanh network at the origin, for a given cotangent of its output."""
    return bias_gradients(subject, Tanh, weights, *origin(weights, cotangent))


@case(
    statement="Two weights whose every eigenvalue is 0, in turn, make a gradient grow by 4 every two layers.",
    source="two nilpotent matrices with a product that is not; Jungers 2009, The Joint Spectral Radius, chapter 1",
    kind="exact",
    catches="weights used in the wrong order or transposed; a derivative of tanh other than 1 at 0",
    capability="network",
)
def test_nilpotent_layers_explode(subject, compare):
    up, down = WITNESSES["nilpotent pair"]
    compare.example(matrices=[up.tolist(), down.tolist()], layers=40)
    gradients = at_origin(subject, [up, down] * 20, np.array([1.0, 0.0]))
    for above, gradient in enumerate(reversed(gradients)):
        expected = [0.0, 2.0**above] if above % 2 else [2.0**above, 0.0]
        compare.equal(gradient, expected, "bias gradient", above=above)


@case(
    statement="Two weights with an eigenvalue 2, in turn, divide every gradient by 4 every two layers.",
    source="diag(2, 1/8) and diag(1/8, 2)",
    kind="exact",
    catches="layers that share one weight; a product in the wrong order",
    capability="network",
)
def test_expansive_layers_vanish(subject, compare):
    one, other = WITNESSES["expansive pair"]
    compare.example(matrices=[one.tolist(), other.tolist()], layers=40)
    # Of diagonal weights each entry of the gradient goes its own way: this one shows them all.
    gradients = at_origin(subject, [one, other] * 20, np.array([1.0, 1.0]))
    for above, gradient in enumerate(reversed(gradients)):
        pairs, odd = divmod(above, 2)
        expected = [0.125 * 0.25**pairs, 2.0 * 0.25**pairs] if odd else [0.25**pairs] * 2
        compare.equal(gradient, expected, "bias gradient", above=above)


@case(
    statement="Two shears with all eigenvalues 1, in turn, make a gradient grow like the Fibonacci numbers.",
    source="Jungers 2009, The Joint Spectral Radius: a pair with radius (1 + sqrt 5) / 2",
    kind="exact",
    catches="transposed weights, and sums in a format with fewer bits than the declared one",
    capability="network",
)
def test_shears_grow_like_fibonacci(subject, compare):
    right, left = WITNESSES["shears"]
    fibonacci = [0, 1]
    while len(fibonacci) < 34:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    compare.example(matrices=[right.tolist(), left.tolist()], layers=32)
    gradients = at_origin(subject, [right, left] * 16, np.array([1.0, 0.0]))
    for above, gradient in enumerate(reversed(gradients)):
        low, high = fibonacci[above], fibonacci[above + 1]
        compare.equal(gradient, [low, high] if above % 2 else [high, low], "bias gradient", above=above)


# 1024 k 2^(1 - k) is 1.75 at k = 14, and below 1 afterwards.
FIRST_BELOW_ONE = 15


@case(
    statement="A weight with both eigenvalues 1/2 takes the gradient (1, 0) to (1/2, 1024), and after k layers to "
    "(2^-k, 1024 k 2^(1 - k)), whose norm is below 1 from the 15th on.",
    source="powers of a Jordan block: Horn & Johnson 2013, section 3.2.5",
    kind="exact",
    catches="decay expected from the first layer on",
    capability="network",
)
def test_jordan_block_peaks_before_it_decays(subject, compare):
    [block] = WITNESSES["Jordan block with 1024"]
    compare.example(matrices=[block.tolist()], layers=40)
    gradients = at_origin(subject, [block] * 40, np.array([1.0, 0.0]))
    for above, gradient in enumerate(reversed(gradients)):
        compare.equal(gradient, [0.5**above, above * 1024.0 * 0.5 ** (above - 1)], "bias gradient", above=above)
        if above:
            norm = np.linalg.norm(gradient.astype(np.float64))
            larger, smaller = (norm, 1.0) if above < FIRST_BELOW_ONE else (1.0, norm)
            compare.exceeds(larger, smaller, "norm of the bias gradient against 1", above=above)


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
    statement="Gates break the eigenvalue criterion: one weight in every layer, with square 0, doubles the gradient "
    "per layer of a ReLU network in which one unit is open, and one closed.",
    source="derived here; the condition is on singular values: Pascanu, Mikolov & Bengio 2013, section 2.1",
    kind="exact",
    catches="gates taken from the wrong layer or from the output side; a gate open below zero",
    capability="network",
)
def test_gates_make_a_nilpotent_weight_explode(subject, compare):
    [weight], layers = WITNESSES["gated"], 10  # its square is 0
    biases = [np.array([0.0, -(2.0**layer) - 1]) for layer in range(1, layers + 1)]
    compare.example(matrices=[weight.tolist()], layers=layers)
    start, end = np.array([1.0, 0.0]), np.array([2.0**layers - 0.5, 0.0])
    gradients = bias_gradients(subject, ReLU, [weight] * layers, biases, start, end)
    for above, gradient in enumerate(reversed(gradients)):
        compare.equal(gradient, [2.0**above, 0.0], "bias gradient", above=above)


@case(
    statement="One repeated weight with eigenvalues 1/2 and 2: along the eigenvector of 2 the gradient doubles per "
    "layer, and along the other it halves.",
    source="an eigenvector of A is one of A^k: Horn & Johnson 2013, section 1.1",
    kind="exact",
    catches="growth expected of every gradient as soon as one eigenvalue is above 1",
    capability="network",
)
def test_growth_needs_a_component(subject, compare):
    [weight] = WITNESSES["growth of a component"]
    compare.example(matrices=[weight.tolist()], layers=40)
    for eigenvalue, eigenvector in ((0.5, np.array([1.0, 0.0])), (2.0, np.array([1.0, 1.0]))):
        gradients = at_origin(subject, [weight] * 40, eigenvector)
        for above, gradient in enumerate(reversed(gradients)):
            expected = eigenvalue**above * eigenvector
            compare.equal(gradient, expected, "bias gradient", eigenvalue=eigenvalue, above=above)


@case(
    statement="Two weights whose every eigenvalue is 2, in turn, halve a gradient in each layer; their inverses, whose "
    "every eigenvalue is 1/2, the second first, double it.",
    source="derived here; not of all gradients at once: the norm of a product of L of the first is at least 2^L",
    kind="exact",
    catches="weights used in the wrong order or transposed; eigenvalues taken for gains",
    capability="network",
)
def test_eigenvalues_of_two_halve_the_gradient(subject, compare):
    pairs = WITNESSES["halving pair"], WITNESSES["doubling pair"]
    compare.example(matrices=[matrix.tolist() for pair in pairs for matrix in pair], layers=40)
    for (first, second), factor in zip(pairs, (0.5, 2.0), strict=True):
        gradients = at_origin(subject, [second, first] * 20, np.array([1.0, 0.0]))
        for above, gradient in enumerate(reversed(gradients)):
            expected = [0.0, factor**above] if above % 2 else [factor**above, 0.0]
            compare.equal(gradient, expected, "bias gradient", factor=factor, above=above)


@case(
    statement="A normal weight, repeated, whose eigenvalues all have the modulus r multiplies a gradient by r per "
    "layer, whatever their argument, while its entries change sign: 1/2 vanishes, 1 keeps the norm, 5/4 explodes.",
    source="[[a, -b], [b, a]] multiplies by the complex number a + b i",
    kind="exact",
    catches="weights transposed; a negative or complex eigenvalue taken for decay",
    capability="network",
)
def test_the_modulus_of_an_eigenvalue_sets_the_rate(subject, compare):
    compare.example(eigenvalues=["-1/2", "i/2", "i", "3/4 + i"], layers=40)
    # Powers of (3 + 4 i) fit into 24 bits for ten layers only.
    for eigenvalue, exact in ((-0.5 + 0j, 40), (0.5j, 40), (1j, 40), (0.75 + 1j, 10)):
        gradients = at_origin(subject, [turn(eigenvalue)] * 40, np.array([1.0, 0.0]))
        power = 1 + 0j
        for above, gradient in enumerate(gradients[: -exact - 1 : -1]):
            expected = [power.real, power.imag]
            compare.equal(gradient, expected, "bias gradient", eigenvalue=str(eigenvalue), above=above)
            power *= eigenvalue


@case(
    statement="A weight of integers whose square is 0 makes a gradient of small integers exactly 0 two layers below in "
    "float64; in float32, where a product does not fit into 24 bits, its rounding error is multiplied by the weight.",
    source="Higham & Knight 1995, Matrix powers in finite precision arithmetic; the weight derived here",
    kind="exact",
    catches="products accumulated in fewer bits than declared; exact nilpotency expected of rounded products",
    capability="network",
)
def test_nilpotent_integers_vanish_up_to_rounding(subject, compare):
    [weight], cotangent, layers = WITNESSES["nilpotent integers"], np.array([16385.0, 3.0]), 6
    compare.example(matrices=[weight.tolist()], layers=layers)
    network = Tanh, [weight] * layers, *origin([weight] * layers, cotangent)
    found, certified = bias_gradients(subject, *network), certified_bias_gradients(subject, *network)
    once = np.array([97.0, 101.0]) * (101 * 16385 - 97 * 3)
    closed = [cotangent, once, *[np.zeros(2)] * (layers - 2)]
    fit = 2.0 ** FORMATS[subject.dtype].precision >= np.max(np.abs(weight) @ np.abs(once))
    for above, (gradient, exact, bounded) in enumerate(zip(reversed(found), closed, reversed(certified), strict=True)):
        if fit:
            compare.equal(gradient, exact, "bias gradient", above=above)
        else:
            compare.within(gradient, with_bound_of(exact, bounded), "bias gradient", above=above)


@case(
    statement="Twice the layers square what a chain of sigmoids at 1/2 passes on: (w / 4)^4 becomes (w / 4)^8. Where "
    "four layers let the gradient vanish, eight do so more.",
    source="sigmoid'(0) = 1/4",
    kind="exact",
    catches="gradients of other layers than the first; a wrong sigmoid derivative at its maximum",
    capability="network",
)
def test_twice_the_layers_square_the_decay(subject, compare):
    one = np.ones(1)
    for weight in (0.5, 1.0, 2.0, 8.0):
        compare.example(weight=weight, layers=[5, 9])
        for above in (4, 8):
            weights, biases = [weight * one[None]] * (above + 1), [-weight * one / 2] * (above + 1)
            first, *_ = bias_gradients(subject, Sigmoid, weights, biases, one / 2, np.zeros(1))
            expected = 0.25 * (weight / 4) ** above * one
            compare.equal(first, expected, "bias gradient of the first layer", weight=weight, above=above)


@case(
    statement="A sigmoid layer multiplies the gradient by at most a quarter of the largest singular value of its "
    "weight, attained where every unit is at 1/2 and the weight is a multiple of an orthogonal one: largest singular "
    "values of at most some s < 4 are sufficient for it to vanish; shown for s = 3.",
    source="Pascanu, Mikolov & Bengio 2013, section 2.1, with sup sigmoid' = 1/4",
    kind="analytic",
    catches="a wrong sigmoid derivative, or one at the wrong argument; eigenvalues taken for singular values",
    capability="network",
)
def test_sigmoid_layers_pass_on_a_quarter_of_the_norm(subject, compare):
    layers, [weight] = 10, WITNESSES["three quarter turns"]  # both singular values are 3
    centred = [-weight.sum(axis=0) / 2] * layers
    biases = [np.array([layer % 3 - 1.0, layer % 5 - 2.0]) for layer in range(layers)]
    compare.example(matrices=[weight.tolist()], layers=layers, biases=[bias.tolist() for bias in biases])
    half = np.array([0.5, 0.5])
    attained = bias_gradients(subject, Sigmoid, [weight] * layers, centred, half, half - [0.5, 0.0])
    for above, gradient in enumerate(reversed(attained)):
        power = 0.25 * 0.75j**above  # the weight turns by a quarter
        compare.equal(gradient, [power.real, power.imag], "bias gradient of units at 1/2", above=above)
    network = Sigmoid, [weight] * layers, biases, np.array([0.25, -1.5]), np.array([2.0, -1.0])
    found, certified = bias_gradients(subject, *network), certified_bias_gradients(subject, *network)
    error = np.linalg.norm(np.array([2.0, 2.0]))  # no output is further from the target
    for above, (gradient, bounded) in enumerate(zip(reversed(found), reversed(certified), strict=True)):
        compare.within(gradient, bounded, "bias gradient", above=above)
        # The subject and the exact gradient are both within the bound of the reference.
        limit = 2 * error * 0.25 * 0.75**above + 2 * np.linalg.norm(bounded.bound)
        compare.at_most(np.linalg.norm(gradient), limit, "norm of the bias gradient", above=above)


FAMILIES = ("decay", "growth", "transient", "different matrices")
BEYOND_EIGENVALUES = ("transient", "different matrices")


@pytest.mark.parametrize("family", FAMILIES)
@case(
    statement="In a network of slopes 1 gradients stay between the products of smallest and of largest singular "
    "values of the weights above, and not always below the product of spectral radii.",
    source="||A v|| between s_min ||v|| and s_max ||v||: Horn & Johnson 2013, section 7.3; Pascanu, Mikolov & Bengio "
    "2013, section 2.1",
    kind="analytic",
    catches="weights used in the wrong order or transposed; eigenvalues taken for bounds of gains",
    capability="network",
)
def test_gradients_stay_between_singular_value_bounds(subject, compare, family):
    matrices = [*WITNESSES[family]]
    layers, cotangent = 40, np.array([0.5, 1.0])
    compare.example(family=family, matrices=[matrix.tolist() for matrix in matrices], layers=layers)
    weights = matrices * (layers // len(matrices))
    radii = [np.log10(spectral_radius(matrix).upper) for matrix in matrices] * (layers // len(matrices))
    network = Tanh, weights, *origin(weights, cotangent)
    found, certified = bias_gradients(subject, *network), certified_bias_gradients(subject, *network)
    for above, (gradient, bounded) in enumerate(zip(reversed(found), reversed(certified), strict=True)):
        where = {"family": family, "above": above}
        compare.within(gradient, bounded, "bias gradient", **where)
        if above == 0:
            continue
        passed = weights[: layers - above - 1 : -1]  # as the cotangent meets them
        lower, upper = np.exp(log_singular_value_bounds(passed)) * np.linalg.norm(cotangent)
        # The subject and the exact gradient are both within the bound of the reference.
        norm, rounding = np.linalg.norm(gradient.astype(np.float64)), 2 * np.linalg.norm(bounded.bound)
        what = "log10 of the gradient norm, and the product of largest singular values"
        compare.at_most(np.log10(norm), np.log10(upper + rounding), what, **where)
        what = "log10 of the product of smallest singular values, and the gradient norm"
        compare.at_most(np.log10(lower), np.log10(norm + rounding), what, **where)
        if family in BEYOND_EIGENVALUES:
            limit = sum(radii[layers - above :]) + np.log10(np.linalg.norm(cotangent))
            what = "log10 of the gradient norm, beyond the product of eigenvalues"
            compare.exceeds(np.log10(norm), limit, what, **where)


# --- what is said to be the cause, or the cure ----------------------------------------------------------------------

WIDTH_2, LAYERS = np.eye(2), 10  # as many layers as in the network of gates above


@case(
    statement="Layers without an activation vanish and explode: diag(2, 1/2) doubles one entry of the gradient per "
    "layer and halves the other, at once; a nilpotent weight, with which gates let it explode, makes it 0.",
    source="powers of a diagonal matrix; the square of [[2, 2], [-2, -2]] is 0",
    kind="exact",
    catches="an activation where there is none; units or layers mixed up",
    capability="network",
)
def test_linear_layers_vanish_and_explode(subject, compare):
    [both], [nilpotent] = WITNESSES["double and half"], WITNESSES["gated"]
    compare.example(matrices=[both.tolist(), nilpotent.tolist()], layers=LAYERS)
    for weight in (both, 2 * WIDTH_2, WIDTH_2 / 2):
        network = Identity, [weight] * LAYERS, *origin([weight] * LAYERS, np.ones(2))
        for above, gradient in enumerate(reversed(bias_gradients(subject, *network))):
            where = {"weight": weight.tolist(), "above": above}
            compare.equal(gradient, np.diag(weight) ** above, "bias gradient", **where)
    network = Identity, [nilpotent] * LAYERS, *origin([nilpotent] * LAYERS, FIRST_UNIT)
    closed = [[1.0, 0.0], [2.0, -2.0], *[[0.0, 0.0]] * (LAYERS - 2)]
    for above, gradient in enumerate(reversed(bias_gradients(subject, *network))):
        compare.equal(gradient, closed[above], "bias gradient of the nilpotent weight", above=above)


FIRST_UNIT = WIDTH_2[0]


def for_cotangent(activation, weights: Sequence[np.ndarray], biases, start: np.ndarray, cotangent: np.ndarray) -> tuple:
    """Network, input and target for which the output's cotangent is the one given; sums are exact in float64."""
    h = start
    for weight, bias in zip(weights, biases, strict=True):
        h = activation().forward(h @ weight + bias)
    return activation, weights, biases, start, h - cotangent / 2


@pytest.mark.parametrize("activation", [Identity, ReLU], ids=lambda rule: rule.__name__)
@case(
    statement="No bias is a factor of what layers pass on: those that are linear, or whose gates are all open, pass on "
    "the same with biases of 0, 1 and 1024, bit for bit, and whether it vanishes or explodes is for the weights. But "
    "from the input 0 the gradient of the second weight is the first bias times the second's gradient.",
    source="the chain rule: the derivative of W h + b by h is W",
    kind="exact",
    catches="a bias that enters the backward pass; a bias added after the activation",
    capability="network",
)
def test_biases_do_not_multiply_gradients(activation, subject, compare):
    swap, cotangent = np.array([[0.0, 2.0], [0.5, 0.0]]), np.array([1.0, -3.0])  # swap @ swap = 1
    for scale in (0.5, 1.0, 2.0):
        weights = [scale * swap] * LAYERS
        for size in (0.0, 1.0, 1024.0):
            compare.example(weight=weights[0].tolist(), layers=LAYERS, biases=[size, 2 * size])
            biases = [size * np.array([1.0, 2.0])] * LAYERS
            network = for_cotangent(activation, weights, biases, np.array([1.0, 2.0]), cotangent)
            for above, gradient in enumerate(reversed(bias_gradients(subject, *network))):
                swapped = cotangent @ swap.T if above % 2 else cotangent
                compare.equal(gradient, scale**above * swapped, "bias gradient", scale=scale, bias=size, above=above)
    for size in (1.0, 1024.0):
        bias = size * np.array([1.0, 2.0])
        network = for_cotangent(activation, [swap] * 2, [bias] * 2, np.zeros(2), cotangent)
        of_weight = all_gradients(subject, *network)[1]["weight"]
        expected = np.outer(bias, cotangent)
        transposed = subject.spec(Dense, bias=True).layout == "output_input"
        compare.equal(of_weight, expected.T if transposed else expected, "gradient of the second weight", bias=size)


@case(
    statement="Large biases saturate sigmoids and make the gradient vanish: with weight 4 and bias -2 a chain at 1/2 "
    "keeps it, and with a bias b > 0 each layer passes on less than 4 exp(-b).",
    source="sigmoid'(z) < exp(-z), and a preactivation 4 h + b is above b",
    kind="analytic",
    catches="a slope not taken at the layer's own preactivation",
    capability="network",
)
def test_large_biases_saturate_sigmoids(subject, compare):
    layers, one = 16, np.ones(1)
    centred = Sigmoid, [4 * one[None]] * layers, [-2 * one] * layers, one / 2, np.zeros(1)
    for above, gradient in enumerate(reversed(bias_gradients(subject, *centred))):
        compare.equal(gradient, [0.25], "bias gradient of units at 1/2", above=above)
    for bias in (2.0, 4.0, 6.0):
        compare.example(layers=layers, weight=4.0, bias=bias)
        network = Sigmoid, [4 * one[None]] * layers, [bias * one] * layers, one / 2, np.zeros(1)
        found, certified = bias_gradients(subject, *network), certified_bias_gradients(subject, *network)
        for above, (gradient, bounded) in enumerate(zip(reversed(found), reversed(certified), strict=True)):
            where = {"bias": bias, "above": above}
            compare.within(gradient, bounded, "bias gradient of saturated units", **where)
            # 2 of the squared error, exp(-b) of the last unit; both sides are within the bound of the reference.
            limit = 2 * np.exp(-bias) * (4 * np.exp(-bias)) ** above + 2 * bounded.bound[0]
            compare.at_most(gradient[0], limit, "bias gradient, and what the bias allows", **where)


@case(
    statement="Weights of ReLU layers without biases, all multiplied by 3/4 as by a step of L2 regularization, pass on "
    "(3/4)^k of the gradient that they passed on through k layers before, with the same gates.",
    source="derived here: relu(c z) = c relu(z) for c > 0, so that no gate changes",
    kind="exact",
    catches="a penalty taken to act on the gradient that passes; gates taken from another layer",
    capability="network",
)
def test_smaller_weights_pass_on_less(subject, compare):
    pair = [*WITNESSES["turn and shear"]]  # the first closes a gate
    weights, biases = pair * (LAYERS // 2), [np.zeros(2)] * LAYERS
    start, cotangent = np.array([2.0, 1.0]), np.array([1.0, -0.5])
    before, after = (
        bias_gradients(subject, *for_cotangent(ReLU, [c * weight for weight in weights], biases, start, cotangent))
        for c in (1.0, 0.75)
    )
    compare.example(matrices=[weight.tolist() for weight in pair], layers=LAYERS, factor=0.75)
    for above, (gradient, shrunk) in enumerate(zip(reversed(before), reversed(after), strict=True)):
        compare.exceeds(np.max(np.abs(gradient)), 0.0, "largest entry of the bias gradient", above=above)
        compare.equal(shrunk, 0.75**above * gradient, "bias gradient with smaller weights", above=above)


@case(
    statement="A gradient that leaves the range of the format on its way down is infinite or not a number when it "
    "arrives: with weights that multiply by 2^8 in float32, or 2^64 in float64, from 16 layers below the output on.",
    source="derived here: the range of the format; infinity times 0 is not a number (IEEE 754)",
    kind="exact",
    catches="gradients held in a format of another range; infinities replaced on the way",
    capability="network",
)
def test_gradients_leave_the_range_on_the_way(subject, compare):
    exponent = (FORMATS[subject.dtype].max_exponent + 1) // 16
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    compare.example(weight=f"2**{exponent} {swap.tolist()}", layers=40)
    with np.errstate(over="ignore", invalid="ignore"):
        gradients = at_origin(subject, [2.0**exponent * swap] * 40, FIRST_UNIT)
    for above, gradient in enumerate(reversed(gradients)):
        if above < 16:
            compare.equal(gradient, 2.0 ** (exponent * above) * WIDTH_2[above % 2], "bias gradient", above=above)
        else:
            finite = np.isfinite(gradient).all().astype(subject.array_dtype)
            compare.equal(finite, 0.0, "whether the bias gradient is finite", above=above)
