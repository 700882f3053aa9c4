"""Activations and their backward passes, written in several ways."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from conformance import Subject
from refimpl import activations


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_by_tanh(x):
    """Below 0 by symmetry, where the sum would cancel."""
    above = (1 + np.tanh(np.abs(x) / 2)) / 2
    return np.where(x >= 0, above, np.exp(np.minimum(x, 0)) * above)


def slope_of_sigmoid(x):
    decay = np.exp(-np.abs(x))
    return decay / ((1 + decay) * (1 + decay))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def tanh_by_expm1(x):
    decay = np.expm1(-2 * np.abs(x))
    return np.copysign(decay / (decay + 2), x)


def erf(x):
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


def erfc(x):
    return np.vectorize(math.erfc, otypes=[np.float64])(x).astype(x.dtype)


ROOT_HALF, ROOT_TWO_BY_PI, CUBIC = math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715


def normal_density(x):
    return np.exp(x * x * -0.5) * (ROOT_TWO_BY_PI / 2)


def shifted(x):
    return x - np.max(x, axis=-1, keepdims=True)


def total(x):
    return np.sum(x, axis=-1, keepdims=True)


def softmax(x):
    exponentials = np.exp(shifted(x))
    return exponentials / total(exponentials)


def log_softmax(x):
    return shifted(x) - np.log(total(np.exp(shifted(x))))


def at_zero(spec, x, g, left):
    """The cotangent of a kink at 0 with slope 1 above."""
    declared = spec.derivative_at_zero
    middle = {"slope": left, "one": g}[declared] if isinstance(declared, str) else declared * g
    return np.where(x > 0, g, np.where(x < 0, left, middle))


def hard_tanh_backward(s, x, g):
    inside, at = np.abs(x) < 1, np.abs(x) == 1
    return np.where(inside, g, np.where(at, s.derivative_at_limits * g, 0 * g))


def elu_from_output(s, x, g):
    return np.where(x > 0, g, g * (s.alpha * np.expm1(np.minimum(x, 0)) + s.alpha))


def linear_above(s, x, curved, straight):
    return curved if s.threshold is None else np.where(x > s.threshold, straight, curved)


def silu_backward(s, x, g):
    of = sigmoid(x)
    return g * (of * (1 + x * (1 - of)))


def silu_backward_by_terms(s, x, g):
    of = sigmoid(x)
    return g * of + g * x * (of * (1 - of))


def gelu(s, x):
    if s.approximation == "none":
        return x * 0.5 * (1 + erf(x * ROOT_HALF))
    return 0.5 * x * (1 + np.tanh(ROOT_TWO_BY_PI * (x + CUBIC * x * x * x)))


def gelu_by_other_gates(s, x):
    if s.approximation == "none":
        return x * (0.5 * erfc(-x * ROOT_HALF))
    return x * sigmoid(2 * ROOT_TWO_BY_PI * (x + CUBIC * (x * x * x)))


def gelu_backward(s, x, g):
    if s.approximation == "none":
        return g * (0.5 * (1 + erf(x * ROOT_HALF)) + x * normal_density(x))
    tanh = np.tanh(ROOT_TWO_BY_PI * (x + CUBIC * x * x * x))
    slope = ROOT_TWO_BY_PI * (1 + 3 * CUBIC * x * x)
    return g * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * slope)


def gelu_backward_by_other_gates(s, x, g):
    if s.approximation == "none":
        return g * (0.5 * erfc(-x * ROOT_HALF)) + g * x * normal_density(x)
    gate = sigmoid(2 * ROOT_TWO_BY_PI * (x + CUBIC * (x * x * x)))
    slope = ROOT_TWO_BY_PI * (2 + 6 * CUBIC * (x * x))
    return g * (gate + gate * (1 - gate) * (x * slope))


def mish_gate(x):
    return np.tanh(softplus(x))


def mish_gate_by_quotient(x):
    """With exp(x) on both sides; from 20 on it is 1."""
    growth = np.exp(np.minimum(x, 20))
    return np.where(x > 20, 1, (growth * growth + 2 * growth) / (growth * growth + 2 * growth + 2))


def mish_backward(s, x, g):
    gate = mish_gate(x)
    return g * (gate + x * (1 - gate * gate) * sigmoid(x))


def mish_backward_by_terms(s, x, g):
    gate = np.tanh(np.log1p(np.exp(np.minimum(x, 40))))
    return g * gate + g * x * ((1 - gate) * (1 + gate)) * sigmoid(x)


def scaled_elu(x, alpha, scale):
    return scale * (np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0)))


def within(inside, g):
    return np.where(inside, g, 0 * g)


def beyond(s, x, g):
    return within(np.abs(x) > s.threshold, g)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

a = activations
# Rule -> the activation and its cotangent: plain, and written another way.
ACTIVATIONS = {
    a.ReLU: (
        (lambda s, x: np.maximum(x, 0), lambda s, x, g: at_zero(s, x, g, np.zeros_like(g))),
        (lambda s, x: (x + np.abs(x)) / 2, lambda s, x, g: at_zero(s, x, g, np.zeros_like(g))),
    ),
    a.LeakyReLU: (
        (lambda s, x: np.where(x > 0, x, s.slope * x), lambda s, x, g: at_zero(s, x, g, s.slope * g)),
        (lambda s, x: np.maximum(x, 0) + s.slope * np.minimum(x, 0), lambda s, x, g: at_zero(s, x, g, s.slope * g)),
    ),
    a.Sigmoid: (
        (lambda s, x: sigmoid(x), lambda s, x, g: g * (sigmoid(x) * (1 - sigmoid(x)))),
        (lambda s, x: sigmoid_by_tanh(x), lambda s, x, g: g * slope_of_sigmoid(x)),
    ),
    a.Tanh: (
        (lambda s, x: np.tanh(x), lambda s, x, g: g * (1 - np.tanh(x) * np.tanh(x))),
        (lambda s, x: tanh_by_expm1(x), lambda s, x, g: g * (1 - tanh_by_expm1(x)) * (1 + tanh_by_expm1(x))),
    ),
    a.ELU: (
        (
            lambda s, x: np.where(x > 0, x, s.alpha * np.expm1(np.minimum(x, 0))),
            lambda s, x, g: np.where(x > 0, g, g * s.alpha * np.exp(np.minimum(x, 0))),
        ),
        (lambda s, x: np.maximum(x, 0) + s.alpha * np.expm1(np.minimum(x, 0)), elu_from_output),
    ),
    a.Softplus: (
        (
            lambda s, x: linear_above(s, x, softplus(x), x),
            lambda s, x, g: linear_above(s, x, g * sigmoid(x), g),
        ),
        (
            lambda s, x: linear_above(s, x, np.logaddexp(x, np.zeros_like(x)), x),
            lambda s, x, g: linear_above(s, x, g / (1 + np.exp(-x)), g),
        ),
    ),
    a.SiLU: (
        (lambda s, x: x * sigmoid(x), silu_backward),
        (lambda s, x: x / (1 + np.exp(-x)), silu_backward_by_terms),
    ),
    a.GELU: ((gelu, gelu_backward), (gelu_by_other_gates, gelu_backward_by_other_gates)),
    a.Identity: ((lambda s, x: x, lambda s, x, g: g), (lambda s, x: x * 1, lambda s, x, g: g * 1)),
    a.ReLU6: (
        (lambda s, x: np.clip(x, 0, 6), lambda s, x, g: within((x > 0) & (x < 6), g)),
        (lambda s, x: np.minimum(np.maximum(x, 0), 6), lambda s, x, g: within(np.abs(x - 3) < 3, g)),
    ),
    a.HardTanh: (
        (lambda s, x: np.clip(x, -1, 1), hard_tanh_backward),
        (lambda s, x: np.copysign(np.minimum(np.abs(x), 1), x), hard_tanh_backward),
    ),
    a.HardSigmoid: (
        (lambda s, x: np.clip(x + 3, 0, 6) / 6, lambda s, x, g: within(np.abs(x) < 3, g / 6)),
        (lambda s, x: np.clip(x + 3, 0, 6) * (1 / 6), lambda s, x, g: within((x > -3) & (x < 3), g * (1 / 6))),
    ),
    a.HardSwish: (
        (
            lambda s, x: np.where(x <= -3, 0, x * (np.clip(x + 3, 0, 6) / 6)),
            lambda s, x, g: np.where(x <= -3, 0, np.where(x < 3, g * ((2 * x + 3) / 6), g)),
        ),
        (
            lambda s, x: np.where(x <= -3, 0, x * np.clip(x + 3, 0, 6) * (1 / 6)),
            lambda s, x, g: np.where(x <= -3, 0, np.where(x < 3, g * (x / 3 + 0.5), g)),
        ),
    ),
    a.SoftShrink: (
        (lambda s, x: np.sign(x) * np.maximum(np.abs(x) - s.threshold, 0), beyond),
        (
            lambda s, x: np.where(x > s.threshold, x - s.threshold, np.where(x < -s.threshold, x + s.threshold, 0)),
            beyond,
        ),
    ),
    a.HardShrink: (
        (lambda s, x: np.where(np.abs(x) > s.threshold, x, 0), beyond),
        (lambda s, x: x * (np.abs(x) > s.threshold), beyond),
    ),
    a.Softsign: (
        (lambda s, x: x / (1 + np.abs(x)), lambda s, x, g: g / ((1 + np.abs(x)) * (1 + np.abs(x)))),
        (lambda s, x: x * (1 / (1 + np.abs(x))), lambda s, x, g: g / (1 + np.abs(x)) / (1 + np.abs(x))),
    ),
    a.CELU: (
        (
            lambda s, x: np.where(x > 0, x, s.alpha * np.expm1(np.minimum(x, 0) / s.alpha)),
            lambda s, x, g: np.where(x > 0, g, g * np.exp(np.minimum(x, 0) / s.alpha)),
        ),
        (
            lambda s, x: np.maximum(x, 0) + s.alpha * np.expm1(np.minimum(x, 0) * (1 / s.alpha)),
            lambda s, x, g: np.where(x > 0, g, g * (np.expm1(np.minimum(x, 0) * (1 / s.alpha)) + 1)),
        ),
    ),
    a.SELU: (
        (
            lambda s, x: scaled_elu(x, SELU_ALPHA, SELU_SCALE),
            lambda s, x, g: SELU_SCALE * np.where(x > 0, g, g * (SELU_ALPHA * np.exp(np.minimum(x, 0)))),
        ),
        (
            lambda s, x: np.where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0))),
            lambda s, x, g: g * np.where(x > 0, SELU_SCALE, SELU_SCALE * SELU_ALPHA * np.exp(np.minimum(x, 0))),
        ),
    ),
    a.LogSigmoid: (
        (lambda s, x: -softplus(-x), lambda s, x, g: g * sigmoid(-x)),
        (
            lambda s, x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
            lambda s, x, g: g / (1 + np.exp(x)),
        ),
    ),
    a.Mish: (
        (lambda s, x: x * mish_gate(x), mish_backward),
        (lambda s, x: x * mish_gate_by_quotient(x), mish_backward_by_terms),
    ),
    a.Softmax: (
        (lambda s, x: softmax(x), lambda s, x, g: softmax(x) * (g - total(g * softmax(x)))),
        (
            lambda s, x: np.exp(log_softmax(x)),
            lambda s, x, g: softmax(x) * g - softmax(x) * total((g * softmax(x))[..., ::-1]),
        ),
    ),
    a.LogSoftmax: (
        (lambda s, x: log_softmax(x), lambda s, x, g: g - softmax(x) * total(g)),
        (
            lambda s, x: shifted(x) - np.log1p(total(np.exp(shifted(x))[..., ::-1]) - 1),
            lambda s, x, g: g - np.exp(log_softmax(x)) * total(g[..., ::-1]),
        ),
    ),
}


class Activations(Subject):
    """As most libraries have them."""

    name = "activations"
    variants = {"activation": ("plain",)}
    conventions = {rule: {} for rule in ACTIVATIONS}
    writing = 0

    def activation(self, spec, x, cotangent):
        forward, backward = ACTIVATIONS[type(spec)][self.writing]
        axis = getattr(spec, "axis", -1)
        last = [np.moveaxis(array, axis, -1) if array.ndim else array for array in (x, cotangent)]
        with np.errstate(all="ignore"):
            found = forward(spec, last[0]), backward(spec, *last)
        return tuple(np.moveaxis(y, -1, axis) if y.ndim else y for y in (np.asarray(y, x.dtype) for y in found))


class OtherActivations(Activations):
    """Other algebraic forms: tanh by expm1, and declared as accurate as that makes it; sigmoid by tanh."""

    name = "other-activations"
    variants = {"activation": ("other",)}
    writing = 1

    @property
    def target(self):
        return with_tanh_by_expm1(super().target)


@cache
def with_tanh_by_expm1(target):
    """The target whose tanh is t / (t + 2) with t = expm1(2 |x|) negative.

    Relative errors: 2u per ulp of t, magnified by 2 / (t + 2) <= 2; the sum u; an ulp is at least u of the result.
    """
    functions = {name: {**declared, "tanh": 4 * declared["expm1"] + 1.5} for name, declared in target.functions.items()}
    return replace(target, functions=functions)
