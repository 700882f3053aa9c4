"""Optimizers in each of the writings, with hyperparameters as they are or rounded to float32."""

from functools import partial
from inspect import isclass
from types import SimpleNamespace

import numpy as np

from conformance import OptimizerRun, Subject
from refimpl import optimizers
from refimpl.trees import leaves, map_leaves, rebuilt

from .writings import WRITINGS, Wide


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
    conventions = {rule: {} for rule in RULES}

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
