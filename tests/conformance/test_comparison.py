"""Comparison: what passes, what fails, what is masked, and how each is counted."""

import math
import warnings

import numpy as np
import pytest

from conformance.judging.comparison import (
    FALSE_ALARM_RATE,
    LESS_ACCURATE,
    NON_FINITE_WITHOUT_BOUND,
    ONE_STEP_EARLY,
    ONE_STEP_LATE,
    OTHERWISE_RESTORED,
    Comparison,
    Mismatch,
)
from conformance.running.case import case
from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target

TARGET = Target(FLOAT32)


def certified(value, bound, undecided=None):
    return RunningError(np.array(value), np.array(bound), TARGET, undecided=undecided)


def float32(*values):
    return np.array(values, dtype=np.float32)


def test_elements_at_the_bound_pass_and_are_counted():
    compare = Comparison("float32")
    compare.within(float32(1.5, 2.0), certified([1.0, 2.0], [0.5, 0.25]), "x")
    assert (compare.tally.comparisons, compare.tally.masked) == (2, 0)
    assert compare.tally.worst_error_over_bound == 1.0


def test_an_element_beyond_the_bound_fails_and_is_named():
    with pytest.raises(Mismatch) as caught:
        Comparison("float32").within(float32(1.0, 3.0), certified([1.0, 2.0], [0.5, 0.25]), "x", step=7)
    facts = caught.value.facts
    assert (facts["element"], facts["step"], facts["expected"], facts["got"], facts["bound"]) == (
        (1,),
        7,
        2.0,
        3.0,
        0.25,
    )


def test_the_first_of_several_elements_beyond_their_bounds_is_named():
    expected = certified([[1.0, 2.0], [3.0, 4.0]], [[0.5, 0.5], [0.5, 0.25]])
    with pytest.raises(Mismatch) as caught:
        Comparison("float32").within(np.array([[1, 2], [5, 9]], dtype=np.float32), expected, "x")
    named = {"element": (1, 0), "got": 5.0, "error": 2.0, "error_over_bound": 4.0, "elements_wrong": "2 of 4"}
    assert caught.value.facts.items() >= named.items()
    with pytest.raises(Mismatch) as caught:
        Comparison("float32").equal(float32(1, 2, 4, 5), [1.0, 3.0, 3.0, 5.0], "x")
    assert (caught.value.facts["element"], caught.value.facts["elements_wrong"]) == ((1,), "2 of 4")


@pytest.mark.parametrize(("value", "found", "units"), [(1.0, 1 + 3 * 2**-23, 3.0), (-0.75, -0.75 - 2**-23, 2.0)])
def test_the_worst_error_is_counted_in_units_in_the_last_place_of_the_format(value, found, units):
    compare = Comparison("float32")
    for subject in (found, value):
        compare.within(float32(value, subject), certified([value] * 2, [0.5] * 2), "x")
    assert compare.tally.worst_ulp == units


@pytest.mark.parametrize(
    ("value", "bound", "loose"),
    [
        ([4.0, -0.5], [4.0, 0.5], 0),
        ([4.0, -0.5], [5.0, 1.0], 2),
        ([4.0, 0.0], [0.5, 4.0], 0),  # what remains of a difference, whose bound is that of its terms
        ([-4.0, 0.0], [0.5, 5.0], 1),
        ([9.0, 0.0], [np.nan, 5.0], 1),
        ([0.0, 0.0], [0.0, 0.5], 1),
    ],
)
def test_bounds_beyond_their_elements_are_counted_and_those_of_zeros_beyond_all_elements(value, bound, loose):
    compare = Comparison("float32")
    compare.within(float32(*value), certified(value, bound), "x")
    assert compare.tally.loose == loose


def test_zeros_that_are_sums_are_compared_with_the_size_of_their_terms():
    compare = Comparison("float32")
    compare.within(float32(0, 0, 1), certified([0.0, 0.0, 1.0], [3.0, 4.0, 2.0]), "x", terms=np.array([3.0, 3.0, 9.0]))
    assert compare.tally.loose == 2


def test_elements_without_a_bound_are_masked_not_passed():
    compare = Comparison("float32")
    compare.within(float32(1.0, 9.0, 9.0), certified([1.0, 2.0, 2.0], [0.5, np.nan, np.inf]), "x")
    assert (compare.tally.comparisons, compare.tally.masked) == (1, 2)


def test_an_infinity_passes_uncounted_where_the_exact_result_is_beyond_the_range_and_has_no_bound():
    compare = Comparison("float32")
    compare.within(float32(1.0, -np.inf), certified([1.0, -1.5 * FLOAT32.largest], [0.5, np.nan]), "x")
    assert (compare.tally.comparisons, compare.tally.masked) == (1, 1)


@pytest.mark.parametrize("found", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bound", [0.5, np.nan])
def test_non_finite_results_fail_where_the_exact_one_is_finite(found, bound):
    with pytest.raises(Mismatch):
        Comparison("float32").within(float32(found), certified([1.0], [bound]), "x")


@pytest.mark.parametrize("value", [1e39, 1.0])
def test_infinities_and_nan_pass_only_as_masked_where_the_range_may_be_left(value):
    compare = Comparison("float32")
    compare.within(float32(np.inf, -np.inf, np.nan), certified([value] * 3, [np.inf] * 3), "x")
    assert (compare.tally.comparisons, compare.tally.masked) == (0, 3)


def test_an_accepted_divergence_counts_its_kind_and_fails_everything_else():
    compare = Comparison("float32", accepted=NON_FINITE_WITHOUT_BOUND)
    compare.within(float32(np.nan, 1.0), certified([1.0, 1.0], [np.nan, 0.5]), "x")
    assert (compare.tally.diverging, compare.tally.comparisons, compare.tally.masked) == (1, 1, 0)
    with pytest.raises(Mismatch):
        compare.within(float32(np.nan, 1.0), certified([1.0, 1.0], [0.5, 0.5]), "x")
    with pytest.raises(Mismatch):
        compare.within(float32(1.0, 2.0), certified([1.0, 1.0], [np.nan, 0.5]), "x")


def test_less_accurate_results_are_compared_with_the_declared_factor_and_counted():
    compare = Comparison("float32", accepted=LESS_ACCURATE, factor=3.0)
    compare.within(float32(1.5, 2.75), certified([1.0, 2.0], [0.5, 0.25]), "x")
    assert (compare.tally.diverging, compare.tally.worst_error_over_bound) == (1, 3.0)
    for found in (float32(1.0, 3.0), float32(1.0, np.nan)):
        with pytest.raises(Mismatch):
            compare.within(found, certified([1.0, 2.0], [0.5, 0.25]), "x")


def test_a_restored_run_that_continues_otherwise_is_accepted_there_alone_and_counted():
    compare = Comparison("float32", accepted=OTHERWISE_RESTORED)
    compare.equal(float32(1.0, 2.5, 3.5), [1.0, 2.0, 3.0], "x", restart=1)
    assert (compare.tally.diverging, compare.tally.comparisons) == (2, 3)
    with pytest.raises(Mismatch):
        compare.equal(float32(1.0, 2.5), [1.0, 2.0], "x", step=1)


STAIRS = certified([4.0, 4.0, 2.0, 2.0, 1.0, 0.5, 0.25], [0.125] * 7)


def test_one_step_late_is_accepted_at_the_declared_steps_and_counted():
    compare = Comparison("float32", accepted=ONE_STEP_LATE, steps=(2, 4, 9))
    compare.within(float32(4, 4, 4.125, 2, 1, 0.5, 0.25), STAIRS, "rates")
    assert (compare.tally.comparisons, compare.tally.diverging) == (7, 1)
    assert compare.tally.worst_error_over_bound == 0.0  # of those on time
    compare.within(float32(4, 4, 4, 2, 2, 0.5, 0.25), STAIRS, "rates")
    assert (compare.tally.comparisons, compare.tally.diverging) == (14, 3)


@pytest.mark.parametrize(
    ("wrong", "rates"),
    [
        ("late at a step that is not declared", (4, 4, 2, 2, 1, 1, 0.25)),
        ("one step early", (4, 2, 2, 2, 1, 0.5, 0.25)),
        ("two steps late", (4, 4, 2, 2, 1, 0.5, 1)),
        ("neither this rate nor the one before", (4, 4, 3, 2, 1, 0.5, 0.25)),
        ("beyond the bound of the one before", (4, 4, 4.25, 2, 1, 0.5, 0.25)),
        ("not a number", (4, 4, np.nan, 2, 1, 0.5, 0.25)),
    ],
)
def test_anything_but_one_declared_step_late_fails(wrong, rates):
    with pytest.raises(Mismatch):
        Comparison("float32", accepted=ONE_STEP_LATE, steps=(1, 2, 4, 6)).within(float32(*rates), STAIRS, "rates")


def test_one_step_early_is_accepted_at_the_declared_steps_alone():
    compare = Comparison("float32", accepted=ONE_STEP_EARLY, steps=(1, 3))
    compare.within(float32(4, 2, 2, 1.125, 1, 0.5, 0.25), STAIRS, "rates")
    assert (compare.tally.comparisons, compare.tally.diverging) == (7, 2)
    for rates in ((4, 4, 2, 2, 0.5, 0.5, 0.25), (4, 4, 4, 2, 1, 0.5, 0.25), (4, 1, 2, 2, 1, 0.5, 0.25)):
        with pytest.raises(Mismatch):
            compare.within(float32(*rates), STAIRS, "rates")


def test_a_late_step_fails_unless_it_is_declared():
    for compare in (Comparison("float32"), Comparison("float32", accepted=NON_FINITE_WITHOUT_BOUND, steps=(2,))):
        with pytest.raises(Mismatch) as caught:
            compare.within(float32(4, 4, 4, 2, 1, 0.5, 0.25), STAIRS, "rates")
        assert caught.value.facts["element"] == (2,)


def test_undecided_elements_are_counted_where_they_are_compared():
    undecided = np.array([False, True, True])
    compare = Comparison("float32")
    compare.within(float32(1, 2, 3), certified([1.0, 2.0, 3.0], [0.5, 2.0, np.nan], undecided), "x")
    assert (compare.tally.undecided, compare.tally.comparisons, compare.tally.masked) == (1, 2, 1)


@pytest.mark.parametrize("found", [np.ones(2), np.ones(3, dtype=np.float32), [1.0, 1.0], None, "text"])
def test_wrong_type_shape_or_format_fails(found):
    with pytest.raises(Mismatch, match="wrong type or shape"):
        Comparison("float32").within(found, certified([1.0, 1.0], [9.0, 9.0]), "x")


def test_exact_comparison_has_no_tolerance_and_matches_no_nan():
    compare = Comparison("float32")
    compare.equal(float32(1.0, np.inf), [1.0, np.inf], "x")
    assert compare.tally.comparisons == 2
    with pytest.raises(Mismatch):
        compare.equal(np.nextafter(float32(1.0), float32(2.0)), [1.0], "x")
    with pytest.raises(Mismatch):
        compare.equal(float32(np.nan), [np.nan], "x")


def test_trees_are_compared_leaf_by_leaf_and_must_have_the_structure():
    compare = Comparison("float32")
    expected = {"a": certified([1.0], [0.5]), "b": [certified([2.0, 3.0], [0.5, 0.5])]}
    compare.tree({"b": [float32(2.0, 3.0)], "a": float32(1.0)}, expected, "tree")
    assert compare.tally.comparisons == 3
    with pytest.raises(Mismatch, match="wrong structure"):
        compare.tree({"a": float32(1.0)}, expected, "tree")
    with pytest.raises(Mismatch, match=r"tree\['b'\]\[0\]"):
        compare.tree({"b": [float32(2.0, 4.0)], "a": float32(1.0)}, expected, "tree")


def test_a_statistic_above_its_limit_or_not_a_number_fails():
    compare = Comparison("float32")
    compare.at_most(0.5, 0.5, "distance")
    for statistic in (0.6, np.nan):
        with pytest.raises(Mismatch):
            compare.at_most(statistic, 0.5, "distance")
    assert compare.tally.comparisons == 1


def test_the_largest_share_of_a_limit_that_a_statistic_reaches_is_kept():
    compare = Comparison("float32")
    for statistic, limit in ((1.0, 2.0), (6.0, 8.0), (0.0, 0.0), (-4.0, -2.0), (1.0, 4.0)):
        compare.at_most(statistic, limit, "distance")
    assert (compare.tally.worst_error_over_bound, compare.tally.comparisons) == (0.75, 5)


def test_a_number_at_a_bound_below_it_or_not_a_number_does_not_exceed_it():
    compare = Comparison("float32")
    compare.exceeds(np.nextafter(0.5, 1), 0.5, "number")
    for found in (0.5, 0.25, np.nan):
        with pytest.raises(Mismatch):
            compare.exceeds(found, 0.5, "number")
    assert compare.tally.comparisons == 1


def test_a_mean_is_off_on_either_side_at_the_stated_rate_of_false_alarms():
    inside, outside = 6.1094, 6.1095
    assert math.erfc(inside / math.sqrt(2)) > FALSE_ALARM_RATE > math.erfc(outside / math.sqrt(2))
    compare = Comparison("float32")
    for side in (-1, 1):
        compare.estimate(3 + side * inside / 4, 3.0, 0.25, "mean")
        with pytest.raises(Mismatch):
            compare.estimate(3 + side * outside / 4, 3.0, 0.25, "mean")
    compare.estimate(3.0, 3.0, 0.25, "mean")
    assert compare.tally.comparisons == 3
    assert inside / outside < compare.tally.worst_error_over_bound < 1


def test_a_mean_that_is_not_a_number_fails():
    with pytest.raises(Mismatch):
        Comparison("float32").estimate(np.nan, 3.0, 0.25, "mean")


@pytest.mark.parametrize(
    ("relation", "numbers", "named"),
    [
        ("at_most", (1.0, np.inf), "^x: limit must exclude .* inf"),
        ("exceeds", (1.0, -np.inf), "^x: limit must exclude .* -inf"),
        *(("estimate", (3.0, 3.0, error), "^x: standard_error must be") for error in (np.inf, np.nan, 0.0, -0.25)),
    ],
)
def test_a_limit_that_every_number_keeps_is_refused(relation, numbers, named):
    with pytest.raises(ValueError, match=named):
        getattr(Comparison("float32"), relation)(*numbers, "x")


def test_an_error_of_more_units_than_float64_counts_is_infinitely_many_without_a_warning():
    compare = Comparison("float64")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare.within(np.array([1e300]), RunningError(np.array([0.0]), np.array([2e300]), Target(FLOAT64)), "x")
    assert (compare.tally.worst_ulp, compare.tally.worst_error_over_bound) == (np.inf, 0.5)


def test_the_journal_keeps_the_numbers_as_they_were_when_compared():
    compare = Comparison("float64", journal=[])
    found, value, bound = np.array([1.5, 2.0]), np.array([1.0, 2.0]), np.array([0.5, 0.25])
    compare.within(found, RunningError(value, bound, Target(FLOAT64)), "x")
    compare.equal(found, found, "y")
    for array in (found, value, bound):
        array[:] = np.nan
    kept = [(seen.found.tolist(), seen.expected.tolist(), seen.bound.tolist()) for seen in compare.journal]
    assert kept == [([1.5, 2.0], [1.0, 2.0], [0.5, 0.25]), ([1.5, 2.0], [1.5, 2.0], [0.0, 0.0])]


def test_the_other_kind_of_expected_result_is_refused():
    compare = Comparison("float32")
    with pytest.raises(TypeError, match="must be a RunningError, got ndarray"):
        compare.within(float32(1.0), np.array([1.0]), "x")
    with pytest.raises(TypeError, match="must be exact numbers, got a RunningError"):
        compare.equal(float32(1.0), certified([1.0], [0.5]), "x")


@pytest.mark.parametrize(("name", "allowed"), [("kind", "property, analytic"), ("capability", "optimizer, clip")])
def test_a_case_of_an_unknown_kind_or_capability_is_refused(name, allowed):
    said = {"statement": "s", "source": "s", "kind": "exact", "catches": "c", "capability": "loss"}
    with pytest.raises(ValueError, match=f"{name} must be one of {allowed}.*got 'nice'"):
        case(**said | {name: "nice"})
