"""Subjects as items of anybody's own test file: what pytest shows for each verdict."""

import subprocess
import sys

import pytest

import conformance
import refimpl
from conformance import adapters
from conformance.judging import divergences
from conformance.judging.comparison import NON_FINITE_WITHOUT_BOUND
from tests.conformance.test_checks import dampened, momentum

FIXED = {"dampening": 0.0, "weight_decay": 0.0, "maximize": False, "nesterov": False, "rate": "outside"}
FILE = """
import conformance, refimpl
from conformance import adapters
from tests.conformance.test_checks import dampened, momentum

FIXED = {fixed!r}

@conformance.parametrize(
    adapters.from_function(momentum, refimpl.SGD, first_velocity="gradient", weight_decay_kind="coupled", **FIXED),
    adapters.from_function(dampened, refimpl.SGD, first_velocity="gradient", weight_decay_kind="coupled", **FIXED),
)
def test_conforms(check):
    check()
"""


def subject_of(function):
    return adapters.from_function(
        function, refimpl.SGD, first_velocity="gradient", weight_decay_kind="coupled", **FIXED
    )


def checks(subject):
    """The items by id."""
    return {parameters.id: parameters.values[0] for parameters in conformance.parametrize(subject).args[1]}


def test_a_right_case_returns_and_a_wrong_one_says_what_is_wrong():
    case = "optimizers.program[SGD]-function-float32"
    checks(subject_of(momentum))[case]()
    with pytest.raises(AssertionError, match=r"(?s)optimizers.program\[SGD\], float32.*expected.*bound"):
        checks(subject_of(dampened))[case]()


def test_what_the_subject_lacks_is_skipped_with_the_reason():
    with pytest.raises(pytest.skip.Exception, match="momentum declares no conventions for Adam"):
        checks(subject_of(momentum))["optimizers.program[Adam]-function-float32"]()


def test_a_divergence_that_does_not_show_is_a_failure(monkeypatch):
    entry = divergences.Divergence(
        "x", "optimizers.program[SGD]", ("float32",), NON_FINITE_WITHOUT_BOUND, "why", "link", "2026", "a 1"
    )
    monkeypatch.setattr(divergences, "declared", lambda *_: entry)
    with pytest.raises(AssertionError, match="divergence x"):
        checks(subject_of(momentum))["optimizers.program[SGD]-function-float32"]()


def test_pytest_chooses_and_counts_them(tmp_path):
    (tmp_path / "test_mine.py").write_text(FILE.format(fixed=FIXED))
    chosen = "optimizers.program and float32 and (SGD or Lion)"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1].startswith("1 failed, 1 passed, 2 skipped"), ended.stdout
    assert "test_conforms[dampened-optimizers.program[SGD]-function-float32]" in ended.stdout
