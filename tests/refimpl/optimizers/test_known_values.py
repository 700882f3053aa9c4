"""The optimizers beyond SGD, Adagrad, RMSprop and Adam: closed forms, known values and exact cycles."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl import optimizers
from refimpl.arithmetic.multiprecision import Multiprecision
from refimpl.optimizers.radam import rectification
from tests.refimpl.optimizers.runs import (
    assert_same_bits,
    assert_within_4_ulp_per_step,
    changes_of,
    exactly,
    path_of,
    run,
)

CONSTANT = np.array([3e-7, -2.5, 0.013, 41.0])
ONE = np.array(1.0)


def changes_in_50_digits(spec, gradients):
    """What each step adds to a parameter of zero; gradients in 50 digits."""
    still, changes = gradients[0] * 0, []
    state = spec.init(still)
    for gradient in gradients:
        change, state = spec.step(still, gradient, state)
        changes.append(change)
    return changes


STEPS_BY_RATE = [
    optimizers.AMSGrad(epsilon=1e-3), optimizers.NAdam(epsilon=1e-3), optimizers.RAdam(epsilon=1e-3),
    optimizers.Adamax(epsilon=1e-3), optimizers.Adadelta(epsilon=1e-3), optimizers.AdaBelief(epsilon=1e-3),
    optimizers.Yogi(), optimizers.Yogi(corrected=True), optimizers.Lion(), optimizers.SignDescent(),
    optimizers.SignDescent(momentum=0.8), optimizers.LAMB(), optimizers.LARS(),
]  # fmt: skip


@pytest.mark.parametrize("spec", STEPS_BY_RATE, ids=repr)
def test_steps_are_in_proportion_to_the_learning_rate(spec):
    """Exactly so for powers of two, from zero on: no state of these rules but LARS's velocity knows the rate."""
    gradients = [CONSTANT, -CONSTANT / 3, CONSTANT**2, CONSTANT, -CONSTANT, CONSTANT / 7, CONSTANT, CONSTANT]
    small, large = (dataclasses.replace(spec, learning_rate=rate) for rate in (2.0**-7, 0.5))
    assert_same_bits(changes_of(large, gradients), changes_of(small, gradients) * 64)


# --- AMSGrad ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maximum", "known"),
    [
        ("raw", {2: 0.67046728, 10: 0.1906442, 50: 0.01100207}),
        ("corrected", {2: 0.47421053, 10: 0.06042273, 50: 0.00157503}),
    ],
)
def test_amsgrad_remembers_one_large_gradient(maximum, known):
    """A gradient of 1, then 0.001: what is remembered is smaller after one step than before it was corrected."""
    changes = changes_of(optimizers.AMSGrad(1.0, epsilon=0.0, maximum=maximum), [ONE] + [np.array(1e-3)] * 49)
    assert {step: round(-changes[step - 1], 8) for step in known} == known


@pytest.mark.parametrize(("maximum", "known"), [("raw", -0.349062), ("corrected", -0.333333)])
def test_amsgrad_drifts_downhill_on_the_example_of_reddi(maximum, known):
    spec = optimizers.AMSGrad(1.0, 0.0, 0.1, 0.0, maximum=maximum)
    changes = changes_of(spec, [np.array(g) for g in (3.0, -1.0, -1.0)] * 20)
    assert np.round(changes[-3:].sum(), 6) == known


def test_amsgrad_on_growing_gradients_is_adam():
    gradients = [CONSTANT * (1 + step) for step in range(20)]
    for placement in ("outside", "inside", "uncorrected"):
        fields = (0.3, 0.8, 0.97, 1e-3, placement)
        found = path_of(optimizers.AMSGrad(*fields), gradients)
        assert_same_bits(found, path_of(optimizers.Adam(*fields), gradients))


# --- NAdam -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        (optimizers.NAdam(1.0, epsilon=0.0), [1.0564518, 0.7836844, 0.7322171]),
        (optimizers.NAdam(1.0, epsilon=0.0, momentum_decay=1.0), [1.0627878, 0.7735907, 0.7113353]),
        (optimizers.NAdam(1.0, epsilon=0.0, momentum_schedule="constant"), [1.4736842, 1.1573121, 1.0782215]),
    ],
    ids=["PyTorch", "Keras", "optax"],
)
def test_first_steps_of_nadam_on_a_constant_gradient_are_known(spec, known):
    assert np.round(-changes_of(spec, [np.array(3.0)] * 3), 7).tolist() == known


def test_nadam_without_first_momentum_is_adam_without_it():
    gradients = [CONSTANT, -CONSTANT / 3, CONSTANT**2]
    for schedule in ("rising", "constant"):
        found = changes_of(optimizers.NAdam(0.25, 0.0, 0.97, 1e-3, momentum_schedule=schedule), gradients)
        assert_same_bits(found, changes_of(optimizers.Adam(0.25, 0.0, 0.97, 1e-3), gradients))


def test_product_of_the_momenta_is_theirs():
    _, state = run(optimizers.NAdam(beta1=0.8, momentum_decay=0.5), ONE, [ONE] * 9)
    with mpmath.workdps(50):
        momenta = [mpmath.mpf(0.8) * (1 - mpmath.power(0.96, mpmath.mpf(step) / 2) / 2) for step in range(1, 10)]
        exact = exactly(lambda _: mpmath.fprod(momenta), np.array(0.0))
    assert_within_4_ulp_per_step(state["momentum_product"], exact, 9)


# --- RAdam -----------------------------------------------------------------------------------------------------------


def test_lengths_and_rectifications_are_known():
    found = [rectification(0.999, step) for step in range(1, 9)]
    assert [round(length, 4) for length, _ in found[:6]] == [1.0, 1.9995, 2.9987, 3.9975, 4.996, 5.9942]
    assert [round(square**0.5, 8) for _, square in found[4:]] == [0.0173115, 0.02582111, 0.03273881, 0.03873828]


def test_length_is_that_of_the_weights():
    """Of an average with weights w, the length of a plain average of as many: the ratio that equation 4 starts from.

    The center of mass of the weights lies (length - 1) / 2 steps back.
    """
    for decay in (Fraction(1, 2), Fraction(7, 8), Fraction(127, 128)):
        for step in (1, 2, 7, 30):
            weights = [decay**age for age in range(step)]
            center = sum(age * weight for age, weight in enumerate(weights)) / sum(weights)
            assert rectification(float(decay), step)[0] == float(1 + 2 * center)


@pytest.mark.parametrize(("threshold", "waits"), [(5.0, 5), (4.0, 4)])
def test_radam_steps_along_the_gradient_itself_until_its_average_is_long_enough(threshold, waits):
    changes = changes_of(optimizers.RAdam(1.0, epsilon=0.0, threshold=threshold), [CONSTANT] * 8)
    steps = np.arange(1.0, 9)[:, np.newaxis]
    assert_within_4_ulp_per_step(changes[:waits], exactly(lambda g: -g, np.tile(CONSTANT, (waits, 1))), steps[:waits])
    factors = [-(rectification(0.999, step)[1] ** 0.5) for step in range(waits + 1, 9)]
    exact = exactly(lambda g, r: r * mpmath.sign(g), *np.broadcast_arrays(CONSTANT, np.array(factors)[:, np.newaxis]))
    assert_within_4_ulp_per_step(changes[waits:], exact, steps[waits:])


@pytest.mark.parametrize("placement", ["outside", "uncorrected"])
def test_radam_is_momentum_and_then_adam_times_its_rectification(placement):
    """In 50 digits: the average of squares is longer than 5 from step 6 on."""
    fields, gradients = (0.3, 0.8, 0.97, 1e-2, 5.0, placement), [Multiprecision(CONSTANT / (1 + k)) for k in range(8)]
    found = changes_in_50_digits(optimizers.RAdam(*fields), gradients)
    adam = changes_in_50_digits(optimizers.Adam(*fields[:4], placement), gradients)
    with mpmath.workdps(50):
        for step, change in enumerate(found, start=1):
            if step < 6:
                weights = [mpmath.mpf(0.8) ** (step - 1 - k) for k in range(step)]
                gathered = sum(w * g.value for w, g in zip(weights, gradients[:step], strict=True))
                expected = -mpmath.mpf(0.3) * gathered / mpmath.fsum(weights)
            else:
                expected = adam[step - 1].value * mpmath.sqrt(squared_rectification(0.97, step))
            assert (abs(change.value - expected) * 10**46 <= abs(expected)).all(), step


def squared_rectification(decay, step):
    """By the ratio of variances that equation 5 approximates (Liu et al. 2020, section 4), from the exact length."""
    beta = Fraction(decay)
    weights = [beta**age for age in range(step)]
    length, longest = 1 + 2 * sum(a * w for a, w in enumerate(weights)) / sum(weights), (1 + beta) / (1 - beta)

    def variance(n):
        return n / ((n - 2) * (n - 4))

    square = variance(longest) / variance(length)
    return mpmath.mpf(square.numerator) / square.denominator


# --- Adamax, Adadelta ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", ["inside", "outside"])
def test_adamax_on_a_constant_gradient_takes_equal_steps(placement):
    changes = changes_of(optimizers.Adamax(0.3, 0.8, 0.97, 1e-3, placement), [CONSTANT] * 30)
    exact = exactly(lambda g: -mpmath.mpf(0.3) * g / (abs(g) + mpmath.mpf(1e-3)), np.tile(CONSTANT, (30, 1)))
    assert_within_4_ulp_per_step(changes, exact, np.arange(1.0, 31)[:, np.newaxis])


@pytest.mark.parametrize(("placement", "norm", "divisor"), [("inside", 1.0, 1.0), ("outside", 0.5, 1.0)])
def test_adamax_adds_epsilon_before_or_after_its_maximum(placement, norm, divisor):
    """Gradients 0.5 and 0 with epsilon 0.5 and beta2 = 1/2: without beta1 a step is the gradient over the divisor."""
    spec = optimizers.Adamax(1.0, 0.0, 0.5, 0.5, placement)
    moved, state = run(spec, np.array(0.0), [np.array(0.5)])
    assert (float(state["infinity_norm"]), float(moved)) == (norm, -0.5 / divisor)
    _, state = spec.step(moved, np.array(0.0), state)
    assert float(state["infinity_norm"]) == (0.5 if placement == "inside" else 0.25)


def test_first_step_of_adadelta_is_the_root_of_epsilon_over_the_gathered_square():
    def form(g):
        return -0.75 * g * mpmath.sqrt(mpmath.mpf(1e-3) / ((1 - mpmath.mpf(0.85)) * g**2 + mpmath.mpf(1e-3)))

    assert_within_4_ulp_per_step(
        changes_of(optimizers.Adadelta(0.75, 0.85, 1e-3), [CONSTANT]), exactly(form, CONSTANT[None]), 1
    )


def test_adadelta_without_memory_steps_as_far_as_the_step_before():
    """decay = 0: sqrt((last step)**2 + epsilon) in the direction of a gradient far above epsilon."""
    changes = changes_of(optimizers.Adadelta(1.0, 0.0, 2.0**-4), [np.array(2.0**40)] * 6)
    steps = np.arange(1.0, 7)
    assert_within_4_ulp_per_step(changes, exactly(lambda k: -mpmath.sqrt(k / 16), steps), steps)


# --- signs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "known"), [("current", [0.1, 0.12, 0.144, 0.0, 0.072]), ("stale", [0.0, 0.1, 0.12, 0.0, 0.0])]
)
def test_steps_of_rprop_are_known(taken, known):
    """Gradients 1, 1, 1, -1, 1: steps grow by 1.2, and stand still where the sign has flipped."""
    changes = changes_of(optimizers.Rprop(0.1, taken=taken), [np.array(g) for g in (1.0, 1.0, 1.0, -1.0, 1.0)])
    assert np.round(-changes, 12).tolist() == known


def test_steps_of_rprop_stay_between_the_smallest_and_the_largest():
    spec = optimizers.Rprop(0.25, growth=2.0, shrinkage=0.25, smallest_step=0.125, largest_step=0.75)
    growing = changes_of(spec, [np.array(-1e-9)] * 4)
    assert growing.tolist() == [0.25, 0.5, 0.75, 0.75]
    state = {"step": 7, "step_size": np.array(0.25), "direction": np.array(1.0)}
    moved, state = spec.step(np.array(3.0), np.array(-1.0), state)
    assert (float(moved), float(state["step_size"]), float(state["direction"])) == (3.0, 0.125, 0.0)
    moved, state = spec.step(moved, np.array(-1.0), state)
    assert (float(moved), float(state["step_size"]), float(state["direction"])) == (3.125, 0.125, -1.0)


def test_a_gradient_of_zero_keeps_the_step_of_rprop_and_forgets_its_direction():
    gradients = [np.array(g) for g in (0.0, 0.0, -1.0, 0.0, -1.0, -1.0, 0.0, 1.0)]
    assert changes_of(optimizers.Rprop(0.25, growth=2.0), gradients).tolist() == [0, 0, 0.25, 0, 0.25, 0.5, 0, -0.5]


def test_rprop_may_start_at_its_smallest_or_largest_step():
    for rate in (0.125, 0.5):
        assert optimizers.Rprop(rate, smallest_step=0.125, largest_step=0.5).learning_rate == rate


def test_rprop_knows_nothing_of_the_size_of_gradients():
    gradients = [np.array([1e-300, 1.0]), np.array([3.0, 1e-200]), np.array([-1e-9, -1e9])]
    changes = changes_of(optimizers.Rprop(), gradients)
    assert (changes[:, 0] == changes[:, 1]).all()


def test_lion_weighs_the_new_gradient_by_another_decay_than_it_keeps():
    """beta1 = 1/2 turns with a gradient that beta2 = 7/8 does not turn the average for."""
    spec, gradients = optimizers.Lion(0.25, 0.5, 0.875), [np.array(4.0), np.array(-1.0), np.array(-1.0)]
    averages = [Fraction(0)]
    for g in (4, -1, -1):
        averages.append(Fraction(7, 8) * averages[-1] + Fraction(1, 8) * g)
    path, state = path_of(spec, gradients), run(spec, np.array(0.0), gradients)[1]
    assert Fraction(float(state["first_moment"])) == averages[-1] > 0
    assert path.tolist() == [0.0, -0.25, 0.0, 0.25]


def test_lion_stands_still_where_its_average_is_zero():
    assert changes_of(optimizers.Lion(0.25, 0.5, 0.5), [np.zeros(2)] * 3).tolist() == [[0.0, 0.0]] * 3


def test_sign_descent_ends_in_a_2_cycle():
    """On |x| the step never shrinks: 1, 1/4, -1/2, 1/4, ... for a rate of 3/4."""
    x, path = np.array(1.0), []
    for _ in range(5):
        x, _ = optimizers.SignDescent(0.75).step(x, np.sign(x), {"step": 0})
        path.append(float(x))
    assert path == [0.25, -0.5, 0.25, -0.5, 0.25]


def test_momentum_of_sign_descent_averages_before_the_sign_is_taken():
    gradients = [np.array(4.0), np.array(-1.0), np.array(-1.0), np.array(-1.0)]
    assert changes_of(optimizers.SignDescent(0.25), gradients).tolist() == [-0.25, 0.25, 0.25, 0.25]
    assert changes_of(optimizers.SignDescent(0.25, momentum=0.75), gradients).tolist() == [-0.25, -0.25, -0.25, 0.25]


# --- AdaBelief, Yogi -------------------------------------------------------------------------------------------------


def test_first_step_of_adabelief_is_the_rate_over_the_first_decay():
    """The new average lies beta1 * gradient away from the gradient."""
    changes = changes_of(optimizers.AdaBelief(0.3, 0.8, 0.97, 0.0, 0.0), [CONSTANT])
    exact = exactly(lambda g: -mpmath.mpf(0.3) / mpmath.mpf(0.8) * mpmath.sign(g), CONSTANT[None])
    assert_within_4_ulp_per_step(changes, exact, 1)


def test_epsilon_of_adabelief_gathers_in_its_average():
    """Where gradients are their average, the second moment is epsilon * (1 + beta2 + ...)."""
    state = {"step": 0, "first_moment": np.array(2.0), "second_moment": np.array(0.0)}
    moments = []
    for _ in range(4):
        _, state = optimizers.AdaBelief(0.1, 0.5, 0.75, 0.0, 0.25).step(np.array(0.0), np.array(2.0), state)
        moments.append(Fraction(float(state["second_moment"])))
    assert moments == [Fraction(1, 4) * sum(Fraction(3, 4) ** k for k in range(n)) for n in range(1, 5)]


def test_second_moment_of_yogi_moves_by_a_part_of_the_square_and_no_more():
    for start, gradient, known in ((1e-6, 0.1, 1.1e-5), (1e-6, 10.0, 0.100001), (4.0, 0.5, 3.99975)):
        spec = optimizers.Yogi(beta2=0.999, initial_accumulator=start)
        _, state = spec.step(np.array(0.0), np.array(gradient), spec.init(np.array(0.0)))
        assert np.round(float(state["second_moment"]), 12) == known


def test_second_moment_of_yogi_rests_at_the_square():
    spec = optimizers.Yogi(beta2=0.5, initial_accumulator=0.25)
    _, state = run(spec, ONE, [np.array(0.5)] * 3)
    assert float(state["second_moment"]) == 0.25


def test_adabelief_divides_by_the_corrected_root_and_epsilon():
    """Average 2 and gradient 4, both decays 1/2: the new average 3, at distance 1, corrected 6 and 1; epsilon 2."""
    state = {"step": 0, "first_moment": np.array(2.0), "second_moment": np.array(0.0)}
    moved, state = optimizers.AdaBelief(0.25, 0.5, 0.5, 2.0, 0.0).step(np.array(0.0), np.array(4.0), state)
    assert float(state["second_moment"]) == 0.5
    assert float(moved) == -0.25 * 6 / (1 + 2)


@pytest.mark.parametrize(("first_start", "first"), [("zero", 0.0), ("accumulator", 0.125)])
def test_moments_of_yogi_start_where_declared(first_start, first):
    state = optimizers.Yogi(initial_accumulator=0.125, first_start=first_start).init({"a": np.ones(2)})
    assert state["first_moment"]["a"].tolist() == [first, first]
    assert state["second_moment"]["a"].tolist() == [0.125, 0.125]


@pytest.mark.parametrize(("corrected", "known"), [(True, 1 / 3), (False, 0.25)])
def test_yogi_corrects_its_moments_only_where_declared(corrected, known):
    """Gradient 1, beta1 = 1/2, beta2 = 3/4: moments 1/2 and 1/4, corrected 1 and 1; epsilon 1/2 and 2."""
    epsilon = 2.0 if corrected else 1.5
    spec = optimizers.Yogi(1.0, 0.5, 0.75, epsilon, initial_accumulator=0.0, corrected=corrected)
    assert -float(changes_of(spec, [ONE])[0]) == known


# --- layers ----------------------------------------------------------------------------------------------------------

LAYERS = {"wide": np.array([[3.0, -4.0, 0.0]]), "tall": np.array([[0.5], [-0.25]])}
SLOPES = {"wide": np.array([[1e-4, 0.3, -2.0]]), "tall": np.array([[70.0], [-0.2]])}


def length(x):
    return mpmath.sqrt(mpmath.fsum(mpmath.mpf(float(v)) ** 2 for v in np.ravel(x)))


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_step_of_lamb_is_the_rate_times_as_long_as_the_layer(decay):
    spec = optimizers.LAMB(0.125, weight_decay=decay)
    moved, _ = spec.step(LAYERS, SLOPES, spec.init(LAYERS))
    for name, layer in LAYERS.items():
        with mpmath.workdps(50):
            error = abs(length(moved[name] - layer) / length(layer) - mpmath.mpf(0.125))
        assert error < 2.0**-50  # a handful of roundings of numbers of the layer's size


def test_step_of_lars_is_as_long_as_its_rates_say():
    spec = optimizers.LARS(0.5, trust_coefficient=0.25)
    moved, _ = spec.step(LAYERS, SLOPES, spec.init(LAYERS))
    for name, layer in LAYERS.items():
        with mpmath.workdps(50):
            error = abs(length(moved[name] - layer) / length(layer) - mpmath.mpf(0.125))
        assert error < 2.0**-50


@pytest.mark.parametrize(("kind", "ratio"), [("coupled", 2.0), ("lengths", 1.0)])
def test_lars_divides_by_the_length_of_the_sum_or_the_sum_of_the_lengths(kind, ratio):
    """A parameter of length 4, a gradient of length 3 and a decay of 1 against it: 4 / (3 - 1) or 4 / (3 + 1)."""
    spec = optimizers.LARS(1.0, trust_coefficient=1.0, weight_decay=0.25, weight_decay_kind=kind)
    start = np.array([0.0, -4.0])
    moved, _ = spec.step(start, np.array([0.0, 3.0]), spec.init(start))
    assert moved.tolist() == [0.0, -4.0 - ratio * 2.0]


@pytest.mark.parametrize("spec", [optimizers.LAMB(0.5, 0.0, 0.0, 0.0), optimizers.LARS(0.5, 0.0)], ids=["LAMB", "LARS"])
def test_a_layer_of_zeros_and_a_gradient_of_zeros_have_ratio_one(spec):
    gradient = np.array([1.0, -1.0])
    moved, _ = spec.step(np.zeros(2), gradient, spec.init(np.zeros(2)))
    assert moved.tolist() == [-0.5, 0.5]
    spec = dataclasses.replace(spec, epsilon=1e-3)
    still, _ = spec.step(gradient, np.zeros(2), spec.init(gradient))
    assert still.tolist() == gradient.tolist()


def test_velocity_of_lars_sums_steps_under_the_rate_of_their_time():
    spec, x, gradient = optimizers.LARS(0.5, 0.5, 1.0), np.array([2.0]), np.array([8.0])
    moved, state = spec.step(x, gradient, spec.init(x))  # ratio 1/4
    assert (moved[0], state["velocity"][0]) == (1.0, 1.0)
    moved, state = dataclasses.replace(spec, learning_rate=0.25).step(moved, gradient, state)  # ratio 1/8
    assert (moved[0], state["velocity"][0]) == (0.25, 0.75)


def test_epsilon_of_lars_is_added_to_the_length_of_the_gradient():
    """Lengths 4 and 3: 4 / (3 + 1)."""
    spec, start = optimizers.LARS(0.5, trust_coefficient=1.0, epsilon=1.0), np.array([0.0, -4.0])
    moved, _ = spec.step(start, np.array([0.0, 3.0]), spec.init(start))
    assert moved.tolist() == [0.0, -5.5]


def test_epsilon_of_lamb_is_added_to_the_root_before_the_length_is_taken():
    """Steps g / (|g| + 1): four of 1/2 and one of 3/4, together 5/4 long, for a parameter that is 5 long."""
    spec, start = optimizers.LAMB(0.125, 0.0, 0.0, 1.0), np.array([3.0, 4.0, 0.0, 0.0, 0.0])
    moved, _ = spec.step(start, np.array([1.0, -1.0, 1.0, -1.0, 3.0]), spec.init(start))
    assert (moved - start).tolist() == [-0.25, 0.25, -0.25, 0.25, -0.375]


def test_decay_of_lamb_is_a_part_of_its_step():
    """A parameter of 16 adds 2 to a step of (1, 1), which is then scaled from sqrt(10) to 16: in 50 digits."""
    spec, start = optimizers.LAMB(0.125, 0.0, 0.0, 0.0, weight_decay=0.125), Multiprecision([16.0, 0.0])
    moved, _ = spec.step(start, Multiprecision([0.5, 7.0]), spec.init(start))
    with mpmath.workdps(50):
        step = mpmath.mpf(2) / mpmath.sqrt(10)
        expected = [16 - 3 * step, -step]
        assert all(abs(m - e) * 10**46 <= abs(e) for m, e in zip(moved.value, expected, strict=True))
