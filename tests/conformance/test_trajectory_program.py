"""Programs of steps, as far as a subject's runs offer them."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import OptimizerRun
from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.programs import Program
from conformance.subjects.reference import Reference, Run
from conformance.subjects.subject import Unsupported
from conformance.trajectories.program import follow_program
from refimpl.optimizers import Adam

SPEC = Adam(learning_rate=0.125)
PROGRAM = Program((SPEC,) * 3 + (replace(SPEC, learning_rate=0.5),) * 3, frozenset({2, 4}))
START, GRADIENTS = np.array([1.0, -2.0, 0.5]), np.random.default_rng(3).standard_normal((6, 3))


def followed(lacking=(), changes=None):
    """What a run does that lacks these methods, and steps as `changes` has it: its calls, and the comparison."""
    calls, methods = [], {}
    for name in ("change", "save", "restore"):

        def called(self, *given, name=name):
            calls.append(name)
            return getattr(Run, name)(self, *given)

        methods[name] = getattr(OptimizerRun, name) if name in lacking else called
    run = type("PartOfARun", (Run,), methods | (changes or {}))
    subject = type("PartOfTheReference", (Reference,), {"optimizer": lambda self, *given: run(*given)})(
        "numpy", "float64"
    )
    compare = Comparison("float64", journal=[])
    follow_program(subject, compare, PROGRAM, START, GRADIENTS)
    return calls, compare


@pytest.mark.parametrize(
    ("lacking", "calls"),
    [
        ((), ["save", "restore", "change", "save", "restore"]),
        (("change",), ["save", "restore"] * 2),
        (("save",), ["change"]),
        (("restore",), ["change"]),
        (("change", "save", "restore"), []),
    ],
    ids=lambda names: "-".join(names) or "none",
)
def test_a_run_is_checked_at_every_step_whatever_else_it_lacks(lacking, calls):
    called, compare = followed(lacking)
    assert called[-len(calls) :] == calls if calls else not called
    assert [o.where["step"] for o in compare.journal if o.what == "parameters"][-6:] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_lacks_all_else_fails_where_its_steps_are_wrong():
    def step(self, gradients):
        Run.step(self, gradients if self._state["step"] < 5 else 2 * gradients)

    with pytest.raises(Mismatch) as mismatch:
        followed(("change", "save", "restore"), {"step": step})
    assert mismatch.value.facts["step"] == 6


def test_a_subject_without_such_runs_does_not_offer_them():
    def refused(self, spec, parameters):
        raise Unsupported("has no Adam")

    subject = type("Nothing", (Reference,), {"optimizer": refused})("numpy", "float64")
    with pytest.raises(Unsupported, match="has no Adam"):
        follow_program(subject, Comparison("float64"), PROGRAM, START, GRADIENTS)


@pytest.mark.parametrize(("returned", "kind"), [(None, "NoneType"), ([1.0, 2.0, 3.0], "list")])
def test_parameters_of_another_kind_are_said_to_be(returned, kind):
    with pytest.raises(Mismatch, match=f"parameters: got {kind}, expected ndarray"):
        followed((), {"parameters": lambda self: returned})


def test_a_program_without_changes_is_one_of_the_same_rule_and_length():
    *_, plainest = PROGRAM.plainer()
    assert plainest == Program((SPEC,) * 6, frozenset())
