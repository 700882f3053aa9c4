"""Clipping: exact norms, projection properties, PyTorch's epsilon, ranges, thresholds, bounds of library programs."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.clipping import AdaptiveClipping, ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping, global_norm
from refimpl.trees import leaves, map_leaves
from tests.refimpl.precision import ulps

FUNCTIONS = {name: {"sqrt": 0.5, "power": 1.0} for name in ("float32", "float64")}
IN_FLOAT32 = Target(FLOAT32, functions=FUNCTIONS)
IN_FLOAT64 = Target(FLOAT64, functions=FUNCTIONS)
PYTORCH_EPSILON = 1e-6


def flat(tree):
    return np.concatenate([np.ravel(leaf) for _, leaf in leaves(tree)])


def exact(tree):
    return map_leaves(Multiprecision, tree)


def exactly(*numbers):
    return Multiprecision(np.array(numbers, dtype=object))


def in_target(tree, target):
    return map_leaves(lambda leaf: RunningError.exact(leaf, target), tree)


def drawn(seed, count=15, magnitudes=(-3, 3)):
    """Trees of unlike shapes with entries of unlike signs and sizes, about a common magnitude."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        unit = 10 ** rng.uniform(*magnitudes)
        yield {
            "weights": unit * rng.normal(size=(3, 2)),
            "rest": [unit * rng.normal(size=5) ** 3, (unit * np.float64(rng.normal()), np.zeros((2, 1)))],
        }


RULES = [
    ClipByGlobalNorm(0.7),
    ClipByGlobalNorm(0.7, PYTORCH_EPSILON),
    ClipByNorm(0.7),
    ClipByNorm(0.7, 0.1),
    ClipByNorm(0.7, shares="equal"),
    ClipByNorm(0.7, shares="by_size"),
    ClipByGlobalNorm(0.7, order=1.0),
    ClipByGlobalNorm(0.7, order=math.inf),
    ClipByGlobalNorm(0.7, order=3.0),
    ClipByNorm(0.7, order=1.5),
    ClipByGlobalNorm(0.7, within="rescaled"),
    ClipByNorm(0.7, within="rescaled", non_finite_norm="keeps"),
    ClipByValue(0.3),
    WeightClipping(0.3),
]


# --- norms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1.0, 2.0**-3, 2.0**700, 2.0**-700, 2.0**-1070])
def test_norm_of_pythagorean_tuples_is_exact_at_any_magnitude(unit):
    """2**2 + 3**2 + 6**2 = 7**2, far outside the range of the squares too."""
    tree = {"a": unit * np.array([2.0, 0.0]), "b": (unit * np.array([[-3.0], [6.0]]),)}
    assert ulps(global_norm(tree), Multiprecision(7 * unit)) <= 4
    assert global_norm(tree["b"][0] * 0) == 0


def test_norm_is_within_4_ulp_of_50_digits():
    for magnitudes in ((-3, 3), (150, 300), (-300, -150)):
        for tree in drawn(1, magnitudes=magnitudes):
            assert ulps(global_norm(tree), global_norm(exact(tree))) <= 4


def test_norm_of_infinite_nan_and_empty_entries():
    assert global_norm([np.array([1.0, -np.inf]), np.array(2.0)]) == np.inf
    assert np.isnan(global_norm([np.array([1.0, np.nan]), np.array(np.inf)]))
    assert global_norm(np.zeros((3, 0))) == 0
    assert global_norm([np.zeros(0), np.array([3.0, 4.0])]) == 5


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_results_are_within_4_ulp_of_50_digits(rule):
    for magnitudes in ((-2, 1), (150, 300), (-300, -150)):
        for tree in drawn(2, magnitudes=magnitudes):
            result, expected = rule.apply(tree), rule.apply(exact(tree))
            assert max(ulps(a, b).max() for (_, a), (_, b) in zip(leaves(result), leaves(expected), strict=True)) <= 4


@pytest.mark.parametrize("unit", [1.0, 2.0**700, 2.0**-700])
@pytest.mark.parametrize(
    ("order", "entries", "norm"),
    [(1.0, (2, -3, 4), 9), (3.0, (3, -4, 5), 6), (math.inf, (2, -8, 3), 8), (2.0, (2, 3, -6), 7), (1.5, (1, -4, 0), 9)],
)
def test_whole_norms_of_other_orders_are_exact_at_any_magnitude(order, entries, norm, unit):
    """3**3 + 4**3 + 5**3 = 6**3; (1 + 4**1.5)**(2/3) is the cube root of 81, whose power 1.5 is 9."""
    gradient = unit * np.array(entries, dtype=np.float64)
    clipped = ClipByGlobalNorm(unit, order=order).apply([gradient[:1], gradient[1:]])
    with mpmath.workdps(DIGITS):
        size = mpmath.mpf(norm) if order != 1.5 else mpmath.cbrt(81)
        assert ulps(flat(clipped), exactly(*(unit * mpmath.mpf(x) / size for x in entries))).max() <= 4


@pytest.mark.parametrize("order", [2, 3, np.float32(1.5), np.array(2), np.float32(np.inf)], ids=repr)
def test_an_order_of_any_type_of_real_number_is_the_float_of_the_same_value(order):
    for rule in (ClipByGlobalNorm, ClipByNorm):
        assert rule(0.7, order=order) == rule(0.7, order=float(order))
        assert type(rule(0.7, order=order).order) is float


def test_norms_fall_with_their_order_down_to_the_largest_entry():
    for tree in drawn(13, count=5):
        orders = (1.0, 1.5, 2.0, 3.0, 500.0, math.inf)
        sizes = [1 / abs(flat(ClipByGlobalNorm(1e-9, order=p).apply(tree))[0]) for p in orders]
        assert sorted(sizes, reverse=True) == sizes
        assert sizes[0] > sizes[3] > sizes[-1]


def test_powers_out_of_range_make_the_norm_infinite_or_zero_where_that_is_the_convention():
    """As float32 [3e19, 4e19] becomes [0, 0] in PyTorch and optax, float64 does beyond 1e154."""
    gradient, small = np.array([3e199, 4e199]), np.array([3e-201, 4e-201])
    for rule in (ClipByGlobalNorm, ClipByNorm):
        plain, full = (rule(1e-200, norm_range=choice) for choice in ("powers", "full"))
        assert rule(1.0, norm_range="powers").apply(gradient).tolist() == [0, 0]
        assert plain.apply(small * 100).tolist() == (small * 100).tolist()
        assert ulps(rule(1.0).apply(gradient), rule(1.0).apply(exact(gradient))).max() <= 4
        assert np.all(full.apply(small * 100) < small * 10)


def test_nothing_allowed_leaves_zeros():
    for rule in (ClipByGlobalNorm(0.0), ClipByNorm(0.0), ClipByGlobalNorm(0.0, PYTORCH_EPSILON)):
        for gradient in (np.array([3.0, -4.0]), np.zeros(2)):
            assert rule.apply(gradient).tolist() == [0, 0]


def test_shares_add_up_to_the_threshold():
    """Pythagoras: all arrays beyond their shares have together the norm max_norm."""
    for tree in drawn(14, count=5):
        tree = {"weights": tree["weights"], "rest": tree["rest"][0]}
        for shares in ("equal", "by_size"):
            clipped = ClipByNorm(1e-6, shares=shares).apply(tree)
            with mpmath.workdps(DIGITS):
                assert ulps(global_norm(clipped), exactly(mpmath.mpf(1e-6)).reshape(())) <= 8
        sizes = [leaf.size for _, leaf in leaves(tree)]
        norms = [float(global_norm(leaf)) ** 2 for _, leaf in leaves(clipped)]
        assert sizes == [6, 5]
        assert norms[0] > norms[1]


# --- adaptive --------------------------------------------------------------------------------------------------------


def test_adaptive_clipping_scales_each_column_by_its_own_weight():
    gradient = np.array([[3.0, 0.3, 5.0], [4.0, 0.4, 12.0]])
    weight = np.array([[6.0, 6.0, 0.0], [8.0, 8.0, 0.0]])
    found = AdaptiveClipping(0.1, 0.5).apply({"w": gradient}, {"w": weight})["w"]
    with mpmath.workdps(DIGITS):  # limits 0.1 * 10 and 0.1 * 0.5; norms 5, 0.5 and 13
        tenth = mpmath.mpf(0.1)
        columns = [(30 * tenth / 5, 40 * tenth / 5), (0.3, 0.4), (tenth / 2 * 5 / 13, tenth / 2 * 12 / 13)]
        assert ulps(found, Multiprecision(np.array(columns, dtype=object).T)).max() <= 4


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 4), (2, 3, 2, 4), (2, 1, 3, 2, 2), (5,), (), (1, 5), (5, 1), (2, 0)])
def test_adaptive_clipping_is_clipping_by_norm_unit_by_unit(shape):
    rng = np.random.default_rng(15)
    gradient, weight = (10 * np.asarray(rng.normal(size=shape)) for _ in range(2))
    found = AdaptiveClipping(0.01, 1e-3).apply(gradient, weight)
    units = int(np.prod(shape[-1:] if len(shape) > 3 else shape[1:])) if len(shape) > 1 and 1 not in shape[:2] else 1
    if len(shape) == 5:
        units = shape[-1]
    rows = [x.reshape(-1, units).T for x in (gradient, weight, found)] if units else []
    for g, w, f in zip(*rows, strict=True):
        limit = 0.01 * max(float(global_norm(w)), 1e-3)
        assert ulps(f, Multiprecision(ClipByGlobalNorm(limit).apply(g))).max(initial=0) <= 8


def test_adaptive_clipping_divides_by_no_less_than_the_smallest_divisor():
    """optax: a gradient of 5e-7 where 1e-7 is allowed becomes 5e-8."""
    gradient, weight = np.array([5e-7]), np.zeros(1)
    assert AdaptiveClipping(1e-4, 1e-3, 1e-6).apply(gradient, weight)[0] < 5.1e-8
    assert AdaptiveClipping(1e-4, 1e-3).apply(gradient, weight)[0] > 9.9e-8
    assert AdaptiveClipping(1e-4, 1e-2, 1e-6).apply(gradient, weight)[0] == 5e-7


def test_adaptive_bounds_hold_the_50_digit_values():
    rule = AdaptiveClipping(0.3, 1e-3)
    for target in (IN_FLOAT32, IN_FLOAT64):
        for gradients, weights in zip(drawn(16, count=5), drawn(17, count=5), strict=True):
            bounded = rule.apply(in_target(gradients, target), in_target(weights, target))
            reference = rule.apply(exact(gradients), exact(weights))
            for (_, b), (_, r) in zip(leaves(bounded), leaves(reference), strict=True):
                assert np.all(np.abs(r.to_float64() - b.value) <= b.bound)


# --- projections -----------------------------------------------------------------------------------------------------


def test_global_norm_is_clipped_in_proportion():
    clipped = ClipByGlobalNorm(1.0).apply({"a": np.array([3.0]), "b": np.array([[4.0]])})
    with mpmath.workdps(DIGITS):
        assert ulps(flat(clipped), exactly(mpmath.mpf(3) / 5, mpmath.mpf(4) / 5)).max() <= 4


def test_below_or_at_the_threshold_nothing_changes():
    for tree in drawn(3):
        norm = float(global_norm(tree))
        for rule in (ClipByGlobalNorm(norm), ClipByGlobalNorm(1.5 * norm, 0.5 * norm), ClipByNorm(norm)):
            assert np.array_equal(flat(rule.apply(tree)), flat(tree))
        assert not np.array_equal(flat(ClipByGlobalNorm(0.999 * norm).apply(tree)), flat(tree))


def test_norm_after_clipping_is_the_smaller_of_norm_and_maximum():
    for tree in drawn(4):
        after = global_norm(ClipByGlobalNorm(0.7).apply(tree))
        before = global_norm(exact(tree))
        smaller = np.minimum(before, 0.7)
        assert ulps(after, smaller) <= 8  # 4 of the result, 4 of the norm


def test_direction_is_preserved_by_global_norm():
    for tree in drawn(5):
        before, after = flat(tree), flat(ClipByGlobalNorm(0.7).apply(tree))
        used = before != 0
        ratio = Multiprecision(after[used]) / Multiprecision(before[used])
        assert ulps(np.full(ratio.shape, ratio.to_float64()[0]), ratio).max() <= 8
        assert np.all(after[~used] == 0)


@pytest.mark.parametrize("rule", [rule for rule in RULES if not getattr(rule, "epsilon", 0)], ids=repr)
def test_projections_are_idempotent(rule):
    """To rounding: the projected norm may round to a number above the maximum, and is scaled once more."""
    for tree in drawn(6):
        once = rule.apply(tree)
        assert ulps(flat(rule.apply(once)), Multiprecision(flat(once))).max() <= 4


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_clipping_brings_no_two_trees_further_apart(rule):
    """1-Lipschitz, with PyTorch's epsilon too; in 50 digits, so that no rounding needs allowance."""
    for one, other in zip(drawn(7), drawn(8), strict=True):
        near = map_leaves(lambda a, b: a + b / 512, one, other)
        for pair in ((one, other), (one, near)):
            clipped = [rule.apply(exact(tree)) for tree in pair]
            apart = global_norm(map_leaves(lambda a, b: a - b, *map(exact, pair)))
            assert global_norm(map_leaves(lambda a, b: a - b, *clipped)) <= apart


def test_clipping_commutes_with_powers_of_two_and_signs():
    """No rounding depends on the scale: bit for bit."""
    for tree in drawn(9):
        small = flat(ClipByGlobalNorm(0.7).apply(tree))
        large = flat(ClipByGlobalNorm(0.7 * 2.0**90).apply(map_leaves(lambda g: -g * 2.0**90, tree)))
        assert np.array_equal(large, -small * 2.0**90)


def test_clipping_by_norm_clips_each_array_alone():
    tree = {"long": np.array([6.0, 8.0]), "short": np.array([[0.3], [0.4]]), "one": np.float64(-3.0)}
    clipped = ClipByNorm(2.0).apply(tree)
    assert ulps(clipped["long"], exactly(mpmath.mpf("1.2"), mpmath.mpf("1.6"))).max() <= 4
    assert np.array_equal(clipped["short"], tree["short"])
    assert clipped["one"] == -2.0


def test_arrays_clipped_alone_add_up_to_the_root_of_their_number_at_most():
    """Total <= maximum * sqrt(arrays), attained when each array is long."""
    tree = [np.array([3.0, 4.0]), np.array([[5.0, 12.0]]), np.float64(9.0)]
    with mpmath.workdps(DIGITS):
        assert ulps(global_norm(ClipByNorm(2.0).apply(tree)), Multiprecision(2 * mpmath.sqrt(3))) <= 8


def test_clipping_by_value_keeps_the_cosine_above_one_over_root_n():
    rng = np.random.default_rng(10)
    for n in (2, 3, 7):
        # Infimum as one entry grows without limit: (M + n - 1) / sqrt((M**2 + n - 1) n).
        worst = [np.array([10.0**k] + [1.0] * (n - 1)) for k in (1, 3, 6)]
        cosines = []
        for gradient in (*worst, *rng.standard_cauchy((60, n))):
            g, clipped = Multiprecision(gradient), Multiprecision(ClipByValue(1.0).apply(gradient))
            cosines.append(np.sum(g * clipped) / np.sqrt(np.sum(g**2) * np.sum(clipped**2)))
        assert all(cosine > 1 / np.sqrt(Multiprecision(n)) for cosine in cosines)
        assert cosines[0] > cosines[1] > cosines[2]


@pytest.mark.parametrize("rule", [ClipByValue(0.5), WeightClipping(0.5)], ids=repr)
def test_values_go_to_the_nearest_in_the_box(rule):
    values = np.array([-np.inf, -0.75, -0.5, -0.25, 0.0, 5e-324, 0.5, 0.500001, np.inf, np.nan])
    expected = np.array([-0.5, -0.5, -0.5, -0.25, 0.0, 5e-324, 0.5, 0.5, 0.5, np.nan])
    assert np.array_equal(rule.apply(values), expected, equal_nan=True)


# --- PyTorch's epsilon -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm])
def test_epsilon_shrinks_a_short_gradient_far_below_the_maximum(rule):
    """1e-9 against a maximum of 1e-8 becomes 1e-9 * 1e-8 / (1e-9 + 1e-6); without epsilon it stays."""
    for length, maximum, published in ((1e-9, 1e-8, 9.99e-12), (1e-7, 1e-6, 9.09e-8), (5e-7, 1e-7, 3.33e-8)):
        with mpmath.workdps(DIGITS):
            value = mpmath.mpf(length) * mpmath.mpf(maximum) / (mpmath.mpf(length) + mpmath.mpf(PYTORCH_EPSILON))
        clipped = rule(maximum, PYTORCH_EPSILON).apply(np.array([length, 0.0]))
        assert ulps(clipped, exactly(value, 0)).max() <= 4
        assert f"{clipped[0]:.2e}" == f"{published:.2e}"
        assert rule(maximum).apply(np.array([length]))[0] == min(length, maximum)


def test_epsilon_clips_from_below_the_maximum_on_and_again_until_there():
    clip = ClipByGlobalNorm(1.0, PYTORCH_EPSILON)
    assert clip.apply(np.array([1 - 2 * PYTORCH_EPSILON]))[0] == 1 - 2 * PYTORCH_EPSILON
    assert clip.apply(np.array([1 - PYTORCH_EPSILON / 2]))[0] < 1 - PYTORCH_EPSILON / 2
    norms = [np.array([2.0])]
    while norms[-1] < norms[-2] if len(norms) > 1 else True:
        norms.append(clip.apply(norms[-1]))
    assert [f"{float(n[0]):.7f}" for n in norms[:3]] == ["2.0000000", "0.9999995", "0.9999990"]
    assert ulps(norms[-1], 1 - exactly(mpmath.mpf(PYTORCH_EPSILON))).max() <= 4


# --- ranges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.0, PYTORCH_EPSILON])
def test_infinite_and_nan_gradients_become_what_libraries_make_of_them(epsilon):
    clip = ClipByGlobalNorm(1.0, epsilon)
    assert np.array_equal(clip.apply(np.array([np.inf, 1.0])), [np.nan, 0.0], equal_nan=True)
    assert np.array_equal(clip.apply(np.array([np.nan, 1.0])), [np.nan, np.nan], equal_nan=True)
    assert np.array_equal(clip.apply(np.array([0.0, 0.0])), [0.0, 0.0])


def test_norms_that_are_no_numbers_follow_the_convention():
    infinite, broken = np.array([-np.inf, 1.0]), np.array([np.nan, 1.0])
    for rule in (ClipByGlobalNorm, ClipByNorm):
        for convention, of_infinite, of_broken in (
            ("erases", [np.nan, 0.0], [np.nan, np.nan]),
            ("spreads", [np.nan, np.nan], [np.nan, np.nan]),
            ("keeps", [np.nan, 0.0], [np.nan, 1.0]),
        ):
            clip = rule(0.5, non_finite_norm=convention)
            assert np.array_equal(clip.apply(infinite), of_infinite, equal_nan=True)
            assert np.array_equal(clip.apply(broken), of_broken, equal_nan=True)
            assert np.array_equal(clip.apply(np.array([3.0, 4.0])), rule(0.5).apply(np.array([3.0, 4.0])))


@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm])
def test_what_is_rescaled_within_the_norm_may_be_rounded_and_what_is_kept_not(rule):
    """Keras's two programs, in float32: each rounds an entry at this limit."""
    gradient, limit = np.float32([0.1, -0.7, 0.3, 0.0, 1.3]), np.float32(3.9)
    by_quotient, by_reciprocals = gradient * limit / limit, gradient * (limit * (np.float32(1) / limit))
    bounded = rule(float(limit), within="rescaled").apply(RunningError.exact(gradient, IN_FLOAT32))
    assert np.all(bounded.within(by_quotient)) and np.all(bounded.within(by_reciprocals))
    assert not np.any(bounded.within(gradient * np.float32(1 + 2**-20))[gradient != 0])
    kept = rule(float(limit)).apply(RunningError.exact(gradient, IN_FLOAT32))
    assert not kept.bound.any() and np.array_equal(kept.value, gradient)
    assert not np.all(kept.within(by_quotient)) and not np.all(kept.within(by_reciprocals))


@pytest.mark.parametrize("epsilon", [0.0, PYTORCH_EPSILON])
def test_squares_beyond_the_range_leave_no_claim_but_a_right_reference(epsilon):
    """float32 [3e19, 4e19] becomes [0, 0] in PyTorch and optax, although its norm is a float32."""
    gradient = np.array([3e19, 4e19])
    bounded = ClipByGlobalNorm(1.0, epsilon).apply(RunningError.exact(gradient, IN_FLOAT32))
    assert not np.any(np.isfinite(bounded.bound))
    assert np.all(bounded.within(np.array([0.0, 0.0])))
    plain = ClipByGlobalNorm(1.0, epsilon).apply(gradient)
    assert ulps(plain, ClipByGlobalNorm(1.0, epsilon).apply(Multiprecision(gradient))).max() <= 4


def test_squares_below_the_range_are_covered():
    """float32 1e-30 has the norm 0 by plain squares: unchanged, though far above the maximum."""
    bounded = ClipByGlobalNorm(1e-32).apply(RunningError.exact(np.array([1e-30, 0.0]), IN_FLOAT32))
    assert np.all(bounded.within(np.float32([1e-30, 0.0])))
    assert np.all(bounded.within(np.float32([1e-32, 0.0])))


# --- bounds ----------------------------------------------------------------------------------------------------------


def pytorch_clip_grad_norm(arrays, maximum):
    f = np.float32
    norms = np.array([np.sqrt(np.sum(a * a, dtype=f)) for a in arrays], dtype=f)
    coefficient = f(maximum) / (np.sqrt(np.sum(norms * norms, dtype=f)) + f(PYTORCH_EPSILON))
    return [a * np.minimum(coefficient, f(1)) for a in arrays]


def optax_clip_by_global_norm(arrays, maximum):
    f = np.float32
    norm = np.sqrt(sum(np.sum(a * a, dtype=f) for a in arrays))
    return [a if norm < f(maximum) else (a / norm) * f(maximum) for a in arrays]


def one_running_sum(arrays, maximum):
    f, total = np.float32, np.float32(0)
    for entry in np.concatenate([np.ravel(a) for a in arrays]):
        total = total + entry * entry
    return [a * (f(maximum) / np.maximum(np.sqrt(total), f(maximum))) for a in arrays]


PROGRAMS = [(pytorch_clip_grad_norm, PYTORCH_EPSILON), (optax_clip_by_global_norm, 0.0), (one_running_sum, 0.0)]


@pytest.mark.parametrize(("program", "epsilon"), PROGRAMS)
def test_float32_programs_stay_within_the_bound(program, epsilon):
    for tree in drawn(11, count=25, magnitudes=(-3, 2)):
        arrays = [np.float32(leaf) for _, leaf in leaves(tree)]
        clip = ClipByGlobalNorm(0.7, epsilon)
        bounded = clip.apply(in_target(arrays, IN_FLOAT32))
        results = program(arrays, 0.7)
        reference = clip.apply(exact(arrays))
        for result, b, r in zip(results, bounded, reference, strict=True):
            assert result.dtype == np.float32
            assert np.all(b.within(result))
            assert np.all(np.abs(r.to_float64() - b.value) <= b.bound)
            assert np.all(b.bound <= 32 * FLOAT32.unit_roundoff * np.abs(b.value) + FLOAT32.smallest_normal)
            assert np.all(b.within(result * np.float32(1.00001)) == (result == 0))


def test_a_quotient_that_underflows_on_the_way_is_covered():
    """optax divides by the norm first: 1e-38 / 1e4 has ten digits less than 1e-38 * (5e3 / 1e4)."""
    gradient = [np.float32([1e4, 1.2345678e-38])]
    (bounded,) = ClipByGlobalNorm(5e3).apply(in_target(gradient, IN_FLOAT32))
    for program in (optax_clip_by_global_norm, one_running_sum):
        assert np.all(bounded.within(program(gradient, 5e3)[0]))
    assert not bounded.within(gradient[0])[1]


@pytest.mark.parametrize(("program", "epsilon"), PROGRAMS)
def test_at_the_threshold_both_sides_are_allowed_and_counted(program, epsilon):
    tree = [np.float32([3.0, 0.0]), np.float32([[4.0]])]
    maximum = 5.0 + epsilon
    bounded = ClipByGlobalNorm(maximum, epsilon).apply(in_target(tree, IN_FLOAT32))
    for result, b in zip(program(tree, maximum), bounded, strict=True):
        assert np.all(b.undecided)
        assert np.all(b.within(result))
        assert np.all(b.bound <= 32 * FLOAT32.unit_roundoff * np.abs(b.value) + FLOAT32.smallest_normal)


def test_away_from_the_threshold_an_unclipped_gradient_is_exact():
    tree = [np.float32([3.0, 0.1]), np.float32([[4.0]])]
    for epsilon in (0.0, PYTORCH_EPSILON):
        for b in ClipByGlobalNorm(5.1, epsilon).apply(in_target(tree, IN_FLOAT32)):
            assert b.undecided is None or not np.any(b.undecided)
            assert np.all(b.bound == 0)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_bounds_hold_the_50_digit_values(rule):
    for target in (IN_FLOAT32, IN_FLOAT64):
        for tree in drawn(12, count=10):
            bounded, reference = rule.apply(in_target(tree, target)), rule.apply(exact(tree))
            for (_, b), (_, r) in zip(leaves(bounded), leaves(reference), strict=True):
                assert np.all(np.abs(r.to_float64() - b.value) <= b.bound)


# --- trees and bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_trees_keep_structure_and_are_not_changed(rule):
    tree = {"a": np.float32([[3.0, -4.0]]), "b": [(np.array(12.0),), np.zeros((0, 2))], 7: np.float16([0.25])}
    copy = map_leaves(np.copy, tree)
    clipped = rule.apply(tree)
    for (path, before), (_, kept), (same_path, after) in zip(leaves(tree), leaves(copy), leaves(clipped), strict=True):
        assert path == same_path
        assert after.shape == before.shape
        assert after.dtype == np.float64
        assert np.array_equal(before, kept)
        assert not np.shares_memory(before, after)


def test_an_unclipped_gradient_is_a_copy():
    gradient = np.array([0.1, 0.2])
    assert not np.shares_memory(ClipByGlobalNorm(5.0).apply(gradient), gradient)


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: ClipByGlobalNorm(1.0, order=0.5), ValueError, "order"),
        (lambda: ClipByGlobalNorm(1.0, order=math.nan), ValueError, "order"),
        (lambda: ClipByNorm(1.0, order="inf"), ValueError, "order"),
        (lambda: ClipByNorm(shares="all"), ValueError, "shares"),
        (lambda: ClipByNorm(norm_range="half"), ValueError, "norm_range"),
        (lambda: AdaptiveClipping(-0.1), ValueError, "clipping"),
        (lambda: AdaptiveClipping().apply(np.ones(2), np.ones(3)), ValueError, "shape"),
        (lambda: AdaptiveClipping().apply({"a": np.ones(2)}, {"b": np.ones(2)}), ValueError, "structure"),
        (lambda: AdaptiveClipping().apply({}, {}), ValueError, "empty"),
        (lambda: AdaptiveClipping().apply([np.ones((2,) * 6)], [np.ones((2,) * 6)]), ValueError, r"\[0\].*5 axes"),
        (lambda: ClipByGlobalNorm(-1.0), ValueError, "max_norm"),
        (lambda: ClipByGlobalNorm(math.inf), ValueError, "max_norm"),
        (lambda: ClipByGlobalNorm(1.0, -1e-6), ValueError, "epsilon"),
        (lambda: ClipByNorm(math.nan), ValueError, "max_norm"),
        (lambda: ClipByNorm(True), TypeError, "max_norm"),
        (lambda: ClipByValue(0.0), ValueError, "limit"),
        (lambda: WeightClipping(-0.01), ValueError, "limit"),
        (lambda: ClipByGlobalNorm().apply({}), ValueError, "empty"),
        (lambda: ClipByGlobalNorm().apply([[], ()]), ValueError, "empty"),
        (lambda: ClipByGlobalNorm().apply({"a": np.array([1, 2])}), TypeError, r"\['a'\].*int"),
        (lambda: ClipByValue().apply([np.array([1j])]), TypeError, r"\[0\].*complex"),
        (lambda: ClipByNorm().apply([np.ones(2), None]), TypeError, r"\[1\].*None"),
        (lambda: global_norm("abc"), TypeError, "str"),
        (lambda: global_norm(()), ValueError, "empty"),
    ],
)
def test_bad_input_is_refused_by_name(make, error, named):
    with pytest.raises(error, match=named):
        make()
