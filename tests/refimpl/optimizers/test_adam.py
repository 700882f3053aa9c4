"""Adam in closed form: constant gradients, where epsilon is added, longest steps, impulses, drift, decay."""

import itertools

import mpmath
import numpy as np
import pytest

from refimpl import optimizers
from refimpl.arithmetic import FLOAT64
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from tests.refimpl.optimizers.runs import (
    assert_same_bits,
    assert_within_4_ulp_per_step,
    changes_of,
    exactly,
    path_of,
    run,
)
from tests.refimpl.optimizers.variants import drawn_gradients, drawn_parameters

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
