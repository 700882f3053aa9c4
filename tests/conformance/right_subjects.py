"""Correct implementations in NumPy, each written another way: none of them may be called wrong.

Every subject has the variant "plain", which is written as the formulas of the papers are, and others that differ from it
in rounding alone. They share no line with the reference but its specifications.
"""



from types import SimpleNamespace

import numpy as np

from conformance import OptimizerRun, Subject
from refimpl import optimizers
from refimpl.trees import leaves, map_leaves, rebuilt

# --- optimizers ------------------------------------------------------------------------------------------------------


class Plain:
    """Every rule of an optimizer: the new parameter and its slots, of one array."""

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

    def decayed(self, h, p):
        """AdamW's parameter before its step."""
        return p * (1 - h.learning_rate * h.weight_decay)

    def sgd(self, h, p, g, old, step):
        g = self.penalised(h, p, g)
        if h.momentum == 0:
            return self.plus(p, -h.learning_rate, g), {}
        impulse = h.learning_rate * g if h.rate == "inside" else g
        undampened = step == 1 and h.first_velocity == "gradient"
        dampened = impulse if undampened else (1 - h.dampening) * impulse
        velocity = self.plus(dampened, h.momentum, old["velocity"])
        direction = self.plus(impulse, h.momentum, velocity) if h.nesterov else velocity
        return self.moved(h, p, direction), {"velocity": velocity}

    def adagrad(self, h, p, g, old, step):
        g = self.penalised(h, p, g)
        accumulator = self.plus(old["accumulator"], g, g)
        rate = h.learning_rate / (1 + (step - 1) * h.learning_rate_decay)
        direction = self.direction(h, g, accumulator)
        if h.epsilon_placement == "inside_where_positive":
            direction = np.where(accumulator > 0, direction, np.zeros_like(direction))
        return self.plus(p, -rate, direction), {"accumulator": accumulator}

    def rmsprop(self, h, p, g, old, step):
        g = self.penalised(h, p, g)
        new = {"second_moment": self.average(old["second_moment"], g * g, h.decay)}
        average = new["second_moment"]
        if h.centered:
            new["mean"] = self.average(old["mean"], g, h.decay)
            average = self.plus(average, -new["mean"], new["mean"])
        direction = self.direction(h, g, average)
        if h.momentum > 0:
            impulse = h.learning_rate * direction if h.rate == "inside" else direction
            new["velocity"] = direction = self.plus(impulse, h.momentum, old["velocity"])
            return self.moved(h, p, direction), new
        return self.plus(p, -h.learning_rate, direction), new

    def adam(self, h, p, g, old, step):
        if h.decoupled:
            p = self.decayed(h, p)
        else:
            g = self.penalised(h, p, g)
        first = self.average(old["first_moment"], g, h.beta1)
        second = self.average(old["second_moment"], g * g, h.beta2)
        change = self.adam_change(h, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        return p - change, {"first_moment": first, "second_moment": second}

    def adam_change(self, h, first, second, of_first, of_second):
        if h.epsilon_placement == "uncorrected":
            rate = h.learning_rate * np.sqrt(of_second) / of_first
            return self.over(rate * first, np.sqrt(second) + h.epsilon)
        first, second = self.over(first, of_first), self.over(second, of_second)
        if h.epsilon_placement == "inside":
            return h.learning_rate * self.over_root(first, second + h.epsilon)
        return h.learning_rate * self.over(first, np.sqrt(second) + h.epsilon)

    def penalised(self, h, p, g):
        return self.plus(g, h.weight_decay, p) if h.weight_decay > 0 else g

    def direction(self, h, g, average):
        if h.epsilon_placement == "outside":
            return self.over(g, np.sqrt(average) + h.epsilon)
        return self.over_root(g, average + h.epsilon)

    def moved(self, h, p, direction):
        """The parameter after a step along the direction, which may have the learning rate in it."""
        return p - direction if h.rate == "inside" else self.plus(p, -h.learning_rate, direction)


class Differences(Plain):
    """Averages move by a part of the difference; weight decay joins AdamW's step, as in optax; blocks of 16."""

    block = 16

    def average(self, old, new, decay):
        return self.plus(old, 1 - decay, new - old)

    def decayed(self, h, p):
        return self.plus(p, -h.learning_rate, h.weight_decay * p)


class Reciprocals(Plain):
    """No division of arrays: reciprocals and reciprocal roots are multiplied."""

    def over(self, a, b):
        return a * (1 / b)


class Folded(Plain):
    """The step size and the corrections folded into scalars, as PyTorch does; in blocks of 7."""

    block = 7

    def decayed(self, h, p):
        return self.plus(p, -(h.learning_rate * h.weight_decay), p)

    def adam_change(self, h, first, second, of_first, of_second):
        if h.epsilon_placement == "outside":
            return h.learning_rate / of_first * first / (np.sqrt(second) / np.sqrt(of_second) + h.epsilon)
        if h.epsilon_placement == "uncorrected":
            return first / (np.sqrt(second) + h.epsilon) * (h.learning_rate / of_first * np.sqrt(of_second))
        return (h.learning_rate / of_first) * first / np.sqrt(second / of_second + h.epsilon)


class Efficient(Plain):
    """The order of computation that section 2 of the Adam paper recommends, epsilon corrected in its place."""

    def adam_change(self, h, first, second, of_first, of_second):
        rate = h.learning_rate * (np.sqrt(of_second) / of_first)
        if h.epsilon_placement == "inside":
            return rate * first / np.sqrt(second + h.epsilon * of_second)
        epsilon = h.epsilon if h.epsilon_placement == "uncorrected" else h.epsilon * np.sqrt(of_second)
        return rate * (first / (np.sqrt(second) + epsilon))


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


class Run(OptimizerRun):
    """A run of an optimizer in one of the writings; `narrow` rounds hyperparameters to float32 first."""

    def __init__(self, spec, parameters, writing, narrow):
        self.spec, self.writing, self.narrow, self.count = spec, writing, narrow, 0
        self.tree = parameters
        filled = getattr(spec, "initial_accumulator", 0.0)
        self.slots = {slot: map_leaves(lambda x: np.full_like(x, filled), parameters) for slot in spec.slots()}

    def step(self, gradients):
        self.count += 1
        h = SimpleNamespace(**vars(self.spec))
        if self.narrow:
            h = SimpleNamespace(**{k: np.float32(x) if isinstance(x, float) else x for k, x in vars(h).items()})
        h.decoupled = isinstance(self.spec, optimizers.AdamW)
        name = "adam" if isinstance(self.spec, optimizers.Adam) else type(self.spec).__name__.lower()
        rule = getattr(self.writing, name)
        paths = [path for path, _ in leaves(self.tree)]
        columns = [dict(leaves(tree)) for tree in (self.tree, gradients, *self.slots.values())]
        new = [self.in_blocks(rule, h, [column[path] for column in columns]) for path in paths]
        self.tree = rebuilt(self.tree, [p for p, *_ in new])
        self.slots = {slot: rebuilt(self.tree, [x[i + 1] for x in new]) for i, slot in enumerate(self.slots)}

    def in_blocks(self, rule, h, arrays):
        """The new parameter and slots, from the old parameter, the gradient and the old slots of one leaf."""
        dtype, shape = arrays[0].dtype, arrays[0].shape
        flat = [np.ravel(x).astype(np.float64 if isinstance(self.writing, Wide) else dtype) for x in arrays]
        results = [np.empty(x.size, dtype) for x in (flat[0], *flat[2:])]
        size = self.writing.block or flat[0].size
        for begin in range(0, flat[0].size, size):
            part = slice(begin, begin + size)
            p, g, *old = (x[part] for x in flat)
            p, slots = rule(h, p, g, dict(zip(self.slots, old, strict=True)), self.count)
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


class Optimizers(Subject):
    """All rules under all their conventions, with hyperparameters as Python has them."""

    name = "optimizers"
    variants = {"optimizer": ("plain", "differences", "reciprocals", "folded", "efficient")}
    conventions = dict.fromkeys(
        (optimizers.SGD, optimizers.Adagrad, optimizers.RMSprop, optimizers.Adam, optimizers.AdamW), {}
    )

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
    scalars = {"float32": "float32", "float64": "float32"}
