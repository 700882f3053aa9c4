"""Losses: 50 digits, other definitions, difference quotients, closed forms, clamps, float32 bounds and bad input."""

import dataclasses
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from refimpl.activations import LogSoftmax
from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Hinge,
    Huber,
    KLDivergence,
    MeanSquaredError,
    NegativeLogLikelihood,
    SmoothL1,
    SoftmaxCrossEntropy,
)
from tests.refimpl.precision import ulps

SHAPE = (5, 7)
WEIGHTS = (0.3, 2.0, 0.7, 1.1, 5.0, 0.0, 0.9)
LOSSES = [
    MeanSquaredError(),
    Huber(delta=0.75),
    SmoothL1(beta=0.75),
    SmoothL1(beta=0.0),
    Hinge(),
    NegativeLogLikelihood(),
    NegativeLogLikelihood(class_weights=WEIGHTS, weighted_mean="rows"),
    NegativeLogLikelihood(class_weights=WEIGHTS, weighted_mean="labels"),
    KLDivergence(),
    KLDivergence(mean_over="elements", target_as="logarithm"),
    SoftmaxCrossEntropy(labels="index", class_weights=WEIGHTS, weighted_mean="labels"),
    SoftmaxCrossEntropy(labels="index", class_weights=WEIGHTS, label_smoothing=0.3, weighted_mean="rows"),
    SoftmaxCrossEntropy(class_weights=WEIGHTS, label_smoothing=0.3, weighted_mean="labels"),
    BinaryCrossEntropy(),
    BinaryCrossEntropy(logarithm="clamped"),
    BinaryCrossEntropy(logarithm="clipped"),
    BinaryCrossEntropyWithLogits(),
    BinaryCrossEntropyWithLogits(positive_weights=WEIGHTS),
    SoftmaxCrossEntropy(),
    SoftmaxCrossEntropy(labels="index"),
    SoftmaxCrossEntropy(labels="index", largest_logit="added_back"),
]
EVERY_LOSS = [dataclasses.replace(loss, reduction=reduction) for loss in LOSSES for reduction in ("mean", "sum")]
ADDED_BACK = [x for x in EVERY_LOSS if isinstance(x, SoftmaxCrossEntropy) and x.largest_logit == "added_back"]
OF_ONE_SIGN = [x for x in EVERY_LOSS if x not in ADDED_BACK and not isinstance(x, KLDivergence)]
every_loss = pytest.mark.parametrize("loss", EVERY_LOSS, ids=repr)


def drawn(loss, seed, shape=SHAPE):
    """A prediction and a target: probabilities in [0, 1] or logits less than 75 apart; soft, certain and hard targets.

    50 digits hold a softmax of logits that far apart with all digits of the smallest.
    """
    rng = np.random.default_rng(seed)
    prediction = rng.uniform(-1, 1, shape) * 10.0 ** rng.uniform(-2, 1.5, (*shape[:-1], 1))
    target = rng.uniform(size=shape)
    if isinstance(loss, Hinge):
        return prediction, np.sign(target - 0.5)
    if isinstance(loss, (Huber, SmoothL1)):
        target[0] = prediction[0] + 2.0 ** -rng.uniform(0, 40, shape[-1])
        return prediction, target
    if isinstance(loss, NegativeLogLikelihood):
        return -np.abs(prediction), rng.integers(0, shape[-1], shape[:-1])
    if isinstance(loss, KLDivergence):
        target[0] = 0.0
        return -np.abs(prediction), np.log(target + 1e-300) if loss.target_as == "logarithm" else target
    if isinstance(loss, SoftmaxCrossEntropy):
        target = target / target.sum(axis=-1, keepdims=True)
        target[0] = np.eye(shape[-1])[2]
        return prediction, rng.integers(0, shape[-1], shape[:-1]) if loss.labels == "index" else target
    target[1], target[2] = 0.0, 1.0
    if isinstance(loss, BinaryCrossEntropy):
        prediction = np.abs(prediction) / np.abs(prediction).max(axis=-1, keepdims=True) * 0.9
        prediction[0] = 2.0 ** -rng.uniform(0, 30, shape[-1])
        prediction[3] = 1 - 2.0 ** -rng.uniform(1, 50, shape[-1])
        target[4] = prediction[4] * (1 + 1e-9)
    return prediction, target


def divisor(loss, target=None):
    """What a mean over arrays of SHAPE divides by: elements; rows for losses of classes, or the weights of labels."""
    if loss.reduction == "sum":
        return 1
    if getattr(loss, "weighted_mean", "") == "labels" and loss.class_weights and isinstance(target, np.ndarray):
        return Multiprecision(np.array(WEIGHTS)[target]).sum()
    by_rows = isinstance(loss, (SoftmaxCrossEntropy, NegativeLogLikelihood))
    by_rows = by_rows or (isinstance(loss, KLDivergence) and loss.mean_over == "rows")
    return SHAPE[0] if by_rows else SHAPE[0] * SHAPE[1]


def exactly(target):
    """Class indices stay; arrays become 50-digit ones."""
    return target if target.dtype.kind == "i" else Multiprecision(target)


@pytest.mark.parametrize("loss", OF_ONE_SIGN, ids=repr)
def test_value_is_within_4_ulp_of_50_digits(loss):
    """A sum of at most 35 terms of one sign, of which NumPy adds eight at a time: few roundings weigh on each."""
    for seed in range(5):
        prediction, target = drawn(loss, seed)
        exact = loss.value(Multiprecision(prediction), exactly(target))
        assert ulps(loss.value(prediction, target), exact) <= 4


@pytest.mark.parametrize("loss", ADDED_BACK, ids=repr)
def test_value_with_the_largest_logit_added_back_is_within_4_ulp_of_that_logit(loss):
    for seed in range(5):
        prediction, target = drawn(loss, seed)
        rows = SHAPE[0] if loss.reduction == "sum" else 1
        exact = loss.value(Multiprecision(prediction), exactly(target))
        assert ulps(loss.value(prediction, target), exact, of=rows * np.abs(prediction).max()) <= 4


@pytest.mark.parametrize("loss", [loss for loss in EVERY_LOSS if isinstance(loss, KLDivergence)], ids=repr)
def test_divergence_is_within_4_ulp_of_the_sum_of_its_positive_and_negative_terms(loss):
    """The terms cancel: their magnitudes are those of the entropy and of the expected prediction."""
    for seed in range(5):
        prediction, target = drawn(loss, seed)
        x, y = Multiprecision(prediction), exactly(target)
        probability = np.exp(target) if loss.target_as == "logarithm" else target
        logarithm = np.log(np.maximum(probability, 1e-300))
        magnitude = np.sum(probability * (np.abs(logarithm) + np.abs(prediction))) / divisor(loss)
        assert ulps(loss.value(prediction, target), loss.value(x, y), of=magnitude) <= 4


@every_loss
def test_gradient_is_within_4_ulp_of_50_digits(loss):
    """But for soft targets, where sigmoid or softmax and target cancel: 4 ulp of the larger of the two."""
    for seed in range(5):
        prediction, target = drawn(loss, seed)
        exact = loss.gradient(Multiprecision(prediction), exactly(target))
        largest = np.abs(exact.to_float64())
        if isinstance(loss, (BinaryCrossEntropyWithLogits, SoftmaxCrossEntropy)) and target.dtype.kind == "f":
            soft = (target > 0) & (target < 1)
            parts = target * np.array(getattr(loss, "positive_weights", None) or 1.0)
            largest = np.where(soft, largest + parts / divisor(loss), largest)
        if getattr(loss, "label_smoothing", 0) > 0:  # then all are soft, with a weight of at most 5
            largest = largest + 5.0 / divisor(loss)
        assert (ulps(loss.gradient(prediction, target), exact, of=largest) <= 4).all()


STEP = mpmath.mpf(10) ** -16


@every_loss
def test_gradient_is_the_limit_of_difference_quotients(loss):
    """Along a random direction. The central quotient is off by STEP**2 / 6 times the third derivative: at most 1 for
    losses of logits, sum(2 / p**3) < 10**8 for probabilities above 0.01; rounding leaves 10**-45 / STEP."""
    rng = np.random.default_rng(6)
    prediction, target = rng.uniform(0.01, 0.99, SHAPE), drawn(loss, 6)[1]
    if isinstance(loss, (Huber, SmoothL1)):
        target = rng.uniform(-1, 2, SHAPE)  # away from the kink of a magnitude
    x, direction = Multiprecision(prediction), Multiprecision(rng.uniform(-1, 1, SHAPE))
    ahead, behind = (loss.value(x + t * direction, exactly(target)) for t in (STEP, -STEP))
    with mpmath.workdps(DIGITS):
        allowed = 10**8 * STEP**2 + mpmath.mpf(10) ** -45 / STEP
    derivative = (loss.gradient(x, exactly(target)) * direction).sum()
    assert abs(derivative - (ahead - behind) / (2 * STEP)).value <= allowed


@every_loss
def test_mean_is_the_sum_over_its_number_of_terms(loss):
    total = dataclasses.replace(loss, reduction="sum")
    prediction, target = (exactly(a) for a in drawn(loss, 7))
    divided = [a / divisor(loss, target) for a in (total.value(prediction, target), total.gradient(prediction, target))]
    for actual, expected in zip(
        (loss.value(prediction, target), loss.gradient(prediction, target)), divided, strict=True
    ):
        assert (ulps(actual.to_float64(), expected) <= 0.5).all()


# --- other definitions, closed forms ---


def test_squared_error_of_integers_is_exact():
    prediction, target = np.array([[3.0, -1.0, 2.0], [0.0, 5.0, 1.0]]), np.array([[1.0, -1.0, 7.0], [4.0, 6.0, 0.0]])
    assert MeanSquaredError("sum").value(prediction, target) == 4 + 25 + 16 + 1 + 1
    assert MeanSquaredError("sum").gradient(prediction, target).tolist() == [[4.0, 0.0, -10.0], [-8.0, -2.0, 2.0]]
    assert MeanSquaredError().value(prediction[:, :2], target[:, :2]) == 21 / 4
    assert MeanSquaredError().gradient(prediction[:, :2], target[:, :2]).tolist() == [[1.0, 0.0], [-2.0, -0.5]]


def test_binary_losses_are_softmax_cross_entropy_of_two_classes():
    rng = np.random.default_rng(8)
    z, y = Multiprecision(rng.uniform(-9, 9, SHAPE)), Multiprecision(rng.uniform(size=SHAPE))
    p = 1 / (1 + np.exp(-z))
    two_logits, two_targets = np.stack([z * 0, z], axis=-1), np.stack([1 - y, y], axis=-1)
    expected = SoftmaxCrossEntropy("sum").value(two_logits, two_targets)
    for actual in (BinaryCrossEntropyWithLogits("sum").value(z, y), BinaryCrossEntropy("sum").value(p, y)):
        assert abs(actual - expected).value < mpmath.mpf(10) ** -45  # 35 terms below 10, to 50 digits


def test_index_labels_are_one_hot_targets():
    prediction, labels = drawn(SoftmaxCrossEntropy(labels="index"), 9, shape=(2, 3, 5))
    one_hot = np.eye(5)[labels]
    for largest_logit in ("subtracted", "added_back"):
        by_index = SoftmaxCrossEntropy(labels="index", largest_logit=largest_logit)
        assert np.array_equal(
            by_index.gradient(prediction, labels), SoftmaxCrossEntropy().gradient(prediction, one_hot)
        )
        exact = [
            loss.value(Multiprecision(prediction), y)
            for loss, y in ((by_index, labels), (SoftmaxCrossEntropy(), Multiprecision(one_hot)))
        ]
        assert abs(exact[0] - exact[1]).value < mpmath.mpf(10) ** -45


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), NegativeLogLikelihood("sum"), KLDivergence()], ids=repr)
def test_classes_are_the_last_axis_whatever_comes_before(loss):
    prediction, target = drawn(loss, 11, shape=(2, 3, 5))
    flat = prediction.reshape(6, 5), target.reshape(6, *target.shape[2:])
    assert np.array_equal(loss.gradient(prediction, target).reshape(6, 5), loss.gradient(*flat))
    assert loss.value(prediction, target) == loss.value(*flat)


def test_softmax_cross_entropy_gradient_rows_sum_to_zero_and_stay_in_their_ball():
    """(softmax - target) / rows: norms at most 2 and sqrt(2) over the number of rows, attained by certain errors."""
    prediction, target = drawn(SoftmaxCrossEntropy(), 10)
    gradient = Multiprecision(SoftmaxCrossEntropy().gradient(prediction, target)) * SHAPE[0]
    # Seven entries, each within 4 ulp of a number below 1: 2**-53
    assert (abs(gradient.sum(axis=-1)).value <= 7 * 4 * FLOAT64.unit_roundoff).all()
    assert (abs(gradient).sum(axis=-1) <= 2).all()
    wrong = SoftmaxCrossEntropy("sum", labels="index").gradient(np.array([[800.0, 0.0, 0.0]]), np.array([1]))
    assert wrong.tolist() == [[1.0, -1.0, 0.0]]


def test_softmax_cross_entropy_hessian_has_largest_eigenvalue_one_half_at_even_odds():
    """diag(p) - p p': [[1/4, -1/4], [-1/4, 1/4]] for two equal logits, by difference quotients of the gradient."""
    loss, target = SoftmaxCrossEntropy("sum"), Multiprecision([[0.25, 0.75]])
    for direction, eigenvalue in (([1.0, -1.0], 0.5), ([1.0, 1.0], 0.0)):
        logits = [Multiprecision([[1.5, 1.5]]) + t * Multiprecision([direction]) for t in (STEP, -STEP)]
        quotient = (loss.gradient(logits[0], target) - loss.gradient(logits[1], target)) / (2 * STEP)
        with mpmath.workdps(DIGITS):  # truncation, and rounding at 50 digits
            allowed = STEP**2 + mpmath.mpf(10) ** (2 - DIGITS) / STEP
        assert (abs(quotient - eigenvalue * np.array([direction])).value <= allowed).all()


def test_certain_and_right_prediction_keeps_its_small_loss_and_gradient():
    """-sigmoid(-50) for target 1, where sigmoid(50) - 1 would be 0; 1e-20 for probability 1e-20 and target 0."""
    logit, one = np.array(50.0), np.array(1.0)
    with mpmath.workdps(DIGITS):
        decay = mpmath.exp(-50)
        gradient = BinaryCrossEntropyWithLogits().gradient(logit, one)
        assert ulps(gradient, Multiprecision(-decay / (1 + decay))) <= 4
        assert ulps(BinaryCrossEntropyWithLogits().value(logit, one), Multiprecision(mpmath.log1p(decay))) <= 4
        assert BinaryCrossEntropy().value(np.array(1e-20), np.array(0.0)) == 1e-20
        softmax = SoftmaxCrossEntropy(labels="index").gradient(np.array([[120.0, 0.0]]), np.array([0]))
        assert (ulps(softmax, Multiprecision([[-1, 1]]) / (1 + mpmath.exp(120))) <= 4).all()


def test_huber_is_its_threshold_times_smooth_l1():
    """Multiprecision: by other formulas, to 50 digits."""
    prediction, target = (Multiprecision(a) for a in drawn(Huber(), 21))
    huber, smooth = Huber("sum", delta=0.75), SmoothL1("sum", beta=0.75)
    pairs = [(loss.value(prediction, target), loss.gradient(prediction, target)) for loss in (huber, smooth)]
    for huber_result, smooth_result in zip(*pairs, strict=True):
        assert (abs(huber_result - 0.75 * smooth_result).value < mpmath.mpf(10) ** -46).all()


def test_cross_entropy_is_the_likelihood_of_log_softmax_with_weights_too():
    prediction, labels = drawn(SoftmaxCrossEntropy(labels="index"), 22)
    with_weights = {"class_weights": WEIGHTS, "weighted_mean": "labels"}
    log_softmax = LogSoftmax().forward(Multiprecision(prediction))
    cross_entropy = SoftmaxCrossEntropy(labels="index", **with_weights).value(Multiprecision(prediction), labels)
    likelihood = NegativeLogLikelihood(**with_weights).value(log_softmax, labels)
    assert abs(cross_entropy - likelihood).value < mpmath.mpf(10) ** -45


@pytest.mark.filterwarnings("error")
def test_an_impossible_class_adds_nothing_to_a_divergence_whatever_its_prediction():
    """0 log 0 = 0, where both logarithms are -inf too; a possible class that is predicted impossible costs infinity."""
    minus_infinity, log_half = -np.inf, np.log(0.5)
    target = np.array([[log_half, minus_infinity, log_half, minus_infinity]])
    prediction = np.array([[log_half - 1.0, minus_infinity, log_half - 3.0, -2.0]])
    loss = KLDivergence("sum", target_as="logarithm")
    without = loss.value(prediction[:, [0, 2]], target[:, [0, 2]])
    assert loss.value(prediction, target) == without == np.exp(log_half) * (1.0 + 3.0)
    assert loss.gradient(prediction, target)[0, 1] == 0
    assert loss.value(target, -np.abs(prediction[:, ::-1])) == np.inf


def test_equal_class_weights_cancel_in_a_mean_over_the_weights_of_the_labels():
    prediction, labels = drawn(SoftmaxCrossEntropy(labels="index"), 23)
    plain = SoftmaxCrossEntropy(labels="index", label_smoothing=0.25)
    weighted = dataclasses.replace(plain, class_weights=(4.0,) * 7, weighted_mean="labels")
    over_rows = dataclasses.replace(weighted, weighted_mean="rows")
    assert weighted.value(prediction, labels) == plain.value(prediction, labels)
    assert over_rows.value(prediction, labels) == 4 * plain.value(prediction, labels)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_positive_weights_are_class_weights_of_two_classes_column_by_column(reduction):
    """By softmax cross-entropy, a mean of which is over rows: here all elements of a column."""
    loss = BinaryCrossEntropyWithLogits(reduction, WEIGHTS)
    z, y = (Multiprecision(a) for a in drawn(loss, 25))
    columns = [SoftmaxCrossEntropy(reduction, class_weights=(1.0, weight), weighted_mean="rows") for weight in WEIGHTS]
    inputs = [(np.stack([z[:, k] * 0, z[:, k]], axis=-1), np.stack([1 - y[:, k], y[:, k]], axis=-1)) for k in range(7)]
    share = 1 if reduction == "sum" else 7
    total = sum(column.value(*given) for column, given in zip(columns, inputs, strict=True)) / share
    assert abs(loss.value(z, y) - total).value < mpmath.mpf(10) ** -44  # 35 terms below 500, to 50 digits
    gradient = loss.gradient(z, y)
    for k, (column, given) in enumerate(zip(columns, inputs, strict=True)):
        column_gradient = column.gradient(*given)[:, 1] / share
        assert (abs(gradient[:, k] - column_gradient).value < mpmath.mpf(10) ** -48).all()


def test_a_whole_positive_weight_is_as_many_examples():
    """A positive example of weight 3 is three of them, a negative one stays one."""
    z, y = np.array([[1.5], [-0.75], [2.0]]), np.array([[1.0], [0.0], [1.0]])
    repeated = np.array([0, 0, 0, 1, 2, 2, 2])
    weighted, plain = BinaryCrossEntropyWithLogits("sum", (3,)), BinaryCrossEntropyWithLogits("sum")
    exact = plain.value(Multiprecision(z[repeated]), Multiprecision(y[repeated]))
    assert ulps(weighted.value(z, y), exact) <= 4
    assert weighted.gradient(z, y)[0, 0] == 3 * plain.gradient(z, y)[0, 0]
    assert weighted.gradient(z, y)[1, 0] == plain.gradient(z, y)[1, 0]


def test_label_smoothing_mixes_the_target_with_the_even_distribution():
    prediction, target = drawn(SoftmaxCrossEntropy(), 24)
    x = Multiprecision(prediction)
    mixed = Multiprecision(target) * 0.75 + Multiprecision(np.full(SHAPE, 1.0)) / 7 * 0.25
    smoothed = SoftmaxCrossEntropy(label_smoothing=0.25)
    difference = smoothed.value(x, Multiprecision(target)) - SoftmaxCrossEntropy().value(x, mixed)
    assert abs(difference).value < mpmath.mpf(10) ** -45


def test_divergence_of_a_distribution_from_itself_is_zero():
    p = np.array([[0.5, 0.25, 0.25, 0.0]])
    prediction = np.log(np.array([[0.5, 0.25, 0.25, 1.0]]))
    assert KLDivergence("sum").value(prediction, p) == 0
    assert KLDivergence("sum").gradient(prediction, p).tolist() == (-p).tolist()


@pytest.mark.parametrize("target_as", ["probability", "logarithm"])
def test_divergence_counts_no_class_without_probability_whatever_is_predicted(target_as):
    """p = (1/2, 1/2, 0) with predictions of 1/4 and 1/4: log 2, also where the third is predicted never to occur."""
    loss = KLDivergence("sum", target_as=target_as)
    target = np.array([[0.5, 0.5, 0.0]]) if target_as == "probability" else np.array([[*np.log([0.5, 0.5]), -np.inf]])
    for third in (np.log(0.5), -np.inf):
        prediction = np.array([[*np.log([0.25, 0.25]), third]])
        with np.errstate(invalid="ignore"):  # -inf - -inf, which is not taken
            assert ulps(loss.value(prediction, target), Multiprecision(mpmath.log(2))) <= 4
        assert ulps(loss.gradient(prediction, target), Multiprecision([[-0.5, -0.5, 0.0]])).max() <= 1
    impossible = np.array([[-np.inf, np.log(0.5), np.log(0.5)]])
    assert loss.value(impossible, target) == np.inf


def test_weighted_likelihood_of_integers_is_known():
    """Labels 2 and 0 with weights 3 and 5: their predictions -7 and -2 cost 21 + 10, over 2 rows or the weight 8."""
    prediction, labels = np.array([[-1.0, -4.0, -7.0], [-2.0, -3.0, -6.0]]), np.array([2, 0])
    for reduction, mean, terms in (("sum", "labels", 1), ("mean", "rows", 2), ("mean", "labels", 8)):
        loss = NegativeLogLikelihood(reduction, class_weights=(5.0, 11.0, 3.0), weighted_mean=mean)
        assert loss.value(prediction, labels) == 31 / terms
        assert (loss.gradient(prediction, labels) * terms).tolist() == [[0, 0, -3], [-5, 0, 0]]


def test_label_smoothing_of_one_forgets_the_labels():
    prediction = drawn(SoftmaxCrossEntropy(labels="index"), 25)[0]
    loss = SoftmaxCrossEntropy(labels="index", label_smoothing=1.0)
    values = [loss.value(prediction, np.full(SHAPE[0], label)) for label in range(SHAPE[1])]
    assert values == [values[0]] * SHAPE[1]


def test_probability_at_the_end_that_keras_clips_to_has_its_gradient():
    loss, ends = BinaryCrossEntropy("sum", logarithm="clipped"), np.array([1e-7, 1 - 1e-7])
    inside, outside = (loss.gradient(np.nextafter(ends, to), np.array([1.0, 0.0])) for to in (0.5, [0.0, 1.0]))
    assert outside.tolist() == [0.0, 0.0]
    at_ends = loss.gradient(ends, np.array([1.0, 0.0]))
    assert (np.abs(at_ends) >= np.abs(inside)).all() and (np.abs(inside) > 0).all()


@pytest.mark.parametrize("at_margin", [0.0, 0.5, 1.0])
def test_hinge_derivative_at_the_margin_is_the_convention(at_margin):
    loss = Hinge("sum", derivative_at_margin=at_margin)
    prediction, target = np.array([1.0, -1.0, np.nextafter(1, 0), np.nextafter(1, 2)]), np.array([1.0, -1.0, 1.0, 1.0])
    assert loss.gradient(prediction, target).tolist() == [-at_margin, at_margin, -1.0, 0.0]


@pytest.mark.filterwarnings("error")
def test_huge_errors_cost_what_they_are():
    prediction, target = np.array([1e300, -1e300]), np.zeros(2)
    assert Huber("sum", delta=0.5).value(prediction, target) == 1e300
    assert SmoothL1("sum", beta=0.5).value(prediction, target) == 2e300
    assert Huber("sum", delta=0.5).gradient(prediction, target).tolist() == [0.5, -0.5]
    assert SmoothL1("sum", beta=1e-300).gradient(prediction, target).tolist() == [1.0, -1.0]
    assert Hinge("sum").value(prediction, np.array([-1.0, 1.0])) == 2e300


def test_certain_probability_costs_keras_loss_where_it_is_clipped():
    """Measured: Keras 3 in float32, mean of p = 0 with target 1 and p = 1 with target 0: 16.03, gradient 0."""
    loss, wrong, right = BinaryCrossEntropy(logarithm="clipped"), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    in_float32 = -(np.log(1e-7) + np.log(2.0**-23)) / 2
    assert f"{in_float32:.2f}" == "16.03"
    assert loss.value(RunningError.exact(wrong, TARGET), right).within(in_float32)
    assert loss.gradient(wrong, right).tolist() == [0.0, 0.0]


# --- shifts, clamps, infinities ---


@pytest.mark.parametrize("shift", [0.0, 1e4, 1e6, 1e8, -1e300])
def test_equal_logits_cost_log_3_whatever_they_are(shift):
    logits = np.full((2, 3), shift)
    for loss, target in (
        (SoftmaxCrossEntropy(), np.eye(3)[[0, 2]]),
        (SoftmaxCrossEntropy(labels="index"), np.array([0, 2])),
    ):
        assert ulps(loss.value(logits, target), np.log(Multiprecision(3.0))) <= 1
        assert (ulps(loss.gradient(logits, target), Multiprecision([[-2, 1, 1], [1, 1, -2]]) / 6) <= 4).all()


@pytest.mark.parametrize(("shift", "actual"), [(1e4, 1.0986328), (1e6, 1.125), (1e8, 0.0)])
def test_largest_logit_added_back_explains_what_optax_loses_in_float32(shift, actual):
    """Measured: optax 0.2.8, softmax_cross_entropy_with_integer_labels of three equal logits."""
    logits, labels = RunningError.exact(np.full((1, 3), shift), TARGET), np.array([1])
    by_index = SoftmaxCrossEntropy(labels="index")
    assert not by_index.value(logits, labels).within(actual)
    assert dataclasses.replace(by_index, largest_logit="added_back").value(logits, labels).within(actual)


def test_wrong_and_certain_probability_costs_100_where_logarithms_are_clamped():
    """PyTorch: loss 100 and gradient -1 / 1e-12 in single precision, -1.000000004e12, over the number of terms."""
    loss, wrong, right = BinaryCrossEntropy(logarithm="clamped"), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    assert loss.value(wrong, right) == 100
    assert [f"{g:.9e}" for g in 2 * loss.gradient(wrong, right)] == ["-1.000000004e+12", "1.000000004e+12"]
    assert loss.value(np.array([1e-50, 1e-300]), np.ones(2)) == 100
    certified = RunningError.exact(wrong, TARGET)
    assert loss.value(certified, right).within(100.0)
    assert not loss.value(certified, right).within(100.001)
    assert loss.gradient(certified, right).within(np.array([-5.0e11, 5.0e11])).all()


@pytest.mark.filterwarnings("error")
def test_wrong_and_certain_probability_costs_infinitely_much_where_they_are_exact():
    loss, wrong, right = BinaryCrossEntropy(), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    assert loss.value(wrong, right) == np.inf
    assert loss.gradient(wrong, right).tolist() == [-np.inf, np.inf]
    assert loss.gradient(wrong, np.array([0.5, 0.5])).tolist() == [-np.inf, np.inf]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("logarithm", ["exact", "clamped"])
def test_right_and_certain_probability_costs_nothing(logarithm):
    loss, certain = BinaryCrossEntropy("sum", logarithm), np.array([0.0, 1.0])
    assert loss.value(certain, certain) == 0
    assert loss.gradient(certain, certain).tolist() == ([1.0, -1.0] if logarithm == "exact" else [0.0, 0.0])


@pytest.mark.filterwarnings("error")
def test_huge_logits_give_finite_losses_without_a_warning():
    z = np.array([[1e30, -1e30, 0.0]])
    for loss, target in (
        (BinaryCrossEntropyWithLogits("sum"), np.array([[0.0, 1.0, 0.5]])),
        (SoftmaxCrossEntropy("sum"), np.array([[0.0, 0.5, 0.5]])),
        (SoftmaxCrossEntropy("sum", labels="index"), np.array([1])),
    ):
        assert 1e30 <= loss.value(z, target) <= 2e30 * (1 + FLOAT64.unit_roundoff)
        assert np.isfinite(loss.gradient(z, target)).all()


def test_class_that_is_certainly_excluded_does_not_make_the_loss_nan():
    z, target = np.array([[0.0, -np.inf, 0.0]]), np.array([[0.5, 0.0, 0.5]])
    assert SoftmaxCrossEntropy().value(z, target) == np.log(2)
    assert SoftmaxCrossEntropy().gradient(z, target).tolist() == [[0.0, 0.0, 0.0]]


# --- bounds ---


def rounded_from_float64(function):
    """A float32 function that is correct but for one rounding."""
    return lambda x: np.asarray(function(np.asarray(x, np.float64))).astype(np.float32)


FUNCTIONS = {"exp": np.exp, "log": np.log, "log1p": np.log1p}
IN_FLOAT32 = SimpleNamespace(**{name: rounded_from_float64(function) for name, function in FUNCTIONS.items()})
# Rounding to float32 what float64 gets right to 4 ulp of its own: half a unit, and 2**-27 of one.
TARGET = Target(FLOAT32, functions={"float32": dict.fromkeys(FUNCTIONS, 0.5 + 2.0**-27)})


def library_orders(m, loss, p, y):
    """(value, gradient) by what libraries evaluate (m: functions in float32); targets of classes are one-hot.

    The cotangent of a mean, `share`, is multiplied last (PyTorch) or first (where JAX differentiates). For a sum it is
    1, and rounds nothing.
    """
    terms = np.float32(divisor(loss))
    share = np.float32(1) / terms
    if isinstance(loss, MeanSquaredError):
        d = p - y
        yield np.sum(d * d) / terms, np.float32(2) * d / terms
        yield np.sum(d * d) * share, (d * np.float32(2)) * share
    elif isinstance(loss, Huber):
        d, delta, half = p - y, np.float32(loss.delta), np.float32(0.5)
        near = np.minimum(abs(d), delta)
        by_case = np.where(abs(d) < delta, half * d * d, delta * (abs(d) - half * delta))
        yield np.sum(by_case) / terms, np.where(abs(d) < delta, share * d, np.sign(d) * share * delta)
        by_parts = np.sign(d) * ((share * near - share * delta) + share * delta)
        yield np.sum(half * near**2 + delta * (abs(d) - near)) * share, by_parts
    elif isinstance(loss, SmoothL1):
        d, beta, half = p - y, np.float32(loss.beta), np.float32(0.5)
        far, divided = abs(d) >= beta, np.maximum(beta, np.float32(1e-30))
        by_case = np.where(far, abs(d) - half * beta, half * d * d / divided)
        yield np.sum(by_case) / terms, np.where(far, np.sign(d) * share, share * d / divided)
        yield np.sum(by_case) * share, np.where(far, np.sign(d), d / divided) / terms
    elif isinstance(loss, Hinge):
        missed = np.where(y * p < 1, np.float32(1), np.float32(0))
        yield np.sum(np.maximum(0, 1 - p * y)) / terms, -share * y * missed
        yield np.sum(np.maximum(0, 1 - p * y)) * share, -y * missed / terms
    elif isinstance(loss, KLDivergence):
        probability = m.exp(y) if loss.target_as == "logarithm" else y
        entropy = y if loss.target_as == "logarithm" else m.log(np.where(y > 0, y, np.float32(1)))
        yield np.sum(probability * (entropy - p)) / terms, -probability / terms
        yield np.sum(probability * entropy - probability * p) * share, -(probability * share)
    elif isinstance(loss, NegativeLogLikelihood):
        terms = label_weights(loss, y, terms)
        yield -np.sum(p * y) / terms, -y / terms
        yield np.sum(-y * p) * (np.float32(1) / terms), -(y * (np.float32(1) / terms))
    elif isinstance(loss, BinaryCrossEntropy):
        of_one, of_zero = m.log(p), m.log1p(-p)
        variance = (1 - p) * p
        if loss.logarithm == "clipped":
            ends = np.float32(1e-7), np.float32(1 - 1e-7)
            inside, p = (p >= ends[0]) & (p <= ends[1]), np.clip(p, *ends)
            value = -np.sum(y * m.log(p) + (1 - y) * m.log(1 - p)) / terms
            yield value, np.where(inside, (1 - y) / (1 - p) - y / p, 0).astype(np.float32) * share
            return
        if loss.logarithm == "clamped":
            of_one, of_zero = np.maximum(of_one, -100), np.maximum(of_zero, -100)
            variance = np.maximum(variance, np.float32(1e-12))
        else:
            yield np.sum(-(y * of_one + (1 - y) * of_zero)) / terms, ((1 - y) / (1 - p) - y / p) / terms
            yield np.sum(-(y * of_one + (1 - y) * of_zero)) * share, share * (1 - y) / (1 - p) - share * y / p
        yield np.sum((y - 1) * of_zero - y * of_one) / terms, (p - y) / variance / terms
    elif isinstance(loss, BinaryCrossEntropyWithLogits) and loss.positive_weights:
        weights, of_one = np.float32(loss.positive_weights), np.maximum(-p, 0) + m.log1p(m.exp(-np.abs(p)))
        sigmoid, positive, both = 1 / (1 + m.exp(-p)), weights * y, (weights - 1) * y + 1
        yield np.sum((1 - y) * p + both * of_one) / terms, ((1 - y) - both * (1 / (1 + m.exp(p)))) / terms
        by_class = np.sum(positive * of_one + (1 - y) * (p + of_one))
        yield by_class * share, (sigmoid * (positive + 1 - y) - positive) * share
        yield np.sum((1 - y) * p + both * of_one) * share, share * (1 - y) * sigmoid - share * positive / (1 + m.exp(p))
    elif isinstance(loss, BinaryCrossEntropyWithLogits):
        sigmoid, decay = 1 / (1 + m.exp(-p)), m.log1p(m.exp(-np.abs(p)))
        yield np.sum(np.maximum(p, 0) - p * y + decay) / terms, (sigmoid - y) / terms
        yield np.sum((1 - y) * p - (np.minimum(p, 0) - decay)) / terms, (sigmoid - y) * share
        of_zero, of_one = np.maximum(p, 0) + decay, np.maximum(-p, 0) + decay  # -log_sigmoid of -p and p
        growth, decline = m.exp(p - of_zero), m.exp(-p - of_one)
        yield np.sum(y * of_one + (1 - y) * of_zero) * share, share * (1 - y) * growth - share * y * decline
    else:
        terms = label_weights(loss, y, terms)
        share = np.float32(1) / terms
        y = smoothed(loss, y)
        largest = p.max(axis=-1, keepdims=True)
        total = m.exp(p - largest).sum(axis=-1, keepdims=True)
        exponentials, shared = m.exp(p - largest), y * share
        softmax, row_total = exponentials / total, np.sum(shared, axis=-1, keepdims=True)
        log_softmax = p - largest - m.log(total)
        from_logarithm = m.exp(log_softmax)
        if loss.largest_logit == "added_back":
            log_softmax = p - (m.log(total) + largest)
        value = -np.sum(y * log_softmax) / terms
        yield value, softmax * row_total - shared
        yield value, from_logarithm * row_total - shared
        yield -np.sum(y * log_softmax) * share, row_total / total * exponentials - shared
        yield value, (softmax * np.sum(y, axis=-1, keepdims=True) - y) / terms


def label_weights(loss, y, terms):
    """What a mean divides by in float32: the weights of the labels (in `y`, with their weights), or rows."""
    by_labels = loss.reduction == "mean" and loss.weighted_mean == "labels" and loss.class_weights
    return np.sum(y, dtype=np.float32) if by_labels and getattr(loss, "labels", "index") == "index" else terms


def smoothed(loss, y):
    """Targets in float32, of which one-hot ones have their weights: with the rest of them spread over all classes."""
    if loss.class_weights is None:
        return y
    weights, smoothing = np.array(WEIGHTS, np.float32), loss.label_smoothing
    if smoothing == 0:
        return y
    one_hot = (y > 0) * np.float32(1) if loss.labels == "index" else y
    return weights * (one_hot * np.float32(1 - smoothing) + np.float32(smoothing / SHAPE[-1]))


def drawn_in_float32(loss, seed):
    """A prediction and a target in float32, and the target that `library_orders` takes."""
    prediction, target = drawn(loss, seed)
    prediction = prediction.astype(np.float32)
    if isinstance(loss, BinaryCrossEntropy):
        prediction = np.minimum(prediction, np.nextafter(np.float32(1), np.float32(0)))
    if target.dtype.kind == "i":
        weights = np.float32(loss.class_weights or 1.0)
        if isinstance(loss, SoftmaxCrossEntropy) and loss.label_smoothing > 0:
            target = np.where(target == WEIGHTS.index(0.0), 0, target)  # a weight of 0 hides the label
        return prediction, target, np.eye(SHAPE[-1], dtype=np.float32)[target] * weights
    return prediction, target.astype(np.float32), target.astype(np.float32)


OF_FEW_ROUNDINGS = (Hinge, NegativeLogLikelihood, KLDivergence)


@every_loss
def test_bounds_hold_for_float32_evaluations_and_are_not_loose(loss):
    worst = [0.0, 0.0]
    for seed in range(20):
        prediction, target, weights = drawn_in_float32(loss, seed)
        certified = RunningError.exact(prediction, TARGET)
        expected = loss.value(certified, target), loss.gradient(certified, target)
        for order in library_orders(IN_FLOAT32, loss, prediction, weights):
            for k, actual in enumerate(order):
                assert actual.dtype == np.float32
                assert expected[k].within(actual).all()
                bound = np.maximum(expected[k].bound, FLOAT32.smallest_subnormal)
                worst[k] = max(worst[k], np.max(np.abs(actual - expected[k].value) / bound))
    assert worst[0] > 1 / 200  # a bound for any order of 35 terms, and NumPy's order is a good one
    if isinstance(loss, OF_FEW_ROUNDINGS) or getattr(loss, "beta", 1) == 0:
        # A reciprocal, a product, and the sum of 5 weights
        few = 8 * FLOAT32.unit_roundoff * np.abs(expected[1].value) + 8 * FLOAT32.smallest_subnormal
        assert (expected[1].bound <= few).all()
    else:
        assert worst[1] > 1 / 20


def probability(loss, prediction):
    """Of class one, or of each class, by the prediction: as a soft target it makes the parts of a gradient cancel."""
    z = prediction.astype(np.float64)
    if isinstance(loss, SoftmaxCrossEntropy):
        exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)
    if isinstance(loss, BinaryCrossEntropy):
        return z
    return 1 / (1 + np.array(loss.positive_weights or 1.0) * np.exp(-z))  # (1 - t) p = weight t (1 - p)


@pytest.mark.parametrize(
    "loss",
    [
        x
        for x in EVERY_LOSS
        if isinstance(x, (BinaryCrossEntropy, BinaryCrossEntropyWithLogits, SoftmaxCrossEntropy))
        and not ("index" in repr(x) or "clipped" in repr(x) or getattr(x, "class_weights", None))
    ],
    ids=repr,
)
def test_bounds_hold_for_float32_evaluations_where_the_parts_of_a_gradient_cancel(loss):
    worst, rng = 0.0, np.random.default_rng(12)
    for seed in range(200):
        prediction = drawn_in_float32(loss, seed)[0]
        target = probability(loss, prediction) * (1 - 1e-6 * rng.uniform(size=SHAPE))
        target = target.astype(np.float32)
        expected = loss.gradient(RunningError.exact(prediction, TARGET), target)
        for _, actual in library_orders(IN_FLOAT32, loss, prediction, target):
            assert expected.within(actual).all()
            worst = max(worst, np.max(np.abs(actual - expected.value) / expected.bound))
    assert worst > 1 / 20


# --- bad input ---

TWO_BY_THREE = np.full((2, 3), 0.5)
BINARY_OF_TWO = BinaryCrossEntropyWithLogits(positive_weights=(1.0, 2.0))
ONE_WEIGHTED = NegativeLogLikelihood(class_weights=(0.0, 0.0, 1.0), weighted_mean="labels")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Huber(delta=0.0), ["Huber", "delta", "0.0", "(0, inf)"]),
        (lambda: SmoothL1(beta=-1.0), ["SmoothL1", "beta", "-1.0", "[0, inf)"]),
        (lambda: Hinge().value(np.ones(2), np.array([1.0, 0.0])), ["Hinge", "target[1]", "-1 or 1", "0.0"]),
        (lambda: Hinge().value(np.ones(1), np.array([np.nan])), ["Hinge", "target[0]", "-1 or 1", "nan"]),
        (lambda: KLDivergence().value(TWO_BY_THREE, 3 * TWO_BY_THREE), ["KLDivergence", "target[0, 0]", "1.5"]),
        (lambda: KLDivergence().value(np.array(0.5), np.array(0.5)), ["KLDivergence", "prediction", "axis of classes"]),
        (lambda: SoftmaxCrossEntropy(label_smoothing=1.5), ["label_smoothing", "1.5", "[0, 1]"]),
        (
            lambda: SoftmaxCrossEntropy(labels="index", largest_logit="added_back", label_smoothing=0.1),
            ["largest_logit", "label_smoothing=0"],
        ),
        (lambda: NegativeLogLikelihood(class_weights=(1.0, -1.0)), ["class_weights", "(1.0, -1.0)", "[0, inf)"]),
        (lambda: BinaryCrossEntropyWithLogits(positive_weights=(1.0, -1.0)), ["positive_weights", "-1.0)", "[0, inf)"]),
        (lambda: BinaryCrossEntropyWithLogits(positive_weights=2.0), ["positive_weights", "2.0", "None, or a tuple"]),
        (lambda: BINARY_OF_TWO.value(TWO_BY_THREE, TWO_BY_THREE), ["positive_weights", "(1.0, 2.0)", "classes, 3"]),
        (lambda: BINARY_OF_TWO.gradient(TWO_BY_THREE, TWO_BY_THREE), ["positive_weights", "(1.0, 2.0)", "classes, 3"]),
        (lambda: BINARY_OF_TWO.value(np.array(0.5), np.array(1.0)), ["positive_weights", "(1.0, 2.0)", "classes, 0"]),
        (lambda: NegativeLogLikelihood(class_weights=[1.0]), ["class_weights", "[1.0]", "tuple"]),
        (lambda: NegativeLogLikelihood(class_weights=(0.0, 0.0)), ["class_weights", "one above 0"]),
        (lambda: NegativeLogLikelihood(class_weights=(1.0, np.nan)), ["class_weights", "finite"]),
        (lambda: NegativeLogLikelihood(class_weights=(1.0, np.inf)), ["class_weights", "inf", "finite"]),
        (
            lambda: ONE_WEIGHTED.value(TWO_BY_THREE, np.array([0, 1])),
            ["class_weights", "above 0 for at least one label"],
        ),
        (
            lambda: SoftmaxCrossEntropy(class_weights=(1.0, 2.0)).value(TWO_BY_THREE, TWO_BY_THREE),
            ["class_weights", "(1.0, 2.0)", "classes, 3"],
        ),
        (lambda: NegativeLogLikelihood().value(TWO_BY_THREE, np.array([0, 3])), ["target", "3", "[0, 3)"]),
        (lambda: MeanSquaredError("average"), ["reduction", "'average'", "'mean'", "'sum'"]),
        (lambda: BinaryCrossEntropy(logarithm="cut"), ["logarithm", "'cut'", "'clamped'", "'clipped'"]),
        (lambda: SoftmaxCrossEntropy(labels="sparse"), ["labels", "'sparse'", "'index'"]),
        (lambda: SoftmaxCrossEntropy(largest_logit="added_back"), ["largest_logit", "'added_back'", "labels='index'"]),
        (lambda: MeanSquaredError().value(TWO_BY_THREE, np.zeros(3)), ["target", "(3,)", "(2, 3)"]),
        (lambda: MeanSquaredError().gradient(TWO_BY_THREE, np.zeros((2, 3), int)), ["target", "int64"]),
        (
            lambda: MeanSquaredError().value(np.zeros((0, 3)), np.zeros((0, 3))),
            ["prediction", "(0, 3)", "at least one"],
        ),
        (lambda: MeanSquaredError().value([0.0], np.zeros(1)), ["prediction", "list"]),
        (lambda: BinaryCrossEntropy().value(np.array([0.2, 1.5]), np.zeros(2)), ["prediction[1]", "1.5", "[0, 1]"]),
        (lambda: BinaryCrossEntropy().value(np.array([-0.1]), np.zeros(1)), ["prediction[0]", "-0.1", "[0, 1]"]),
        (lambda: BinaryCrossEntropy().gradient(np.array([np.nan]), np.zeros(1)), ["prediction[0]", "nan", "[0, 1]"]),
        (lambda: BinaryCrossEntropy().value(TWO_BY_THREE, 3 * TWO_BY_THREE), ["target[0, 0]", "1.5", "[0, 1]"]),
        (lambda: BinaryCrossEntropyWithLogits().value(np.array(3.0), np.array(-1.0)), ["target", "-1.0", "[0, 1]"]),
        (lambda: SoftmaxCrossEntropy().value(TWO_BY_THREE, 4 * TWO_BY_THREE), ["target[0, 0]", "2.0", "[0, 1]"]),
        (lambda: SoftmaxCrossEntropy().value(np.array(1.0), np.array(1.0)), ["prediction", "()", "classes"]),
        (lambda: SoftmaxCrossEntropy().value(TWO_BY_THREE, np.array([0, 1])), ["target", "labels='index'"]),
        (lambda: by_index().value(TWO_BY_THREE, np.array([0, 3])), ["target", "3", "[0, 3)"]),
        (lambda: by_index().gradient(TWO_BY_THREE, np.array([-1, 0])), ["target", "-1", "[0, 3)"]),
        (lambda: by_index().value(TWO_BY_THREE, np.array([0.0, 1.0])), ["target", "integers", "float64"]),
        (lambda: by_index().value(TWO_BY_THREE, np.array([True, False])), ["target", "integers", "bool"]),
        (lambda: by_index().value(TWO_BY_THREE, np.array([0, 1, 2])), ["target", "(3,)", "(2,)"]),
        (lambda: by_index().value(np.zeros((2, 0)), np.array([0, 1])), ["prediction", "(2, 0)", "classes"]),
    ],
)
def test_bad_input_is_refused_by_name_value_and_what_is_allowed(call, words):
    with pytest.raises((TypeError, ValueError)) as refusal:
        call()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def by_index():
    return SoftmaxCrossEntropy(labels="index")


@every_loss
def test_nothing_passed_in_is_changed(loss):
    prediction, target = drawn(loss, 11)
    copies = prediction.copy(), target.copy()
    loss.value(prediction, target)
    loss.gradient(prediction, target)
    assert np.array_equal(prediction, copies[0])
    assert np.array_equal(target, copies[1])


# Binary cross-entropy refuses NaN for a probability; the gradients of the others left out are the same everywhere.
REFUSED_OR_LINEAR = (BinaryCrossEntropy, KLDivergence, NegativeLogLikelihood)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if not isinstance(loss, REFUSED_OR_LINEAR)], ids=repr)
def test_a_prediction_that_is_nan_has_a_gradient_that_is_nan(loss):
    prediction, target = drawn(loss, 13)
    prediction[0, 0] = np.nan
    assert np.isnan(loss.value(prediction, target))
    assert np.isnan(loss.gradient(prediction, target)[0, 0])
