"""Batch normalization: 50 digits, difference quotients, exact values, invariances, float32 bounds, bad input."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.activations import Tanh
from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.layers import BatchNormalization, BatchNormalizationInference, Dense, RunningStatistics
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.trees import leaves, map_leaves
from tests.refimpl.precision import relative_error, ulps

STEP = mpmath.mpf(10) ** -20
INFERENCE = BatchNormalizationInference((0.3, -0.7, 1.1, 0.0, -2.0), (0.5, 2.0, 1.5, 0.25, 3.0), epsilon=0.01)
NETWORKS = {
    "training": Network(
        [Dense(bias=False), BatchNormalization(epsilon=0.03), Tanh(), Dense(bias=False), BatchNormalization()],
        MeanSquaredError(),
    ),
    "inference": Network([Dense(), INFERENCE, Tanh(), Dense()], MeanSquaredError()),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
SQRT = Target(FLOAT32, functions={"float32": {"sqrt": 0.5, "rsqrt": 1.5}})


def drawn(network, seed):
    """Parameters, an input of two leading axes and a target for a network 3-5-2 wide."""
    rng, widths, parameters = np.random.default_rng(seed), [3, 5, 2], []
    for layer in network.layers:
        parameters.append({})
        if isinstance(layer, Dense):
            inputs, outputs = widths[:2]
            del widths[0]
            parameters[-1]["weight"] = rng.normal(size=(inputs, outputs))
            if layer.bias:
                parameters[-1]["bias"] = rng.normal(size=outputs)
        elif layer != Network([Tanh()]).layers[0]:
            parameters[-1] = {"shift": rng.normal(size=widths[0]), "scale": rng.normal(size=widths[0])}
    return parameters, rng.normal(size=(4, 2, 3)) + 0.5, rng.normal(size=(4, 2, 2))


def exactly(tree):
    return map_leaves(Multiprecision, tree)


def affine(features, scale=1.0, shift=0.0):
    return {"scale": np.full(features, scale), "shift": np.full(features, shift)}


@every_network
def test_gradients_are_within_1e_13_of_50_digits(network):
    """The largest error of each array, relative to its largest entry."""
    for seed in range(3):
        inputs = drawn(network, seed)
        objective, gradients = network.gradients(*inputs)
        exact_objective, exact = network.gradients(*map(exactly, inputs))
        assert relative_error(objective, exact_objective) <= 1e-13
        expected = dict(leaves(exact))
        for path, gradient in leaves(gradients):
            assert relative_error(gradient, expected[path]) <= 1e-13, path


@every_network
def test_gradients_are_the_limit_of_difference_quotients(network):
    """Of the 50-digit objective, along a random direction in each array. The central quotient is off by STEP**2 / 6
    times a third derivative, below 10**8 at these sizes, and by 10**-45 / STEP of rounding."""
    parameters, x, target = map(exactly, drawn(network, 4))
    _, gradients = network.gradients(parameters, x, target)
    rng = np.random.default_rng(5)
    with mpmath.workdps(DIGITS):
        allowed = 10**8 * STEP**2 + mpmath.mpf(10) ** -45 / STEP
    for path, gradient in leaves(gradients):
        direction = Multiprecision(rng.uniform(-1, 1, gradient.shape))

        def objective(t, path=path, direction=direction):
            entries = iter([leaf + t * direction if at == path else leaf for at, leaf in leaves(parameters)])
            return network.objective(map_leaves(lambda _: next(entries), parameters), x, target)

        quotient = (objective(STEP) - objective(-STEP)) / (2 * STEP)
        assert abs((gradient * direction).sum() - quotient).value <= allowed, path


@pytest.mark.parametrize("layer", [BatchNormalization(epsilon=0.03), INFERENCE], ids=["training", "inference"])
def test_cotangent_of_the_input_is_the_limit_of_difference_quotients(layer):
    rng = np.random.default_rng(6)
    parameters = exactly({"scale": rng.normal(size=5), "shift": rng.normal(size=5)})
    x, cotangent, direction = (Multiprecision(rng.uniform(-1, 1, (4, 2, 5))) for _ in range(3))
    _, x_cotangent = layer.backward(parameters, x, cotangent)
    ahead, behind = ((layer.forward(parameters, x + t * direction) * cotangent).sum() for t in (STEP, -STEP))
    with mpmath.workdps(DIGITS):
        allowed = 10**8 * STEP**2 + mpmath.mpf(10) ** -45 / STEP
    assert abs((x_cotangent * direction).sum() - (ahead - behind) / (2 * STEP)).value <= allowed


# --- exact values ---


def test_rows_of_variance_one_and_epsilon_three_are_halved_exactly():
    """Columns 1, 3, 1, 3 and 5, 5, 3, 3: deviations of 1, variance 1, divisor sqrt(1 + 3)."""
    x = np.array([[1.0, 5.0], [3.0, 5.0], [1.0, 3.0], [3.0, 3.0]])
    actual = BatchNormalization(epsilon=3.0).forward(
        {"scale": np.array([2.0, -4.0]), "shift": np.array([0.25, 7.0])}, x
    )
    assert actual.tolist() == [[-0.75, 5.0], [1.25, 5.0], [-0.75, 9.0], [1.25, 9.0]]


def test_the_cotangent_loses_its_mean_and_a_quarter_of_its_part_along_the_deviations():
    """At variance 1 and epsilon 3: (1 - the mean's share - deviation deviation' / (4 rows)) / 2, on dyadic numbers."""
    x, scale = np.array([[1.0], [3.0], [1.0], [3.0]]), np.array([8.0])
    parameters = {"scale": scale, "shift": np.array([0.5])}
    for cotangent, expected in (
        ([5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 0.0, 0.0]),  # constant
        ([-1.0, 1.0, -1.0, 1.0], [-3.0, 3.0, -3.0, 3.0]),  # along the deviations: 3/4 of 4 are left
        ([1.0, 1.0, -1.0, -1.0], [4.0, 4.0, -4.0, -4.0]),  # perpendicular to both
    ):
        gradients, x_cotangent = BatchNormalization(epsilon=3.0).backward(parameters, x, np.array(cotangent)[:, None])
        assert x_cotangent[:, 0].tolist() == expected
        assert gradients["shift"] == sum(cotangent)
        assert gradients["scale"] == (2.0 if expected[0] == -3.0 else 0.0)


def test_two_rows_without_epsilon_are_plus_and_minus_one_and_have_no_gradient():
    x, cotangent = np.array([[3.0, -1.0], [5.0, -9.0]]), np.array([[2.0, 7.0], [-3.0, 1.0]])
    parameters = {"scale": np.array([3.0, 5.0]), "shift": np.zeros(2)}
    assert BatchNormalization(epsilon=0.0).forward(parameters, x).tolist() == [[-3.0, 5.0], [3.0, -5.0]]
    _, x_cotangent = BatchNormalization(epsilon=0.0).backward(parameters, x, cotangent)
    assert x_cotangent.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_inference_is_an_affine_function_with_constant_statistics_exactly():
    layer = BatchNormalizationInference([3.0, -1.0], np.array([1.0, 15.0]), epsilon=1 / 16 + 15 / 16)
    parameters = {"scale": np.array([2.0, -4.0]), "shift": np.array([0.25, 7.0])}
    x, cotangent = np.array([[5.0, 7.0], [1.0, -1.0]]), np.array([[1.0, 2.0], [-3.0, 5.0]])
    assert layer.forward(parameters, x)[:, 1].tolist() == [-1.0, 7.0]
    gradients, x_cotangent = layer.backward(parameters, x, cotangent)
    assert x_cotangent[:, 1].tolist() == [-2.0, -5.0]
    assert (gradients["scale"][1], gradients["shift"].tolist()) == (4.0, [-2.0, 7.0])


def test_a_row_by_itself_is_its_shift_and_has_no_gradient():
    parameters = {"scale": np.array([3.0, 5.0]), "shift": np.array([0.1, -2.0])}
    for x in (np.array([4.0, 9.0]), np.array([[4.0, 9.0]])):
        assert np.array_equal(BatchNormalization().forward(parameters, x), np.broadcast_to([0.1, -2.0], x.shape))
        assert not BatchNormalization().backward(parameters, x, np.ones_like(x))[1].any()


def test_leading_axes_are_one_batch():
    rng = np.random.default_rng(7)
    x, cotangent = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5))
    parameters = {"scale": rng.normal(size=5), "shift": rng.normal(size=5)}
    for layer in (BatchNormalization(), INFERENCE):
        gradients, x_cotangent = layer.backward(parameters, x, cotangent)
        flat, rows_cotangent = layer.backward(parameters, x.reshape(24, 5), cotangent.reshape(24, 5))
        flat_output = layer.forward(parameters, x.reshape(24, 5))
        assert np.array_equal(layer.forward(parameters, x), flat_output.reshape(x.shape))
        assert np.array_equal(x_cotangent, rows_cotangent.reshape(x.shape))
        assert all(np.array_equal(gradients[name], flat[name]) for name in parameters)


# --- theorems ---


def test_inputs_times_four_without_epsilon_leave_the_output_and_quarter_the_cotangent_exactly():
    rng, layer = np.random.default_rng(8), BatchNormalization(epsilon=0.0)
    x, cotangent = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
    parameters = {"scale": rng.normal(size=3), "shift": rng.normal(size=3)}
    (gradients, x_cotangent), (scaled, scaled_cotangent) = (
        layer.backward(parameters, a, cotangent) for a in (x, 4 * x)
    )
    assert np.array_equal(layer.forward(parameters, x), layer.forward(parameters, 4 * x))
    assert np.array_equal(x_cotangent, 4 * scaled_cotangent)
    assert np.array_equal(gradients["scale"], scaled["scale"])


@pytest.mark.parametrize("epsilon", [0.0, 0.03, 2.0])
def test_a_gradient_along_the_weights_is_epsilon_over_epsilon_plus_variance_of_that_along_the_scale(epsilon):
    """BN(t W, t**2 epsilon) = BN(W, epsilon), differentiated by t; and the cotangent of the product sums to 0."""
    rng = np.random.default_rng(9)
    network = Network([Dense(), BatchNormalization(epsilon=epsilon)], MeanSquaredError("sum"))
    dense = {"weight": rng.normal(size=(5, 3)), "bias": rng.normal(size=3)}
    parameters, x, target = map(
        exactly,
        ([dense, {"scale": rng.normal(size=3), "shift": rng.normal(size=3)}], rng.normal(size=(7, 5)),
         rng.normal(size=(7, 3))),
    )  # fmt: skip
    _, (dense_gradients, scale_gradients) = network.gradients(parameters, x, target)
    product = network.activations(parameters, x)[1]
    squares = np.sum(product**2, axis=0) / 7 - (np.sum(product, axis=0) / 7) ** 2
    along = np.sum(parameters[0]["weight"] * dense_gradients["weight"], axis=0)
    scaled = parameters[1]["scale"] * scale_gradients["scale"]
    with mpmath.workdps(DIGITS):
        rounding = mpmath.mpf(10) ** -45
    assert (abs(along * (squares + epsilon) - scaled * epsilon).value <= rounding).all()
    assert (abs(dense_gradients["bias"]).value <= rounding).all()


# --- running statistics ---


def test_one_step_from_one_over_one_to_four_is_the_published_variance():
    """PyTorch's default 1.0667 and Flax's 1.0025, in exact fractions."""
    x, start = np.arange(1.0, 5.0)[:, None], RunningStatistics().init(1)
    for rule, expected in (
        (RunningStatistics(0.9), Fraction(9, 10) + Fraction(1, 10) * Fraction(5, 3)),
        (RunningStatistics(0.99, "biased"), Fraction(99, 100) + Fraction(1, 100) * Fraction(5, 4)),
    ):
        actual = rule.update(start, x)
        assert ulps(actual["variance"], Multiprecision([expected.numerator]) / expected.denominator) <= 4


def test_repeated_batches_approach_their_statistics_by_powers_of_the_momentum_exactly():
    """After k steps: statistic + momentum**k (start - statistic)."""
    x = np.array([[[1.0, -2.0], [3.0, 6.0]], [[1.0, 6.0], [3.0, -2.0]]])  # means 2, 2; sums of squares 4, 64
    for variance, of_batch in (("biased", [1.0, 16.0]), ("unbiased", [4 / 3, 64 / 3])):
        rule = RunningStatistics(0.75, variance)
        statistics = rule.init(2)
        for k in range(1, 6):
            statistics = rule.update(statistics, x)
            assert statistics["mean"].tolist() == [2 - 2 * 0.75**k] * 2
            if variance == "biased":
                assert statistics["variance"].tolist() == [b + 0.75**k * (1 - b) for b in of_batch]
        exact = [Fraction(4, 3), Fraction(64, 3)] if variance == "unbiased" else map(Fraction, of_batch)
        after_five = [b + Fraction(3, 4) ** 5 * (1 - b) for b in exact]
        expected = Multiprecision([f.numerator for f in after_five]) / np.array([f.denominator for f in after_five])
        assert (ulps(statistics["variance"], expected) <= 4).all()


def test_running_statistics_make_the_inference_layer():
    rng = np.random.default_rng(10)
    x = rng.normal(size=(8, 3))
    statistics = RunningStatistics(0.0, "biased").update(RunningStatistics().init(3), x)
    parameters = {"scale": rng.normal(size=3), "shift": rng.normal(size=3)}
    inference = BatchNormalizationInference(**statistics, epsilon=0.03)
    assert np.array_equal(inference.forward(parameters, x), BatchNormalization(epsilon=0.03).forward(parameters, x))
    assert hash(inference) == hash(BatchNormalizationInference(**statistics, epsilon=0.03))


# --- bounds ---


def float32_passes(x, scale, shift, cotangent, epsilon):
    """Output and cotangent of the input in float32, as PyTorch's kernel and as differentiated jax.numpy code do it."""
    rows, epsilon = np.float32(len(x)), np.float32(epsilon)
    mean = x.sum(axis=0) / rows
    deviation = x - mean
    variance = (deviation * deviation).sum(axis=0) / rows
    inverse = 1 / np.sqrt(variance + epsilon)

    factor = inverse * scale
    along = deviation * ((deviation * cotangent).sum(axis=0) * inverse * inverse / rows)
    fused = x * factor + (shift - mean * factor), (cotangent - cotangent.sum(axis=0) / rows - along) * inverse * scale

    deviation_cotangent = cotangent * scale * inverse
    inverse_cotangent = (cotangent * scale * deviation).sum(axis=0)
    square_cotangent = (
        inverse_cotangent * (np.float32(-0.5) * (inverse / (variance + epsilon))) / rows * (2 * deviation)
    )
    mean_cotangent = -deviation_cotangent.sum(axis=0) / rows
    plain = (
        deviation * inverse * scale + shift,
        deviation_cotangent + mean_cotangent + (square_cotangent - square_cotangent.sum(axis=0) / rows),
    )
    return {"fused": fused, "plain": plain}


@pytest.mark.parametrize("order", ["fused", "plain"])
@pytest.mark.parametrize(("offset", "sharp"), [(0.5, 1 / 50), (100.0, 1 / 1000)])
def test_bounds_contain_float32_in_the_evaluation_orders_of_libraries(order, offset, sharp):
    """At a large offset the fused order cancels, and the bound allows for it."""
    worst = [0.0, 0.0]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, cotangent = (rng.normal(size=(8, 200)).astype(np.float32) for _ in range(2))
        x = x + np.float32(offset)
        scale, shift = (rng.normal(size=200).astype(np.float32) for _ in range(2))
        exact = [RunningError.exact(a, SQRT) for a in (x, scale, shift, cotangent)]
        layer, parameters = BatchNormalization(epsilon=1e-3), {"scale": exact[1], "shift": exact[2]}
        bounds = layer.forward(parameters, exact[0]), layer.backward(parameters, exact[0], exact[3])[1]
        actual = float32_passes(x, scale, shift, cotangent, 1e-3)[order]
        for which, (certified, array) in enumerate(zip(bounds, actual, strict=True)):
            assert array.dtype == np.float32
            assert certified.within(array).all()
            worst[which] = max(worst[which], np.max(np.abs(array - certified.value) / certified.bound))
    assert min(worst) > sharp, worst


def test_bounds_of_running_statistics_contain_both_evaluation_orders_of_the_unbiased_variance():
    rng = np.random.default_rng(11)
    x = (rng.normal(size=(5, 400)) * 3 + 1).astype(np.float32)
    deviation = x - x.mean(axis=0)
    squares = np.sum(deviation * deviation, axis=0)
    old = {"mean": np.zeros(400, np.float32), "variance": np.ones(400, np.float32)}
    certified = RunningStatistics(0.9).update(
        map_leaves(lambda a: RunningError.exact(a, SQRT), old), RunningError.exact(x, SQRT)
    )["variance"]
    for variance in (squares / np.float32(4), squares / np.float32(5) * np.float32(5 / 4)):
        actual = np.float32(0.9) * old["variance"] + np.float32(0.1) * variance
        assert certified.within(actual).all()
        assert np.max(np.abs(actual - certified.value) / certified.bound) > 1 / 20


def test_a_constant_feature_whose_mean_is_rounded_claims_no_bound_without_epsilon():
    """Its deviations may be all rounding: the sum of six times 0.1 is not 0.6."""
    x = RunningError.exact(np.full((6, 1), np.float32(0.1)), SQRT)
    parameters = map_leaves(lambda a: RunningError.exact(a, SQRT), affine(1))
    assert np.isnan(BatchNormalization(epsilon=0.0).forward(parameters, x).bound).all()
    assert np.isfinite(BatchNormalization(epsilon=1e-3).forward(parameters, x).bound).all()


def test_a_constant_feature_without_epsilon_is_nan_and_claims_no_bound():
    x = np.array([[1.0, 2.0], [3.0, 2.0], [4.0, 2.0]])
    cotangent, layer = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), BatchNormalization(epsilon=0.0)
    actual = layer.forward(affine(2), x), layer.backward(affine(2), x, cotangent)[1]
    exact = [RunningError.exact(a, SQRT) for a in (x, cotangent)]
    parameters = map_leaves(lambda a: RunningError.exact(a, SQRT), affine(2))
    bounds = layer.forward(parameters, exact[0]), layer.backward(parameters, *exact)[1]
    for array, certified in zip(actual, bounds, strict=True):
        assert np.isnan(array[:, 1]).all() and np.isfinite(array[:, 0]).all()
        assert np.isnan(certified.bound[:, 1]).all() and np.isfinite(certified.bound[:, 0]).all()


def test_nothing_passed_in_is_changed():
    inputs = list(drawn(NETWORKS["training"], 12))
    statistics = RunningStatistics().init(3)
    copies = map_leaves(np.copy, [*inputs, statistics])
    NETWORKS["training"].gradients(*inputs)
    RunningStatistics().update(statistics, inputs[1])
    for (_, now), (_, before) in zip(leaves([*inputs, statistics]), leaves(copies), strict=True):
        assert np.array_equal(now, before)


# --- bad input ---

LAYER, X = BatchNormalization(), np.ones((4, 3))
START = RunningStatistics().init(3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: BatchNormalization(epsilon=-1e-5), ValueError, ["BatchNormalization", "epsilon", "-1e-05"]),
        (lambda: BatchNormalization(epsilon=np.nan), ValueError, ["epsilon", "nan"]),
        (lambda: BatchNormalizationInference([0.0], [-1.0]), ValueError, ["variance[0]", "-1.0", "[0.0, inf"]),
        (lambda: BatchNormalizationInference([0.0, np.inf], [1.0, 1.0]), ValueError, ["mean[1]", "inf", "finite"]),
        (lambda: BatchNormalizationInference(["0"], [1.0]), TypeError, ["mean[0]", "'0'"]),
        (lambda: BatchNormalizationInference([0.0, 1.0], [1.0]), ValueError, ["variance", "(1.0,)", "2"]),
        (lambda: BatchNormalizationInference([0.0], [1.0, 2.0]), ValueError, ["variance", "(1.0, 2.0)", "1"]),
        (lambda: BatchNormalizationInference([], []), ValueError, ["mean", "[]", "per feature"]),
        (lambda: BatchNormalizationInference(0.0, 1.0), ValueError, ["mean", "0.0", "per feature"]),
        (lambda: RunningStatistics(1.1), ValueError, ["momentum", "1.1", "1"]),
        (lambda: RunningStatistics(0.9, "sample"), ValueError, ["variance", "'sample'", "'unbiased'", "'biased'"]),
        (lambda: RunningStatistics().init(0), ValueError, ["features", "0", ">= 1"]),
        (lambda: RunningStatistics().init(2.5), TypeError, ["features", "2.5", "integer"]),
        (lambda: RunningStatistics().update(START, X[:1]), ValueError, ["'unbiased'", "'biased'", "single row"]),
        (lambda: RunningStatistics().update(START, X[:, :2]), ValueError, ["statistics['mean']", "(3,)", "(4, 2)"]),
        (lambda: RunningStatistics().update({"mean": X}, X), ValueError, ["statistics", "'variance'", "['mean']"]),
        (lambda: RunningStatistics().update(None, X), ValueError, ["statistics", "NoneType"]),
        (lambda: RunningStatistics().update(START, X.astype(int)), TypeError, ["x", "int64"]),
        (lambda: LAYER.forward(affine(3), np.array(1.0)), ValueError, ["BatchNormalization", "x", "()"]),
        (lambda: LAYER.forward(affine(3), X[:0]), ValueError, ["x", "non-empty", "(0, 3)"]),
        (lambda: LAYER.forward(affine(3), [[1.0]]), TypeError, ["x", "list"]),
        (lambda: LAYER.forward(affine(2), X), ValueError, ["scale", "(3,)", "(4, 3)", "(2,)"]),
        (lambda: LAYER.forward(affine(3) | {"shift": np.ones((1, 3))}, X), ValueError, ["shift", "(1, 3)", "(3,)"]),
        (lambda: LAYER.forward({"scale": np.ones(3)}, X), ValueError, ["'shift'", "['scale']"]),
        (lambda: LAYER.backward(affine(3), X, X[:3]), ValueError, ["cotangent", "(3, 3)", "(4, 3)"]),
        (lambda: INFERENCE.forward(affine(3), X), ValueError, ["5 features", "3"]),
        (lambda: Network([Dense(), LAYER]).forward([{"weight": X.T, "bias": np.ones(4)}, affine(3)], X), ValueError,
         ["layers[1]", "scale", "(4,)", "(3,)"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name_value_and_what_is_allowed(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
