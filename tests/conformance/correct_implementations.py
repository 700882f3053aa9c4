"""Correct implementations in NumPy, each written another way: none of them may be called wrong.

Every subject has a variant that is written as the papers have it ("plain"), or a class that has it, and others that
differ in rounding alone. They share nothing with the reference but its specifications.
"""

import math
from dataclasses import replace
from functools import cache, partial, reduce
from inspect import isclass
from itertools import pairwise as neighbours
from operator import add, mul
from types import SimpleNamespace

import numpy as np

from conformance import OptimizerRun, Subject
from refimpl import activations, clipping, layers, losses, optimizers, regularization, schedules
from refimpl.trees import leaves, map_leaves, rebuilt


def every(rules):
    """Conventions that leave every field of these rules open."""
    return {rule: {} for rule in rules}


# --- optimizers ------------------------------------------------------------------------------------------------------


def placement(h):
    """Where Adam's step has its epsilon: outside the root, where a rule leaves no choice."""
    return getattr(h, "epsilon_placement", "outside")


class Plain:
    """Every rule of an optimizer: the new parameter and its slots, of one array.

    h: the hyperparameters as numbers, the conventions, and the specification they are from (`spec`).
    """

    block = None  # elements that are updated at once; None for all

    def plus(self, c, a, b):
        """c + a * b"""
        return c + a * b

    def average(self, old, new, decay):
        return self.plus(decay * old, 1 - decay, new)

    def over(self, a, b):
        return a / b

    def over_root(self, a, x):
        return self.over(a, np.sqrt(x))

    def root(self, x):
        """Of a hyperparameter: a Python float stays one, which the array that it meets rounds."""
        return math.sqrt(x) if isinstance(x, float) else np.sqrt(x)

    def norm(self, x):
        """The length of one array."""
        return np.sqrt(np.sum(x * x))

    def decayed(self, h, p):
        """The parameter that shrinks with the learning rate, before its step."""
        return p * (1 - h.learning_rate * h.weight_decay)

    def update(self, h, p, g, old, step):
        """The new parameter, and the new slots by name; step 1, 2, ..."""
        g = -g if h.maximize else g
        kind = h.weight_decay_kind if h.spec.weight_decay > 0 else None
        if kind == "coupled":
            g = self.plus(g, h.weight_decay, p)
        elif kind == "decoupled":
            p = self.decayed(h, p)
        elif kind == "unscaled":
            p = p * (1 - h.weight_decay)
        rule = getattr(self, type(h.spec).__name__.lower(), self.adam)
        return rule(h, p, g, old, step)

    def sgd(self, h, p, g, old, step):
        if h.spec.momentum == 0:
            return self.plus(p, -h.learning_rate, g), {}
        impulse = h.learning_rate * g if h.rate == "inside" else g
        undampened = step == 1 and h.first_velocity == "gradient"
        dampened = impulse if undampened else (1 - h.dampening) * impulse
        velocity = self.plus(dampened, h.momentum, old["velocity"])
        direction = self.plus(impulse, h.momentum, velocity) if h.nesterov else velocity
        return self.map_components(h, p, direction), {"velocity": velocity}

    def adagrad(self, h, p, g, old, step):
        accumulator = self.plus(old["accumulator"], g, g)
        rate = h.learning_rate / (1 + (step - 1) * h.learning_rate_decay)
        direction = self.direction(h, g, accumulator)
        if h.epsilon_placement == "inside_where_positive":
            direction = np.where(accumulator > 0, direction, np.zeros_like(direction))
        return self.plus(p, -rate, direction), {"accumulator": accumulator}

    def rmsprop(self, h, p, g, old, step):
        new = {"second_moment": self.average(old["second_moment"], g * g, h.decay)}
        average = new["second_moment"]
        if h.centered:
            new["mean"] = self.average(old["mean"], g, h.decay)
            average = self.plus(average, -new["mean"], new["mean"])
        direction = self.direction(h, g, average)
        if h.spec.momentum > 0:
            impulse = h.learning_rate * direction if h.rate == "inside" else direction
            new["velocity"] = direction = self.plus(impulse, h.momentum, old["velocity"])
            return self.map_components(h, p, direction), new
        return self.plus(p, -h.learning_rate, direction), new

    def moments(self, h, g, old):
        """The averages of the gradient and of its square."""
        return self.average(old["first_moment"], g, h.beta1), self.average(old["second_moment"], g * g, h.beta2)

    def adam(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        change = self.adam_change(h, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        return p - change, {"first_moment": first, "second_moment": second}

    def amsgrad(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        of_second, largest = 1 - h.beta2**step, old["largest_second_moment"]
        if h.maximum == "corrected":
            divisor, correction = np.maximum(largest, self.over(second, of_second)), 1
        else:
            divisor, correction = np.maximum(largest, second), of_second
        change = self.adam_change(h, first, divisor, 1 - h.beta1**step, correction)
        return p - change, {"first_moment": first, "second_moment": second, "largest_second_moment": divisor}

    def adabelief(self, h, p, g, old, step):
        first = self.average(old["first_moment"], g, h.beta1)
        distance = self.distance(h, g, old["first_moment"], first)
        second = self.average(old["second_moment"], distance * distance, h.beta2) + h.epsilon_root
        change = self.adam_change(h, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        return p - change, {"first_moment": first, "second_moment": second}

    def distance(self, h, g, before, after):
        """Of the gradient from its average."""
        return g - after

    def yogi(self, h, p, g, old, step):
        first, square = self.average(old["first_moment"], g, h.beta1), g * g
        sign = np.sign(old["second_moment"] - square)
        second = self.plus(old["second_moment"], -(1 - h.beta2) * sign, square)
        corrections = (1 - h.beta1**step, 1 - h.beta2**step) if h.corrected else (1, 1)
        return p - self.adam_change(h, first, second, *corrections), {"first_moment": first, "second_moment": second}

    def lamb(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        unscaled = SimpleNamespace(**vars(h) | {"learning_rate": 1})
        direction = self.adam_change(unscaled, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        if h.spec.weight_decay > 0 and h.weight_decay_kind == "in_step":
            direction = self.plus(direction, h.weight_decay, p)
        ratio = self.trust_ratio(self.norm(p), self.norm(direction), 1, 0)
        return self.along(p, h.learning_rate, ratio, direction), {"first_moment": first, "second_moment": second}

    def lars(self, h, p, g, old, step):
        size, length = self.norm(p), self.norm(g)
        if h.spec.weight_decay > 0 and h.weight_decay_kind == "lengths":
            length, g = self.plus(length, h.weight_decay, size), self.plus(g, h.weight_decay, p)
        ratio = self.trust_ratio(size, length, h.trust_coefficient, h.epsilon)
        velocity = h.momentum * old["velocity"] - self.along(0, h.learning_rate, ratio, g)
        return p - velocity, {"velocity": velocity}

    def trust_ratio(self, size, length, coefficient, epsilon):
        return size.dtype.type(1) if size == 0 or length == 0 else coefficient * size / (length + epsilon)

    def along(self, p, rate, ratio, direction):
        return p - rate * (ratio * direction)

    def nadam(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        new, momenta = {"first_moment": first, "second_moment": second}, (h.beta1, h.beta1)
        if h.momentum_schedule == "constant":
            gathered = 1 - h.beta1**step, 1 - h.beta1 ** (step + 1)
        else:
            momenta = tuple(h.beta1 * (1 - 0.5 * 0.96 ** (s * h.momentum_decay)) for s in (step, step + 1))
            new["momentum_product"] = product = old["momentum_product"] * momenta[0]
            gathered = 1 - product, 1 - product * momenta[1]
        return self.nadam_moved(h, p, (g, first), second, momenta, gathered, 1 - h.beta2**step), new

    def nadam_moved(self, h, p, sources, second, momenta, gathered, of_second):
        """As in optax: one direction of the gradient and its average, which are the `sources`."""
        scale = np.sqrt(self.over(second, of_second)) + h.epsilon
        gradient, first = (self.over(x, weight) for x, weight in zip(sources, gathered, strict=True))
        return p - h.learning_rate * self.over((1 - momenta[0]) * gradient + momenta[1] * first, scale)

    def radam(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        new, power = {"first_moment": first, "second_moment": second}, h.beta2**step
        corrections, longest = (1 - h.beta1**step, 1 - power), 2 / (1 - h.beta2) - 1
        length = longest - 2 * step * power / (1 - power)
        if length <= h.threshold:
            return p - self.unrectified(h, first, corrections[0]), new
        square = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        return p - self.rectified(h, first, second, *corrections, self.root(square)), new

    def unrectified(self, h, first, of_first):
        return h.learning_rate * self.over(first, of_first)

    def rectified(self, h, first, second, of_first, of_second, factor):
        first = self.over(first, of_first)
        if h.epsilon_placement == "uncorrected":
            return first * h.learning_rate * self.over(self.root(of_second), np.sqrt(second) + h.epsilon) * factor
        return h.learning_rate * self.over(factor * first, np.sqrt(self.over(second, of_second)) + h.epsilon)

    def adamax(self, h, p, g, old, step):
        first, inside = self.average(old["first_moment"], g, h.beta1), h.epsilon_placement == "inside"
        norm = np.maximum(h.beta2 * old["infinity_norm"], np.abs(g) + h.epsilon if inside else np.abs(g))
        change = self.adamax_change(h, first, norm if inside else norm + h.epsilon, 1 - h.beta1**step)
        return p - change, {"first_moment": first, "infinity_norm": norm}

    def adamax_change(self, h, first, scale, of_first):
        return h.learning_rate * self.over(self.over(first, of_first), scale)

    def adadelta(self, h, p, g, old, step):
        second = self.average(old["second_moment"], g * g, h.decay)
        direction = self.adadelta_direction(g, old["squared_steps"] + h.epsilon, second + h.epsilon)
        squared = self.average(old["squared_steps"], direction * direction, h.decay)
        return self.plus(p, -h.learning_rate, direction), {"second_moment": second, "squared_steps": squared}

    def adadelta_direction(self, g, squared_step, squared_gradient):
        return self.over_root(np.sqrt(squared_step), squared_gradient) * g

    def rprop(self, h, p, g, old, step):
        size, before, sign = old["step_size"], old["direction"], np.sign(g)
        kept, flipped = sign * before > 0, sign * before < 0
        factor = np.where(kept, h.growth, np.where(flipped, h.shrinkage, 1)).astype(size.dtype)
        new = {
            "step_size": np.clip(size * factor, h.smallest_step, h.largest_step),
            "direction": np.where(flipped, 0 * sign, sign),
        }
        taken = (np.where(flipped, 0 * size, size), before) if h.taken == "stale" else new.values()
        return p - mul(*taken), new

    def lion(self, h, p, g, old, step):
        direction = np.sign(self.average(old["first_moment"], g, h.beta1))
        return self.plus(p, -h.learning_rate, direction), {
            "first_moment": self.average(old["first_moment"], g, h.beta2)
        }

    def signdescent(self, h, p, g, old, step):
        kept = {"first_moment": self.average(old["first_moment"], g, h.momentum)} if h.spec.momentum > 0 else {}
        return self.plus(p, -h.learning_rate, np.sign(kept.get("first_moment", g))), kept

    def adam_change(self, h, first, second, of_first, of_second):
        """Adam's step."""
        if placement(h) == "uncorrected":
            rate = h.learning_rate * self.root(of_second) / of_first
            return self.over(rate * first, np.sqrt(second) + h.epsilon)
        first, second = self.over(first, of_first), self.over(second, of_second)
        if placement(h) == "inside":
            return h.learning_rate * self.over_root(first, second + h.epsilon)
        return h.learning_rate * self.over(first, np.sqrt(second) + h.epsilon)

    def direction(self, h, g, average):
        if h.epsilon_placement == "outside":
            return self.over(g, np.sqrt(average) + h.epsilon)
        return self.over_root(g, average + h.epsilon)

    def map_components(self, h, p, direction):
        """The parameter after a step along the direction, which may have the learning rate in it."""
        return p - direction if h.rate == "inside" else self.plus(p, -h.learning_rate, direction)


class Differences(Plain):
    """Averages move by a part of the difference; weight decay joins AdamW's step, as in optax; blocks of 350."""

    block = 350

    def average(self, old, new, decay):
        return self.plus(old, 1 - decay, new - old)

    def decayed(self, h, p):
        return self.plus(p, -h.learning_rate, h.weight_decay * p)

    def distance(self, h, g, before, after):
        return h.beta1 * (g - before)

    def trust_ratio(self, size, length, coefficient, epsilon):
        return size.dtype.type(1) if size == 0 or length == 0 else coefficient * (size / (length + epsilon))

    def norm(self, x):
        return np.sqrt(np.sum(x[::2] * x[::2]) + np.sum(x[1::2] * x[1::2]))


class Reciprocals(Plain):
    """No division of arrays: reciprocals and reciprocal roots are multiplied."""

    def over(self, a, b):
        return a * (1 / b)


class Folded(Plain):
    """The step size and the corrections folded into scalars, as PyTorch does; in blocks of 251."""

    block = 251

    def decayed(self, h, p):
        return self.plus(p, -(h.learning_rate * h.weight_decay), p)

    def adam_change(self, h, first, second, of_first, of_second):
        if placement(h) == "outside":
            return h.learning_rate / of_first * first / (np.sqrt(second) / self.root(of_second) + h.epsilon)
        if placement(h) == "uncorrected":
            return first / (np.sqrt(second) + h.epsilon) * (h.learning_rate / of_first * self.root(of_second))
        return (h.learning_rate / of_first) * first / np.sqrt(second / of_second + h.epsilon)

    def along(self, p, rate, ratio, direction):
        return self.plus(p, -(rate * ratio), direction)

    def nadam_moved(self, h, p, sources, second, momenta, gathered, of_second):
        scale = np.sqrt(second) / self.root(of_second) + h.epsilon
        p = p - h.learning_rate * (1 - momenta[0]) / gathered[0] * sources[0] / scale
        return p - h.learning_rate * momenta[1] / gathered[1] * sources[1] / scale

    def unrectified(self, h, first, of_first):
        return h.learning_rate / of_first * first

    def rectified(self, h, first, second, of_first, of_second, factor):
        rate = h.learning_rate * factor / of_first
        if h.epsilon_placement == "uncorrected":
            return rate * self.root(of_second) * first / (np.sqrt(second) + h.epsilon)
        return rate * first / (np.sqrt(second) / self.root(of_second) + h.epsilon)

    def adamax_change(self, h, first, scale, of_first):
        return h.learning_rate / of_first * first / scale

    def adadelta_direction(self, g, squared_step, squared_gradient):
        return np.sqrt(squared_step) * g / np.sqrt(squared_gradient)


class Efficient(Plain):
    """The order of computation that section 2 of the Adam paper recommends, epsilon corrected in its place."""

    def adam_change(self, h, first, second, of_first, of_second):
        rate = h.learning_rate * (self.root(of_second) / of_first)
        if placement(h) == "inside":
            return rate * first / np.sqrt(second + h.epsilon * of_second)
        epsilon = h.epsilon if placement(h) == "uncorrected" else h.epsilon * self.root(of_second)
        return rate * (first / (np.sqrt(second) + epsilon))

    def rectified(self, h, first, second, of_first, of_second, factor):
        return factor * self.adam_change(h, first, second, of_first, of_second)

    def adadelta_direction(self, g, squared_step, squared_gradient):
        return np.sqrt(squared_step) * (g / np.sqrt(squared_gradient))  # the quotient of squares may underflow


class Fused(Plain):
    """Every product that is added to something by a fused multiply-add: float64 holds products of float32."""

    def plus(self, c, a, b):
        c, a, b = (np.asarray(x, np.float32).astype(np.float64) for x in (c, a, b))
        return (a * b + c).astype(np.float32)


class Wide(Plain):
    """Float64 throughout a step: only what is stored is rounded."""


WRITINGS = {
    "plain": Plain(), "differences": Differences(), "reciprocals": Reciprocals(), "folded": Folded(),
    "efficient": Efficient(), "fused": Fused(), "wide": Wide(),
}  # fmt: skip


def start(spec, slot):
    """What a slot is filled with."""
    if slot == "momentum_product":
        return 1.0
    if slot == "step_size":
        return spec.learning_rate
    if slot == "first_moment" and getattr(spec, "first_start", "zero") == "zero":
        return 0.0
    return getattr(spec, "initial_accumulator", 0.0)


class Run(OptimizerRun):
    """A run of an optimizer in one of the writings; `narrow` rounds hyperparameters to float32 first."""

    def __init__(self, spec, parameters, writing, narrow):
        self.spec, self.writing, self.narrow, self.count = spec, writing, narrow, 0
        self.tree = parameters
        self.slots = {slot: map_leaves(partial(np.full_like, fill_value=start(spec, slot)), parameters)
                      for slot in spec.slots()}  # fmt: skip

    def step(self, gradients):
        self.count += 1
        rounded = np.float32 if self.narrow else float
        numbers = {name: rounded(x) if isinstance(x, float) else x for name, x in vars(self.spec).items()}
        h = SimpleNamespace(spec=self.spec, **numbers)
        paths = [path for path, _ in leaves(self.tree)]
        columns = [dict(leaves(tree)) for tree in (self.tree, gradients, *self.slots.values())]
        new = [self.in_blocks(h, [column[path] for column in columns]) for path in paths]
        self.tree = rebuilt(self.tree, [p for p, *_ in new])
        self.slots = {slot: rebuilt(self.tree, [x[i + 1] for x in new]) for i, slot in enumerate(self.slots)}

    def in_blocks(self, h, arrays):
        """The new parameter and slots, from the old parameter, the gradient and the old slots of one leaf."""
        dtype, shape = arrays[0].dtype, arrays[0].shape
        flat = [np.ravel(x).astype(np.float64 if isinstance(self.writing, Wide) else dtype) for x in arrays]
        results = [np.empty(x.size, dtype) for x in (flat[0], *flat[2:])]
        size = (self.writing.block if h.spec.elementwise else None) or max(1, flat[0].size)
        for begin in range(0, flat[0].size, size):
            part = slice(begin, begin + size)
            p, g, *old = (x[part] for x in flat)
            with np.errstate(all="ignore"):
                p, slots = self.writing.update(h, p, g, dict(zip(self.slots, old, strict=True)), self.count)
            for result, x in zip(results, (p, *(slots[slot] for slot in self.slots)), strict=True):
                result[part] = x
        return [x.reshape(shape) for x in results]

    def parameters(self):
        return self.tree

    def state(self):
        return self.slots

    def change(self, spec):
        self.spec = spec

    def save(self):
        return self.spec, self.tree, self.slots, self.count

    def restore(self, saved):
        self.spec, self.tree, self.slots, self.count = saved


RULES = tuple(
    rule for rule in vars(optimizers).values()
    if isclass(rule) and issubclass(rule, optimizers.Optimizer) and rule is not optimizers.Optimizer
)  # fmt: skip


class Optimizers(Subject):
    """All rules under all their conventions, with hyperparameters as Python has them."""

    name = "optimizers"
    variants = {"optimizer": ("plain", "differences", "reciprocals", "folded", "efficient")}
    conventions = every(RULES)

    def optimizer(self, spec, parameters):
        return Run(spec, parameters, WRITINGS[self.variant], narrow=bool(self.scalars))


class Float32Optimizers(Optimizers):
    """What only float32 can have in a wider format."""

    name = "float32-optimizers"
    dtypes = ("float32",)
    variants = {"optimizer": ("plain", "fused", "wide")}


class NarrowOptimizers(Optimizers):
    """Hyperparameters rounded to float32 before anything is computed of them, and declared so."""

    name = "narrow-optimizers"
    variants = {"optimizer": ("plain", "differences", "folded")}
    scalars = {"float32": "float32", "float64": "float32"}


# --- clipping --------------------------------------------------------------------------------------------------------


def powers(x, order):
    """Powers of magnitudes."""
    return {1: np.abs(x), 2: x * x}[order] if order in (1, 2) else np.abs(x) ** order


def root(x, order):
    return {1: x, 2: np.sqrt(x)}[order] if order in (1, 2) else x ** (1 / order)


def root_of_powers(x, order):
    return root(np.sum(powers(x, order), axis=0), order)


def norm_of_norms(x, order):
    """By blocks of 5 entries, then over the blocks, the last one first."""
    blocks = np.concatenate([x, np.zeros((-len(x) % 5, x.shape[1]), x.dtype)]).reshape(-1, 5, x.shape[1])
    of_blocks = root(np.sum(powers(blocks, order), axis=1), order)
    return root_of_powers(of_blocks[::-1], order)


def scaled_norm(x, order):
    """Relative to the largest entry, as LAPACK 3.9 and before did it."""
    largest = np.max(np.abs(x), axis=0, initial=0)
    sound = (largest > 0) & np.isfinite(largest)
    return np.where(sound, largest * root_of_powers(x / np.where(sound, largest, 1), order), largest)


def exact_sum(x, order):
    """Powers in float64, their sum without a rounding."""
    sums = [math.fsum(column) if np.isfinite(column).all() else np.sum(column)
            for column in powers(x.astype(np.float64), order).T]  # fmt: skip
    return root(np.array(sums), order).astype(x.dtype)


def products_and_roots(x, order):
    """Powers and roots by those that processors have, where they do."""
    size = np.abs(x)
    if order == 3:
        return np.cbrt(np.sum(size * size * size, axis=0))
    if order == 1.5:
        return np.cbrt(np.sum((size * np.sqrt(size))[::-1], axis=0)) ** 2
    return root_of_powers(x[::-1], order)


def norms(spec, norm, x):
    """Of the columns of a matrix; relative to a power of two where no norm may leave the range."""
    order, largest = getattr(spec, "order", 2.0), np.max(np.abs(x), axis=0, initial=0)
    if order == np.inf:
        return largest
    scaled = spec.norm_range == "full" and order > 1
    unit = np.where(scaled & (largest > 0) & np.isfinite(largest), np.exp2(np.frexp(largest)[1] - 1.0), 1)
    return norm(x / unit.astype(x.dtype), order) * unit.astype(x.dtype)


# What is left of a gradient above its limit; and of any gradient, where one below is rescaled too.


def factor_first(g, size, limit):
    return g * (limit / size)


def factor_at_most_one(g, size, limit):
    return g * np.minimum(limit / size, 1)


def factor_last(g, size, limit):
    return g / size * limit


def by_reciprocal(g, size, limit):
    return g * (1 / size * limit)


def limit_first(g, size, limit):
    return g * limit / size


CLIPPING = {
    "plain": (root_of_powers, factor_first, factor_first),
    "blocks": (norm_of_norms, factor_last, limit_first),
    "scaled": (scaled_norm, factor_at_most_one, by_reciprocal),
    "exact-sum": (exact_sum, factor_at_most_one, limit_first),
    "reciprocal": (products_and_roots, by_reciprocal, by_reciprocal),
}


class Clipping(Subject):
    """Norms and factors in all orders."""

    name = "clipping"
    variants = {"clip": tuple(CLIPPING)}
    conventions = every(
        (
            clipping.ClipByValue, clipping.WeightClipping, clipping.ClipByGlobalNorm, clipping.ClipByNorm,
            clipping.AdaptiveClipping,
        )
    )  # fmt: skip

    @np.errstate(all="ignore")
    def clip(self, spec, gradients, parameters=None):
        if isinstance(spec, clipping.ClipByValue):
            return map_leaves(lambda g: np.asarray(np.clip(g, -spec.limit, spec.limit)), gradients)
        arrays = [g for _, g in leaves(gradients)]
        if isinstance(spec, clipping.AdaptiveClipping):
            weights = dict(leaves(parameters))
            return rebuilt(gradients, [self.by_unit(spec, g, weights[path]) for path, g in leaves(gradients)])
        if isinstance(spec, clipping.ClipByGlobalNorm):
            size = self.size(spec, arrays)
            return map_leaves(lambda g: self.decayed_parameter(spec, g, size, spec.max_norm), gradients)
        entries = sum(g.size for g in arrays)

        def limit(g):
            share = {"each": 1, "equal": 1 / len(arrays), "by_size": g.size / entries}[spec.shares]
            return spec.max_norm * math.sqrt(share)

        return map_leaves(lambda g: self.decayed_parameter(spec, g, self.size(spec, [g]), limit(g)), gradients)

    def size(self, spec, arrays):
        """The norm of all entries, and epsilon."""
        entries = np.concatenate([np.ravel(x) for x in arrays])[:, None]
        return norms(spec, CLIPPING[self.variant][0], entries)[0] + spec.epsilon

    def decayed_parameter(self, spec, g, size, max_norm):
        _, scaled, rescaled = CLIPPING[self.variant]
        limit = g.dtype.type(max_norm)
        if spec.within == "rescaled" and limit > 0:
            found = rescaled(g, np.maximum(size, limit), limit)
        else:
            found = g if size <= limit else scaled(g, size, limit)
        if spec.non_finite_norm == "keeps" and np.isnan(size):
            found = g
        return np.asarray(found + 0 * size if spec.non_finite_norm == "spreads" else found, g.dtype)

    def by_unit(self, spec, g, weight):
        """Adaptive clipping of one array; its units are the columns of a matrix."""
        inputs = g.size if sum(length != 1 for length in g.shape) <= 1 else len(g)
        if g.ndim > 3:
            inputs = g.size // g.shape[-1]
        norm, scaled, _ = CLIPPING[self.variant]
        rows = g.reshape(inputs, -1)
        size, of_weight = (norms(spec, norm, x.reshape(inputs, -1)) for x in (g, weight))
        limit = spec.clipping * np.maximum(of_weight, g.dtype.type(spec.epsilon))
        above = scaled(rows, np.maximum(size, g.dtype.type(spec.smallest_divisor)), limit)
        return np.where(size <= limit, rows, above).reshape(g.shape)


# --- activations -----------------------------------------------------------------------------------------------------


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
    conventions = every(ACTIVATIONS)
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


# --- losses ----------------------------------------------------------------------------------------------------------


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
    conventions = every(LOSSES)

    def loss(self, spec, prediction, target):
        return loss_and_gradient(spec, prediction, target, self.variant == "other")


# --- networks --------------------------------------------------------------------------------------------------------


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
    conventions = every(
        (*ACTIVATIONS, *LOSSES, *LAYERS, layers.RunningStatistics, regularization.L1, regularization.L2)
    )
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


# --- schedules -------------------------------------------------------------------------------------------------------


class Schedules(Subject):
    """Each rate from its step alone, in float64 or float32."""

    name = "schedules"
    variants = {"schedule": ("plain", "other")}
    rates = {"float32": "float32"}
    conventions = {
        schedules.Constant: {},
        schedules.Linear: {"evaluation": "closed"},
        schedules.Exponential: {"evaluation": "closed"},
        schedules.StepDecay: {"evaluation": "closed"},
        schedules.InverseTime: {},
        schedules.Polynomial: {"evaluation": "closed"},
        schedules.PiecewiseConstant: {},
        schedules.CosineRestarts: {},
        schedules.OneCycle: {},
        schedules.Sequential: {},
        schedules.Cosine: {"evaluation": "closed"},
        schedules.WarmUp: {"evaluation": "closed"},
    }

    def schedule(self, spec, steps):
        number = np.dtype(self.rates.get(self.dtype, "float64")).type
        return np.array([self.rate(spec, step, number) for step in range(steps)])

    def rate(self, spec, step, number):
        """The rate of a step; `number` is the type of all that is computed."""
        fields = {name: number(x) if isinstance(x, float) else x for name, x in vars(spec).items()}
        name = type(spec).__name__.lower() + "_other" * (self.variant == "other")
        rule = getattr(self, name, None) or getattr(self, type(spec).__name__.lower())
        return number(rule(SimpleNamespace(**fields), step, number))

    def constant(self, s, step, number):
        return s.learning_rate

    def linear(self, s, step, number):
        return s.start + (s.end - s.start) * (number(min(step, s.steps)) / number(s.steps))

    def linear_other(self, s, step, number):
        step = min(step, s.steps)
        return (s.start * number(s.steps - step) + s.end * number(step)) / number(s.steps)

    def exponential(self, s, step, number):
        passed = step // s.decay_steps if s.staircase else number(step) / number(s.decay_steps)
        return s.initial * s.decay ** number(passed)

    def exponential_other(self, s, step, number):
        periods, rest = divmod(step, s.decay_steps)
        decayed = s.decay ** number(periods) * s.initial
        return decayed if s.staircase else decayed * s.decay ** (number(rest) / number(s.decay_steps))

    def stepdecay(self, s, step, number):
        passed = step if s.boundary == "at" else max(step - 1, 0)
        return s.initial * s.factor ** number(passed // s.every)

    def inversetime(self, s, step, number):
        passed = number(step // s.decay_steps) if s.staircase else number(step) / number(s.decay_steps)
        return s.initial / (1 + s.decay * passed)

    def inversetime_other(self, s, step, number):
        passed = s.decay * number(step // s.decay_steps) if s.staircase else s.decay * number(step) / s.decay_steps
        return s.initial * (1 / (passed + 1))

    def cosine(self, s, step, number):
        step = min(step, s.steps) if s.after_end == "holds" else step
        return s.floor + (s.peak - s.floor) * ((1 + np.cos(number(np.pi) * number(step) / number(s.steps))) / 2)

    def cosine_other(self, s, step, number):
        step = min(step, s.steps) if s.after_end == "holds" else step
        raised = np.cos(number(np.pi) * number(step) / number(2 * s.steps)) ** 2
        return (s.peak - s.floor) * raised + s.floor

    def polynomial(self, s, step, number):
        return (s.initial - s.end) * (1 - number(min(step, s.steps)) / number(s.steps)) ** s.power + s.end

    def polynomial_other(self, s, step, number):
        return s.end + (number(s.steps - min(step, s.steps)) / number(s.steps)) ** s.power * (s.initial - s.end)

    def piecewiseconstant(self, s, step, number):
        passed = [b for b in s.boundaries if step >= b + (s.boundary == "after")]
        return reduce(mul, map(number, s.factors[: len(passed)]), s.initial)

    def piecewiseconstant_other(self, s, step, number):
        passed = [b for b in s.boundaries if step >= b + (s.boundary == "after")]
        return s.initial * reduce(mul, map(number, s.factors[: len(passed)]), number(1))

    def cosinerestarts(self, s, step, number):
        length, height = s.period, s.peak - s.floor
        while step >= length:
            step, length, height = step - length, length * s.growth, height * s.factor
        return s.floor + height * ((1 + np.cos(number(np.pi) * number(step) / number(length))) / 2)

    def cosinerestarts_other(self, s, step, number):
        """With the number of the cycle by a logarithm, as PyTorch has it."""
        cycle = step // s.period
        if s.growth > 1:
            cycle = int(math.log(step / s.period * (s.growth - 1) + 1 + 1e-9, s.growth))
        begin = s.period * (cycle if s.growth == 1 else (s.growth**cycle - 1) // (s.growth - 1))
        angle = number(np.pi) * (number(step - begin) / number(s.period * s.growth**cycle))
        return s.floor + (s.peak - s.floor) * s.factor ** number(cycle) * number(0.5) * (1 + np.cos(angle))

    def onecycle(self, s, step, number):
        if s.counting == "first_to_last":
            inner, last = [s.rise * number(s.steps) - 1, s.fallen * number(s.steps) - 2], s.steps - 1
        else:
            inner, last, step = [int(float(x) * s.steps) for x in (s.rise, s.fallen)], s.steps, min(step, s.steps)
        ends = [0, *inner[: s.phases - 1], last]
        first = s.peak / s.start_divisor
        levels = [first, s.peak, *[first][: s.phases - 2], first / s.end_divisor]
        phase = sum(step > end for end in ends[1:-1])
        begin, end = (number(x) for x in ends[phase : phase + 2])
        return self.along(s.shape, levels[phase], levels[phase + 1], number(step) - begin, end - begin, number)

    def along(self, shape, start, stop, done, length, number):
        if self.variant == "other":
            part = np.sin(number(np.pi) * done / (2 * length)) ** 2 if shape == "cosine" else done / length
            return start * (1 - part) + stop * part
        if shape == "linear":
            return (stop - start) * (done / length) + start
        return stop + (start - stop) / 2 * (np.cos(number(np.pi) * (done / length)) + 1)

    def sequential(self, s, step, number):
        begins = (0, *s.boundaries)
        number_of = sum(step >= boundary for boundary in s.boundaries)
        return self.rate(s.schedules[number_of], step - begins[number_of], number)

    def warmup(self, s, step, number):
        if step >= s.steps:
            return self.rate(s.schedule, step - s.steps if s.clock == "after" else step, number)
        end = self.rate(s.schedule, 0, number)
        line = SimpleNamespace(start=s.start, end=end, steps=s.steps)
        return (self.linear_other if self.variant == "other" else self.linear)(line, step, number)


class RecursiveSchedules(Schedules):
    """Each rate from the one before, and declared so; in float64 or float32."""

    name = "recursive-schedules"
    conventions = {
        schedules.Constant: {},
        schedules.Linear: {"evaluation": "recursive"},
        schedules.Exponential: {"evaluation": "recursive"},
        schedules.StepDecay: {"evaluation": "recursive"},
        schedules.Polynomial: {"evaluation": "recursive"},
        schedules.Sequential: {},
        schedules.Cosine: {"evaluation": "recursive"},
        schedules.WarmUp: {"evaluation": "recursive"},
    }

    def linear(self, s, step, number):
        """By PyTorch's factors."""
        rate, change = s.start, s.end - s.start
        for now in range(1, min(step, s.steps) + 1):
            rate = rate * (1 + change / (number(s.steps) * s.start + number(now - 1) * change))
        return rate

    def linear_other(self, s, step, number):
        """In equal steps."""
        rate, change = s.start, (s.end - s.start) / number(s.steps)
        for _ in range(min(step, s.steps)):
            rate = rate + change
        return rate

    def exponential(self, s, step, number):
        return reduce(mul, [s.decay] * (step // s.decay_steps), s.initial)

    def exponential_other(self, s, step, number):
        return s.initial * reduce(mul, [s.decay] * (step // s.decay_steps), number(1))

    def stepdecay(self, s, step, number):
        passed = step if s.boundary == "at" else max(step - 1, 0)
        return reduce(mul, [s.factor] * (passed // s.every), s.initial)

    def polynomial(self, s, step, number):
        if step >= s.steps:
            return number(0)
        left = [1 - number(now) / number(s.steps) for now in range(step + 1)]
        return reduce(mul, [(now / before) ** s.power for before, now in neighbours(left)], s.initial)

    def polynomial_other(self, s, step, number):
        if step >= s.steps:
            return number(0)
        left = [number(s.steps - now) for now in range(step + 1)]
        return reduce(mul, [(now / before) ** s.power for before, now in neighbours(left)], s.initial)

    def cosine(self, s, step, number):
        def raised(count):
            return 1 + np.cos(number(np.pi) * number(count) / number(s.steps))

        rate, end = s.peak, s.steps if s.after_end == "holds" else step
        for now in range(1, min(step, end) + 1):
            if (now - 1 - s.steps) % (2 * s.steps) == 0:
                rate = rate + (s.peak - s.floor) * (1 - np.cos(number(np.pi) / number(s.steps))) / 2
            else:
                rate = raised(now) / raised(now - 1) * (rate - s.floor) + s.floor
        return rate

    cosine_other = cosine
