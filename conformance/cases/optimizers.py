"""Optimizers: whole programs of steps, parameters and states, step by step against the certified reference.

Left out, since one library alone has them: optax's initial_scale, bias_correction and nesterov of rmsprop, its
bias_correction_mu and bias_correction_nu of amsgrad, and nesterov of adam next to nadam.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.running.case import case
from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import gradient_history, parameters, representable
from conformance.strategies.hyperparameters import SHARES, all_terms_active, specs
from conformance.strategies.programs import Program, programs
from conformance.strategies.trees import ELEMENTS, in_format
from conformance.trajectories.program import follow_program, tree_size
from refimpl import optimizers

MOST_USED = (optimizers.SGD, optimizers.Adam)
RULES = (
    *MOST_USED, optimizers.Adagrad, optimizers.RMSprop, optimizers.AdamW, optimizers.AMSGrad, optimizers.NAdam,
    optimizers.RAdam, optimizers.Adamax, optimizers.Adadelta, optimizers.Rprop, optimizers.Lion, optimizers.SignDescent,
    optimizers.AdaBelief, optimizers.Yogi, optimizers.LAMB, optimizers.LARS,
)  # fmt: skip
NOT_CENTERED = {"centered": False}  # a case of its own below: its variance may round below zero


def _fixed(subject, rule):
    return NOT_CENTERED | dict(subject.fixed(rule)) if rule is optimizers.RMSprop else subject.fixed(rule)


by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


@case(
    statement="Every step of a program of steps, changed rates and penalties, saving and restoring follows the rule.",
    source="the rule's paper, as cited in refimpl.optimizers",
    kind="property",
    catches="a wrong sign, coefficient or term; ignored hyperparameters; stale or lost state; a step count off by one",
    capability="optimizer",
)
@by_rule
@given(data=st.data())
def test_program(subject, compare, rule, data):
    fixed = _fixed(subject, rule)
    spec = data.draw(specs(rule, fixed), label="spec")
    most_steps = 24 if rule in MOST_USED else 12
    program = data.draw(programs(spec, frozenset(fixed), most_steps), label="program")
    generator = random_numbers(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    compare.example(program=program)
    [count] = enlarged((ELEMENTS,))
    start = parameters(generator, count, subject.dtype)
    follow_program(
        subject, compare, program, start, gradient_history(generator, len(program.specs), count, subject.dtype)
    )


@case(
    statement="With no term left out, a run follows the rule under each convention, also once the rate has changed.",
    source="the rule's paper, as cited in refimpl.optimizers",
    kind="property",
    catches="a hyperparameter that is ignored, swapped with another or built in; a convention that is another",
    capability="optimizer",
)
@by_rule
def test_all_terms_active(subject, compare, rule):
    generator = random_numbers(17)
    [flat] = enlarged((ELEMENTS,))
    for number, spec in enumerate(all_terms_active(rule, _fixed(subject, rule))):
        slower = replace(spec, learning_rate=spec.learning_rate / 8)
        program = Program((spec,) * 3 + (slower,) * 3, frozenset({4}))
        compare.example(program=program)
        # A library may compile a tree several times slower: elementwise rules get one once.
        count = tree_size() if number == 0 or not spec.elementwise else flat
        history = gradient_history(generator, len(program.specs), count, subject.dtype)
        follow_program(subject, compare, program, parameters(generator, count, subject.dtype), history)


@case(
    statement="Where decoupled decay takes nearly all of a parameter, all or more, what remains follows the rule.",
    source="Loshchilov & Hutter 2019, algorithm 2, line 12",
    kind="property",
    catches="a factor that is held above zero or expanded for small decays; a decay that follows the step",
    capability="optimizer",
)
@pytest.mark.parametrize("rule", [optimizers.SGD, optimizers.AdamW, optimizers.Lion], ids=lambda rule: rule.__name__)
@given(rate=st.floats(0.2, 1.2), share=SHARES, seed=st.integers(0, 2**32 - 1))
@example(rate=0.5, share=1.5, seed=1)  # what remains has the other sign
def test_strong_decay(subject, compare, rule, rate, share, seed):
    spec = subject.spec(rule, learning_rate=rate, weight_decay=share / rate, weight_decay_kind="decoupled")
    generator = random_numbers(seed)
    [count], steps = enlarged((ELEMENTS,)), 6
    compare.example(spec=spec)
    history = gradient_history(generator, steps, count, subject.dtype)
    start = parameters(generator, count, subject.dtype)
    follow_program(subject, compare, Program((spec,) * steps, frozenset()), start, history)


@case(
    statement="Two hundred steps under rates and penalties that change every seven follow the rule; in float32, 28,"
    " as for LAMB with a coupled penalty.",
    source="the rule's paper, as cited in refimpl.optimizers",
    kind="property",
    catches="a moment that forgets too fast or too slowly; a rate or penalty that is kept from the first step",
    capability="optimizer",
    in_one_variant=True,
)
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in MOST_USED], ids=lambda rule: rule.__name__)
def test_changing_rates(subject, compare, rule):
    spec = all_terms_active(rule, _fixed(subject, rule))[0]
    generator = random_numbers(200)
    lasting = subject.dtype == "float64" and (rule, spec.weight_decay_kind) != (optimizers.LAMB, "coupled")
    [count], steps = enlarged((ELEMENTS,)), 203 if lasting else 28  # as long as bounds are there
    factors = np.repeat(2.0 ** generator.uniform(-3, 0, (2, steps // 7)), 7, axis=1)  # Rprop's rates have a floor
    specs_in_force = tuple(
        replace(spec, learning_rate=spec.learning_rate * of_rate, weight_decay=spec.weight_decay * of_decay)
        for of_rate, of_decay in factors.T.tolist()
    )
    history = gradient_history(generator, steps, count, subject.dtype)
    compare.example(specs=specs_in_force[:1], rates=[s.learning_rate for s in specs_in_force[::7]])
    program = Program(specs_in_force, frozenset({50, 101}))
    follow_program(subject, compare, program, parameters(generator, count, subject.dtype), history)


@case(
    statement="A thousand steps under changing rates follow the rule, and rounding errors that all point one way stay"
    " within the bound.",
    source="Higham 2002, section 3.3 (running error bounds)",
    kind="property",
    catches="slow drift: a moment that decays at a slightly wrong rate, a step count that stops or overflows",
    capability="optimizer",
)
@pytest.mark.parametrize("rule", MOST_USED, ids=lambda rule: rule.__name__)
def test_thousand_steps(subject, compare, rule):
    spec = subject.spec(rule, learning_rate=3e-4)
    generator = random_numbers(1000)
    [count], steps = enlarged((ELEMENTS,)), 1000
    history = gradient_history(generator, steps, count, subject.dtype)
    start = parameters(generator, count, subject.dtype)
    compare.example(spec=spec)
    in_force = tuple(replace(spec, learning_rate=3e-4 / (1 + step // 100 % 3)) for step in range(steps))
    follow_program(subject, compare, Program(in_force, frozenset()), start, history)


@case(
    statement="Centered RMSprop stays finite, also where its variance is zero and rounding decides the sign.",
    source="Graves 2013, equations 38-45",
    kind="property",
    catches="the root of a variance that rounding made negative, which turns parameters into NaN for good",
    capability="optimizer",
)
def test_centered_rmsprop(subject, compare):
    required: dict[str, Any] = {"learning_rate": 1e-3, "decay": 0.9, "centered": True}
    spec = subject.spec(optimizers.RMSprop, **required)
    generator = np.random.default_rng(9)  # under every seed: what a divergence declares must show
    [count], steps = enlarged((128,)), 450
    history = gradient_history(generator, steps, count, subject.dtype)
    history[:, ::2] = representable(10.0 ** generator.uniform(-3, 3, count // 2), subject.dtype)
    compare.example(spec=spec)
    start = parameters(generator, count, subject.dtype)
    follow_program(subject, compare, Program((spec,) * steps, frozenset()), start, history)


def _run(subject, spec, start, gradients):
    """Parameters after each step, of a subject that starts at `start`."""
    run = subject.optimizer(spec, start.astype(subject.array_dtype))
    path = []
    for gradient in gradients:
        run.step(gradient.astype(subject.array_dtype))
        path.append(np.array(run.parameters()))
    return path


@case(
    statement="Arrays that a run has handed out are in the end as they were then, and a saved state can be restored "
    "twice.",
    source="what every user of a library takes for granted",
    kind="exact",
    catches="parameters or slots that are changed in place, one step later or more; a saved state that changes",
    capability="optimizer",
)
@by_rule
def test_nothing_is_shared(subject, compare, rule):
    spec = all_terms_active(rule, _fixed(subject, rule))[0]
    generator = np.random.default_rng(33)
    history, start = (
        gradient_history(generator, 6, ELEMENTS, subject.dtype),
        parameters(generator, ELEMENTS, subject.dtype),
    )
    compare.example(spec=spec)
    run, saved, path = subject.optimizer(spec, start.astype(subject.array_dtype)), None, []
    handed_out: list[tuple[str, Any, np.ndarray]] = []
    for step, gradient in enumerate(history, start=1):
        run.step(gradient.astype(subject.array_dtype))
        handed_out += [(what, a, np.array(a)) for what, a in {"parameters": run.parameters(), **run.state()}.items()]
        path.append(np.array(run.parameters()))
        if step == len(history) // 2:
            saved = run.save()
    for what, array, copy in handed_out:
        compare.equal(array, copy, f"{what} handed out, after the run")
    for restart in (1, 2):
        run = subject.optimizer(spec, start.astype(subject.array_dtype))
        run.restore(saved)
        for step in range(len(history) // 2, len(history)):
            run.step(history[step].astype(subject.array_dtype))
            compare.equal(run.parameters(), path[step], "parameters", step=step + 1, restart=restart)


@case(
    statement="Negating parameters and gradients negates the whole run, bit for bit.",
    source="rounding to nearest is symmetric",
    kind="exact",
    catches="a square root or a power of a signed quantity, a clamp on one side, a sign lost in a branch",
    capability="optimizer",
)
@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule is not optimizers.Yogi], ids=lambda rule: rule.__name__
)
def test_sign_symmetry(subject, compare, rule):
    spec = all_terms_active(rule, _fixed(subject, rule))[0]
    generator = np.random.default_rng(31)
    history, start = (
        gradient_history(generator, 12, ELEMENTS, subject.dtype),
        parameters(generator, ELEMENTS, subject.dtype),
    )
    compare.example(spec=spec)
    runs = zip(_run(subject, spec, start, history), _run(subject, spec, -start, -history), strict=True)
    for step, (path, mirrored) in enumerate(runs):
        compare.equal(-mirrored, path, "parameters", step=step + 1)


@case(
    statement="Without epsilon, Adam's and RMSprop's steps do not change when gradients are scaled by a power of two, "
    "as long as no square leaves the format's range.",
    source="Kingma & Ba 2015, section 2.1; exact since such a scaling does not round",
    kind="exact",
    catches="a hidden epsilon; a first moment and a root of the second moment with different scales",
    capability="optimizer",
)
@pytest.mark.parametrize(
    "rule", [optimizers.Adam, optimizers.AdamW, optimizers.RMSprop], ids=lambda rule: rule.__name__
)
def test_scale_invariance(subject, compare, rule):
    spec = subject.spec(rule, learning_rate=0.03, epsilon=0.0)
    generator = np.random.default_rng(32)
    history = representable(generator.standard_normal((15, ELEMENTS)) + 3, subject.dtype)
    start = parameters(generator, ELEMENTS, subject.dtype)
    compare.example(spec=spec)
    plain = _run(subject, spec, start, history)
    for scale in (2.0**-20, 2.0**13):
        for step, (path, scaled) in enumerate(zip(plain, _run(subject, spec, start, history * scale), strict=True)):
            compare.equal(scaled, path, "parameters", step=step + 1, scale=scale)


# Hyperparameters that make the step of gradients 0 and +-3/4 the rate times the gradient, all of it exact.
UNSCALED = {optimizers.LAMB: {"beta1": 0.5, "beta2": 0.5, "epsilon": 0.25}, optimizers.LARS: {}}


@case(
    statement="An array of zeros moves all the same, by the step as it is, and one without a gradient stays.",
    source="You et al. 2020, algorithm 2: the ratio is 1 where a length is 0, as in the authors' code",
    kind="exact",
    catches="a ratio of 0, by which what starts at zero stays there; 0 / 0 times 0",
    capability="optimizer",
    in_one_variant=True,
)
@pytest.mark.parametrize("rule", UNSCALED, ids=lambda rule: rule.__name__)
def test_trust_ratio_of_zero(subject, compare, rule):
    spec = subject.spec(rule, learning_rate=0.5, weight_decay=0.0, **UNSCALED[rule])
    start = {"zero": np.zeros(3), "still": np.array([1.0, -4.0, 0.0])}
    gradients = {"zero": np.array([0.75, 0.0, -0.75]), "still": np.zeros(3)}
    compare.example(spec=spec)
    run = subject.optimizer(spec, in_format(start, subject.array_dtype))
    run.step(in_format(gradients, subject.array_dtype))
    for name, found in run.parameters().items():
        compare.equal(found, start[name] - 0.5 * gradients[name], f"parameters of the array {name!r}")


@case(
    statement="A gradient that is NaN makes its parameter NaN from that step on, one that is infinite what the rule "
    "makes of it, and no other parameter learns of either.",
    source="IEEE 754: NaN is handed on; the rule's paper, as cited in refimpl.optimizers",
    kind="exact",
    catches="NaN or infinity taken for 0 or for the largest number, which hides that a run is lost; one that spreads",
    capability="optimizer",
)
@pytest.mark.parametrize(
    "rule",
    [
        rule for rule in RULES if rule.elementwise and rule is not optimizers.Rprop
    ],  # of PyTorch a defect: torch-rprop-nan
    ids=lambda rule: rule.__name__,
)
def test_not_a_number(subject, compare, rule):
    spec = all_terms_active(rule, _fixed(subject, rule))[0]
    generator = np.random.default_rng(34)
    history, start = (
        gradient_history(generator, 4, ELEMENTS, subject.dtype),
        parameters(generator, ELEMENTS, subject.dtype),
    )
    lost, endless = [5, 90], [8, 13]
    broken = np.array(history)
    broken[1, lost], broken[1, endless] = np.nan, [np.inf, -np.inf]
    others = np.isfinite(broken).all(axis=0)
    compare.example(spec=spec)
    runs = zip(_run(subject, spec, start, history), _run(subject, spec, start, broken), strict=True)
    ruled, state = start, spec.init(start)
    for step, (path, found) in enumerate(runs):
        ruled, state = spec.step(ruled, broken[step], state)
        compare.equal(found[others], path[others], "other parameters", step=step + 1)
        compare.equal(np.isnan(found[lost]).astype(found.dtype), [step > 0] * 2, "lost to NaN", step=step + 1)
        finite = np.isfinite(found[endless]).astype(found.dtype)
        compare.equal(finite, np.isfinite(ruled[endless]), "finite after an infinity", step=step + 1)
