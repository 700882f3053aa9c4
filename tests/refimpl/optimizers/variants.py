"""Every rule with every combination of its conventions, and parameters and gradients for them."""

import dataclasses
import itertools

import numpy as np
import pytest

from refimpl import optimizers
from tests.refimpl.optimizers.runs import flat

# Every branch of every rule, with no hyperparameter at its default; `variants` adds the conventions.
BASES = [
    optimizers.SGD(0.03, weight_decay=0.07),
    optimizers.SGD(0.03, momentum=0.8, dampening=0.3, weight_decay=0.07),
    optimizers.SGD(0.03, momentum=0.8, weight_decay=0.07, nesterov=True),
    optimizers.Adagrad(0.05, learning_rate_decay=0.2, epsilon=1e-3, initial_accumulator=0.1, weight_decay=0.07),
    optimizers.RMSprop(0.02, decay=0.85, epsilon=1e-3, weight_decay=0.07),
    optimizers.RMSprop(0.02, decay=0.85, epsilon=1e-3, momentum=0.6, weight_decay=0.07),
    optimizers.Adam(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, weight_decay=0.07),
    optimizers.Adam(0.002, beta1=0.95, beta2=0.9999, epsilon=1e-12),
    optimizers.AdamW(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, weight_decay=0.07),
    optimizers.AMSGrad(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, weight_decay=0.07),
    optimizers.NAdam(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, momentum_decay=0.3, weight_decay=0.07),
    optimizers.RAdam(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, weight_decay=0.07),
    optimizers.Adamax(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, weight_decay=0.07),
    optimizers.Adadelta(0.7, decay=0.85, epsilon=1e-3, weight_decay=0.07),
    optimizers.Rprop(0.02, growth=1.3, shrinkage=0.4, smallest_step=1e-3, largest_step=0.1, weight_decay=0.07),
    optimizers.Lion(0.02, beta1=0.8, beta2=0.97, weight_decay=0.07),
    optimizers.SignDescent(0.02, weight_decay=0.07),
    optimizers.SignDescent(0.02, momentum=0.8, weight_decay=0.07),
    optimizers.AdaBelief(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, epsilon_root=1e-4, weight_decay=0.07),
    optimizers.Yogi(0.2, beta1=0.8, beta2=0.97, epsilon=1e-3, initial_accumulator=0.1, weight_decay=0.07),
    optimizers.LAMB(0.02, beta1=0.8, beta2=0.97, epsilon=1e-3, weight_decay=0.07),
    optimizers.LARS(0.2, momentum=0.8, trust_coefficient=0.06, epsilon=1e-3, weight_decay=0.07),
]
SHARED = ("weight_decay_kind", "maximize")  # conventions of every rule


def variants(base):
    """The rule with every combination of its own conventions (Nesterov's momentum stands among the bases), and with
    each value of those that all rules share."""
    names = {name: values for name, values in base.conventions().items() if name not in (*SHARED, "nesterov")}
    chosen = [dict(zip(names, values, strict=True)) for values in itertools.product(*names.values())]
    if isinstance(base, optimizers.AMSGrad):
        chosen = [c for c in chosen if c != {"maximum": "corrected", "epsilon_placement": "uncorrected"}]
    kinds = list(base.conventions()["weight_decay_kind"])
    chosen += [{"weight_decay_kind": kind, "maximize": True} for kind in kinds]
    return [dataclasses.replace(base, **values) for values in chosen]


def short(spec):
    return f"{type(spec).__name__}({', '.join(str(getattr(spec, f.name)) for f in dataclasses.fields(spec))})"


every_base = pytest.mark.parametrize("spec", BASES, ids=short)
VARIANTS = [v for base in BASES for v in variants(base)]
every_variant = pytest.mark.parametrize("spec", VARIANTS, ids=short)
ELEMENTWISE = [spec for spec in VARIANTS if spec.elementwise]
# Yogi whose first moment starts above zero leans to one side.
ODD = [spec for spec in VARIANTS if getattr(spec, "first_start", "zero") == "zero"]


def drawn_parameters():
    rng = np.random.default_rng(5)
    return {
        "weights": rng.normal(size=(2, 3)) * 10.0 ** rng.integers(-3, 3, size=(2, 3)),
        "rest": [np.array(-1.7), (np.array([0.0, 1e-9, -250.0, 0.3, -0.4]),)],
    }


def drawn_gradients(steps):
    """Signs flip, magnitudes differ by element and by step, one element is often zero, one is constant."""
    rng = np.random.default_rng(6)
    for step in range(steps):
        vector = rng.normal(size=5) * np.array([1.0, 1e-6, 300.0, 1.0, 1.0]) * 10 ** rng.uniform(-1, 1)
        vector[3] = 0.0 if step % 4 else 2.5
        vector[4] = -0.7
        yield {"weights": rng.normal(size=(2, 3)) ** 3, "rest": [np.array(rng.normal()), (vector,)]}


def flat_parts(parameters, state):
    """Every array that a step returns, as one vector each."""
    return {"parameters": flat(parameters)} | {slot: flat(tree) for slot, tree in state.items() if slot != "step"}
