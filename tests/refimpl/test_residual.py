"""Residual blocks: 50 digits, difference quotients, exact integers and powers, float32 bounds, bad input."""

import mpmath
import numpy as np
import pytest

from refimpl.activations import ReLU, SiLU, Tanh
from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.layers import Activated, Dense, Residual
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.trees import leaves, map_leaves
from tests.refimpl.precision import relative_error

STEP = mpmath.mpf(10) ** -20
INNER = Residual([Dense(layout="output_input"), Tanh()], -0.75)
NESTED = Residual([Tanh(), Dense(), INNER, SiLU()], 0.3)
NETWORK = Network([Dense(), NESTED, Dense()], MeanSquaredError())


def drawn(seed):
    """Parameters, input of two leading axes and target of NETWORK, 3-5-2 wide."""
    rng = np.random.default_rng(seed)
    entries = [{"weight": rng.normal(size=(a, b)), "bias": rng.normal(size=b)} for a, b in ((3, 5), (5, 5), (5, 5))]
    branch = [{}, entries[1], {"branch": [entries[2], {}]}, {}]
    last = {"weight": rng.normal(size=(5, 2)), "bias": rng.normal(size=2)}
    return [entries[0], {"branch": branch}, last], rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 2))


def exactly(tree):
    return map_leaves(Multiprecision, tree)


def integers(rng, *shape):
    return rng.integers(-9, 10, shape).astype(float)


def test_gradients_are_within_1e_13_of_50_digits():
    """The largest error of each array, relative to its largest entry."""
    for seed in range(3):
        inputs = drawn(seed)
        objective, gradients = NETWORK.gradients(*inputs)
        exact_objective, exact = NETWORK.gradients(*map(exactly, inputs))
        assert relative_error(objective, exact_objective) <= 1e-13
        expected = dict(leaves(exact))
        assert [path for path, _ in leaves(gradients)] == list(expected)
        for path, gradient in leaves(gradients):
            assert relative_error(gradient, expected[path]) <= 1e-13


def test_gradients_are_the_limit_of_difference_quotients():
    """Of the 50-digit objective, along a random direction in each array. The central quotient is off by STEP**2 / 6
    times a third derivative, below 10**8 at these sizes, and by 10**-45 / STEP of rounding."""
    parameters, x, target = map(exactly, drawn(4))
    _, gradients = NETWORK.gradients(parameters, x, target)
    rng = np.random.default_rng(5)
    with mpmath.workdps(DIGITS):
        allowed = 10**8 * STEP**2 + mpmath.mpf(10) ** -45 / STEP
    for path, gradient in leaves(gradients):
        direction = Multiprecision(rng.uniform(-1, 1, gradient.shape))

        def objective(t, path=path, direction=direction):
            moved = {at: leaf + t * direction if at == path else leaf for at, leaf in leaves(parameters)}
            entries = iter(moved.values())
            return NETWORK.objective(map_leaves(lambda _: next(entries), parameters), x, target)

        quotient = (objective(STEP) - objective(-STEP)) / (2 * STEP)
        assert abs((gradient * direction).sum() - quotient).value <= allowed, path


def test_passes_of_a_linear_block_are_adjoint_exactly_on_integers():
    """<J v, w> = <v, J' w>, at a scale that is a power of two."""
    rng, block = np.random.default_rng(6), Residual([Dense(), Dense(bias=False)], -0.5)
    parameters = {
        "branch": [
            {"weight": integers(rng, 3, 2), "bias": integers(rng, 2)},
            {"weight": integers(rng, 2, 3)},
        ]
    }
    x, dx, cotangent = (integers(rng, 5, 3) for _ in range(3))
    _, x_cotangent = block.backward(parameters, x, cotangent)
    by_input = block.forward(parameters, x + dx) - block.forward(parameters, x)
    assert np.sum(by_input * cotangent) == np.sum(dx * x_cotangent)


def test_a_branch_of_zeros_leaves_input_and_cotangent_as_they_are():
    rng, block = np.random.default_rng(7), Residual([Dense(), ReLU(), Dense()], 3.0)
    zeros = [{"weight": np.zeros((3, 3)), "bias": np.zeros(3)}] * 2
    parameters = {"branch": [zeros[0], {}, zeros[1]]}
    x, cotangent = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    assert np.array_equal(block.forward(parameters, x), x)
    assert np.array_equal(block.backward(parameters, x, cotangent)[1], cotangent)


@pytest.mark.parametrize(("sign", "factor"), [(1, 1.25), (-1, 0.75)])
def test_linear_blocks_attain_the_extremes_of_their_lipschitz_constant(sign, factor):
    """A branch with constant 1/4 leaves every gradient within (3/4)**L and (5/4)**L; x/4 and -x/4 are at the ends."""
    rng = np.random.default_rng(8)
    block = Residual([Dense(bias=False)], 0.25)
    for depth in (1, 2, 20):
        network = Network([block] * depth)
        extreme = [{"branch": [{"weight": sign * np.eye(3)}]}] * depth
        assert network.backward(extreme, np.ones((1, 3)), np.eye(3)[:1])[1].tolist() == [[factor**depth, 0.0, 0.0]]
        # Any other branch of norm 1: scaled rotations by quarter turns and exchanges of axes, exact in float64
        matrices = [np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], 3) for _ in range(depth)]
        others = [{"branch": [{"weight": matrix}]} for matrix in matrices]
        _, x_cotangent = network.backward(others, np.ones((1, 3)), np.eye(3)[:1])
        squared = np.sum(x_cotangent**2)
        assert 0.75 ** (2 * depth) <= squared <= 1.25 ** (2 * depth)


def test_a_layer_that_stands_for_its_activation_is_the_same_block():
    assert Residual([Tanh(), Dense()]) == Residual((Activated(Tanh()), Dense()))
    assert hash(Residual([Tanh()])) == hash(Residual((Tanh(),)))


def test_nothing_passed_in_is_changed():
    inputs = list(drawn(9))
    copies = map_leaves(np.copy, inputs)
    NETWORK.gradients(*inputs)
    for (_, now), (_, before) in zip(leaves(inputs), leaves(copies), strict=True):
        assert np.array_equal(now, before)


@pytest.mark.parametrize("before", range(4))
def test_bounds_contain_the_cotangents_of_all_uses_added_in_any_order(before):
    """A branch that uses x three times, written out in float32: some uses come before the skip connection's cotangent,
    some after it. Each sum then is rounded where it is large."""

    class Cubed(Activated):
        """x * x * x, whose cotangents are added one use at a time."""

        def forward(self, parameters, x):
            return x * x * x

        def backward(self, parameters, x, cotangent):
            return {}, np.sum(np.stack([cotangent * x * x] * 3), axis=0)

    rng = np.random.default_rng(10)
    x, cotangent = (rng.uniform(0.01, 1, size=1000).astype(np.float32) for _ in range(2))
    x = x / np.float32(16)
    exact = [RunningError.exact(a, Target(FLOAT32)) for a in (x, cotangent)]
    _, certified = Residual([Cubed()]).backward({"branch": [{}]}, *exact)
    total = np.zeros_like(x)
    for addend in [cotangent * x * x] * before + [cotangent] + [cotangent * x * x] * (3 - before):
        total = total + addend
    assert certified.within(total).all()
    # A single rounding of the whole would not do where the large addend comes first
    assert before > 0 or np.max(np.abs(total - certified.value) / FLOAT32.ulp(certified.value)) > 1


BLOCK = Residual([Dense()])
FITTING = {"branch": [{"weight": np.ones((3, 3)), "bias": np.ones(3)}]}
X = np.ones((4, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Residual([]), ValueError, ["Residual", "layers", "at least one"]),
        (lambda: Residual(Dense()), TypeError, ["Residual", "layers", "list or tuple", "Dense"]),
        (lambda: Residual([Dense(), np.tanh]), TypeError, ["Residual", "layers[1]", "layer or an activation"]),
        (lambda: Residual([Dense()], np.inf), ValueError, ["Residual", "scale", "inf", "finite"]),
        (lambda: Residual([Dense()], "1"), TypeError, ["Residual", "scale", "'1'", "finite"]),
        (lambda: BLOCK.forward([FITTING], X), ValueError, ["Residual", "parameters", "'branch'", "list"]),
        (lambda: BLOCK.forward({}, X), ValueError, ["Residual", "parameters", "'branch'", "[]"]),
        (lambda: BLOCK.forward(FITTING | {"scale": X}, X), ValueError, ["'branch'", "'scale'"]),
        (lambda: BLOCK.forward(FITTING | {3: X}, X), ValueError, ["'branch'", "3"]),
        (lambda: BLOCK.forward({"branch": FITTING["branch"] * 2}, X), ValueError, ["branch", "1 layers", "2"]),
        (lambda: BLOCK.forward({"branch": FITTING["branch"][0]}, X), ValueError, ["branch", "list", "dict"]),
        (lambda: BLOCK.forward({"branch": [{"weight": np.ones((3, 2)), "bias": np.ones(2)}]}, X), ValueError,
         ["Residual", "(4, 2)", "(4, 3)", "as many outputs"]),
        (lambda: BLOCK.forward({"branch": [{"weight": np.ones((3, 3)), "bias": np.ones(4)}]}, X), ValueError,
         ["Dense", "bias", "(4,)", "(3,)"]),
        (lambda: BLOCK.forward(FITTING, np.ones((4, 2))), ValueError, ["layers[0]", "3 inputs", "(4, 2)"]),
        (lambda: BLOCK.forward(FITTING, np.ones((4, 3), int)), TypeError, ["x", "int64"]),
        (lambda: BLOCK.backward(FITTING, X, np.ones((4, 2))), ValueError, ["Residual: cotangent", "(4, 2)", "(4, 3)"]),
        (lambda: BLOCK.backward(FITTING, X, np.ones(3)), ValueError, ["Residual: cotangent", "(3,)", "(4, 3)"]),
        (lambda: Network([Tanh(), BLOCK]).forward([{}, {"branch": [{}]}], X), ValueError,
         ["layers[1]", "layers[0]", "'weight'"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name_value_and_what_is_allowed(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
