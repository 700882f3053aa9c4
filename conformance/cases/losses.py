"""Losses and their gradients: mean and sum, labels and one-hot targets, certain and wrong predictions."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.known_values import divisor, offered, summed, supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.batches import predictions, targets
from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from conformance.subjects.subject import values_of
from refimpl import losses as rules
from refimpl.activations import Softmax
from refimpl.arithmetic import FORMATS, RunningError

SHAPE = (7, 11, 3)  # a batch of two axes, and classes


@case(
    statement="A loss and its gradient are the rule's, with either reduction, however wrong the prediction.",
    source="the definitions in refimpl.losses",
    kind="property",
    catches="a mean over the wrong axes, a factor 2, a logarithm that overflows, a gradient of the wrong sign",
    capability="loss",
)
@pytest.mark.parametrize(
    "rule",
    [
        rules.MeanSquaredError,
        rules.BinaryCrossEntropy,
        rules.BinaryCrossEntropyWithLogits,
        rules.SoftmaxCrossEntropy,
        rules.NegativeLogLikelihood,
        rules.KLDivergence,
        rules.Huber,
        rules.SmoothL1,
        rules.Hinge,
    ],
    ids=lambda rule: rule.__name__,
)
@given(data=st.data())
def test_batch(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    shape = enlarged(SHAPE)
    generator = random_numbers(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    for each in each_convention(subject, spec):
        prediction = predictions(generator, each, shape, subject.dtype)
        target = targets(generator, each, shape, subject.dtype)
        compare.example(spec=each, shape=shape)
        check_batch(subject, compare, each, prediction, target)


def each_convention(subject, spec):
    """The spec under every combination of conventions that the subject has: draws alone may miss one."""
    names, fixed = spec.conventions(), subject.fixed(type(spec))
    for values in itertools.product(*(values_of(fixed.get(name, tuple(names[name]))) for name in names)):
        try:
            yield replace(spec, **dict(zip(names, values, strict=True)))
        except ValueError:  # what has no meaning together
            continue


def check_batch(subject, compare, spec, prediction, target):
    """A loss and its gradient against the certified reference."""
    sent = target if target.dtype.kind == "i" else target.astype(subject.array_dtype)
    value, gradient = subject.loss(spec, prediction.astype(subject.array_dtype), sent)
    certified = RunningError.exact(prediction, subject.target)
    compare.within(value, spec.value(certified, target), "loss")
    compare.within(gradient, spec.gradient(certified, target), "gradient")


def check_loss(subject, compare, spec, prediction, target, value, gradient, **where):
    """A loss and its gradient against closed forms; the gradient as the subject has it."""
    prediction = np.asarray(prediction, dtype=np.float64)
    found = subject.loss(spec, prediction.astype(subject.array_dtype), target)
    certified = RunningError.exact(prediction, subject.target)
    compare.within(found[0], with_bound_of(value, spec.value(certified, target)), "loss", **where)
    compare.within(found[1], with_bound_of(gradient, spec.gradient(certified, target)), "gradient", **where)
    return found[1]


def labels_of(spec, subject, indices, classes):
    """Target of the classes with these indices, as the spec takes it; indices in the dtype that data sets have."""
    if spec.labels == "index":
        return np.asarray(indices, dtype=np.uint8)
    return np.eye(classes)[indices].astype(subject.array_dtype)


@case(
    statement="Class weights multiply the terms of their class, and the mean is over the weights of the labels or over "
    "the rows, as declared, with smoothed labels too.",
    source="documentation of torch.nn.CrossEntropyLoss 2.13.0; the definitions in refimpl.losses",
    kind="property",
    catches="weights ignored, or of the wrong class; a mean over the rows in place of the weights, or the reverse",
    capability="loss",
)
@pytest.mark.parametrize(
    "rule", [rules.SoftmaxCrossEntropy, rules.NegativeLogLikelihood], ids=lambda rule: rule.__name__
)
@given(data=st.data())
def test_class_weights(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    shape = enlarged(SHAPE)
    generator = random_numbers(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    weights = representable(10.0 ** generator.uniform(-1, 1, shape[-1]), subject.dtype)
    spec = subject.spec(rule, **vars(spec) | {"class_weights": tuple(weights.tolist())})
    for each in each_convention(subject, spec):
        prediction = predictions(generator, each, shape, subject.dtype)
        target = targets(generator, each, shape, subject.dtype)
        compare.example(spec=each, shape=shape)
        check_batch(subject, compare, each, prediction, target)


@case(
    statement="Positive weights multiply what an element costs as one of its class, not what it costs as none, and a "
    "mean is over the elements: at even odds an element of its class costs its weight times log 2, and of a certain "
    "and wrong logit its weight times the logit.",
    source="documentation of torch.nn.BCEWithLogitsLoss 2.13.0; the definition in refimpl.losses",
    kind="property",
    catches="weights ignored, of the wrong class, or of both classes; in the loss and not in its gradient; a mean over "
    "the weights; an exponential that overflows next to them",
    capability="loss",
)
@given(data=st.data())
def test_positive_weights(subject, compare, data):
    rule = rules.BinaryCrossEntropyWithLogits
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    shape = enlarged(SHAPE)
    generator = random_numbers(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    weights = representable(10.0 ** generator.uniform(-1, 1, shape[-1]), subject.dtype)
    spec = subject.spec(rule, **vars(spec) | {"positive_weights": tuple(weights.tolist())})
    prediction = predictions(generator, spec, shape, subject.dtype)
    target = targets(generator, spec, shape, subject.dtype)
    compare.example(spec=spec, shape=shape)
    check_batch(subject, compare, spec, prediction, target)
    # Known, by no formula of the rule: even odds cost log 2 of each element, a positive one so often as it weighs.
    certain = generator.integers(0, 2, shape).astype(subject.array_dtype)
    counts = np.where(certain == 1, weights, 1.0)
    share = divisor(spec, certain.size)
    slopes = np.where(certain == 1, -weights, 1.0) / 2 / share
    check_loss(subject, compare, spec, 0 * prediction, certain, math.log(2) * math.fsum(counts.flat) / share, slopes)
    # As often a certain and wrong one costs its logit, and a right one nothing.
    huge = 2.0**100 * generator.choice([-1.0, 1.0], shape)
    wrong = (huge > 0) != (certain == 1)
    cost = math.fsum((np.abs(huge) * counts)[wrong]) / share
    check_loss(subject, compare, spec, huge, certain, cost, np.where(wrong, 2 * slopes, 0.0))


# How libraries take a label.
LABELS = {
    "index": {"labels": "index", "largest_logit": "subtracted"},
    "index_added_back": {"labels": "index", "largest_logit": "added_back"},
    "one_hot": {"labels": "one_hot", "largest_logit": "subtracted"},
}


@case(
    statement="A smoothed label is as likely as the logits (log 3, 0, 0) make the first of three classes, for a "
    "smoothing of 3/5: there the gradient is 0. Where all logits are equal the loss is log n, smoothed or not.",
    source="derived here: 1 - s + s / 3 = 3 / 5",
    kind="analytic",
    catches="smoothing over the other classes alone; smoothing ignored; a label that loses its weight",
    capability="loss",
)
def test_label_smoothing(subject, compare):
    for labels in supported_values(subject, rules.SoftmaxCrossEntropy, "labels", ("index", "one_hot")):
        asked_for = {"labels": labels, "label_smoothing": 0.6, "largest_logit": "subtracted"}
        spec = summed(subject, rules.SoftmaxCrossEntropy, **asked_for)
        logits = representable(np.array([[math.log(3), 0.0, 0.0], [0.0, 0.0, 0.0]]), subject.dtype)
        compare.example(spec=spec, logits=logits.tolist(), label="the first class")
        log_of_sum = math.log(math.exp(logits[0, 0]) + 2)
        value = log_of_sum - 0.6 * logits[0, 0] + math.log(3)
        probability = math.exp(logits[0, 0] - log_of_sum)
        rest = (1 - probability) / 2
        gradient = np.array([[probability - 0.6, rest - 0.2, rest - 0.2], [1 / 3 - 0.6, 1 / 3 - 0.2, 1 / 3 - 0.2]])
        target, rows = labels_of(spec, subject, [0, 0], 3), divisor(spec, 2)
        check_loss(subject, compare, spec, logits, target, value / rows, gradient / rows, labels=labels)


@case(
    statement="The hinge loss is 0 beyond the margin, grows as the prediction from there on, and has the declared "
    "derivative where target times prediction is 1.",
    source="Vapnik 1995; the conventions in refimpl.losses",
    kind="exact",
    catches="the target's sign lost; a margin of 0; the other side taken at the kink",
    capability="loss",
)
def test_hinge_margin(subject, compare):
    for declared in supported_values(subject, rules.Hinge, "derivative_at_margin", (0.0, 0.5, 1.0)):
        spec = summed(subject, rules.Hinge, derivative_at_margin=declared)
        prediction = np.array([1.0, -1.0, 0.75, -0.75, 1.25, -1.25, -2.0, 2.0])
        target = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        slopes = np.repeat([declared, 1.0, 0.0, 1.0], 2)
        compare.example(spec=spec, predictions=prediction.tolist(), targets=target.tolist())
        found = subject.loss(spec, prediction.astype(subject.array_dtype), target.astype(subject.array_dtype))
        terms = divisor(spec, target.size)
        compare.equal(found[0], (2 * 0.25 + 2 * 3.0) / terms, "loss")
        compare.equal(found[1], -target * slopes / terms, "gradient", spec=spec)


# Errors, with loss and derivative of each, exact in every format.
LINEAR_TAILS = {
    rules.Huber: ({"delta": 0.5}, [(0.25, 0.03125, 0.25), (-0.5, 0.125, -0.5), (2.0, 0.875, 0.5), (-3.0, 1.375, -0.5)]),
    rules.SmoothL1: ({"beta": 0.5}, [(0.25, 0.0625, 0.5), (-0.5, 0.25, -1.0), (2.0, 1.75, 1.0), (-3.0, 2.75, -1.0)]),
}


@case(
    statement="Huber's loss and smooth L1 are quadratic for small errors and linear for large ones: with a threshold "
    "of 1/2, an error of 1/4 costs 1/32 and 1/16, one of 2 costs 7/8 and 7/4.",
    source="Huber 1964, Robust estimation of a location parameter; Girshick 2015, Fast R-CNN, equation 3",
    kind="exact",
    catches="the one in place of the other; a threshold ignored; a jump where the pieces meet",
    capability="loss",
)
@pytest.mark.parametrize("rule", LINEAR_TAILS, ids=lambda rule: rule.__name__)
def test_linear_tails(subject, compare, rule):
    threshold, known = LINEAR_TAILS[rule]
    spec = summed(subject, rule, **threshold)
    compare.example(spec=spec)
    for error, value, slope in known:
        sent = (np.array([x], dtype=subject.array_dtype) for x in (1.5 + error, 1.5))
        found = subject.loss(spec, *sent)
        compare.equal(found[0], value, "loss", error=error)
        compare.equal(found[1], [slope], "gradient", error=error)


@case(
    statement="The magnitude of an error, smooth L1 with a threshold of 0, has derivative 0 where the error is 0.",
    source="documentation of torch.nn.SmoothL1Loss 2.13.0; dialects at a kink",
    kind="exact",
    catches="0 / 0 where the threshold is 0 (PyTorch #96813); a derivative on one side at 0",
    capability="loss",
)
def test_magnitude_of_error(subject, compare):
    spec = summed(subject, rules.SmoothL1, beta=0.0)
    prediction, target = np.array([1.5, -2.0, 3.0, 0.0]), np.array([1.5, 1.0, 2.5, 0.0])
    compare.example(spec=spec)
    found = subject.loss(spec, prediction.astype(subject.array_dtype), target.astype(subject.array_dtype))
    terms = divisor(spec, target.size)
    compare.equal(found[0], 3.5 / terms, "loss")
    compare.equal(found[1], np.array([0.0, -1.0, 1.0, 0.0]) / terms, "gradient")


@case(
    statement="The divergence of (1/2, 1/4, 1/4, 0) from even probabilities of four is log(2) / 2; of a certain class "
    "it is minus that class's log-probability; and its gradient is minus the target.",
    source="Kullback & Leibler 1951; 2 log 2 minus an entropy of 3/2 log 2",
    kind="analytic",
    catches="prediction and target interchanged; 0 log 0; the target's entropy left out",
    capability="loss",
)
def test_divergence(subject, compare):
    even = np.full((1, 4), math.log(0.25))
    rows = [([0.5, 0.25, 0.25, 0.0], math.log(2) / 2), ([0.0, 1.0, 0.0, 0.0], math.log(4))]
    for probability, value in rows:
        spec = summed(subject, rules.KLDivergence, target_as="probability")
        terms = divisor(spec, 1 if spec.mean_over == "rows" else even.size)
        compare.example(spec=spec, target=probability)
        prediction = representable(even, subject.dtype)
        exact = value - (float(prediction[0, 0]) - math.log(0.25))
        target = np.array([probability], dtype=subject.array_dtype)
        check_loss(subject, compare, spec, prediction, target, exact / terms, -np.array([probability]) / terms)


# How far Keras clips certain probabilities: 1e-7, and 1 less the float64 number 1 - 1e-7.
FROM_CERTAIN = {0.0: 1e-7, 1.0: float(1 - Fraction(1 - 1e-7))}
IMPOSSIBLE = -2000.0  # the logit of a class whose probability is 0 in every format


def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def of_two_classes(difference):
    """Probability of the first class, whose logit is the larger by `difference`."""
    return (1 + math.tanh(difference / 2)) / 2


@case(
    statement="The gradient of softmax cross-entropy by the logits is probabilities minus label: rows sum to 0, their "
    "magnitudes to at most 2, their squares to at most 2, both reached where a wrong class is certain up to rounding.",
    source="differentiation; the norms derived here: 1 - p of the label, and as much spread over the others",
    kind="analytic",
    catches="a gradient by the probabilities; a label added in place of subtracted; a mean over classes",
    capability="loss",
)
def test_softmax_gradient(subject, compare):
    differences = (0.0, 0.5, -1.25, 3.0, 2000.0, 7.0, 1.75)
    logits = np.array([*([d, 0.0, IMPOSSIBLE] for d in differences), [0.0, 0.0, 0.0]])  # a power of two of rows
    for labels in supported_values(subject, rules.SoftmaxCrossEntropy, "labels", ("index", "one_hot")):
        spec = summed(subject, rules.SoftmaxCrossEntropy, labels=labels)
        rows = divisor(spec, len(logits))
        compare.example(spec=spec, logits=logits.tolist(), label="the second class")
        first = np.array([of_two_classes(d) for d, *_ in logits[:-1]])
        gradient = [*np.stack([first, -first, 0 * first], axis=-1), [1 / 3, -2 / 3, 1 / 3]]
        value = math.fsum(softplus(d) for d, *_ in logits[:-1]) + math.log(3)
        target = labels_of(spec, subject, [1] * len(logits), 3)
        known = value / rows, np.array(gradient) / rows
        for row in rows * check_loss(subject, compare, spec, logits, target, *known, labels=labels):
            compare.at_most(np.sum(np.abs(row)), 2.0, "sum of magnitudes", labels=labels)
            compare.at_most(np.sum(row**2), 2.0, "sum of squares", labels=labels)


@case(
    statement="The Hessian of softmax cross-entropy, the Jacobian of softmax, has curvature of at most 1/2, reached "
    "where two classes have probability 1/2 each, and none along a common shift.",
    source="diag(p) - p p^T: Boehning 1992, Multinomial logistic regression algorithm; 1/2 by Gershgorin, 2 p (1 - p)",
    kind="analytic",
    catches="a Jacobian without its rank-one part, or one that is not symmetric",
    capability="activation",
)
def test_softmax_curvature(subject, compare):
    spec = subject.spec(Softmax)

    logits = np.array([[d, 0.0, IMPOSSIBLE] for d in (0.0, 0.5, -2.0, 6.0)])
    others = np.random.default_rng(10).integers(-8, 9, (2, 3, 3)) / 4
    points = np.concatenate([logits, logits, others[0]])
    directions = np.concatenate([[[1.0, -1.0, 0.0]] * 4, [[1.0, 1.0, 1.0]] * 4, others[1]])
    compare.example(logits=logits.tolist(), directions="(1, -1, 0) and (1, 1, 1)")
    found = subject.activation(spec, *(a.astype(subject.array_dtype) for a in (points, directions)))[1]
    certified = spec.backward(*(RunningError.exact(a, subject.target) for a in (points, directions)))
    curvatures = 1 / (1 + np.cosh(logits[:, 0]))  # 2 p (1 - p)
    along = with_bound_of(np.outer(curvatures, [1, -1, 0]), certified[:4])
    compare.within(found[:4], along, "Hessian times (1, -1, 0)")
    compare.within(found[4:8], with_bound_of(np.zeros((4, 3)), certified[4:8]), "Hessian times (1, 1, 1)")
    for row, direction, rounding in zip(found, directions, certified.bound, strict=True):
        limit = 1 / 2 + np.abs(direction) @ rounding / (direction @ direction)
        compare.at_most(direction @ row / (direction @ direction), limit, "curvature", direction=direction.tolist())


@case(
    statement="A shift of all logits leaves the loss, log n for n equal ones, unless it is added back to the "
    "logarithm: then the loss has the spacing of the shift, and is 0 from some shift on. The gradient stays right.",
    source="Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions; "
    "optax 0.2.8 adds back for integer labels",
    kind="analytic",
    catches="a shift that is not taken out first; a gradient that suffers with the loss",
    capability="loss",
)
def test_shift_of_logits(subject, compare):
    rule, format_, classes = rules.SoftmaxCrossEntropy, FORMATS[subject.dtype], 3
    gradient = np.array([[1 / 3, -2 / 3, 1 / 3]])
    for spec, fields in offered(subject, [(rule, fields, fields) for fields in LABELS.values()]):
        target = labels_of(spec, subject, [1], classes)
        # Spacings of 1/8, 1, 2 and 16 at the shift.
        for power in (format_.precision - 4, format_.precision - 1, format_.precision, format_.precision + 3):
            shift = 2.0**power
            compare.example(spec=spec, logits=f"three times 2**{power}")
            logits = np.full((1, classes), shift)
            found = subject.loss(spec, logits.astype(subject.array_dtype), target)
            certified = RunningError.exact(logits, subject.target)
            where = {**fields, "power": power}
            of_rule = spec.gradient(certified, target)
            compare.within(found[1], with_bound_of(gradient, of_rule), "gradient", **where)
            if spec.largest_logit == "subtracted":
                of_rule = spec.value(certified, target)
                compare.within(found[0], with_bound_of(math.log(classes), of_rule), "loss", **where)
            else:  # log 3 + shift rounded, less the shift
                compare.equal(found[0], format_.round(math.log(classes) + shift) - shift, "loss added back", **where)


@case(
    statement="A class that cannot be adds nothing to the cross-entropy of one that is certain: its logit is minus "
    "infinity, or so low that its distance from the largest overflows.",
    source="0 log 0 = 0 by continuity; optax#896",
    kind="exact",
    catches="0 times infinity; infinity less infinity; a label negated in its unsigned dtype",
    capability="loss",
)
@pytest.mark.parametrize("label", LABELS)
def test_impossible_class(subject, compare, label):
    spec = summed(subject, rules.SoftmaxCrossEntropy, **LABELS[label])
    largest = FORMATS[subject.dtype].largest
    logits = np.array([[-math.inf, largest, -largest]])
    compare.example(spec=spec, logits=logits.tolist())
    value, gradient = subject.loss(spec, logits.astype(subject.array_dtype), labels_of(spec, subject, [1], 3))
    # No bound is claimed, so that a NaN can be declared; what is a number is 0.
    compare.within(value, RunningError(np.zeros(()), np.full((), np.nan), subject.target), "loss")
    sound = np.isfinite(value)
    compare.equal(value[sound], np.zeros(np.count_nonzero(sound)), "loss that is a number")
    compare.equal(gradient, np.zeros((1, 3)), "gradient")


@case(
    statement="Cross-entropy of a certain and wrong probability is infinite, or 100 with a gradient of -1e12 where "
    "logarithms are clamped, or 16.12 with a gradient of 0 where probabilities are clipped.",
    source="documentation of torch.nn.BCELoss 2.13.0 for -100; its source for 1e-12, a float32 in every format; "
    "Keras 3: the probability is clipped to [1e-7, 1 - 1e-7]",
    kind="analytic",
    catches="another clamp; a clamp in one of value and gradient only",
    capability="loss",
)
def test_certain_and_wrong(subject, compare):
    prediction, target, sign = (np.array(x, dtype=subject.array_dtype) for x in ((0, 1), (1, 0), (-1, 1)))
    logarithms = supported_values(subject, rules.BinaryCrossEntropy, "logarithm", ("exact", "clamped", "clipped"))
    reductions = supported_values(subject, rules.BinaryCrossEntropy, "reduction", ("sum", "mean"))
    for logarithm, reduction in itertools.product(logarithms, reductions):
        spec = rules.BinaryCrossEntropy(reduction=reduction, logarithm=logarithm)
        share = divisor(spec, target.size)
        where = {"logarithm": logarithm, "reduction": reduction}
        compare.example(spec=spec, prediction=prediction.tolist(), target=target.tolist())
        value, gradient = subject.loss(spec, prediction, target)
        certified = RunningError.exact(prediction, subject.target)
        if logarithm == "exact":
            largest = FORMATS[subject.dtype].largest
            compare.exceeds(value, largest, "loss without a clamp", **where)
            compare.exceeds((sign * gradient).min(), largest, "gradient without a clamp", **where)
        elif logarithm == "clipped":
            known = -math.fsum(math.log(FROM_CERTAIN[x]) for x in prediction.tolist()) / share
            compare.within(value, with_bound_of(known, spec.value(certified, target)), "clipped loss", **where)
            compare.equal(gradient, [0.0, 0.0], "gradient where it is clipped", **where)
        else:
            compare.equal(value, 2 * 100.0 / share, "clamped loss", **where)
            slope = float(1 / Fraction(float(np.float32(1e-12)))) / share
            compare.within(
                gradient, with_bound_of(sign * slope, spec.gradient(certified, target)), "clamped gradient", **where
            )


@case(
    statement="Cross-entropy of a certain and right probability is 0, its gradient that of the right class alone: 1 or "
    "-1, and 0 where it is clamped. Of the least positive number, wrong, it is that number's logarithm or the clamp.",
    source="0 log 0 = 0 by continuity; the clamps as for certain and wrong probabilities",
    kind="analytic",
    catches="0 times infinity; a gradient with a part for the class that has no weight; a clamp at 0 alone",
    capability="loss",
)
def test_certain_and_right(subject, compare):
    one, zero = np.ones(1, dtype=subject.array_dtype), np.zeros(1, dtype=subject.array_dtype)
    least = FORMATS[subject.dtype].smallest_normal
    for logarithm in supported_values(subject, rules.BinaryCrossEntropy, "logarithm", ("exact", "clamped", "clipped")):
        spec = summed(subject, rules.BinaryCrossEntropy, logarithm=logarithm)
        compare.example(spec=spec)
        for certain, slope in ((zero, 1.0), (one, -1.0)):
            value, gradient = subject.loss(spec, certain, certain)
            where = {"logarithm": logarithm, "target": float(certain[0])}
            if logarithm == "clipped":
                certified_loss = spec.value(RunningError.exact(certain, subject.target), certain)
                known = -math.log1p(-FROM_CERTAIN[float(certain[0])])
                compare.within(value, with_bound_of(known, certified_loss), "clipped loss", **where)
            else:
                compare.equal(value, 0.0, "loss", **where)
            compare.equal(gradient, [slope if logarithm == "exact" else 0.0], "gradient", **where)
        value, _ = subject.loss(spec, np.full_like(zero, least), one)
        logarithm_of_least = -math.log2(least) * math.log(2)
        largest = {"exact": math.inf, "clamped": 100.0, "clipped": -math.log(FROM_CERTAIN[0.0])}[logarithm]
        known = min(logarithm_of_least, largest)
        certified = spec.value(RunningError.exact(np.array([least]), subject.target), one)
        compare.within(value, with_bound_of(known, certified), "loss of the least positive number", logarithm=logarithm)


@case(
    statement="Cross-entropy of logits is softplus of how far they are on the wrong side, its gradient the probability "
    "of that side, signed, without overflow: of a logit 2**100 away on it the loss is 2**100 and the gradient 1 or -1.",
    source="log(1 + exp(-z)) and sigmoid; derived here by tanh and log1p",
    kind="analytic",
    catches="a sigmoid followed by a logarithm; overflow of exp; a gradient of the wrong sign",
    capability="loss",
)
def test_logits_do_not_saturate(subject, compare):
    rule = rules.BinaryCrossEntropyWithLogits
    spec = summed(subject, rule)
    for logit in (0.0, 0.75, -0.75, 4.0, -8.0):
        for target in (0.0, 1.0):
            wrong = logit if target == 0 else -logit  # how far on the wrong side
            slope = of_two_classes(wrong) * (1 if target == 0 else -1)
            sent = np.full(1, target, dtype=subject.array_dtype)
            compare.example(spec=spec, logit=logit, target=target)
            check_loss(subject, compare, spec, [logit], sent, softplus(wrong), [slope], logit=logit, label=target)
    for logit, target, value, slope in (
        (2.0**100, 0.0, 2.0**100, 1.0), (-(2.0**100), 1.0, 2.0**100, -1.0), (2.0**100, 1.0, 0.0, 0.0),
    ):  # fmt: skip
        compare.example(spec=spec, logit=logit, target=target)
        found = subject.loss(spec, *(np.full(1, x, dtype=subject.array_dtype) for x in (logit, target)))
        where = {"logit": logit, "label": target}
        compare.equal(found[0], value, "loss of a huge logit", **where)
        compare.equal(found[1], [slope], "gradient of a huge logit", **where)


@case(
    statement="Binary cross-entropy of a target t in (0, 1) is least at the prediction t, where its gradient is 0 and "
    "the loss is the entropy of t: log 2 for 1/2. Elsewhere it exceeds that by the divergence of t from the "
    "prediction. Over targets uniform on [0, 1] the least loss is 1/2 in the mean.",
    source="Gibbs' inequality: Cover & Thomas 2006, theorem 2.6.3; the mean: the integral of -t log t is 1/4",
    kind="analytic",
    catches="targets rounded to 0 and 1; an entropy of the target taken off the loss; a loss of the wrong class",
    capability="loss",
)
def test_least_loss_is_the_entropy_of_the_target(subject, compare):
    spec = summed(subject, rules.BinaryCrossEntropy)
    for of_sixteen in (8, 4, 2, 15):
        target = of_sixteen / 16
        least = entropy(target)
        sent = np.full(1, target, dtype=subject.array_dtype)
        for prediction in (target, 0.0625, 0.375, 0.5, 0.875):
            compare.example(spec=spec, prediction=prediction, target=target)
            divergence = math.fsum(t * math.log(t / p) for t, p in ((target, prediction), (1 - target, 1 - prediction)))
            slope = (prediction - target) / (prediction * (1 - prediction))
            check_loss(
                subject, compare, spec, [prediction], sent, least + divergence, [slope],
                predicted=prediction, label=target,
            )  # fmt: skip
            if prediction != target:
                compare.exceeds(divergence, 0.0, "loss beyond the entropy", predicted=prediction, label=target)
    # The entropy is concave: of its integral, trapezoids cut off a part, and tangents in the middle add one.
    panels = 1024
    trapezoids = math.fsum(entropy(k / panels) for k in range(1, panels)) / panels
    tangents = math.fsum(entropy((k + 0.5) / panels) for k in range(panels)) / panels
    compare.at_most(trapezoids, 0.5, "mean entropy by trapezoids, and 1/2")
    compare.at_most(0.5, tangents, "1/2, and the mean entropy by tangents")
    compare.at_most(tangents - trapezoids, 1 / panels, "distance of the two")


def entropy(t: float) -> float:
    """Of a class of probability t, 0 < t < 1, in nats."""
    return -t * math.log(t) - (1 - t) * math.log1p(-t)
