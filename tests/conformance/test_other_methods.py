"""The other methods: faults with known answers, none on the right code, and the page that sets them side by side."""

import json
from dataclasses import replace

import numpy as np
import pytest

from conformance import cli
from conformance.faults import SYSTEMATIC, Fault, compare, detectability, seeded
from conformance.faults.other_methods import METHODS, OF_KINDS, DoesNotApply, Recording, alarms, calls
from conformance.faults.run import EQUIVALENT, SURVIVED
from conformance.faults.wrong import subject_with

pytestmark = pytest.mark.usefixtures("drawn_as_the_suite_draws")

DERIVATIVE = "product(cotangent, value, complement)"


def fault(family, place, find, replace, case):
    return Fault("x", family, "something", SYSTEMATIC, f"refimpl.{place}", find, replace, (case,))


ADAM = fault(
    "optimizers", "optimizers.adam.Adam.update", "parameter - increment", "parameter + increment",
    "optimizers.all_terms_active[Adam]",
)  # fmt: skip
MOMENTUM = fault(
    "optimizers", "optimizers.sgd.SGD.update",
    'self.momentum * state["velocity"]', '2 * self.momentum * state["velocity"]',
    "optimizers.all_terms_active[SGD]",
)  # fmt: skip
SIGMOID = fault(
    "activations", "activations.logistic.Sigmoid._vjp", DERIVATIVE, DERIVATIVE.replace("cotangent", "2 * cotangent"),
    "activations.elementwise[Sigmoid]",
)  # fmt: skip
# A wrong function with the derivative that belongs to it.
SILU = fault(
    "activations", "activations.logistic.SiLU._function", "gated(x, sigmoid(x))", "gated(x, sigmoid(x)) + 3",
    "activations.elementwise[SiLU]",
)  # fmt: skip
RATE = fault(
    "schedules", "schedules.polynomial.Constant._rate", "h.learning_rate", "h.learning_rate * (1 + 1e-9)",
    "schedules.rates[Constant]",
)  # fmt: skip
DRAWS = fault(
    "initializers", "initializers.plain.Uniform.entry_distribution", "self.high", "2 * self.high",
    "initializers.plain[Uniform]",
)  # fmt: skip
LOSS = fault("losses", "losses.loss", "np.size(prediction) == 0", "False", "losses.batch[MeanSquaredError]")
CLIP = fault("clipping", "clipping.global_norm", "def global_norm(tree): ...", "pass", "clipping.values_are_exact")
LAYER = fault("networks", "layers.dense.Dense", '"without"', '""', "networks.gradients")
STATE = fault(
    "state", "trees.rebuilt", "def rebuilt(model, new_leaves): ...", "pass", "optimizers.all_terms_active[SGD]"
)
OF_EACH_FAMILY = (
    ADAM, SIGMOID, RATE, DRAWS, LOSS, CLIP, LAYER, STATE,
    replace(SIGMOID, family="activations_kinks", cases=("activations.kink[ReLU]",)),
    replace(LOSS, family="losses_tails", cases=("losses.linear_tails",)),
    replace(STATE, family="accumulation", cases=("accumulation.mean_or_sum",)),
    replace(STATE, family="sharing", cases=("averaging.recurrence",)),
)  # fmt: skip


def verdicts(wrong, subject=None):
    subject = subject or subject_with(wrong)
    return {name: alarms(method, subject, wrong) for name, method in METHODS.items()}


def known(close32, close64, gradcheck, check_grads, goldens, convergence):
    return dict(zip(METHODS, (close32, close64, gradcheck, check_grads, goldens, convergence), strict=True))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        pytest.param(ADAM, known(True, True, None, None, True, True), id="ascent is seen by all that apply"),
        pytest.param(MOMENTUM, known(True, True, None, None, False, False), id="defaults have no momentum"),
        pytest.param(SIGMOID, known(True, True, True, True, True, None), id="twice the derivative"),
        pytest.param(SILU, known(True, True, False, False, True, None), id="a wrong function with its derivative"),
        pytest.param(RATE, known(False, False, None, None, False, None), id="a small error is below every tolerance"),
    ],
)
def test_a_fault_has_the_verdicts_that_are_known(wrong, expected):
    assert verdicts(wrong) == expected


DIFFERENTIABLE = {"gradcheck", "check_grads", "goldens"}


@pytest.mark.parametrize(
    ("case", "place", "find", "applying"),
    [
        ("activations.rows", "activations.logistic.Sigmoid._vjp", DERIVATIVE, DIFFERENTIABLE),
        ("activations.rows", "activations.logistic.Softplus", "20.0", DIFFERENTIABLE),
        ("activations.learned_slope", "layers.prelu.PReLU.backward", "cotangent * np.minimum(x, 0.0)", set()),
        ("optimizers.program", "optimizers.adam.Adam.update", "parameter - increment", {"goldens", "convergence"}),
    ],
    ids=["a derivative", "outside of functions", "a layer that none of them has", "a step"],
)
def test_a_method_of_a_kind_applies_where_it_calls_the_function_that_is_wrong(case, place, find, applying):
    wrong = fault("any", place, find, "0", case)
    assert {name for name in OF_KINDS if calls(name, wrong)} == applying
    assert calls("assert_close, float32", wrong)


def test_every_family_of_faults_is_judged_by_other_methods_and_tried_here():
    assert {fault.family for fault in seeded()} == {fault.family for fault in OF_EACH_FAMILY}


@pytest.mark.parametrize("wrong", OF_EACH_FAMILY, ids=lambda wrong: wrong.family)
def test_no_method_alarms_on_the_right_code(wrong):
    assert compare.false_alarms(wrong) == []


@pytest.mark.parametrize(
    "missing",
    [{"cases": ("optimizers.nonsense",)}, {"cases": ("optimizers.program[nonsense]",)}],
)
def test_an_unknown_case_is_no_alarm_but_refused(missing):
    with pytest.raises(ValueError, match="nonsense"):
        verdicts(replace(ADAM, **missing))


def test_a_method_that_alarms_on_the_right_code_is_named(monkeypatch):
    def always(subject, wrong):
        raise AssertionError

    monkeypatch.setattr(compare, "METHODS", {"always": always})
    assert compare.false_alarms(ADAM) == ["always"]


def test_comparison_looks_at_every_case_of_the_fault():
    blind = replace(MOMENTUM, cases=("optimizers.all_terms_active[Adam]",))
    assert verdicts(blind)["assert_close, float64"] is False
    assert verdicts(replace(blind, cases=(*blind.cases, *MOMENTUM.cases)))["assert_close, float64"] is True


def test_a_recording_continues_after_a_mismatch_and_keeps_the_numbers_as_they_were():
    recording, found = Recording("float64", journal=[]), np.array([1.0, 2.0])
    recording.equal(found, [1.0, 3.0], "first")
    found[:] = np.nan
    recording.at_most(2.0, 1.0, "a relation")
    recording.estimate(2.0, 1.0, 0.1, "a mean")
    recording.equal(np.array([5.0]), [4.0], "last")
    assert [(seen.what, seen.found.tolist()) for seen in recording.journal] == [("first", [1.0, 2.0]), ("last", [5.0])]


def test_an_error_is_an_alarm_and_not_applicable_is_none():
    def raises(error):
        def method(subject, wrong):
            raise error

        return method

    assert alarms(raises(ZeroDivisionError()), None, ADAM) is True
    assert alarms(raises(DoesNotApply()), None, ADAM) is None


@pytest.mark.parametrize("coefficient", detectability.COEFFICIENTS, ids=lambda coefficient: coefficient.id)
def test_every_coefficient_stands_once_in_the_reference(coefficient):
    assert "EXCESS" in coefficient.source()


SIGMOID_DERIVATIVE = [c.id for c in detectability.COEFFICIENTS].index("the sigmoid's derivative")


# Relative tolerances, with values large enough that the absolute ones do not matter: 1.3e-6, 1e-7, 1e-3.
@pytest.mark.parametrize(
    ("detector", "power"), [("assert_close, float32", 19), ("assert_close, float64", 23), ("gradcheck", 9)]
)
def test_the_smallest_error_that_is_seen_is_just_above_the_tolerance(detector, power):
    assert detectability.largest_power((SIGMOID_DERIVATIVE, detector)) == power


@pytest.mark.parametrize(("detector", "precision"), [("this suite, float32", 24), ("this suite, float64", 53)])
def test_the_suite_sees_errors_of_a_few_bits(detector, precision):
    power = detectability.largest_power((SIGMOID_DERIVATIVE, detector))
    assert precision - 6 < power < precision


def test_what_does_not_apply_and_what_is_not_seen_differ(monkeypatch):
    assert detectability.largest_power((SIGMOID_DERIVATIVE, "convergence")) is None
    monkeypatch.setattr(detectability, "DETECTORS", {"blind": lambda subject, wrong: None})
    assert detectability.largest_power((SIGMOID_DERIVATIVE, "blind")) == detectability.NOT_DETECTED


def test_a_detector_that_always_alarms_is_refused(monkeypatch):
    def always(subject, wrong):
        raise AssertionError

    monkeypatch.setattr(detectability, "DETECTORS", {"always": always})
    with pytest.raises(ValueError, match="always alarms on the right"):
        detectability.largest_power((0, "always"))


@pytest.fixture
def compared(monkeypatch, tmp_path):
    """Compares one fault as the command does, without other processes; returns its status and what it wrote."""

    def run(wrong, **changed):
        monkeypatch.setattr(compare, "seeded", lambda: (wrong,))
        monkeypatch.setattr(compare, "side_by_side", lambda function, items, *others: [function(i) for i in items])
        monkeypatch.setattr(detectability, "largest_power", lambda task: 7)
        for name, value in changed.items():
            monkeypatch.setattr(compare, name, value)
        status = compare.compare(tmp_path, tmp_path / "docs", 1, cli.Console())
        return status, (tmp_path / "docs/power.md").read_text(), json.loads((tmp_path / "comparison.json").read_text())

    return run


def cells(page, family):
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {family} "))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_the_page_counts_what_each_method_finds(compared, tmp_path):
    status, page, record = compared(RATE)
    assert status == 0
    assert cells(page, "schedules") == ["1", "1", "0 of 1", "0 of 1", "–", "–", "0 of 1", "–", "1 of 1"]
    assert cells(page, "all") == cells(page, "schedules")
    assert cells(page, "this suite, float64") == ["2^-7 (8e-03)"] * len(detectability.COEFFICIENTS)
    assert compare.COMMAND in page and "detectability.svg" in page
    assert record["faults"][0]["methods"]["goldens"] is False
    assert (tmp_path / "docs/detectability.svg").read_text().startswith("<?xml")


def test_a_fault_that_survives_is_a_failure_and_not_counted_as_found(compared):
    status, page, _ = compared(ADAM, outcome=lambda wrong: {"fault": "x", "family": "optimizers", "outcome": SURVIVED})
    assert status == 1
    assert cells(page, "optimizers")[:2] == ["1", "0"]


def test_a_fault_that_changes_no_result_is_left_out(compared):
    status, page, _ = compared(
        ADAM, outcome=lambda wrong: {"fault": "x", "family": "optimizers", "outcome": EQUIVALENT}
    )
    assert status == 0
    assert "| optimizers " not in page and "Left out are 1 faults" in page


def test_nothing_is_written_when_a_method_alarms_on_the_right_code(compared, tmp_path):
    with pytest.raises(ValueError, match="goldens"):
        compared(RATE, false_alarms=lambda wrong: ["goldens"])
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_takes_all_faults(capsys):
    assert cli.main(["faults", "--compare", "--fault", "adam"]) == 2
    assert "leave out --fault" in capsys.readouterr().err
