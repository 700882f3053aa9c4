"""Conventions are identified from numbers alone, and what follows no combination of them is told so."""

import importlib.util
import re
import time
from functools import partial

import numpy as np
import pytest

import refimpl
from conformance import identify
from conformance.comparison import Comparison, Mismatch
from conformance.identification import EXCLUDED, FOLLOWED, UNDECIDED, form_of, identifiable, rule_named
from conformance.identification.declared import as_function, declarations, lacked, prove
from conformance.identification.search import apart, prepared, search
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
    form, lacking = form_of(rule), lacked(subject, rule)
    for declared in declarations(form, subject, rule):
        found = search(form, as_function(form, subject, rule, declared), rule, lacking, subject.target)
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


def first_array_alone(gradients, *, max_norm):
    return always_scaled(gradients, max_norm=max_norm)[:1]


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
    "arrays left out": (refimpl.ClipByGlobalNorm, first_array_alone),
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
    assert {"step", "lane", "expected", "got", "bound"} <= set(by_placement["inside"].facts)


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
    choices, trials = prepared(form_of(rule), rule, (), (), Reference("numpy", "float64").target)
    told = {
        frozenset((choices[one][name], choices[other][name]))
        for trial in trials
        for one in trial.expected
        for other in trial.expected
        if all((choices[one][n] != choices[other][n]) == (n == name) for n in choices[one])
        and apart(form_of(rule), trial.expected[one], trial.expected[other])
    }
    values = {choice[name] for choice in choices}
    assert told == {frozenset((one, other)) for one in values for other in values if one != other}


@pytest.mark.parametrize("rule", [rule for rule in identifiable().values() if rule is not refimpl.Sparse])
def test_what_the_reference_is_told_to_follow_is_found_and_all_that_is_apart_from_it_excluded(rule):
    subject, form = Reference("numpy", "float64"), form_of(rule)
    choices, trials = prepared(form, rule, (), (), form.target(subject))
    number = len(choices) - 1
    found = search(form, as_function(form, subject, rule, choices[number]), rule, {}, form.target(subject))
    different = {
        other
        for trial in trials
        for other in trial.expected
        if number in trial.expected and apart(form, trial.expected[number], trial.expected[other])
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


MISUSE = {
    "no such rule": (lambda: rule_named("adamm"), "--rule must be one of AMSGrad, "),
    "a layer": (lambda: identify(adam, refimpl.Dense), "one that a function of its own follows, got Dense"),
    "zeros that are drawn": (lambda: identify(lambda shape, seed: shape, refimpl.Sparse), "an input can show, got Sp"),
    "a strange name": (lambda: identify(lambda p, g, s, t, lr: (p, s), refimpl.SGD), "got one that needs lr: rename"),
    "no such field": (lambda: identify(adam, refimpl.Adam, decay=0.0), "Adam has no field 'decay': it has learning_"),
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
    prove(form_of(refimpl.Adam), Reference("numpy", "float64"), Comparison("float64"), refimpl.Adam)
    with pytest.raises(Mismatch, match=r"epsilon_placement.*inside"):
        prove(form_of(refimpl.Adam), Misdeclared("numpy", "float64"), Comparison("float64"), refimpl.Adam)


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
    assert status == 1 and "none; nearest is" in output and "step              1" in output
    status, output = ended("identify", "mine:absent", "--rule", "SGD", folder=tmp_path)
    assert status == 2 and "mine has no function absent" in output and "Traceback" not in output


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
    assert "built in, as far as it was asked: weight_decay=0.0" in output
