"""Losses and their gradients, written in several ways."""

import numpy as np

from conformance import Subject
from refimpl import losses

from .activations import log_softmax, shifted, sigmoid, softmax, softplus, total


def one_hot(s, prediction, target):
    """The target as weights of classes, smoothed."""
    weights = np.eye(prediction.shape[-1], dtype=prediction.dtype)[target] if s.labels == "index" else target
    if s.label_smoothing == 0:
        return weights
    kept, spread = (prediction.dtype.type(x) for x in (1 - s.label_smoothing, s.label_smoothing / weights.shape[-1]))
    return weights * kept + spread


def of_classes(s, weights):
    """The weights of classes in the target, times those of the loss."""
    return weights if s.class_weights is None else weights * np.array(s.class_weights, weights.dtype)


def terms_of_mean(s, prediction, target):
    """What a mean is divided by."""
    rows = prediction.size // prediction.shape[-1]
    if isinstance(s, (losses.SoftmaxCrossEntropy, losses.NegativeLogLikelihood)):
        labelled = target.dtype.kind == "i" and s.weighted_mean == "labels"
        return np.sum(np.array(s.class_weights, prediction.dtype)[target]) if s.class_weights and labelled else rows
    return rows if getattr(s, "mean_over", "") == "rows" else prediction.size


def logs(s, p):
    """Logarithms of both probabilities."""
    both = np.log(clipped(s, p)), np.log1p(-clipped(s, p))
    return [np.maximum(x, -100) for x in both] if s.logarithm == "clamped" else both


def clipped(s, p):
    """Probabilities as the convention looks at them."""
    return np.clip(p, p.dtype.type(1e-7), p.dtype.type(1 - 1e-7)) if s.logarithm == "clipped" else p


def weighted(weight, x):
    """Where 0 log 0 is 0."""
    return np.where(weight > 0, weight * x, 0)


def cross_entropy(s, x, t):
    if s.largest_logit == "added_back":
        largest = np.max(x, axis=-1)
        label = np.take_along_axis(x, t[..., None], axis=-1)[..., 0]
        surprise = np.log(np.sum(np.exp(x - largest[..., None]), axis=-1)) + largest - label
        return np.sum(surprise if s.class_weights is None else surprise * np.array(s.class_weights, x.dtype)[t])
    weights = one_hot(s, x, t)
    return -np.sum(of_classes(s, weighted(weights, log_softmax(x))))


def cross_entropy_by_rows(s, x, t):
    if s.largest_logit == "added_back":
        return cross_entropy(s, x[::-1], t[::-1])
    surprise = np.log(total(np.exp(shifted(x))[..., ::-1])) - shifted(x)
    return np.sum(np.sum(of_classes(s, weighted(one_hot(s, x, t), surprise)), axis=-1)[::-1])


def through_probability(s, p, t):
    if s.logarithm == "clamped":
        return (p - t) / np.maximum((1 - p) * p, p.dtype.type(np.float32(1e-12)))
    with_both = (p - t) / ((1 - p) * p)
    inside = clipped(s, p) == p if s.logarithm == "clipped" else (p > 0) & (p < 1)
    return np.where(inside, with_both, by_class(s, p, t))


def by_class(s, p, t):
    if s.logarithm == "clamped":
        return through_probability(s, p, t)
    slope = np.where(t < 1, (1 - t) / (1 - p), 0) - np.where(t > 0, t / p, 0)
    return np.where(clipped(s, p) == p, slope, 0)


def backwards(x):
    """The sum from the last element to the first, one after another."""
    return np.cumsum(np.ravel(x)[::-1])[-1]


def classes(s, x, t):
    return of_classes(s, one_hot(s, x, t))


def of_label(s, x, t):
    """The losses of the labels, times their weights."""
    surprise = -np.take_along_axis(x, t[..., None], axis=-1)[..., 0]
    return surprise if s.class_weights is None else surprise * np.array(s.class_weights, x.dtype)[t]


def of_label_slope(s, x, t):
    return -of_classes(s, np.eye(x.shape[-1], dtype=x.dtype)[t])


def probability(s, t):
    return np.exp(t) if s.target_as == "logarithm" else t


def divergence(s, x, t):
    return probability(s, t) * (t - x) if s.target_as == "logarithm" else weighted(t, np.log(t) - x)


def divergence_by_terms(s, x, t):
    if s.target_as == "logarithm":
        return divergence(s, x, t)
    return weighted(t, np.log(t)) - t * x


def clipped_half(s, error):
    return np.minimum(np.abs(error), s.delta) * 0.5


def huber_line(s, error):
    return s.delta * (np.abs(error) - 0.5 * s.delta)


def smooth_l1(s, error):
    return np.where(error < s.beta, 0.5 * error * error / s.beta, error - 0.5 * s.beta) if s.beta > 0 else error


def smooth_l1_by_ratio(s, error):
    if s.beta == 0:
        return error
    near = np.minimum(error, s.beta)
    return 0.5 * near * (near / s.beta) + (error - near)


def smooth_l1_slope(s, x, t):
    return np.where(np.abs(x - t) < s.beta, (x - t) / s.beta, np.sign(x - t)) if s.beta > 0 else np.sign(x - t)


def smooth_l1_slope_by_ratio(s, x, t):
    return np.clip((x - t) * (1 / s.beta), -1, 1) if s.beta > 0 else np.sign(x - t)


def hinge_slope(s, x, t):
    margin = x * t
    return -t * np.where(margin < 1, 1, np.where(margin > 1, 0, s.derivative_at_margin)).astype(x.dtype)


def positive(s, x, t):
    """The target, times its weight."""
    return t if s.positive_weights is None else t * np.array(s.positive_weights, x.dtype)


def of_both(s, x, t):
    """What the target and its complement weigh together."""
    return 1 if s.positive_weights is None else positive(s, x, t) + (1 - t)


def of_logits(s, x, t):
    """Binary cross-entropy of logits: with weights, of both classes; without, from the larger of the logit and 0."""
    if s.positive_weights is None:
        return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))
    return positive(s, x, t) * softplus(-x) + (1 - t) * softplus(x)


# Rule -> the sum of losses and its gradient: plain, and written another way.
LOSSES = {
    losses.MeanSquaredError: (
        (lambda s, p, t: np.sum((p - t) ** 2), lambda s, p, t: 2 * (p - t)),
        (lambda s, p, t: backwards((t - p) * (t - p)), lambda s, p, t: (p - t) + (p - t)),
    ),
    losses.BinaryCrossEntropy: (
        (
            lambda s, p, t: -np.sum(weighted(t, logs(s, p)[0]) + weighted(1 - t, logs(s, p)[1])),
            through_probability,
        ),
        (
            lambda s, p, t: backwards(-weighted(1 - t, logs(s, p)[1]) - weighted(t, logs(s, p)[0])),
            by_class,
        ),
    ),
    losses.BinaryCrossEntropyWithLogits: (
        (
            lambda s, x, t: np.sum(of_logits(s, x, t)),
            lambda s, x, t: of_both(s, x, t) * sigmoid(x) - positive(s, x, t),
        ),
        (
            lambda s, x, t: backwards((1 - t) * x + of_both(s, x, t) * softplus(-x)),
            lambda s, x, t: (1 - t) * sigmoid(x) - positive(s, x, t) * sigmoid(-x),
        ),
    ),
    losses.SoftmaxCrossEntropy: (
        (cross_entropy, lambda s, x, t: softmax(x) * total(classes(s, x, t)) - classes(s, x, t)),
        (cross_entropy_by_rows, lambda s, x, t: np.exp(log_softmax(x)) * total(classes(s, x, t)) - classes(s, x, t)),
    ),
    losses.NegativeLogLikelihood: (
        (lambda s, x, t: np.sum(of_label(s, x, t)), of_label_slope),
        (lambda s, x, t: backwards(of_label(s, x, t)), of_label_slope),
    ),
    losses.KLDivergence: (
        (lambda s, x, t: np.sum(divergence(s, x, t)), lambda s, x, t: -probability(s, t)),
        (lambda s, x, t: backwards(divergence_by_terms(s, x, t)), lambda s, x, t: -probability(s, t)),
    ),
    losses.Huber: (
        (
            lambda s, x, t: np.sum(np.where(np.abs(x - t) < s.delta, 0.5 * (x - t) ** 2, huber_line(s, x - t))),
            lambda s, x, t: np.clip(x - t, -s.delta, s.delta),
        ),
        (
            lambda s, x, t: backwards(np.minimum(np.abs(x - t), s.delta) * (np.abs(x - t) - clipped_half(s, x - t))),
            lambda s, x, t: np.where(np.abs(x - t) < s.delta, x - t, s.delta * np.sign(x - t)),
        ),
    ),
    losses.SmoothL1: (
        (lambda s, x, t: np.sum(smooth_l1(s, np.abs(x - t))), smooth_l1_slope),
        (lambda s, x, t: backwards(smooth_l1_by_ratio(s, np.abs(t - x))), smooth_l1_slope_by_ratio),
    ),
    losses.Hinge: (
        (lambda s, x, t: np.sum(np.maximum(1 - x * t, 0)), hinge_slope),
        (lambda s, x, t: backwards(np.where(x * t < 1, 1 - t * x, 0)), hinge_slope),
    ),
}


def loss_and_gradient(spec, prediction, target, other):
    """The loss as a mean or a sum: plain with a division, otherwise with a reciprocal."""
    terms = terms_of_mean(spec, prediction, target)
    with np.errstate(all="ignore"):
        found = [function(spec, prediction, target) for function in LOSSES[type(spec)][other]]
    if spec.reduction == "mean":
        found = [x * prediction.dtype.type(1 / terms) if other else x / terms for x in found]
    return tuple(np.asarray(x, prediction.dtype) for x in found)


class Losses(Subject):
    """Sums in two orders, means by division and by a reciprocal, gradients in two forms."""

    name = "losses"
    variants = {"loss": ("plain", "other")}
    conventions = {rule: {} for rule in LOSSES}

    def loss(self, spec, prediction, target):
        return loss_and_gradient(spec, prediction, target, self.variant == "other")
