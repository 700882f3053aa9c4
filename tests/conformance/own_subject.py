"""Somebody's own Adam in float32 NumPy, plugged in as a subject from outside the suite."""

import numpy as np

from conformance import OptimizerRun, Subject
from refimpl.optimizers import Adam


class OwnAdam(OptimizerRun):
    """Adam on a flat array or a tree's leaves, as a user might write it."""

    def __init__(self, spec, parameters):
        self.spec, self.arrays = spec, [np.array(leaf) for leaf in flatten(parameters)]
        self.model = parameters
        self.first = [np.zeros_like(p) for p in self.arrays]
        self.second = [np.zeros_like(p) for p in self.arrays]
        self.count = 0

    def step(self, gradients):
        self.count += 1
        s, dtype = self.spec, self.arrays[0].dtype.type
        for p, g, m, v in zip(self.arrays, flatten(gradients), self.first, self.second, strict=True):
            m[...] = dtype(s.beta1) * m + dtype(1 - s.beta1) * g
            v[...] = dtype(s.beta2) * v + dtype(1 - s.beta2) * g * g
            rate = dtype(s.learning_rate / (1 - s.beta1**self.count))
            p -= rate * m / (np.sqrt(v / dtype(1 - s.beta2**self.count)) + dtype(s.epsilon))

    def parameters(self):
        return unflatten(self.model, iter(self.arrays))

    def state(self):
        moments = {"first_moment": self.first, "second_moment": self.second}
        return {name: unflatten(self.model, iter(arrays)) for name, arrays in moments.items()}

    def change(self, spec):
        self.spec = spec

    def save(self):
        return [[a.copy() for a in arrays] for arrays in (self.arrays, self.first, self.second)], self.count

    def restore(self, saved):
        (self.arrays, self.first, self.second), self.count = saved


def flatten(tree):
    if isinstance(tree, dict):
        return [leaf for key in tree for leaf in flatten(tree[key])]
    return [leaf for branch in tree for leaf in flatten(branch)] if isinstance(tree, list) else [tree]


def unflatten(model, leaves):
    if isinstance(model, dict):
        return {key: unflatten(model[key], leaves) for key in model}
    return [unflatten(branch, leaves) for branch in model] if isinstance(model, list) else next(leaves).copy()


class Own(Subject):
    """The subject: what it offers and which conventions it declares."""

    name = "own"
    variants = {"optimizer": ("plain",)}
    conventions = {Adam: {"epsilon_placement": "outside", "weight_decay": 0.0, "maximize": False}}

    def optimizer(self, spec, parameters):
        return OwnAdam(spec, parameters)
