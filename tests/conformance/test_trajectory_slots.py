"""Slots that a subject shows under other names, or shows in part, are refused by name, however its run is followed."""

import numpy as np
import pytest

from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.programs import Program
from conformance.subjects.reference import Reference, Run
from conformance.subjects.subject import Unsupported
from conformance.trajectories.program import follow_program
from conformance.trajectories.steps import PairedRun
from conformance.trajectories.training import Step, Training, follow_training
from refimpl.layers import Dense
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.optimizers import SGD, Adam

START, GRADIENTS = np.array([1.0, -3.0]), np.array([[0.5, 2.0], [-1.0, 0.25]])


def showing(change):
    """The reference, but for what its runs show of their state."""

    class Showing(Run):
        def state(self):
            return change(super().state())

    class Subject(Reference):
        def optimizer(self, spec, parameters):
            return Showing(spec, parameters)

    return Subject("numpy", "float64")


def by_program(subject, spec):
    follow_program(subject, Comparison("float64"), Program((spec,) * 2, frozenset()), START, GRADIENTS)


def by_training(subject, spec):
    start = [{"weight": np.array([[0.75], [-0.25]]), "bias": np.array([0.125])}]
    steps = [Step(spec, np.array([[1.0, -2.0]]), np.array([[2.0]]))] * 2
    list(
        follow_training(subject, Comparison("float64"), Training(Network([Dense()], MeanSquaredError()), start, steps))
    )


def by_steps(subject, spec):
    run = PairedRun(subject, spec, START)
    run.step(GRADIENTS[0])
    return run.now


FOLLOWED = pytest.mark.parametrize("followed", [by_program, by_training, by_steps])
WRONG = {
    "other name": (
        lambda kept: {"m": kept["first_moment"], "second_moment": kept["second_moment"]},
        {"got": ["m", "second_moment"], "missing": ["first_moment"], "unknown": ["m"]},
    ),
    "one missing": (
        lambda kept: {"second_moment": kept["second_moment"]},
        {"got": ["second_moment"], "missing": ["first_moment"], "unknown": []},
    ),
    "one too many": (
        lambda kept: kept | {"step": 1},
        {"got": ["first_moment", "second_moment", "step"], "missing": [], "unknown": ["step"]},
    ),
    "no names": (lambda kept: list(kept.values()), {"got": "list"}),
}


@FOLLOWED
@pytest.mark.parametrize("wrong", WRONG)
def test_slots_other_than_those_of_the_rule_are_named(followed, wrong):
    change, expected = WRONG[wrong]
    with pytest.raises(Mismatch, match=r"state\(\) must have the slots of the rule") as caught:
        followed(showing(change), Adam(learning_rate=0.05))
    facts = caught.value.facts
    assert {name: facts[name] for name in expected} == expected
    assert facts["expected"] == ["first_moment", "second_moment"]
    assert facts["names"].startswith("slots() of this Adam(")


@FOLLOWED
def test_a_slot_of_a_rule_without_slots_is_refused(followed):
    with pytest.raises(Mismatch) as caught:
        followed(showing(lambda kept: {"velocity": START}), SGD(momentum=0.0))
    assert (caught.value.facts["expected"], caught.value.facts["unknown"]) == ([], ["velocity"])


@FOLLOWED
def test_slots_may_be_hidden_together_or_come_in_another_order(followed):
    followed(showing(lambda kept: {}), Adam(learning_rate=0.05))
    followed(showing(lambda kept: dict(reversed(kept.items()))), Adam(learning_rate=0.05))


def test_a_case_that_needs_a_hidden_slot_is_unsupported():
    now = by_steps(showing(lambda kept: {}), Adam(learning_rate=0.05))
    with pytest.raises(Unsupported, match=r"needs first_moment, and the run's state\(\) shows no slots"):
        now.actual.slot("first_moment")
    assert now.certified.slot("first_moment").shape == START.shape
