"""Conventions are identified from numbers alone, and what follows no combination of them is told so."""

import importlib.util
import re
import time
from functools import partial

import numpy as np
import pytest

import refimpl
from conformance import cli, identify
from conformance.identification import EXCLUDED, FOLLOWED, UNDECIDED, identifiable, rule_named, task_of
from conformance.identification.declared import as_function, declarations, lacked, prove
from conformance.identification.losses import SHAPE as BATCH
from conformance.identification.search import distinguishable, prepared, search
from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.trees import ELEMENTS
from conformance.subjects import load
from conformance.subjects.reference import Reference
from refimpl.optimizers import Optimizer
from tests.conformance.command import ROOT, ended

README_FILES = re.compile(r"^```python file=(\S+)\n(.*?)^```", re.M | re.S)

LIBRARIES = {"torch": "for-loop", "jax": "jit", "keras": "jit"}
OPTIMIZERS = [
    pytest.param(library, rule, id=f"{library}-{name}")
    for library in LIBRARIES
    if importlib.util.find_spec(library)
    for name, rule in identifiable().items()
    if issubclass(rule, Optimizer) and rule in load(library).conventions
]


@pytest.mark.parametrize(("library", "rule"), OPTIMIZERS)
def test_conventions_of_a_library_are_found_without_knowing_the_library(library, rule):
    subject = load(library)(LIBRARIES[library], "float32")
    task, lacking = task_of(rule), lacked(subject, rule)
    for declared in declarations(task, subject, rule):
        found = search(task, as_function(task, subject, rule, declared), rule, lacking, subject.target)
        assert declared in found.consistent
        nowhere = set()
        if lacking.get("weight_decay") == 0:
            nowhere.add("weight_decay_kind")
        if lacking.get("dampening") == 0 or declared.get("nesterov"):
            nowhere.add("first_velocity")
        undecided = {name for name, values in found.followed().items() if len(values) > 1}
        assert undecided == nowhere & set(rule.conventions())


def adam(parameter, gradient, state, step, *, learning_rate, beta1, beta2, epsilon, weight_decay=0.0, **wrong):
    """Adam with decoupled decay, right unless told otherwise."""
    first, second = state or (0.0, 0.0)
    gradient = wrong.get("changed", lambda g: g)(gradient)
    first = beta1 * first + (1 - beta1) * gradient
    second = wrong.get("second", lambda v, g, b: b * v + (1 - b) * g**2)(second, gradient, beta2)
    counted = step + wrong.get("late", 0)
    corrections = 1 - beta1**counted, 1 - wrong.get("beta2_corrected", beta2) ** counted
    parameter = parameter * (1 - wrong.get("decay_sign", 1) * learning_rate * weight_decay)
    scale = np.sqrt(second / corrections[1]) + epsilon + wrong.get("hidden", 0.0)
    return parameter - learning_rate * first / corrections[0] / scale, (first, second)


def without_correction(parameter, gradient, state, step, *, learning_rate, beta1, beta2, epsilon):
    first, second = state or (0.0, 0.0)
    first, second = beta1 * first + (1 - beta1) * gradient, beta2 * second + (1 - beta2) * gradient**2
    return parameter - learning_rate * first / (np.sqrt(second) + epsilon), (first, second)


def first_rate_kept(parameter, gradient, state, step, *, learning_rate, beta1, beta2, epsilon):
    rate, moments = state or (learning_rate, None)
    arguments = {"learning_rate": rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    parameter, moments = adam(parameter, gradient, moments, step, **arguments)
    return parameter, (rate, moments)


def in_single_precision(parameter, gradient, state, step, **hyperparameters):
    arrays = (array.astype(np.float32) for array in (parameter, gradient))
    parameter, state = adam(*arrays, state, step, **hyperparameters)
    return parameter.astype(np.float64), state


def momentum_of_the_gradient(parameter, gradient, state, step, *, learning_rate, momentum):
    velocity = momentum * ((0.0 if state is None else state) + gradient)
    return parameter - learning_rate * velocity, velocity


def averaged(parameter, gradient, state, step, *, learning_rate, momentum):
    velocity = (1 - momentum) * gradient + momentum * (0.0 if state is None else state)
    return parameter - learning_rate * velocity, velocity


def decay_turned_round(parameter, gradient, state, step, *, learning_rate, decay, epsilon):
    second = decay * gradient**2 + (1 - decay) * (0.0 if state is None else state)
    return parameter - learning_rate * gradient / (np.sqrt(second) + epsilon), second


def forgetting(parameter, gradient, state, step, *, learning_rate, epsilon, initial_accumulator):
    total = 0.999 * (initial_accumulator if state is None else state) + gradient**2
    return parameter - learning_rate * gradient / (np.sqrt(total) + epsilon), total


def cosine_late(step, *, peak, floor, steps):
    return floor + (peak - floor) * (1 + np.cos(np.pi * min(max(step - 1, 0), steps) / steps)) / 2


def sum_of_magnitudes(gradients, *, max_norm):
    size = sum(np.abs(gradient).sum() for gradient in gradients)
    return [gradient * min(1.0, max_norm / size) for gradient in gradients]


def always_scaled(gradients, *, max_norm):
    size = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    return [gradient * (max_norm / size) for gradient in gradients]


def a_quarter_at_zero(x):
    return np.maximum(x, 0.0), np.where(x > 0, 1.0, np.where(x < 0, 0.0, 0.25))


def slope_built_in(x, *, slope):
    return np.where(x > 0, x, 0.01 * x)


def of_indices_alone(prediction, target):
    if target.dtype.kind != "i":
        raise TypeError("target must be indices")
    return -np.mean(prediction[np.arange(len(target)), target])


def mean_of_squares_halved(prediction, target):
    return np.mean((prediction - target) ** 2) / 2


def without_three(shape, seed, *, scale):
    limit = np.sqrt(scale / (shape[0] * shape[1] * shape[2]))
    return np.random.default_rng(seed).uniform(-limit, limit, shape)


WRONG = {
    "epsilon under both": (refimpl.AdamW, partial(adam, second=lambda v, g, b: b * v + (1 - b) * (g**2 + 1e-9))),
    "a step counted from 2": (refimpl.AdamW, partial(adam, late=1)),
    "decay that grows": (refimpl.AdamW, partial(adam, decay_sign=-1)),
    "a hidden epsilon": (refimpl.AdamW, partial(adam, hidden=1e-12)),
    "a gradient clipped inside": (refimpl.AdamW, partial(adam, changed=lambda g: np.clip(g, -1, 1))),
    "the other correction": (refimpl.AdamW, partial(adam, beta2_corrected=0.999)),
    "a magnitude for a square": (
        refimpl.AdamW, partial(adam, second=lambda v, g, b: b * v + (1 - b) * np.abs(g))
    ),
    "no bias correction": (refimpl.Adam, without_correction),
    "the first rate for good": (refimpl.Adam, first_rate_kept),
    "single precision inside": (refimpl.AdamW, in_single_precision),
    "momentum of the gradient too": (refimpl.SGD, momentum_of_the_gradient),
    "velocity as an average": (refimpl.SGD, averaged),
    "decay turned round": (refimpl.RMSprop, decay_turned_round),
    "a sum that forgets": (refimpl.Adagrad, forgetting),
    "a cosine one step late": (refimpl.Cosine, cosine_late),
    "a norm of magnitudes": (refimpl.ClipByGlobalNorm, sum_of_magnitudes),
    "a gradient made longer": (refimpl.ClipByGlobalNorm, always_scaled),
    "logits for their logarithms": (refimpl.SoftmaxCrossEntropy, of_indices_alone),
    "a quarter at zero": (refimpl.ReLU, a_quarter_at_zero),
    "a slope built in": (refimpl.LeakyReLU, slope_built_in),
    "half the squares": (refimpl.MeanSquaredError, mean_of_squares_halved),
    "a limit without its factor 3": (refimpl.VarianceScaling, without_three),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "function"), WRONG.values(), ids=WRONG)
def test_a_wrong_rule_follows_no_conventions_and_the_nearest_is_named(rule, function):
    found = identify(function, rule)
    assert found.consistent == () and found.inputs > 0
    assert set(found.nearest().conventions) == set(rule.conventions())
    assert {"expected", "found"} & set(found.nearest().facts)


def test_the_same_function_without_its_mistake_follows_the_conventions_it_was_written_by():
    found = identify(adam, refimpl.Adam)
    assert found.consistent == ({"weight_decay_kind": "decoupled", "maximize": False, "epsilon_placement": "outside"},)
    verdicts = {(name, value): verdict for name, value, verdict, _ in found.values()}
    assert verdicts["weight_decay_kind", "decoupled"] == FOLLOWED and verdicts["maximize", True] == EXCLUDED
    by_placement = {value: exclusion for name, value, _, exclusion in found.values() if name == "epsilon_placement"}
    # Excluded by a combination that differs in nothing else.
    assert by_placement["inside"].conventions == {**found.consistent[0], "epsilon_placement": "inside"}
    assert {"step", "element", "expected", "got", "bound"} <= set(by_placement["inside"].facts)


# Both values mean the same numbers, with other roundings: bounds tell them apart only where roundings show.
SAME_VALUES = {"evaluation", "within", "largest_logit"}
OWN_INPUTS = {"labels"}  # a target of the one form is none of the other
EACH_VALUE = [
    pytest.param(rule, name, id=f"{rule.__name__}-{name}")
    for rule in identifiable().values()
    if rule is not refimpl.Sparse
    for name in rule.conventions()
    if name not in SAME_VALUES | OWN_INPUTS
]


@pytest.mark.parametrize(("rule", "name"), EACH_VALUE)
def test_each_two_values_of_a_convention_are_told_apart_by_an_input(rule, name):
    choices, trials = prepared(task_of(rule), rule, (), (), Reference("numpy", "float64").target)
    told = {
        frozenset((choices[one][name], choices[other][name]))
        for trial in trials
        for one in trial.expected
        for other in trial.expected
        if all((choices[one][n] != choices[other][n]) == (n == name) for n in choices[one])
        and distinguishable(task_of(rule), trial.expected[one], trial.expected[other])
    }
    values = {choice[name] for choice in choices}
    assert told == {frozenset((one, other)) for one in values for other in values if one != other}


@pytest.mark.parametrize("rule", [rule for rule in identifiable().values() if rule is not refimpl.Sparse])
def test_what_the_reference_is_told_to_follow_is_found_and_all_that_is_apart_from_it_excluded(rule):
    subject, task = Reference("numpy", "float64"), task_of(rule)
    choices, trials = prepared(task, rule, (), (), task.target(subject, rule))
    number = len(choices) - 1
    found = search(task, as_function(task, subject, rule, choices[number]), rule, {}, task.target(subject, rule))
    different = {
        other
        for trial in trials
        for other in trial.expected
        if number in trial.expected and distinguishable(task, trial.expected[number], trial.expected[other])
    }
    assert choices[number] in found.consistent
    assert {other for other in different if choices[other] in found.consistent} == set()


def test_all_conventions_of_adam_are_searched_within_20_seconds():
    prepared.cache_clear()
    begun = time.process_time()
    found = identify(adam, refimpl.Adam)
    assert time.process_time() - begun < 20
    assert len(found.consistent) + len(found.excluded) == 18


def test_what_shows_nowhere_is_reported_as_indistinguishable_and_not_guessed():
    found = identify(without_decay, refimpl.Adam)
    assert found.built_in == {"weight_decay": 0.0}
    assert found.followed()["weight_decay_kind"] == ("coupled", "decoupled", "unscaled")
    assert {v for n, _, v, _ in found.values() if n == "weight_decay_kind"} == {UNDECIDED}
    assert identify(lambda x: np.maximum(x, 0.0), refimpl.ReLU).followed()["derivative_at_zero"] == (0.0, 0.5, 1.0)


def without_decay(parameter, gradient, state, step, *, learning_rate, beta1, beta2, epsilon):
    arguments = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    return adam(parameter, gradient, state, step, **arguments)


def test_what_is_fixed_narrows_the_search_and_says_what_is_built_in():
    function = partial(adam, epsilon=1e-5)
    found = identify(lambda p, g, s, t, *, learning_rate, beta1, beta2: function(
        p, g, s, t, learning_rate=learning_rate, beta1=beta1, beta2=beta2
    ), refimpl.Adam, epsilon=1e-5, weight_decay_kind="coupled")  # fmt: skip
    assert found.built_in == {"epsilon": 1e-5, "weight_decay": 0.0}
    assert found.consistent == ({"weight_decay_kind": "coupled", "maximize": False, "epsilon_placement": "outside"},)
    assert len(found.excluded) == 5


def test_a_hyperparameter_that_is_given_with_one_value_alone_is_said_to_be_given():
    found = identify(without_decay, refimpl.Adam, beta1=0.5)
    assert (found.held, found.built_in) == ({"beta1": 0.5}, {"weight_decay": 0.0})
    assert found.followed()["epsilon_placement"] == ("outside",)


def test_what_is_built_in_or_held_is_asked_for_nothing_else():
    def seen(parameter, gradient, state, step, *, learning_rate):
        rates.add(learning_rate)
        return parameter - learning_rate * gradient, None

    rates: set[float] = set()
    of_rate = identify(seen, refimpl.SGD, learning_rate=0.3)
    assert rates == {0.3} and of_rate.followed()["maximize"] == (False,)
    built_in = identify(lambda p, g, s, t: (p - 0.01 * g, None), refimpl.SGD)
    assert built_in.built_in["learning_rate"] == 0.01 and built_in.followed()["nesterov"] == (False,)


def test_a_gradient_of_zeros_does_not_take_away_an_epsilon_that_is_built_in():
    def adagrad(parameter, gradient, state, step, *, learning_rate):
        total = (0.0 if state is None else state) + gradient**2
        return parameter - learning_rate * gradient / (np.sqrt(total) + 1e-7), total

    assert identify(adagrad, refimpl.Adagrad, epsilon=1e-7).followed()["epsilon_placement"] == ("outside",)


def test_what_a_function_leaves_out_and_what_else_it_takes_are_named():
    found = identify(lambda x, inplace=False: np.maximum(x, 0.0), refimpl.ReLU)
    assert (found.without, found.own) == ("derivative", ("inplace",))
    assert identify(lambda x: (np.maximum(x, 0.0), 1.0 * (x > 0)), refimpl.ReLU).without == ""
    assert identify(without_decay, refimpl.Adam).without == ""


def test_a_function_may_change_its_inputs_and_return_lists():
    def in_place(parameter, gradient, state, step, *, learning_rate):
        gradient *= learning_rate
        parameter -= gradient
        return [list(parameter), None]

    def clip(gradients, *, limit):
        for gradient in gradients:
            np.clip(gradient, -limit, limit, out=gradient)
        return tuple(gradients)

    assert identify(in_place, refimpl.SGD).followed()["maximize"] == (False,)
    assert identify(clip, refimpl.ClipByValue).consistent == ({},)


def test_of_distributions_that_are_all_excluded_the_nearest_is_the_one_at_the_least_distance():
    def slightly_narrow(shape, seed, *, scale):
        deviation = 0.95 * np.sqrt(scale / np.prod(shape[:-1]))
        return np.random.default_rng(seed).normal(0.0, deviation, shape)

    nearest = identify(slightly_narrow, refimpl.VarianceScaling, groups=1).nearest()
    assert (nearest.conventions["mode"], nearest.conventions["distribution"]) == ("fan_in", "normal")
    assert nearest.conventions["layout"] == "input_output"


def test_inputs_that_the_function_raises_for_are_listed_and_their_conventions_are_excluded():
    def heavy_ball(parameter, gradient, state, step, *, learning_rate, momentum, dampening):
        if dampening == 0:
            raise NotImplementedError("dampening = 0")
        velocity = gradient if state is None else momentum * state + (1 - dampening) * gradient
        return parameter - learning_rate * velocity, velocity

    found = identify(heavy_ball, refimpl.SGD)
    assert list(found.refused.values()) == ["NotImplementedError: dampening = 0"]
    assert found.followed()["nesterov"] == (False,) and found.followed()["first_velocity"] == ("gradient",)


def test_a_combination_without_meaning_on_an_input_that_another_explains_is_excluded():
    def polynomial(step, *, initial, end, steps, power):
        return (initial - end) * (1 - min(step, steps) / steps) ** power + end

    found = identify(polynomial, refimpl.Polynomial)
    assert found.consistent == ({"evaluation": "closed"},)
    [recursive] = found.excluded
    assert recursive.given == "steps 0 to 47" and "no meaning" in recursive.what


def never(parameter, gradient, state, step):
    raise RuntimeError("no")


def leaves(parameter, gradient, state, step):
    raise SystemExit(3)


def steps(*values):
    """Two values one after the other, which is no pair."""
    yield from values


def returning(result):
    """An optimizer that makes `result` of its step, given the parameter after it."""
    return lambda p, g, s, t, learning_rate: result(p - learning_rate * g)


RELU, SGD, SCHEDULE = refimpl.ReLU, refimpl.SGD, refimpl.PiecewiseConstant
CLIP, UNIFORM, SQUARES = refimpl.ClipByGlobalNorm, refimpl.Uniform, refimpl.MeanSquaredError


def drawing(result):
    """An initializer that makes `result` of a draw of the required shape."""
    return lambda shape, seed, low, high: result(np.random.default_rng(seed).uniform(low, high, shape))


UNUSABLE = {
    "no pair": (returning(lambda p: p), SGD, f"(parameter, state): step 1, got ndarray of shape ({ELEMENTS},)"),
    "three for a pair": (returning(lambda p: (p, None, 3)), SGD, "(parameter, state): step 1, got tuple of 3"),
    "a dict": (returning(lambda p: {"p": p, "s": 0}), SGD, "(parameter, state): step 1, got dict of 2"),
    "a generator": (returning(lambda p: steps(p, None)), SGD, "(parameter, state): step 1, got generator"),
    "nothing": (returning(lambda p: None), SGD, "(parameter, state): step 1, got NoneType"),
    "no parameter": (returning(lambda p: (None, p)), SGD, f"an array of floats of shape ({ELEMENTS},), got NoneType"),
    "a shorter array": (returning(lambda p: (p[:-1], 0)), SGD, f"floats of shape ({ELEMENTS},), got float64 of"),
    "integers": (returning(lambda p: (p.astype(int), 0)), SGD, f"floats of shape ({ELEMENTS},), got int64 of shape"),
    "complex numbers": (returning(lambda p: (p + 0j, 0)), SGD, f"floats of shape ({ELEMENTS},), got complex128"),
    "objects": (returning(lambda p: (p.astype(object), 0)), SGD, f"floats of shape ({ELEMENTS},), got ndarray of"),
    "a text": (returning(lambda p: ("p", 0)), SGD, f"an array of floats of shape ({ELEMENTS},), got str"),
    "uneven rows": (returning(lambda p: ([[1.0], [2.0, 3.0]], 0)), SGD, "step 1, parameters: setting an array element"),
    "single precision": (returning(lambda p: (p.astype("f"), 0)), SGD, "must be in float64, as what it is given, got"),
    "a third result of an activation": (lambda x: (x, x, x), RELU, "y, or (y, derivative): got a tuple of 3"),
    "an empty tuple": (lambda x: (), RELU, "y, or (y, derivative): got a tuple of 0"),
    "a list for a pair": (lambda x: [x, x], RELU, "of shape (7, 9), got float64 of shape (2, 7, 9)"),
    "truth for a derivative": (lambda x: (x, x > 0), RELU, "derivative must be an array of floats of shape (7, 9)"),
    "one derivative": (lambda x: (x, 1.0), RELU, "derivative must be an array of floats of shape (7, 9), got fl"),
    "a third result of a loss": (lambda p, t: (0.0, p, p), SQUARES, "a value, or (value, gradient): got a tuple of 3"),
    "a loss not reduced": (lambda p, t: (p - t) ** 2, SQUARES, f"loss must be one float, got float64 of shape {BATCH}"),
    "an integer loss": (lambda p, t: 0, SQUARES, "loss must be one float, got int64 of shape ()"),
    "no gradients": (lambda gradients: None, CLIP, "a list of 3 arrays as the one given: got NoneType"),
    "their norm": (lambda gradients: 2.0, CLIP, "a list of 3 arrays as the one given: got float"),
    "some gradients": (lambda gradients: gradients[:1], CLIP, "a list of 3 arrays as the one given: got list of 1"),
    "gradients one by one": (lambda gradients: steps(*gradients), CLIP, "as the one given: got generator"),
    "gradients turned": (lambda gradients: [g.T for g in gradients], CLIP, "array 1, gradients must be an array of fl"),
    "no rate": (lambda step: None, refimpl.Constant, "step 0, rate must be one float, got NoneType"),
    "a rate in an array": (lambda step: np.ones(1), refimpl.Constant, "one float, got float64 of shape (1,)"),
    "weights of another shape": (drawing(lambda w: w.T), UNIFORM, "of shape (2, 12, 18, 100), got float64 of shape (1"),
    "no weights": (drawing(lambda w: w[:0]), UNIFORM, "(2, 12, 18, 100), got float64 of shape (0, 12, 18, 100)"),
    "weights that are NaN": (drawing(lambda w: w * np.nan), UNIFORM, "weights must be finite"),
    "the same weights": (lambda shape, seed: np.full(shape, 0.01), UNIFORM, "the seeds 0 and 1 give the same weights"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "rule", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_result_that_is_none_of_a_function_for_the_rule_is_refused(function, rule, message):
    with pytest.raises(ValueError) as refused:
        identify(function, rule)
    assert "the function must return " in str(refused.value) and message in str(refused.value)


def any_rate(step):
    return 0.1


IMPOSSIBLE = {
    "boundaries in a list": (any_rate, SCHEDULE, {"boundaries": [3], "factors": (0.1,)}, "boundaries must be a tup"),
    "boundaries without factors": (any_rate, SCHEDULE, {"boundaries": (3,)}, "boundaries must be a tuple of 2 in"),
    "no schedule": (any_rate, refimpl.WarmUp, {"schedule": 3}, "schedule must be a Schedule"),
    "too few steps": (any_rate, refimpl.OneCycle, {"steps": 2}, "steps must be such that each phase takes time"),
    "a schedule that ends": (
        any_rate, refimpl.WarmUp, {"schedule": refimpl.OneCycle(steps=5), "clock": "from_start"}, "no input can show"
    ),
    "a step beyond all counting": (any_rate, refimpl.Cosine, {"steps": 10**400}, "steps must be an integer >= 1"),
    "an order in a list": (lambda gradients: gradients, CLIP, {"order": [2]}, "order must be a number >= 1"),
    "an order below 1": (lambda gradients: gradients, CLIP, {"order": 0.5}, "order must be a number >= 1"),
    "a text for a number": (adam, refimpl.Adam, {"beta1": "x"}, "beta1 must be a finite number in [0, 1), got 'x'"),
    "a number out of range": (adam, refimpl.Adam, {"beta1": 2.0}, "beta1 must be a finite number in [0, 1), got 2.0"),
    "several values": (adam, refimpl.Adam, {"maximize": [True, False]}, "maximize must be one of False, True, got [T"),
    "nesterov without momentum": (never, SGD, {"nesterov": True}, "No convention allows nesterov=True, learning"),
    "limits that cross": (drawing(abs), UNIFORM, {"low": 1.0, "high": 0.0}, "No convention allows low=1.0, high=0.0"),
    "a distribution of nothing": (
        lambda shape, seed: None, refimpl.TruncatedNormal, {"lower": 100.0, "upper": 101.0}, "has no probability under"
    ),
    "groups that do not divide": (lambda shape, seed: None, refimpl.Dirac, {"groups": 5}, "groups must be >= 1 and"),
    "weights of a text": (
        lambda prediction, target: 0.0, refimpl.SoftmaxCrossEntropy, {"class_weights": "ab"}, "class_weights must be No"
    ),
    "too few weights": (
        lambda prediction, target: 0.0, refimpl.SoftmaxCrossEntropy, {"class_weights": (0.5, 1.0)},
        "class_weights must be as many as prediction has classes, 5, got (0.5, 1.0)",
    ),
    "an axis that is none": (lambda x: x, refimpl.Softmax, {"axis": 5}, "axis must be a non-empty axis of x"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "rule", "fixed", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_fixed_is_refused_by_name_and_value(function, rule, fixed, message):
    with pytest.raises(ValueError) as refused:
        identify(function, rule, **fixed)
    assert message in str(refused.value)


MISUSE = {
    "no rule": (lambda: identify(adam, None), "that a function can follow by itself, got None"),
    "a rule's instance": (lambda: identify(adam, refimpl.ReLU()), "that a function can follow by itself, got ReLU("),
    "a kind of rule": (lambda: identify(adam, Optimizer), "that a function can follow by itself, got Optimizer"),
    "no function": (lambda: identify(3, SGD), "function must be callable, got int 3"),
    "no signature": (lambda: identify(max, SGD), "function must have a signature"),
    "too few arguments": (
        lambda: identify(lambda p, g: p, SGD),
        "must take parameter, gradient, state, step by position",
    ),
    "no positions": (
        lambda: identify(lambda *, step: 0.1, SCHEDULE),
        "must take step by position, then hyperparameters",
    ),
    "positions alone": (
        lambda: identify(lambda x, slope, /: x, refimpl.LeakyReLU),
        "(x, slope, /): missing a required",
    ),
    "leaving": (lambda: identify(leaves, SGD), "the function raised for every input: SystemExit: 3"),
    "no such rule": (lambda: rule_named("adamm"), "--rule must be one of AMSGrad, "),
    "a layer": (lambda: identify(adam, refimpl.Dense), "that a function can follow by itself, got Dense"),
    "zeros that are drawn": (
        lambda: identify(lambda shape, seed: shape, refimpl.Sparse),
        "random, and distinguish no conventions",
    ),
    "a strange name": (lambda: identify(lambda p, g, s, t, lr: (p, s), refimpl.SGD), "got one that needs lr: rename"),
    "no such field": (
        lambda: identify(adam, refimpl.Adam, decay=0.0),
        "Adam has no field 'decay': its fields are learning_",
    ),
    "no such value": (lambda: identify(adam, refimpl.Adam, maximize=2), "Adam: maximize must be one of False, True"),
    "always raising": (lambda: identify(never, refimpl.SGD), "the function raised for every input: RuntimeError: no"),
}


@pytest.mark.parametrize(("misuse", "message"), MISUSE.values(), ids=MISUSE)
def test_misuse_is_told_what_is_allowed(misuse, message):
    with pytest.raises(ValueError) as refused:
        misuse()
    assert message in str(refused.value)


class Misdeclared(Reference):
    """Follows one convention, and declares another."""

    conventions = {refimpl.Adam: {"epsilon_placement": "inside"}}

    def optimizer(self, spec, parameters):
        return super().optimizer(refimpl.Adam(**{**vars(spec), "epsilon_placement": "outside"}), parameters)


def test_a_declaration_that_is_wrong_does_not_hold():
    prove(task_of(refimpl.Adam), Reference("numpy", "float64"), Comparison("float64"), refimpl.Adam)
    with pytest.raises(Mismatch, match=r"epsilon_placement.*inside"):
        prove(task_of(refimpl.Adam), Misdeclared("numpy", "float64"), Comparison("float64"), refimpl.Adam)


def test_the_command_says_what_is_followed_and_what_excludes_the_rest(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def step(parameter, gradient, state, step, *, learning_rate, momentum):\n"
        "    velocity = gradient if state is None else momentum * state + gradient\n"
        "    return parameter - learning_rate * velocity, velocity\n\n\n"
        "def wrong(parameter, gradient, state, step, *, learning_rate):\n"
        "    return parameter - learning_rate * gradient**3, None\n"
    )
    status, output = ended("identify", "mine:step", "--rule", "sgd", "--fixed=dampening=0.0", folder=tmp_path)
    assert status == 0 and "velocity sums gradients" in output and "expected" in output
    status, output = ended("identify", "mine:wrong", "--rule", "SGD", folder=tmp_path)
    assert status == 1 and "it follows none; the nearest is" in output and "step              1" in output


BAD_COMMANDS = {
    "no such module": (["nowhere:step"], "No module named 'nowhere'; the module must be importable from here"),
    "a file": (["bad_names.py:step"], "and is named without .py"),
    "no name": (["bad_names"], "the function must be given as package.module:name, got 'bad_names'"),
    "no such name": (["bad_names:absent"], "bad_names has no function absent"),
    "no function": (["bad_names:rate"], "bad_names:rate: rate must be a function, got float 0.1"),
    "a module that is broken": (["bad_syntax:step"], "bad_syntax:step: importing it raised SyntaxError"),
    "a module that leaves": (["bad_exit:step"], "bad_exit:step: importing it raised SystemExit: 4"),
    "no result": (["bad_names:nothing"], "the function must return (parameter, state): step 1, got NoneType"),
    "a field fixed twice": (["bad_names:nothing", "--fixed=momentum=0.5", "--fixed=momentum=0.2"], "each field once"),
    "no value": (["bad_names:nothing", "--fixed=momentum"], "--fixed must be NAME=VALUE"),
    "a text for a number": (
        ["bad_names:nothing", "--fixed=momentum=a"],
        "SGD: momentum must be a finite number in [0, 1)",
    ),
    "a list": (["bad_names:nothing", "--fixed=rate=[1]"], "SGD: rate must be one of 'outside', 'inside', got [1]"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_command_that_cannot_be_followed_says_why_and_ends_with_2(arguments, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "bad_names.py").write_text("rate = 0.1\n\n\ndef nothing(parameter, gradient, state, step):\n    pass\n")
    (tmp_path / "bad_syntax.py").write_text("def step(:\n")
    (tmp_path / "bad_exit.py").write_text("raise SystemExit(4)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert cli.main(["identify", *arguments, "--rule", "sgd"]) == 2
    assert message in capsys.readouterr().err


def test_an_order_of_the_command_may_be_infinite(tmp_path, monkeypatch, capsys):
    (tmp_path / "of_largest.py").write_text(
        "def clip(gradients, *, max_norm):\n"
        "    largest = max(abs(gradient).max() for gradient in gradients)\n"
        "    return [g * min(1.0, max_norm / largest) for g in gradients]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert cli.main(["identify", "of_largest:clip", "--rule", "clipbyglobalnorm", "--fixed", "order=inf"]) == 0
    assert "order=inf" in capsys.readouterr().out


def test_the_command_of_the_readme_finds_what_the_readme_says(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [(file, code)] = [block for block in README_FILES.findall(text) if "def step(parameter" in block[1]]
    (tmp_path / file).write_text(code, encoding="utf-8")
    [arguments] = re.findall(r"^conformance (identify .+)$", text, re.M)
    status, output = ended(*arguments.split(), folder=tmp_path)
    assert status == 0 and "consistent with 3 of 18 combinations" in output
    assert [line.split()[1:3] for line in output.splitlines() if line.startswith("epsilon_placement")] == [
        ["✓", "outside"], ["✗", "inside"], ["✗", "uncorrected"]
    ]  # fmt: skip
    assert "assumed, not taken by the function (--fixed NAME=VALUE sets it): weight_decay=0.0" in output
