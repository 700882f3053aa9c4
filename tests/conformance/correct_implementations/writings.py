"""Ways of writing an optimizer's step: as the papers have it, and in other orders of operations."""

import math
from operator import mul
from types import SimpleNamespace

import numpy as np


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
        """The norm of one array."""
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
        increment = h.learning_rate * g if h.rate == "inside" else g
        undampened = step == 1 and h.first_velocity == "gradient"
        dampened = increment if undampened else (1 - h.dampening) * increment
        velocity = self.plus(dampened, h.momentum, old["velocity"])
        direction = self.plus(increment, h.momentum, velocity) if h.nesterov else velocity
        return self.after_step(h, p, direction), {"velocity": velocity}

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
            increment = h.learning_rate * direction if h.rate == "inside" else direction
            new["velocity"] = direction = self.plus(increment, h.momentum, old["velocity"])
            return self.after_step(h, p, direction), new
        return self.plus(p, -h.learning_rate, direction), new

    def moments(self, h, g, old):
        """The averages of the gradient and of its square."""
        return self.average(old["first_moment"], g, h.beta1), self.average(old["second_moment"], g * g, h.beta2)

    def adam(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        increment = self.adam_increment(h, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        return p - increment, {"first_moment": first, "second_moment": second}

    def amsgrad(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        second_correction, largest = 1 - h.beta2**step, old["largest_second_moment"]
        if h.maximum == "corrected":
            divisor, correction = np.maximum(largest, self.over(second, second_correction)), 1
        else:
            divisor, correction = np.maximum(largest, second), second_correction
        increment = self.adam_increment(h, first, divisor, 1 - h.beta1**step, correction)
        return p - increment, {"first_moment": first, "second_moment": second, "largest_second_moment": divisor}

    def adabelief(self, h, p, g, old, step):
        first = self.average(old["first_moment"], g, h.beta1)
        distance = self.distance(h, g, old["first_moment"], first)
        second = self.average(old["second_moment"], distance * distance, h.beta2) + h.epsilon_root
        increment = self.adam_increment(h, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        return p - increment, {"first_moment": first, "second_moment": second}

    def distance(self, h, g, before, after):
        """Of the gradient from its average."""
        return g - after

    def yogi(self, h, p, g, old, step):
        first, square = self.average(old["first_moment"], g, h.beta1), g * g
        sign = np.sign(old["second_moment"] - square)
        second = self.plus(old["second_moment"], -(1 - h.beta2) * sign, square)
        corrections = (1 - h.beta1**step, 1 - h.beta2**step) if h.corrected else (1, 1)
        return p - self.adam_increment(h, first, second, *corrections), {"first_moment": first, "second_moment": second}

    def lamb(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        unscaled = SimpleNamespace(**vars(h) | {"learning_rate": 1})
        direction = self.adam_increment(unscaled, first, second, 1 - h.beta1**step, 1 - h.beta2**step)
        if h.spec.weight_decay > 0 and h.weight_decay_kind == "in_step":
            direction = self.plus(direction, h.weight_decay, p)
        ratio = self.trust_ratio(self.norm(p), self.norm(direction), 1, 0)
        return self.along(p, h.learning_rate, ratio, direction), {"first_moment": first, "second_moment": second}

    def lars(self, h, p, g, old, step):
        parameter_norm, update_norm = self.norm(p), self.norm(g)
        if h.spec.weight_decay > 0 and h.weight_decay_kind == "lengths":
            update_norm = self.plus(update_norm, h.weight_decay, parameter_norm)
            g = self.plus(g, h.weight_decay, p)
        ratio = self.trust_ratio(parameter_norm, update_norm, h.trust_coefficient, h.epsilon)
        velocity = h.momentum * old["velocity"] - self.along(0, h.learning_rate, ratio, g)
        return p - velocity, {"velocity": velocity}

    def trust_ratio(self, parameter_norm, update_norm, coefficient, epsilon):
        if parameter_norm == 0 or update_norm == 0:
            return parameter_norm.dtype.type(1)
        return coefficient * parameter_norm / (update_norm + epsilon)

    def along(self, p, rate, ratio, direction):
        return p - rate * (ratio * direction)

    def nadam(self, h, p, g, old, step):
        first, second = self.moments(h, g, old)
        new, momenta = {"first_moment": first, "second_moment": second}, (h.beta1, h.beta1)
        if h.momentum_schedule == "constant":
            corrections = 1 - h.beta1**step, 1 - h.beta1 ** (step + 1)
        else:
            momenta = tuple(h.beta1 * (1 - 0.5 * 0.96 ** (s * h.momentum_decay)) for s in (step, step + 1))
            new["momentum_product"] = product = old["momentum_product"] * momenta[0]
            corrections = 1 - product, 1 - product * momenta[1]
        return self.nadam_step(h, p, (g, first), second, momenta, corrections, 1 - h.beta2**step), new

    def nadam_step(self, h, p, sources, second, momenta, corrections, second_correction):
        """As in optax: one direction of the gradient and its average, which are the `sources`."""
        scale = np.sqrt(self.over(second, second_correction)) + h.epsilon
        gradient, first = (self.over(x, weight) for x, weight in zip(sources, corrections, strict=True))
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

    def unrectified(self, h, first, first_correction):
        return h.learning_rate * self.over(first, first_correction)

    def rectified(self, h, first, second, first_correction, second_correction, factor):
        first = self.over(first, first_correction)
        if h.epsilon_placement == "uncorrected":
            scale = self.over(self.root(second_correction), np.sqrt(second) + h.epsilon)
            return first * h.learning_rate * scale * factor
        return h.learning_rate * self.over(factor * first, np.sqrt(self.over(second, second_correction)) + h.epsilon)

    def adamax(self, h, p, g, old, step):
        first, inside = self.average(old["first_moment"], g, h.beta1), h.epsilon_placement == "inside"
        norm = np.maximum(h.beta2 * old["infinity_norm"], np.abs(g) + h.epsilon if inside else np.abs(g))
        increment = self.adamax_increment(h, first, norm if inside else norm + h.epsilon, 1 - h.beta1**step)
        return p - increment, {"first_moment": first, "infinity_norm": norm}

    def adamax_increment(self, h, first, scale, first_correction):
        return h.learning_rate * self.over(self.over(first, first_correction), scale)

    def adadelta(self, h, p, g, old, step):
        second = self.average(old["second_moment"], g * g, h.decay)
        direction = self.adadelta_direction(g, old["squared_steps"] + h.epsilon, second + h.epsilon)
        squared = self.average(old["squared_steps"], direction * direction, h.decay)
        return self.plus(p, -h.learning_rate, direction), {"second_moment": second, "squared_steps": squared}

    def adadelta_direction(self, g, squared_step, squared_gradient):
        return self.over_root(np.sqrt(squared_step), squared_gradient) * g

    def rprop(self, h, p, g, old, step):
        size, before, sign = old["step_size"], old["direction"], np.sign(g)
        same, flipped = sign * before > 0, sign * before < 0
        factor = np.where(same, h.growth, np.where(flipped, h.shrinkage, 1)).astype(size.dtype)
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
        new = {"first_moment": self.average(old["first_moment"], g, h.momentum)} if h.spec.momentum > 0 else {}
        return self.plus(p, -h.learning_rate, np.sign(new.get("first_moment", g))), new

    def adam_increment(self, h, first, second, first_correction, second_correction):
        """Adam's step."""
        if placement(h) == "uncorrected":
            rate = h.learning_rate * self.root(second_correction) / first_correction
            return self.over(rate * first, np.sqrt(second) + h.epsilon)
        first, second = self.over(first, first_correction), self.over(second, second_correction)
        if placement(h) == "inside":
            return h.learning_rate * self.over_root(first, second + h.epsilon)
        return h.learning_rate * self.over(first, np.sqrt(second) + h.epsilon)

    def direction(self, h, g, average):
        if h.epsilon_placement == "outside":
            return self.over(g, np.sqrt(average) + h.epsilon)
        return self.over_root(g, average + h.epsilon)

    def after_step(self, h, p, direction):
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

    def trust_ratio(self, parameter_norm, update_norm, coefficient, epsilon):
        if parameter_norm == 0 or update_norm == 0:
            return parameter_norm.dtype.type(1)
        return coefficient * (parameter_norm / (update_norm + epsilon))

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

    def adam_increment(self, h, first, second, first_correction, second_correction):
        if placement(h) == "outside":
            return (
                h.learning_rate
                / first_correction
                * first
                / (np.sqrt(second) / self.root(second_correction) + h.epsilon)
            )
        if placement(h) == "uncorrected":
            return (
                first
                / (np.sqrt(second) + h.epsilon)
                * (h.learning_rate / first_correction * self.root(second_correction))
            )
        return (h.learning_rate / first_correction) * first / np.sqrt(second / second_correction + h.epsilon)

    def along(self, p, rate, ratio, direction):
        return self.plus(p, -(rate * ratio), direction)

    def nadam_step(self, h, p, sources, second, momenta, corrections, second_correction):
        scale = np.sqrt(second) / self.root(second_correction) + h.epsilon
        p = p - h.learning_rate * (1 - momenta[0]) / corrections[0] * sources[0] / scale
        return p - h.learning_rate * momenta[1] / corrections[1] * sources[1] / scale

    def unrectified(self, h, first, first_correction):
        return h.learning_rate / first_correction * first

    def rectified(self, h, first, second, first_correction, second_correction, factor):
        rate = h.learning_rate * factor / first_correction
        if h.epsilon_placement == "uncorrected":
            return rate * self.root(second_correction) * first / (np.sqrt(second) + h.epsilon)
        return rate * first / (np.sqrt(second) / self.root(second_correction) + h.epsilon)

    def adamax_increment(self, h, first, scale, first_correction):
        return h.learning_rate / first_correction * first / scale

    def adadelta_direction(self, g, squared_step, squared_gradient):
        return np.sqrt(squared_step) * g / np.sqrt(squared_gradient)


class Efficient(Plain):
    """The order of computation that section 2 of the Adam paper recommends, epsilon corrected in its place."""

    def adam_increment(self, h, first, second, first_correction, second_correction):
        rate = h.learning_rate * (self.root(second_correction) / first_correction)
        if placement(h) == "inside":
            return rate * first / np.sqrt(second + h.epsilon * second_correction)
        epsilon = h.epsilon if placement(h) == "uncorrected" else h.epsilon * self.root(second_correction)
        return rate * (first / (np.sqrt(second) + epsilon))

    def rectified(self, h, first, second, first_correction, second_correction, factor):
        return factor * self.adam_increment(h, first, second, first_correction, second_correction)

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
