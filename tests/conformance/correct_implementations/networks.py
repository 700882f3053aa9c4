"""Networks whose contractions, layers and penalties are written in several ways."""

from functools import reduce
from operator import add

import numpy as np

from conformance import Subject
from refimpl import layers, regularization
from refimpl.trees import leaves, map_leaves

from .activations import ACTIVATIONS, with_tanh_by_expm1
from .losses import LOSSES, backwards, loss_and_gradient
from .writings import Differences, Fused, Plain


def terms_of(a, b):
    """The terms of the inner products in a @ b."""
    return [a[:, k, None] * b[k] for k in range(len(b))]


def pairwise(terms):
    half = len(terms) // 2
    return terms[0] if half == 0 else pairwise(terms[:half]) + pairwise(terms[half:])


def in_blocks(terms):
    return reduce(add, [reduce(add, terms[i : i + 2]) for i in range(0, len(terms), 2)])


def with_bias_first(a, b, bias):
    return reduce(add, terms_of(a, b), bias)


def in_reverse(a, b, bias):
    return reduce(add, terms_of(a, b)[::-1]) + bias


def in_pairs(a, b, bias):
    return bias + pairwise(terms_of(a, b))


def by_blocks(a, b, bias):
    return in_blocks(terms_of(a, b)) + bias


def fused(a, b, bias):
    for k in range(len(b)):
        bias = Fused().plus(bias, a[:, k, None], b[k])
    return bias


def accumulated_in_float64(a, b, bias):
    return (a.astype(np.float64) @ b.astype(np.float64) + bias).astype(a.dtype)


CONTRACTIONS = {
    "plain": lambda a, b, bias: a @ b + bias, "reversed": in_reverse, "pairwise": in_pairs, "blocked": by_blocks,
    "bias-first": with_bias_first, "fused": fused, "wide": accumulated_in_float64,
}  # fmt: skip


def dense(net, layer, parameters, x):
    matrix = parameters["weight"] if layer.layout == "input_output" else parameters["weight"].T
    bias = parameters.get("bias", np.zeros(matrix.shape[1], x.dtype))
    return net.contract(x.reshape(-1, len(matrix)), matrix, bias).reshape(*x.shape[:-1], -1)


def dense_backward(net, layer, parameters, x, g):
    matrix = parameters["weight"] if layer.layout == "input_output" else parameters["weight"].T
    rows, zero = g.reshape(-1, g.shape[-1]), g.dtype.type(0)
    of_matrix = net.contract(x.reshape(-1, len(matrix)).T, rows, zero)
    gradients = {"weight": of_matrix if layer.layout == "input_output" else of_matrix.T}
    if "bias" in parameters:
        gradients["bias"] = net.contract(np.ones((1, len(rows)), g.dtype), rows, zero)[0]
    return gradients, net.contract(rows, matrix.T, zero).reshape(x.shape)


def activated(net, layer, parameters, x):
    return ACTIVATIONS[type(layer.activation)][net.other][0](layer.activation, x)


def activated_backward(net, layer, parameters, x, g):
    with np.errstate(all="ignore"):
        return {}, ACTIVATIONS[type(layer.activation)][net.other][1](layer.activation, x, g)


def residual(net, layer, parameters, x):
    return x + layer.scale * net.through(layer.layers, parameters["branch"], x)[-1]


def residual_backward(net, layer, parameters, x, g):
    inputs = net.through(layer.layers, parameters["branch"], x)[:-1]
    if not net.other:
        gradients, of_x = net.back(layer.layers, parameters["branch"], inputs, layer.scale * g)
        return {"branch": gradients}, g + of_x
    gradients, of_x = net.back(layer.layers, parameters["branch"], inputs, g)
    return {"branch": map_leaves(lambda leaf: leaf * layer.scale, gradients)}, of_x * layer.scale + g


def moments(net, rows):
    """Mean and biased variance of each feature."""
    if not net.other:
        mean = np.mean(rows, axis=0)
        return mean, np.mean((rows - mean) ** 2, axis=0)
    share = rows.dtype.type(1 / len(rows))
    mean = np.sum(rows[::-1], axis=0) * share
    return mean, np.sum(np.square(rows - mean)[::-1], axis=0) * share


def normalizers(net, layer, rows):
    """Mean and inverse deviation, by the batch or by given statistics."""
    if isinstance(layer, layers.BatchNormalization):
        mean, variance = moments(net, rows)
    else:
        mean, variance = (np.array(x, rows.dtype) for x in (layer.mean, layer.variance))
    spread = variance + layer.epsilon
    return mean, np.sqrt(1 / spread) if net.other else 1 / np.sqrt(spread)


def normalization(net, layer, parameters, x):
    rows = x.reshape(-1, x.shape[-1])
    (mean, inverse), scale, shift = normalizers(net, layer, rows), parameters["scale"], parameters["shift"]
    if net.other:
        return (rows * (scale * inverse) + (shift - scale * inverse * mean)).reshape(x.shape)
    return ((rows - mean) * inverse * scale + shift).reshape(x.shape)


def normalization_backward(net, layer, parameters, x, g):
    rows, of_rows, scale = x.reshape(-1, x.shape[-1]), g.reshape(-1, x.shape[-1]), parameters["scale"]
    mean, inverse = normalizers(net, layer, rows)
    normal = (rows - mean) * inverse
    of_shift, of_scale = np.sum(of_rows, axis=0), np.sum(of_rows * normal, axis=0)
    if net.other:
        of_scale = np.sum(((rows - mean) * of_rows)[::-1], axis=0) * inverse
    gradients = {"scale": of_scale, "shift": of_shift}
    if not isinstance(layer, layers.BatchNormalization):
        return gradients, (of_rows * scale * inverse if net.other else of_rows * (inverse * scale)).reshape(x.shape)
    count = len(rows)
    if net.other:
        along = (count * of_rows - of_shift - normal * of_scale) * (scale * inverse / count)
    else:
        along = (of_rows - np.mean(of_rows, axis=0) - normal * np.mean(of_rows * normal, axis=0)) * inverse * scale
    return gradients, along.reshape(x.shape)


LAYERS = {
    layers.Dense: (dense, dense_backward),
    layers.Activated: (activated, activated_backward),
    layers.Residual: (residual, residual_backward),
    layers.BatchNormalization: (normalization, normalization_backward),
    layers.BatchNormalizationInference: (normalization, normalization_backward),
}


class Networks(Subject):
    """Networks with sums in any order."""

    name = "networks"
    variants = {"network": ("plain", "reversed", "pairwise", "blocked", "bias-first")}
    conventions = {
        rule: {}
        for rule in (*ACTIVATIONS, *LOSSES, *LAYERS, layers.RunningStatistics, regularization.L1, regularization.L2)
    }
    other = False

    @property
    def contract(self):
        return CONTRACTIONS[self.variant]

    def network(self, network, parameters, x, y):
        self.offered_network(network)
        *inputs, prediction = self.through(network.layers, parameters, x)
        value, cotangent = loss_and_gradient(network.loss, prediction, y, self.other)
        gradients, _ = self.back(network.layers, parameters, inputs, cotangent)
        if network.penalty is not None:
            of_penalty, gradients = penalised(network.penalty, parameters, gradients)
            value = value + of_penalty
        return np.asarray(value, x.dtype), gradients

    def through(self, chain, parameters, x):
        """The input of every layer, and what the last one makes of its own."""
        values = [x]
        for layer, of_layer in zip(chain, parameters, strict=True):
            values.append(LAYERS[type(layer)][0](self, layer, of_layer, values[-1]))
        return values

    def back(self, chain, parameters, inputs, g):
        """The gradients of every layer's parameters, and the cotangent of the first one's input."""
        gradients = []
        for layer, of_layer, x in zip(chain[::-1], parameters[::-1], inputs[::-1], strict=True):
            found, g = LAYERS[type(layer)][1](self, layer, of_layer, x, g)
            gradients.insert(0, found)
        return gradients, g

    def running_statistics(self, spec, statistics, x):
        rows = x.reshape(-1, x.shape[-1])
        mean, variance = moments(self, rows)
        if spec.variance == "unbiased":
            variance = variance * (len(rows) / (len(rows) - 1))
        new = {"mean": mean, "variance": variance}
        writing = Differences() if self.other else Plain()
        return {name: writing.average(old, new[name], spec.momentum) for name, old in statistics.items()}


def penalised(penalty, parameters, gradients):
    """The penalty, and the gradients with its own."""
    entries = np.concatenate([np.ravel(leaf) for _, leaf in leaves(parameters)])
    strength = penalty.strength
    if isinstance(penalty, regularization.L1):
        at_zero = penalty.derivative_at_zero
        signs = map_leaves(lambda w: np.where(w == 0, w.dtype.type(at_zero), np.sign(w)), parameters)
        return backwards(np.abs(entries)) * strength, map_leaves(lambda g, s: g + strength * s, gradients, signs)
    factor = strength if penalty.half else 2 * strength
    value = backwards(entries * entries) * (factor / 2)
    return value, map_leaves(lambda g, w: g + factor * w, gradients, parameters)


class Float32Networks(Networks):
    """Products and sums that float32 can have in a wider format."""

    name = "float32-networks"
    dtypes = ("float32",)
    variants = {"network": ("plain", "fused", "wide")}


class OtherNetworks(Networks):
    """With the other activations and losses."""

    name = "other-networks"
    variants = {"network": ("reversed",)}
    other = True

    @property
    def target(self):
        return with_tanh_by_expm1(super().target)
