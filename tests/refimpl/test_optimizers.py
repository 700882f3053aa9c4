"""Optimizers: closed forms, exact rationals, 50 digits, equivariances, purity, and what each convention changes."""

import copy
import dataclasses
import itertools
import pickle
from fractions import Fraction
from typing import NamedTuple

import mpmath
import numpy as np
import pytest

from refimpl import optimizers
from refimpl.arithmetic import FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.trees import leaves, map_leaves
from tests.refimpl.optimizer_runs import (
    assert_same_bits,
    assert_within_4_ulp_per_step,
    changes_of,
    exactly,
    flat,
    path_of,
    run,
)
from tests.refimpl.precision import ulps

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


# --- 50 digits -------------------------------------------------------------------------------------------------------


def in_50_digits(tree):
    return map_leaves(Multiprecision, tree)


def exact_step(spec, parameters, gradients, state):
    slots = {slot: in_50_digits(tree) for slot, tree in state.items() if slot != "step"}
    return spec.step(in_50_digits(parameters), in_50_digits(gradients), slots | {"step": state["step"]})


def largest_terms(spec, parameters, gradients, state):
    """The largest term of the sums that each result ends in, since a sum that cancels has no relative accuracy.

    The same step downhill on absolute values cancels nothing but the parameter against its change.
    """
    spec = dataclasses.replace(spec, maximize=False)
    size = [map_leaves(np.abs, tree) for tree in (parameters, gradients)]
    sizes = {slot: tree if slot == "step" else map_leaves(np.abs, tree) for slot, tree in state.items()}
    if isinstance(spec, optimizers.AdaBelief):
        return largest_terms_of_belief(spec, parameters, gradients, state)
    if not getattr(spec, "centered", False):
        moved, slots = spec.step(*size, sizes)
        return flat_parts(map_leaves(lambda p, new: np.maximum(p, p - new), size[0], moved), slots)
    # The variance v - m**2 cancels too: a relative error of v counts v / (v - m**2) fold in it, and the step itself is
    # up to the root of that longer than without centering.
    largest = flat_parts(*spec.step(*size, sizes))
    plain = dataclasses.replace(spec, centered=False)
    uncentered = largest_terms(plain, *size, {slot: sizes[slot] for slot in ("step", *plain.slots())})
    centered = flat_parts(*spec.step(parameters, gradients, state))
    condition = centered["second_moment"] / (centered["second_moment"] - centered["mean"] ** 2)
    assert (condition < 50).all()
    stretched = {name: uncentered[name] * condition**1.5 for name in ("parameters", "velocity") if name in uncentered}
    return largest | stretched


def largest_terms_of_belief(spec, parameters, gradients, state):
    """The distance from the average is one difference of what is given: the step is as long as the average's terms."""
    if spec.weight_decay_kind == "coupled":
        gradients = map_leaves(lambda g, p: np.abs(g) + spec.weight_decay * np.abs(p), gradients, parameters)
    moved, new = spec.step(parameters, gradients, state)
    terms = map_leaves(
        lambda m, g: spec.beta1 * np.abs(m) + (1 - spec.beta1) * np.abs(g), state["first_moment"], gradients
    )
    found = flat_parts(moved, new)
    stretch = np.maximum(flat(terms), 1e-300) / np.maximum(np.abs(found["first_moment"]), 1e-300)
    start = flat(parameters)
    change = np.abs(start - found["parameters"]) * stretch
    return found | {"parameters": np.maximum(np.abs(start), change), "first_moment": flat(terms)}


@pytest.mark.parametrize("spec", ELEMENTWISE, ids=short)
def test_one_step_is_within_4_ulp_of_50_digits_from_any_state(spec):
    parameters, state = drawn_parameters(), spec.init(drawn_parameters())
    for step, gradients in enumerate(drawn_gradients(60), start=1):
        arguments = parameters, gradients, state
        parameters, state = spec.step(*arguments)
        if step in (1, 2, 10, 60):
            largest, found = largest_terms(spec, *arguments), flat_parts(parameters, state)
            for name, exact in flat_parts(*exact_step(spec, *arguments)).items():
                unit = FLOAT64.ulp(np.abs(exact.to_float64())) / FLOAT64.ulp(largest[name])
                assert (ulps(found[name], exact) * unit <= 4).all(), (name, step)


IN_FLOAT64 = Target(FLOAT64, functions={"float64": {"sqrt": 0.5, "rsqrt": 1.5, "power": 1.0}})


@every_base
def test_60_steps_and_their_50_digits_stay_within_the_running_error_bound(spec):
    # With rate * decay / epsilon above 1 a penalty makes the rules that divide unstable, and no bound stays finite.
    spec = dataclasses.replace(spec, weight_decay=spec.weight_decay / 100)
    gradients = list(drawn_gradients(60))
    found = flat_parts(*run(spec, drawn_parameters(), gradients))
    exact = flat_parts(*run(spec, in_50_digits(drawn_parameters()), map(in_50_digits, gradients)))
    bounded = [map_leaves(lambda x: RunningError.exact(x, IN_FLOAT64), g) for g in (drawn_parameters(), *gradients)]
    for name, certified in flat_parts(*run(spec, bounded[0], bounded[1:])).items():
        assert np.isfinite(certified.bound).all()
        assert certified.within(found[name]).all()
        with mpmath.workdps(DIGITS):
            error = np.abs(exact[name].value - certified.value)
        assert (error <= certified.bound).all()


@pytest.mark.parametrize("spec", ELEMENTWISE, ids=short)
def test_a_gradient_that_is_not_a_number_leaves_none_and_no_other_parameter_learns_of_it(spec):
    gradients = np.array([0.5, np.nan, -0.25])
    found, _ = run(spec, np.array([1.0, 2.0, 3.0]), [gradients] * 2)
    assert np.isnan(found).tolist() == [False, True, False]


def test_decoupled_weight_decay_shrinks_the_running_error_bound_with_the_parameter():
    """By 200 steps of 0.9 each; an expression with the parameter in two terms lets the bound grow by 1.1 each."""
    zero = RunningError.exact(np.zeros(2), IN_FLOAT64)
    start = RunningError.exact(np.array([3.0, -0.7]), IN_FLOAT64)
    decayed, _ = run(optimizers.AdamW(0.2, weight_decay=0.5), start, [zero] * 200)
    assert (decayed.bound <= 4 * 200 * FLOAT64.ulp(np.abs(decayed.value))).all()


# --- SGD: exact rationals --------------------------------------------------------------------------------------------

DYADIC = [
    optimizers.SGD(0.25, weight_decay=0.125),
    *(
        optimizers.SGD(0.25, 0.5, dampening=0.25, weight_decay=0.125, first_velocity=first, rate=rate)
        for first in ("gradient", "dampened")
        for rate in ("outside", "inside")
    ),
    *(optimizers.SGD(0.25, 0.75, weight_decay=0.125, nesterov=True, rate=rate) for rate in ("outside", "inside")),
]


def transition(spec, step):
    """The matrix and the vector of (parameter, velocity, gradient) -> (parameter, velocity), in rationals.

    The velocity sums gradients; where the rule sums steps instead, it is that times the learning rate.
    """
    rate, momentum, dampening, decay = map(
        Fraction, (spec.learning_rate, spec.momentum, spec.dampening, spec.weight_decay)
    )
    kept = 1 if step == 1 and spec.first_velocity == "gradient" else 1 - dampening
    unit = rate if spec.rate == "inside" else Fraction(1)
    velocity = np.array([kept * unit * decay, momentum, kept * unit], dtype=object)
    penalized = np.array([unit * decay, 0, unit], dtype=object)
    direction = penalized + momentum * velocity if spec.nesterov else velocity
    return np.array([[1, 0, 0] - rate / unit * direction, velocity])


@pytest.mark.parametrize("spec", DYADIC, ids=short)
def test_sgd_on_dyadic_data_is_exact(spec):
    gradients = [np.array([3.0, -0.5, 0.0]), np.array([-1.0, 0.25, 1.5]), np.array([2.0, 2.0, -0.75])] * 2
    parameters, state = (
        np.array([1.5, -2.0, 0.25]),
        {"step": 0} | {slot: np.array([0.5, 0, -1]) for slot in spec.slots()},
    )
    for lane in range(3):
        vector = np.array([Fraction(x) for x in (parameters[lane], state.get("velocity", np.zeros(3))[lane])])
        lane_parameters, lane_state = parameters, state
        for step, gradient in enumerate(gradients, start=1):
            vector = transition(spec, step) @ np.append(vector, Fraction(gradient[lane]))
            lane_parameters, lane_state = spec.step(lane_parameters, gradient, lane_state)
            assert Fraction(lane_parameters[lane]) == vector[0]
            for slot in spec.slots():
                assert Fraction(lane_state[slot][lane]) == vector[1]


def descent_of(spec, curvature, steps, start=1.0):
    """The parameter under the gradients of curvature * x**2 / 2, before and after each step."""
    x, state, path = np.array(start), spec.init(np.array(start)), [start]
    for _ in range(steps):
        x, state = spec.step(x, curvature * x, state)
        path.append(float(x))
    return path


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_on_a_quadratic_obeys_its_characteristic_polynomial_exactly(nesterov):
    """Heavy ball: z**2 - (1 + b - a) z + b; Nesterov: z**2 - (1 - a)(1 + b) z + b (1 - a); a = rate * curvature."""
    b, a = Fraction(1, 2), Fraction(3, 4)
    trace, determinant = ((1 - a) * (1 + b), b * (1 - a)) if nesterov else (1 + b - a, b)
    x = [Fraction(value) for value in descent_of(optimizers.SGD(0.25, 0.5, nesterov=nesterov), 3.0, 16)]
    assert x[1] == 1 - a * (1 + b if nesterov else 1)
    for k in range(1, 16):
        assert x[k + 1] == trace * x[k] - determinant * x[k - 1]


@pytest.mark.parametrize(
    ("spec", "limit"),
    [(optimizers.SGD(1.0), 2.0), (optimizers.SGD(1.0, 0.9), 3.8), (optimizers.SGD(1.0, 0.9, nesterov=True), 3.8 / 2.8)],
    ids=["plain", "heavy ball", "Nesterov"],
)
def test_descent_converges_just_below_its_stability_limit_and_diverges_just_above(spec, limit):
    for factor, grows in ((0.999, False), (1.001, True)):
        sizes = np.abs(descent_of(spec, factor * limit, 3000))
        assert (sizes[-100:].max() > sizes[:100].max()) == grows


def test_descent_at_twice_the_inverse_curvature_is_a_2_cycle():
    assert descent_of(optimizers.SGD(0.5), 4.0, 6, start=0.3) == [0.3, -0.3] * 3 + [0.3]


def test_weight_decay_of_sgd_shrinks_the_parameter_by_rate_times_decay():
    path = path_of(optimizers.SGD(0.25, weight_decay=0.5), [np.zeros(2)] * 9, start=3.0)
    assert [Fraction(x) for x in path[:, 1]] == [3 * Fraction(7, 8) ** k for k in range(10)]


@pytest.mark.parametrize(("rate", "second", "third"), [("outside", 0.19, 0.271), ("inside", 1.0, 1.0)])
def test_a_changed_learning_rate_meets_the_momentum_as_declared(rate, second, third):
    """Rate 1, then 0.1, on a constant gradient of 1."""
    spec, gradient = optimizers.SGD(1.0, 0.9, rate=rate), np.array(1.0)
    x, state = spec.step(np.array(0.0), gradient, spec.init(gradient))
    path = [x]
    for _ in range(2):
        x, state = dataclasses.replace(spec, learning_rate=0.1).step(x, gradient, state)
        path.append(x)
    assert np.round(-np.diff(path, prepend=0.0), 12).tolist() == [1.0, second, third]


@pytest.mark.parametrize(
    ("first", "velocities"), [("gradient", [1.0, 1.25, 1.4375]), ("dampened", [0.5, 0.875, 1.15625])]
)
def test_first_velocity_is_dampened_only_where_declared(first, velocities):
    path = path_of(optimizers.SGD(1.0, 0.75, dampening=0.5, first_velocity=first), [np.array(1.0)] * 3)
    assert (-np.diff(path)).tolist() == velocities


def test_a_step_below_half_an_ulp_of_the_parameter_is_lost():
    assert optimizers.SGD(0.99).step(np.array(1.0), np.array(2.0**-54), {"step": 0})[0] == 1.0
    assert optimizers.SGD(1.01).step(np.array(1.0), np.array(2.0**-54), {"step": 0})[0] < 1.0


# --- Adam: closed forms ----------------------------------------------------------------------------------------------

CONSTANT = np.array([3e-7, -2.5, 0.013, 41.0])


def test_adam_on_a_constant_gradient_takes_equal_steps():
    """Every step is rate * gradient / (|gradient| + epsilon), whatever the betas."""
    spec = optimizers.Adam(0.3, 0.8, 0.97, 1e-8)
    path = path_of(spec, [CONSTANT] * 60)
    steps = np.arange(61.0)[:, None]
    operands = np.broadcast_arrays(steps, CONSTANT, spec.learning_rate, spec.epsilon)
    exact = exactly(lambda t, g, rate, eps: -t * rate * g / (abs(g) + eps), *operands)
    assert_within_4_ulp_per_step(path, exact, steps)
    assert np.round(path[1, 0] / -0.3, 10) == 0.9677419355


@pytest.mark.parametrize(
    ("placement", "divisor"),
    [
        ("inside", lambda g, eps, b, t: mpmath.sqrt(g**2 + eps)),
        ("uncorrected", lambda g, eps, b, t: abs(g) + eps / mpmath.sqrt(1 - b**t)),
    ],
)
def test_adam_on_a_constant_gradient_divides_as_its_epsilon_is_placed(placement, divisor):
    changes = changes_of(optimizers.Adam(0.3, 0.8, 0.97, 1e-3, epsilon_placement=placement), [CONSTANT] * 60)
    steps = np.arange(1.0, 61)[:, None]
    operands = np.broadcast_arrays(CONSTANT, 1e-3, 0.97, steps, 0.3)
    exact = exactly(lambda g, eps, b, t, rate: -rate * g / divisor(g, eps, b, t), *operands)
    assert_within_4_ulp_per_step(changes, exact, steps)


def test_moments_on_a_constant_gradient_have_gathered_one_minus_beta_to_the_step():
    spec = optimizers.Adam(0.3, 0.8, 0.97, 1e-8)
    for steps in (1, 2, 10, 60):
        _, state = run(spec, CONSTANT, [CONSTANT] * steps)
        first = exactly(lambda g, b, t=steps: (1 - b**t) * g, CONSTANT, np.full(4, spec.beta1))
        second = exactly(lambda g, b, t=steps: (1 - b**t) * g**2, CONSTANT, np.full(4, spec.beta2))
        assert_within_4_ulp_per_step(state["first_moment"], first, steps)
        assert_within_4_ulp_per_step(state["second_moment"], second, steps)


@pytest.mark.parametrize("betas", list(itertools.product([0.0, 0.3, 0.999], repeat=2)))
def test_first_step_of_adam_is_rate_times_gradient_over_its_size_plus_epsilon(betas):
    gradient = np.array([1e-150, -3e-8, 0.7, 12.0, -1e150])
    path = path_of(optimizers.Adam(0.3, *betas, 1e-8), [gradient])
    exact = exactly(lambda g, rate, eps: -rate * g / (abs(g) + eps), gradient, np.full(5, 0.3), np.full(5, 1e-8))
    assert_within_4_ulp_per_step(path[1], exact, 1)


@pytest.mark.parametrize(
    ("placement", "form", "known"),
    [
        ("outside", lambda g, eps, b: g / (g + eps), 0.9090909),
        ("inside", lambda g, eps, b: g / mpmath.sqrt(g**2 + eps), 0.0009999995),
        ("uncorrected", lambda g, eps, b: g / (g + eps / mpmath.sqrt(1 - b)), 0.2402531),
    ],
)
def test_first_step_shows_where_adam_adds_epsilon(placement, form, known):
    gradient, epsilon, beta2 = 1e-7, 1e-8, 0.999
    step = -path_of(
        optimizers.Adam(1.0, beta2=beta2, epsilon=epsilon, epsilon_placement=placement), [np.array(gradient)]
    )[1]
    assert_within_4_ulp_per_step(step, exactly(form, *map(np.array, (gradient, epsilon, beta2))), 1)
    assert float(f"{step:.7g}") == known


def test_adam_without_bias_correction_would_take_these_multiples_of_its_steps():
    """The ratio of the uncorrected moments, m / sqrt(v), on a constant gradient of 1."""
    state, ratios = optimizers.Adam().init(np.array(1.0)), []
    for _ in range(1000):
        _, state = optimizers.Adam().step(np.array(1.0), np.array(1.0), state)
        ratios.append(float(state["first_moment"] / np.sqrt(state["second_moment"])))
    assert [round(ratios[t - 1], 5) for t in (1, 2, 3, 1000)] == [3.16228, 4.24959, 4.95024, 1.25758]
    assert np.argmax(ratios) + 1 == 12
    assert round(ratios[11], 6) == 6.56852


def longest_step(beta1, beta2, t):
    """The bound on a step of Adam by Cauchy and Schwarz, in units of the learning rate, in 50 digits."""
    with mpmath.workdps(DIGITS):
        b1, b2 = mpmath.mpf(beta1), mpmath.mpf(beta2)
        r = b1**2 / b2
        corrections = mpmath.sqrt(1 - b2**t) / (1 - b1**t) * (1 - b1) / mpmath.sqrt(1 - b2)
        return Multiprecision(np.array(corrections * mpmath.sqrt((1 - r**t) / (1 - r)), dtype=object))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.99), (0.5, 0.9), (0.9, 0.95)])
def test_the_longest_step_of_adam_is_attained_by_growing_gradients(betas):
    """Gradients (beta1 / beta2)**(t - i) attain the bound."""
    beta1, beta2 = betas
    for t in (2, 5, 60):
        gradients = (beta1 / beta2) ** np.arange(t - 1.0, -1, -1)
        changes = changes_of(optimizers.Adam(1.0, beta1, beta2, 0.0), [np.array(g) for g in gradients])
        assert_within_4_ulp_per_step(-changes[-1], longest_step(beta1, beta2, t), t)


def test_the_longest_steps_of_adam_are_known():
    known = {1: 1.0, 2: 1.0014, 3: 1.0036, 5: 1.0108, 10: 1.0431, 20: 1.1561, 100: 2.2434, 1000: 5.7812, 10**6: 7.2703}
    assert {t: round(float(longest_step(0.9, 0.999, t).value), 4) for t in known} == known


def test_no_step_of_adam_is_longer_than_its_bound():
    beta1, beta2 = 0.9, 0.99
    rng = np.random.default_rng(2)
    gradients = (
        rng.standard_cauchy(size=(60, 300))
        + rng.uniform(0, 3, 300) * rng.uniform(1, 1.2, 300) ** np.arange(60)[:, None]
    )
    steps = np.abs(changes_of(optimizers.Adam(1.0, beta1, beta2, 0.0), list(gradients))).max(axis=1)
    for t, longest in enumerate(steps, start=1):
        bound = longest_step(beta1, beta2, t).to_float64()
        assert longest <= bound + 4 * t * FLOAT64.ulp(bound)
    assert steps.max() > 1.5


def test_adam_answers_an_impulse_by_its_closed_form():
    """A gradient of 1, then zeros: step t is [b1**(t-1) (1-b1) / (1-b1**t)] / sqrt(b2**(t-1) (1-b2) / (1-b2**t))."""
    spec = optimizers.Adam(1.0, 0.7, 0.9, 0.0)
    gradients = [np.array(1.0)] + [np.array(0.0)] * 59

    def response(t, b1, b2):
        first = b1 ** (t - 1) * (1 - b1) / (1 - b1**t)
        return -first / mpmath.sqrt(b2 ** (t - 1) * (1 - b2) / (1 - b2**t))

    counts = np.arange(1.0, 61)
    exact = exactly(response, counts, np.full(60, 0.7), np.full(60, 0.9))
    assert_within_4_ulp_per_step(changes_of(spec, gradients), exact, counts)
    total = changes_of(optimizers.Adam(1.0, epsilon=0.0), [np.array(1.0)] + [np.array(0.0)] * 600).sum()
    assert np.round(total, 4) == -6.0055


def test_adam_drifts_uphill_on_the_example_of_reddi():
    """Gradients 3, -1, -1 of mean 1/3, beta1 = 0, beta2 = 1 / (1 + 3**2): the parameter grows (Reddi et al. 2018)."""
    changes = changes_of(optimizers.Adam(1.0, 0.0, 0.1, 0.0), [np.array(g) for g in (3.0, -1.0, -1.0)] * 20)
    with mpmath.workdps(DIGITS):
        c, a = 3, mpmath.mpf(0.1)
        weighed = [c**2 + a + a**2, 1 + a * c**2 + a**2, 1 + a + a**2 * c**2]
        v = [w / (1 + a + a**2) for w in weighed]
        limit = Multiprecision(np.array([g / mpmath.sqrt(x) for g, x in zip((-c, 1, 1), v, strict=True)], dtype=object))
    assert_within_4_ulp_per_step(changes[-3:], limit, 1)  # the start is forgotten: beta2**57 is far below an ulp
    assert np.round(changes[-3:].sum(), 8) == 0.6809496


def test_adam_with_l2_penalty_alone_ignores_its_strength_but_adamw_does_not():
    zero, start = [np.zeros(3)] * 5, np.array([2.0, -0.5, 30.0])
    weak, strong = (run(optimizers.Adam(0.1, epsilon=0.0, weight_decay=2.0**-k), start, zero)[0] for k in (7, 4))
    assert_same_bits(weak, strong)
    first = run(optimizers.Adam(0.1, epsilon=0.0, weight_decay=0.01), np.zeros(3), [np.array([2.0, -0.5, 30.0])])[0]
    exact = exactly(lambda x: -mpmath.mpf(0.1) * mpmath.sign(x), start)
    assert_within_4_ulp_per_step(first, exact, 1)
    decayed = run(optimizers.AdamW(0.1, weight_decay=0.01), start, zero)[0]
    exact = exactly(lambda x, rate, decay: x * (1 - rate * decay) ** 5, start, np.full(3, 0.1), np.full(3, 0.01))
    assert_within_4_ulp_per_step(decayed, exact, 5)
    assert np.round(decayed[0] / 2, 8) == 0.99500999


def test_adamw_decays_apart_from_the_moments():
    gradients = list(drawn_gradients(5))
    plain, decoupled = (
        run(rule, drawn_parameters(), gradients)[1]
        for rule in (optimizers.Adam(0.1), optimizers.AdamW(0.1, weight_decay=0.3))
    )
    assert_same_bits(plain, decoupled)


# --- Adagrad and RMSprop: closed forms -------------------------------------------------------------------------------


def test_adagrad_on_a_constant_gradient_steps_by_the_inverse_roots_of_the_counts():
    path = path_of(optimizers.Adagrad(1.0, epsilon=0.0), [np.array([3.0, -0.25])] * 1000)
    with mpmath.workdps(DIGITS):
        total = mpmath.nsum(lambda k: 1 / mpmath.sqrt(k), [1, 1000])
        approximate = 2 * mpmath.sqrt(1000) + mpmath.zeta(0.5) + 1 / mpmath.sqrt(4000)
        assert abs(total - approximate) < mpmath.mpf(10) ** -5  # the next term of Euler and Maclaurin's sum
    assert_within_4_ulp_per_step(path[-1], exactly(lambda g: -mpmath.sign(g) * total, np.array([3.0, -0.25])), 1000)
    assert np.round(-path[-1, 0], 8) == 61.80100877


def test_adagrad_that_starts_its_accumulator_above_zero_steps_shorter():
    spec = optimizers.Adagrad(1.0, initial_accumulator=0.1, epsilon=0.0, epsilon_placement="inside")
    exact = exactly(lambda k: -3 / mpmath.sqrt(mpmath.mpf(0.1) + 9 * k), np.arange(1.0, 5))
    assert_within_4_ulp_per_step(changes_of(spec, [np.array(3.0)] * 4), exact, np.arange(1, 5))


def test_adagrad_decays_its_rate_by_the_steps_before():
    spec = optimizers.Adagrad(1.0, learning_rate_decay=0.5, epsilon=0.0)
    state = {"accumulator": np.array(0.0)}
    for taken, rate in enumerate([1.0, Fraction(2, 3), 0.5, 0.4]):
        change, _ = spec.step(np.array(0.0), np.array(-4.0), state | {"step": taken})
        assert change == float(rate)


@pytest.mark.parametrize(
    ("centered", "form", "known"),
    [
        (False, lambda k, a: 1 / mpmath.sqrt(1 - a**k), [10.0, 7.0888, 5.8025]),
        (True, lambda k, a: 1 / mpmath.sqrt((1 - a**k) * a**k), [10.0504, 7.1604, 5.8906]),
    ],
)
def test_rmsprop_on_a_constant_gradient_steps_by_what_its_average_lacks(centered, form, known):
    """The second moment has gathered 1 - a**k of the square, the variance (1 - a**k) a**k."""
    gradient = np.array([1.0, -3.7, 2e-4])
    spec = optimizers.RMSprop(1.0, 0.99, 0.0, centered=centered)
    changes, counts = changes_of(spec, [gradient] * 3), np.arange(1.0, 4)[:, None]
    operands = np.broadcast_arrays(gradient, counts, 0.99)
    assert_within_4_ulp_per_step(changes, exactly(lambda g, k, a: -mpmath.sign(g) * form(k, a), *operands), counts)
    assert np.round(-changes[:, 0], 4).tolist() == known


@pytest.mark.parametrize(("placement", "known"), [("outside", 99.0099), ("inside", 10.0)])
def test_first_step_shows_where_rmsprop_adds_epsilon(placement, known):
    path = path_of(optimizers.RMSprop(1.0, 0.99, 0.01, epsilon_placement=placement), [np.array(1e-3)])
    assert np.round(-path[1] / 1e-3, 4) == known


def test_centered_rmsprop_divides_by_the_root_of_the_variance():
    """Decay 0.9, gradient 4: the variance is 1.6 - 0.16 = 1.44."""
    path = path_of(optimizers.RMSprop(1.2, 0.9, 0.0, centered=True), [np.array(4.0)])
    assert np.round(path[1], 12) == -4.0


@pytest.mark.parametrize("placement", ["outside", "inside"])
@pytest.mark.parametrize("rate", ["outside", "inside"])
def test_momentum_of_rmsprop_without_memory_is_that_of_sgd_on_the_signs(placement, rate):
    """Decay 0 and epsilon 0 leave g / |g|; the momentum of SGD is checked above, in rationals."""
    gradients = [np.array([3.0, -0.1]), np.array([-7e-5, -2.0]), np.array([0.3, 1e4])] * 2
    divided = optimizers.RMSprop(0.25, decay=0.0, epsilon=0.0, momentum=0.75, epsilon_placement=placement, rate=rate)
    summed = optimizers.SGD(0.25, 0.75, rate=rate)
    left, right = (np.array([1.5, -0.5]), divided.init(np.zeros(2))), (np.array([1.5, -0.5]), summed.init(np.zeros(2)))
    for step, gradient in enumerate(gradients):
        slower = {"learning_rate": 0.25 / (step + 1)}
        left = dataclasses.replace(divided, **slower).step(left[0], gradient, left[1])
        right = dataclasses.replace(summed, **slower).step(right[0], np.sign(gradient), right[1])
        assert_same_bits((left[0], left[1]["velocity"]), (right[0], right[1]["velocity"]))


COUPLING = [spec for spec in VARIANTS if "coupled" in spec.conventions()["weight_decay_kind"] and not spec.maximize]


@pytest.mark.parametrize("spec", COUPLING, ids=short)
def test_l2_penalty_adds_its_gradient(spec):
    spec = dataclasses.replace(spec, weight_decay=0.125, weight_decay_kind="coupled")
    parameters = np.array([1.5, -4.0, 0.0])
    gradient, penalized = np.array([0.75, 0.25, -2.0]), np.array([0.9375, -0.25, -2.0])
    _, state = spec.step(parameters, gradient, spec.init(parameters))
    found = spec.step(parameters, gradient, state)
    assert_same_bits(found, dataclasses.replace(spec, weight_decay=0.0).step(parameters, penalized, state))


# --- equivariances, bit for bit --------------------------------------------------------------------------------------

SCALE_FREE = [
    optimizers.Adam(0.3, 0.8, 0.97, 0.0),
    optimizers.Adam(0.3, 0.8, 0.97, 0.0, epsilon_placement="inside"),
    optimizers.AdamW(0.3, 0.8, 0.97, 0.0, weight_decay=0.07, epsilon_placement="uncorrected"),
    optimizers.Adagrad(0.05, 0.2, 0.0),
    optimizers.RMSprop(0.02, 0.85, 0.0, momentum=0.6, centered=True),
]


def nonzero_gradients(steps):
    return [map_leaves(lambda g: np.where(g == 0, 0.5, g), gradients) for gradients in drawn_gradients(steps)]


def scaled(trees, factor):
    return [map_leaves(lambda leaf: leaf * factor, tree) for tree in trees]


@pytest.mark.parametrize("spec", SCALE_FREE, ids=short)
def test_without_epsilon_scaling_gradients_by_a_power_of_two_changes_nothing(spec):
    gradients = nonzero_gradients(20)
    expected, _ = run(spec, drawn_parameters(), gradients)
    for exponent in (-40, 3, 77):
        assert_same_bits(run(spec, drawn_parameters(), scaled(gradients, 2.0**exponent))[0], expected)


@pytest.mark.parametrize("spec", [dataclasses.replace(s, epsilon=0.03) for s in SCALE_FREE], ids=short)
def test_scaling_gradients_and_epsilon_by_a_power_of_two_changes_nothing(spec):
    gradients = list(drawn_gradients(20))
    power = 2 if spec.epsilon_placement == "inside" else 1  # epsilon under the root has the unit of the square
    for exponent in (-40, 3, 77):
        larger = dataclasses.replace(spec, epsilon=spec.epsilon * 2.0 ** (power * exponent))
        found, _ = run(larger, drawn_parameters(), scaled(gradients, 2.0**exponent))
        assert_same_bits(found, run(spec, drawn_parameters(), gradients)[0])


@pytest.mark.parametrize(
    "spec", [v for base in BASES if type(base) is optimizers.SGD for v in variants(base)], ids=short
)
def test_sgd_is_linear_in_powers_of_two(spec):
    gradients = list(drawn_gradients(20))
    found, _ = run(spec, scaled([drawn_parameters()], 2.0**9)[0], scaled(gradients, 2.0**9))
    expected, _ = run(spec, drawn_parameters(), gradients)
    assert_same_bits(found, scaled([expected], 2.0**9)[0])


@pytest.mark.parametrize("spec", ODD, ids=short)
def test_negating_parameters_and_gradients_negates_the_path(spec):
    gradients = list(drawn_gradients(20))
    found, _ = run(spec, scaled([drawn_parameters()], -1.0)[0], scaled(gradients, -1.0))
    expected, _ = run(spec, drawn_parameters(), gradients)
    assert (flat(found) == -flat(expected)).all()


@pytest.mark.parametrize("spec", ODD, ids=short)
def test_zero_gradients_on_fresh_state_leave_the_parameters_alone(spec):
    still = dataclasses.replace(spec, weight_decay=0.0)
    zeros = map_leaves(np.zeros_like, drawn_parameters())
    assert_same_bits(run(still, drawn_parameters(), [zeros] * 3)[0], drawn_parameters())


# --- trees, purity, state --------------------------------------------------------------------------------------------


class Layer(NamedTuple):
    weights: np.ndarray
    bias: np.ndarray


UNLIKE = {
    "matrix": np.arange(6.0).reshape(2, 3) - 2.5,
    "nested": [np.array(0.7), (np.zeros((0, 3)), {"column": np.array([[1.0], [-2.0]])})],
    "layer": Layer(np.array([1.5, -0.5, 2.0], dtype=np.float32), np.float64(-3.0)),
    4: np.asfortranarray(np.arange(12.0).reshape(3, 4))[::2, ::-1],
}


def gradients_of(tree, step):
    return map_leaves(lambda leaf: np.sin(np.asarray(leaf, dtype=np.float64) * (step + 1) + step), tree)


@every_variant
def test_each_array_of_a_tree_moves_as_if_alone(spec):
    gradients = [gradients_of(UNLIKE, step) for step in range(4)]
    parameters, state = run(spec, UNLIKE, gradients)
    for path, start in leaves(UNLIKE):
        alone, alone_state = run(spec, start, [dict(leaves(g))[path] for g in gradients])
        assert_same_bits(dict(leaves(parameters))[path], alone)
        for slot in spec.slots():
            assert_same_bits(dict(leaves(state[slot]))[path], alone_state[slot])


@every_variant
def test_results_are_float64_arrays_in_the_structure_of_the_parameters(spec):
    parameters, state = run(spec, UNLIKE, [gradients_of(UNLIKE, step) for step in range(2)])
    assert type(state["step"]) is int
    assert state["step"] == 2
    slots = [held[slot] for held in (state, spec.init(UNLIKE)) for slot in spec.slots()]
    for tree in (parameters, *slots):
        for (path, leaf), (_, start) in zip(leaves(tree), leaves(UNLIKE), strict=True):
            assert type(leaf) is np.ndarray, path
            assert (leaf.dtype, leaf.shape) == (np.float64, np.shape(start)), path
        assert type(tree["layer"]) is Layer
        assert type(tree["nested"][1]) is tuple
        assert list(tree) == list(UNLIKE)


@every_variant
def test_a_step_neither_changes_nor_shares_what_it_was_given(spec):
    parameters, state = run(spec, drawn_parameters(), drawn_gradients(2))
    arguments = parameters, next(drawn_gradients(1)), state
    for tree in arguments:
        for _, leaf in leaves(tree):
            if isinstance(leaf, np.ndarray):
                leaf.setflags(write=False)
    before = copy.deepcopy(arguments)
    results = [spec.step(*arguments), spec.step(*arguments), (parameters, spec.init(parameters))]
    assert_same_bits(before, arguments)
    assert_same_bits(results[0], results[1])
    given = [leaf for _, leaf in leaves(arguments)]
    made = [leaf for result in (*results[:2], results[2][1]) for _, leaf in leaves(result)]
    for i, array in enumerate(made):
        assert not any(np.shares_memory(array, other) for other in given + made[:i] if isinstance(other, np.ndarray))


def reordered(tree):
    return dict(reversed(list(tree.items())))


@every_variant
def test_the_order_of_keys_does_not_matter(spec):
    parameters = {"b": np.array([1.0, -2.0]), "a": np.array([3.0, 0.5])}  # of one shape: a mix-up would go unnoticed
    gradients = {"b": np.array([0.1, 0.2]), "a": np.array([-0.3, 0.7])}
    parameters, state = spec.step(parameters, gradients, spec.init(parameters))
    turned = reordered({slot: tree if slot == "step" else reordered(tree) for slot, tree in state.items()})
    found, expected = spec.step(parameters, reordered(gradients), turned), spec.step(parameters, gradients, state)
    assert_same_bits(found[0], expected[0])
    for slot in spec.slots():
        assert_same_bits(found[1][slot], expected[1][slot])


@every_variant
def test_a_run_equals_two_runs_with_the_state_saved_between_them(spec, tmp_path):
    gradients = list(drawn_gradients(7))
    expected = run(spec, drawn_parameters(), gradients)
    half_way = run(spec, drawn_parameters(), gradients[:3])
    (tmp_path / "saved").write_bytes(pickle.dumps((spec, *half_way)))
    restored_spec, parameters, state = pickle.loads((tmp_path / "saved").read_bytes())
    assert restored_spec == spec
    assert_same_bits((parameters, state), half_way)
    assert_same_bits(run(restored_spec, parameters, gradients[3:], state), expected)


@every_base
def test_state_survives_a_file_of_plain_arrays(spec, tmp_path):
    parameters, state = run(spec, drawn_parameters(), drawn_gradients(3))
    np.savez(tmp_path / "saved.npz", **dict(leaves(state)))
    with np.load(tmp_path / "saved.npz") as saved:
        arrays = iter([saved[path] for path, _ in leaves(state)])
        restored = map_leaves(lambda _: next(arrays), state)
    gradients = next(drawn_gradients(1))
    assert_same_bits(spec.step(parameters, gradients, restored), spec.step(parameters, gradients, state))


@every_base
def test_states_of_two_trees_are_independent(spec):
    gradients = list(drawn_gradients(6))
    expected = run(spec, drawn_parameters(), gradients[::2])
    ours, theirs = (drawn_parameters(), spec.init(drawn_parameters())), (UNLIKE, spec.init(UNLIKE))
    for step, gradient in enumerate(gradients):
        if step % 2 == 0:
            ours = spec.step(ours[0], gradient, ours[1])
        else:
            theirs = spec.step(theirs[0], gradients_of(UNLIKE, step), theirs[1])
    assert_same_bits(ours, expected)


@pytest.mark.parametrize("spec", [base for base in BASES if base.elementwise], ids=short)
def test_not_a_number_stays_in_its_element(spec):
    parameters = {"a": np.array([1.0, 2.0]), "b": np.array(3.0)}
    moved, _ = run(spec, parameters, [{"a": np.array([np.nan, 0.5]), "b": np.array(-0.5)}] * 2)
    assert np.isnan(flat(moved)).tolist() == [True, False, False]


@pytest.mark.filterwarnings("error")
def test_infinite_and_undefined_results_come_without_warning():
    moved, _ = run(optimizers.Adam(0.1, epsilon=0.0), np.array([1.0, 1.0]), [np.array([0.0, 1e200])])
    assert np.isnan(moved[0])
    assert moved[1] == 1.0


# --- conventions -----------------------------------------------------------------------------------------------------

# A rule in which the values of the convention differ, and the gradients of one element that show it.
VARIED = [np.array(g) for g in (0.5, -2.0, 3e-3, 1.0)]
TOO_SMALL_TO_SQUARE = [np.array(1e-200)]
SHOWN_BY = {
    (optimizers.SGD, "nesterov"): (optimizers.SGD(0.1, 0.5), VARIED),
    (optimizers.SGD, "first_velocity"): (optimizers.SGD(0.1, 0.5, dampening=0.5), VARIED),
    (optimizers.SGD, "rate"): (optimizers.SGD(0.1, 0.5), VARIED),
    (optimizers.Adagrad, "epsilon_placement"): (optimizers.Adagrad(0.1, epsilon=1e-2), TOO_SMALL_TO_SQUARE),
    (optimizers.RMSprop, "centered"): (optimizers.RMSprop(0.1, epsilon=1e-2), VARIED),
    (optimizers.RMSprop, "epsilon_placement"): (optimizers.RMSprop(0.1, epsilon=1e-2), VARIED),
    (optimizers.RMSprop, "rate"): (optimizers.RMSprop(0.1, momentum=0.5), VARIED),
    (optimizers.Adam, "epsilon_placement"): (optimizers.Adam(0.1, epsilon=1e-2), VARIED),
    (optimizers.AdamW, "epsilon_placement"): (optimizers.AdamW(0.1, epsilon=1e-2), VARIED),
    (optimizers.AMSGrad, "epsilon_placement"): (optimizers.AMSGrad(0.1, epsilon=1e-2), VARIED),
    (optimizers.AMSGrad, "maximum"): (optimizers.AMSGrad(0.1), VARIED),
    (optimizers.NAdam, "momentum_schedule"): (optimizers.NAdam(0.1), VARIED),
    (optimizers.RAdam, "threshold"): (optimizers.RAdam(0.1, beta2=0.9988), VARIED * 2),
    (optimizers.RAdam, "epsilon_placement"): (optimizers.RAdam(0.1, epsilon=1e-2), VARIED * 2),
    (optimizers.Adamax, "epsilon_placement"): (optimizers.Adamax(0.1, beta2=0.5, epsilon=1e-2), VARIED),
    (optimizers.Rprop, "taken"): (optimizers.Rprop(0.1), VARIED),
    (optimizers.Yogi, "corrected"): (optimizers.Yogi(0.1), VARIED),
    (optimizers.Yogi, "first_start"): (optimizers.Yogi(0.1, initial_accumulator=0.5), VARIED),
} | {(type(base), name): (dataclasses.replace(base, weight_decay=0.3), VARIED) for base in BASES for name in SHARED}


def test_every_convention_is_shown_by_an_input():
    rules = {type(base) for base in BASES}
    assert set(SHOWN_BY) == {(rule, name) for rule in rules for name in rule.conventions()}


@pytest.mark.parametrize(("rule", "name"), SHOWN_BY, ids=lambda x: getattr(x, "__name__", x))
def test_each_value_of_a_convention_gives_another_result(rule, name):
    spec, gradients = SHOWN_BY[rule, name]
    pairs = [np.array([g, g**3]) for g in gradients]  # a layer of one element shows nothing of its direction
    results = []
    for value in rule.conventions()[name]:
        chosen = dataclasses.replace(spec, **{name: value})
        halfway = run(chosen, np.array([0.0, 0.5]), pairs[:2])
        slower = dataclasses.replace(chosen, learning_rate=chosen.learning_rate / 4)
        results.append(tuple(run(slower, halfway[0], pairs[2:], halfway[1])[0].tolist()))
    assert np.isfinite(results).all()
    assert len(set(results)) == len(results)


@every_variant
def test_ascent_is_descent_along_the_negative_gradient_with_the_same_decay(spec):
    parameters, state = run(spec, drawn_parameters(), drawn_gradients(2))
    gradients = next(drawn_gradients(1))
    turned = dataclasses.replace(spec, maximize=not spec.maximize)
    assert_same_bits(
        spec.step(parameters, gradients, state), turned.step(parameters, scaled([gradients], -1.0)[0], state)
    )


@every_variant
@pytest.mark.parametrize(("kind", "kept"), [("decoupled", 0.875), ("unscaled", 0.5)])
def test_decay_shrinks_the_parameter_before_its_step(spec, kind, kept):
    within = {"largest_step": 1.0} if isinstance(spec, optimizers.Rprop) else {}
    spec = dataclasses.replace(spec, weight_decay=0.5, weight_decay_kind=kind, learning_rate=0.25, **within)
    plain = dataclasses.replace(spec, weight_decay=0.0)
    parameters, state = run(plain, drawn_parameters(), drawn_gradients(2))
    gradients = next(drawn_gradients(1))
    decayed = scaled([parameters], kept)[0]  # both factors are exact
    assert_same_bits(spec.step(parameters, gradients, state), plain.step(decayed, gradients, state))


def test_adagrad_skips_an_element_without_history_only_where_declared():
    gradient = np.array([0.0, 2.0])
    skipping, plain = (
        run(optimizers.Adagrad(0.5, epsilon=0.0, epsilon_placement=placement), np.array([1.0, 1.0]), [gradient])[0]
        for placement in ("inside_where_positive", "inside")
    )
    assert skipping.tolist() == [1.0, 0.5]
    assert np.isnan(plain[0])
    assert plain[1] == 0.5


def test_an_optimizer_without_a_rule_cannot_be_made():
    with pytest.raises(TypeError, match="update"):
        optimizers.Optimizer()
