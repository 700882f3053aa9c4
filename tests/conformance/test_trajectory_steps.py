"""Runs paired with the certified rule, whose bound checks closed forms and which refuses those it does not compute."""

import numpy as np
import pytest

from conformance.judging.comparison import Comparison, Mismatch
from conformance.subjects.reference import Reference
from conformance.trajectories.steps import PairedRun, check, parameters_of
from refimpl.optimizers import SGD


class Rescaled(Reference):
    """Steps that are too long by the factor `excess`."""

    excess = 1.0

    def optimizer(self, spec, parameters):
        return super().optimizer(SGD(learning_rate=spec.learning_rate * self.excess), parameters)


def parameters_after(subject, rate, step):
    run = PairedRun(subject, SGD(learning_rate=rate), np.array([1.0, -3.0]))
    step(run)
    return run.now


def by(gradient):
    return lambda run: run.step(np.array(gradient))


def test_a_closed_form_within_the_bound_is_compared_at_every_element():
    compare = Comparison("float64", journal=[])
    now = parameters_after(Reference("numpy", "float64"), 0.1, by([1.0, 2.0]))
    check(compare, "parameters", [0.9, -3.2], parameters_of, now, step=1)
    (observation,) = compare.journal
    assert (observation.expected.tolist(), observation.where) == ([0.9, -3.2], {"step": 1})
    assert (compare.tally.comparisons, compare.tally.masked) == (2, 0)
    assert (observation.bound < 1e-15).all() and (observation.bound > 0).all()


def test_a_closed_form_that_the_rule_does_not_compute_is_refused():
    now = parameters_after(Reference("numpy", "float64"), 0.1, by([1.0, 2.0]))
    with pytest.raises(Mismatch, match="does not compute the known value"):
        check(Comparison("float64"), "parameters", [0.9, -3.2 + 1e-14], parameters_of, now)


def test_a_subject_outside_the_bound_of_the_closed_form_fails():
    subject = Rescaled("numpy", "float64")
    subject.excess = 1 + 1e-13
    with pytest.raises(Mismatch) as caught:
        check(Comparison("float64"), "x", [0.9, -3.2], parameters_of, parameters_after(subject, 0.1, by([1.0, 2.0])))
    assert caught.value.facts["element"] == (0,)


def test_each_side_descends_along_the_gradient_at_its_own_parameters():
    subject = Rescaled("numpy", "float64")
    subject.excess = 2.0

    def twice(run):
        for _ in range(2):
            run.descend(np.array([1.0, 2.0]))

    now = parameters_after(subject, 0.25, twice)
    assert now.actual.parameters.tolist() == [0.25, 0.0]  # 1 - 2 * 0.25 * curvature, squared
    assert now.certified.parameters.value.tolist() == [0.5625, -0.75]
