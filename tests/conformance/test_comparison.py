"""Comparison: what passes, what fails, what is masked, and how each is counted."""

import warnings

import numpy as np
import pytest

from conformance.case import case
from conformance.comparison import (
    LESS_ACCURATE,
    NON_FINITE_WITHOUT_BOUND,
    ONE_STEP_EARLY,
    ONE_STEP_LATE,
    OTHERWISE_RESTORED,
    Comparison,
    Mismatch,
)
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
    assert (facts["lane"], facts["step"], facts["expected"], facts["got"], facts["bound"]) == ((1,), 7, 2.0, 3.0, 0.25)


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


def test_infinity_passes_only_as_masked_where_the_range_is_left():
    compare = Comparison("float32")
    compare.within(float32(np.inf), certified([1e39], [np.inf]), "x")
    assert (compare.tally.comparisons, compare.tally.masked) == (0, 1)


def test_an_accepted_divergence_counts_its_kind_and_fails_everything_else():
    compare = Comparison("float32", accepted=NON_FINITE_WITHOUT_BOUND)
    compare.within(float32(np.nan, 1.0), certified([1.0, 1.0], [np.nan, 0.5]), "x")
    assert (compare.tally.diverging, compare.tally.comparisons) == (1, 1)
    with pytest.raises(Mismatch):
        compare.within(float32(np.nan, 1.0), certified([1.0, 1.0], [0.5, 0.5]), "x")
    with pytest.raises(Mismatch):
        compare.within(float32(1.0, 2.0), certified([1.0, 1.0], [np.nan, 0.5]), "x")


def test_less_accurate_results_are_held_to_the_declared_factor_and_counted():
    compare = Comparison("float32", accepted=LESS_ACCURATE, factor=3.0)
    compare.within(float32(1.5, 2.75), certified([1.0, 2.0], [0.5, 0.25]), "x")
    assert (compare.tally.diverging, compare.tally.worst_error_over_bound) == (1, 3.0)
    for found in (float32(1.0, 3.0), float32(1.0, np.nan)):
        with pytest.raises(Mismatch):
            compare.within(found, certified([1.0, 2.0], [0.5, 0.25]), "x")


def test_a_restored_run_that_goes_on_otherwise_is_accepted_there_alone_and_counted():
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
        assert caught.value.facts["lane"] == (2,)


def test_undecided_elements_are_counted():
    compare = Comparison("float32")
    compare.within(float32(1.0, 2.0), certified([1.0, 2.0], [0.5, 2.0], undecided=np.array([False, True])), "x")
    assert compare.tally.undecided == 1


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
