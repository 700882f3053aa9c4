"""Every evaluation order that a bound covers is algebraically equal to the formula: compared in 50 digits."""

import ast
import importlib
import inspect
import itertools
import pkgutil
import sys
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import mpmath
import numpy as np
import pytest

import refimpl
from refimpl import activations, clipping, layers, losses, optimizers, schedules
from refimpl.arithmetic import FLOAT64, covering, forms
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.trees import map_leaves

ROOT = Path(refimpl.__file__).parent


def named_orders():
    """Name -> tuple of evaluation orders, of all modules that hold them."""
    for module in pkgutil.walk_packages(refimpl.__path__, "refimpl."):
        if "evaluation_orders" in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, tuple) and all(map(inspect.isfunction, value)):
                    yield f"{module.name.split('.')[1]}.{name}", value


NAMED = dict(named_orders())
ORDERS = {f"{name}.{order.__name__}": (orders, order) for name, orders in NAMED.items() for order in orders}


def sites():
    """File and line of every call of `forms`."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "forms":
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


SITES = list(sites())
assert len(set(SITES)) == len(SITES), "one call of forms a line"


# --- the rules, with hyperparameters that no order can leave out unseen ---

COUNTS = ("steps", "period", "every", "decay_steps")


def other(declared):
    """A hyperparameter that is neither the default nor so small that digits hide it, and 13 for a number of steps."""
    if "at_least" in declared.metadata:
        return 13
    return declared.default * 0.75 if abs(declared.default) > 1e-4 else 0.03


def variants(rule):
    """The rule in every combination of its conventions that has a meaning: with other hyperparameters, where these
    have none with the defaults."""
    names = rule.conventions()
    numbers = {f.name: other(f) for f in fields(rule) if "limits" in f.metadata or f.name in COUNTS}
    for values in itertools.product(*names.values()):
        chosen = dict(zip(names, values, strict=True))
        for arguments in (chosen | numbers, chosen):
            try:
                yield rule(**arguments)
                break
            except ValueError:
                continue


def rules(package, kind):
    """The variants of every rule of a kind that a package has."""
    for name in sorted(vars(package)):
        rule = vars(package)[name]
        if isinstance(rule, type) and issubclass(rule, kind) and not rule.__abstractmethods__:
            yield from variants(rule)


# --- what is evaluated ---


def drawn(seed, *shape):
    """Numbers of both signs, none of them near zero."""
    rng = np.random.default_rng(seed)
    return Multiprecision(rng.uniform(0.3, 2.5, shape) * rng.choice([-1.0, 1.0], shape))


def shares(seed, *shape):
    return Multiprecision(np.random.default_rng(seed).uniform(0.1, 0.9, shape))


def run_activations():
    x, cotangent = drawn(1, 3, 7) * 2, drawn(2, 3, 7)
    for spec in rules(activations, activations.Activation):
        spec.forward(x)
        spec.backward(x, cotangent)


def run_losses():
    weighted = losses.BinaryCrossEntropyWithLogits(positive_weights=(0.5, 2.0, 3.0, 0.25, 1.5))
    for spec in [*rules(losses, losses.Loss), weighted]:
        prediction = shares(3, 3, 5) if isinstance(spec, losses.BinaryCrossEntropy) else drawn(4, 3, 5)
        target = shares(5, 3, 5)
        if isinstance(spec, losses.Hinge):
            target = np.sign(drawn(5, 3, 5))
        if isinstance(spec, losses.NegativeLogLikelihood) or getattr(spec, "labels", "") == "index":
            target = np.array([4, 0, 2])
        spec.value(prediction, target)
        spec.gradient(prediction, target)


def run_optimizers():
    for spec in rules(optimizers, optimizers.Optimizer):
        parameters = drawn(6, 3)
        slots = {slot: shares(7, 3) for slot in spec.slots()}  # squares that are no less than the square of a mean
        spec.step(parameters, drawn(8, 3), {"step": 20} | slots)  # late enough for RAdam to rectify


def run_accumulation():
    for spec in variants(optimizers.GradientAccumulation):
        parameters, state = drawn(9, 3), spec.init(drawn(9, 3))
        for seed in range(2 * spec.every):
            parameters, state = spec.step(parameters, drawn(30 + seed, 3), state)


def run_schedules():
    like, step = Multiprecision(0.0), np.arange(31)
    for spec in rules(schedules, schedules.Schedule):
        spec.rate(step[:13] if getattr(spec, "counting", "") == "first_to_last" else step, like)


def run_clipping():
    tree = {"weight": drawn(20, 3, 5), "bias": drawn(21, 5)}
    for order, rule in itertools.product((2.0, 3.0), (clipping.ClipByGlobalNorm, clipping.ClipByNorm)):
        for values in itertools.product(*rule.conventions().values()):
            rule(0.75, 0.3, order, **dict(zip(rule.conventions(), values, strict=True))).apply(tree)
    clipping.AdaptiveClipping(0.3).apply(tree, map_leaves(lambda array: array / 7, tree))


def run_layers():
    x, affine = drawn(22, 7, 3), {"scale": drawn(23, 3), "shift": drawn(24, 3)}
    dense = {"weight": drawn(25, 3, 3), "bias": drawn(26, 3)}
    for layer, parameters in (
        (layers.Dense(), dense),
        (layers.BatchNormalization(epsilon=0.3), affine),
        (layers.Residual([layers.Dense()], 0.75), {"branch": [dense]}),
    ):
        layer.forward(parameters, x)
        layer.backward(parameters, x, drawn(27, 7, 3))
    layers.RunningStatistics(0.7).update({"mean": drawn(28, 3), "variance": drawn(29, 3) ** 2}, x)


# --- the comparison ---


def distance(formula, order):
    """The largest difference of two arrays, in float64 units in the last place of the largest element of the first.

    Infinite where shapes are unequal or an element is not finite.
    """
    formula, order = (np.asarray(x.value) for x in (formula, order))
    if formula.shape != order.shape or not all(map(mpmath.isfinite, [*formula.flat, *order.flat])):
        return np.inf
    with mpmath.workdps(DIGITS):
        error, largest = (max(map(abs, x.flat)) for x in (np.asarray(formula - order), formula))
        return float(error / (largest or 1)) / (2 * FLOAT64.unit_roundoff)


@pytest.fixture(scope="module")
def distances():
    """For every evaluation order its distances from the formula, in all evaluations; for every call of `forms` too."""
    found = defaultdict(list)
    keys = {(id(orders), order): key for key, (orders, order) in ORDERS.items()}

    def compared(value, orders, *arguments):
        if isinstance(value, Multiprecision):
            for order in orders:
                found[keys[id(orders), order]].append(distance(value, order(*arguments)))
        return value

    def compared_forms(*candidates):
        caller = sys._getframe(1)
        first, *others = (candidate() for candidate in candidates)
        if isinstance(first, Multiprecision):
            site = f"{Path(caller.f_code.co_filename).relative_to(ROOT)}:{caller.f_lineno}"
            found[site].extend(distance(first, form) for form in others)
        return first

    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            for original, replacement in ((covering, compared), (forms, compared_forms)):
                if name.split(".")[0] == "refimpl" and vars(module).get(original.__name__) is original:
                    patch.setattr(module, original.__name__, replacement)
        run_activations()
        run_losses()
        run_optimizers()
        run_accumulation()
        run_schedules()
        run_clipping()
        run_layers()
    return found


@pytest.mark.parametrize("key", [*ORDERS, *SITES])
def test_every_evaluation_order_is_equal_to_the_formula(key, distances):
    """Within 8 ulp: some take π, or the reciprocal of a count, in float64, as libraries do."""
    assert distances[key], "no evaluation above comes here: add one"
    assert np.max(distances[key]) <= 8


@pytest.mark.parametrize("key", ORDERS)
def test_every_evaluation_order_says_in_one_sentence_what_it_is(key):
    docstring = inspect.getdoc(ORDERS[key][1])
    assert docstring and docstring.endswith(".")
