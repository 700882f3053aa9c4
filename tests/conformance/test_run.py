"""The command: what it answers to right and wrong subjects, missing frameworks and devices, and interruption."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from conformance import cli
from conformance.claims import catalogue, judge
from conformance.claims.selection import ONLY_CLAIMS, WITHOUT_CLAIMS
from conformance.judging.comparison import Mismatch
from conformance.running import plugin
from conformance.running.case import CASES, found
from conformance.running.result import counterexample
from conformance.running.runner import Incomplete
from conformance.strategies.draws import EXAMPLES
from conformance.strategies.trees import ELEMENTS
from tests.conformance.command import HERE, ROOT, command, ended
from tests.conformance.test_report import result

MISTAKES = {
    "Raises": "RuntimeError: out of luck",
    "Shape": "wrong structure",
    "Structure": "wrong structure",
    "Format": "wrong type or shape",
    "NotANumber": "parameters",
    "Slot": "missing ['first_moment', 'second_moment']",
    "LosesState": "parameters",
    "ForgetsRate": "parameters",
    "SlightlyOff": "error_over_bound",
    "Overwrites": "step changes its argument gradients",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The report on all wrong subjects and the right one, from one run."""
    folder = tmp_path_factory.mktemp("judged")
    chosen = [f"--subject=wrong_subjects:{name}" for name in ("Right", *MISTAKES)]
    status, output = ended(
        "run", "--workers=0", "--dtype=float32", "--case=optimizers.program[Adam]", *chosen, folder=folder
    )
    assert status == 1, output
    report = json.loads((folder / "build/report/report.json").read_text())
    return {r["subject"].partition(":")[2]: r for r in report["results"]}, output, report


def test_the_correct_subject_conforms(judged):
    results, _, _ = judged
    right = results["Right"]
    assert right["verdict"] == "conforms"
    assert 0 < right["worst_error_over_bound"] <= 1
    # Parameters and two moments, at each element and step of every example; how many steps is drawn.
    steps, rest = divmod(right["comparisons"] + right["masked"], 3 * ELEMENTS)
    assert steps > right["examples"] == EXAMPLES and rest == 0


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_fails_with_what_is_wrong_and_a_replay(judged, mistake):
    results, output, _ = judged
    found = results[mistake]
    assert found["verdict"] == "fails"
    assert MISTAKES[mistake] in " ".join(
        [found["counterexample"]["what"], *map(" ".join, found["counterexample"].items())]
    )
    assert found["reproduce"] in output
    assert f"--subject wrong_subjects:{mistake}" in found["reproduce"]


def test_a_failure_is_reduced_to_one_element_and_few_steps(judged):
    results, _, _ = judged
    shown = results["SlightlyOff"]["counterexample"]
    assert {"step", "element", "expected", "got", "bound", "start", "gradients", "program"} <= set(shown)
    assert shown["element"] == "(0,)"


def test_the_report_is_complete_and_counts_everything(judged):
    _, _, report = judged
    assert report["complete"] is True and report["format"] == 1
    assert report["totals"]["fails"] == len(MISTAKES) and report["totals"]["conforms"] == 1
    assert report["totals"]["comparisons"] == sum(r["comparisons"] for r in report["results"])


def test_the_printed_replay_fails_the_same_way(judged, tmp_path):
    results, _, _ = judged
    arguments = results["SlightlyOff"]["reproduce"].replace("'", "").split()[3:]
    status, output = ended(*arguments, "--workers=0", folder=tmp_path)
    assert status == 1
    assert results["SlightlyOff"]["counterexample"]["gradients"] in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--subject", "nobody"], "unknown subject 'nobody'"),
        (["run", "--subject", "nowhere:Nobody"], "No module named 'nowhere'"),
        (["run", "--subject", "own_subject:Nobody"], "has no class Nobody"),
        (["run", "--subject", "wrong_subjects:NoSubject"], "has no class NoSubject derived from"),
        (["run", "--subject", "own_subject:Own", "--case", "no.such.case"], "no case matches"),
        (["run", "--subject", "own_subject:Own", "--examples", "0"], "--examples must be at least 1"),
        (["run", "--subject", "own_subject:Own", "--cases", "nowhere.py"], "no such file"),
        (["list", "program", "no.such.case"], "no case has 'no.such.case' in its id"),
        (["merge", "nowhere.json"], "nowhere.json"),
    ],
)
def test_misuse_is_named_and_leaves_no_report(tmp_path, arguments, message):
    status, output = ended(*arguments, *(["--workers=0"] if arguments[0] == "run" else []), folder=tmp_path)
    assert status == 2
    assert message in output and "Traceback" not in output
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subject", "../own_subject:Own"], "unknown subject '../own_subject:Own'"),
        (["--subject", "imports_a_stranger:Own"], "imports_a_stranger imports a module that is missing"),
        (["--subject", "own_subject:Own", "--dtype", "f32"], "--dtype must be one of float32, float64"),
        (["--subject", "own_subject:Own", "--variant", "fast"], "--variant must be one of"),
    ],
)
def test_what_a_run_cannot_begin_with_is_named(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "imports_a_stranger.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    assert cli.main(["run", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_line_named_for_an_exception_is_the_last_one_of_the_code_that_is_judged():
    with pytest.raises(np.linalg.LinAlgError) as raised:
        np.linalg.inv(np.zeros((2, 2)))
    assert counterexample(raised.value)["raised_at"].startswith(os.path.relpath(__file__))


def test_numbers_that_differ_in_the_last_digit_only_are_shown_to_differ():
    facts = {"expected": 0.1, "got": np.nextafter(0.1, 1).item()}
    shown = counterexample(Mismatch("parameters", facts))
    assert [float(shown[name]) for name in facts] == list(facts.values())


def test_a_device_that_is_not_there_is_reported_and_nothing_passes(tmp_path):
    status, output = ended(
        "run", "--workers=0", "--subject=own_subject:Own", "--device=quantum", "--case=program", folder=tmp_path
    )
    assert status == 1 and "no device" in output and "nothing was compared" in output


def test_a_framework_that_is_not_installed_is_named(tmp_path):
    for package in ("torch", "jax", "optax"):
        (tmp_path / "absent" / package).mkdir(parents=True)
        (tmp_path / "absent" / package / "__init__.py").write_text(f"raise ImportError('no {package}')\n")
    status, output = ended("run", "--workers=0", "--subject=torch", folder=tmp_path, path=[tmp_path / "absent"])
    assert status == 2 and "PyTorch is not installed" in output
    status, output = ended("subjects", folder=tmp_path, path=[tmp_path / "absent"])
    assert status == 0 and "PyTorch is not installed" in output and "JAX is not installed" in output
    assert not list(tmp_path.rglob("report.json"))


def test_an_interrupted_run_leaves_no_report_not_even_an_old_one(tmp_path):
    old = tmp_path / "build/report/report.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    # Whatever these tests run under: what a shell has put in the background ignores the signal, and hands that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = command("run", "--workers=0", "--subject=own_subject:Own", "--examples=400", folder=tmp_path)
    signal.signal(signal.SIGINT, before)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert not old.exists()


@pytest.mark.parametrize(("begun", "status"), [(1, 0), (2, 2)])
def test_a_run_in_which_a_case_did_not_end_is_not_complete(tmp_path, monkeypatch, capsys, begun, status):
    """Even where pytest saw nothing wrong."""

    def main(arguments, plugins):
        (session,) = plugins
        session.pytest_collection_finish(SimpleNamespace(items=range(begun)))
        ended = SimpleNamespace(user_properties=[(plugin.RESULT, result())], when="call", failed=False)
        session.pytest_runtest_logreport(ended)
        return pytest.ExitCode.OK

    monkeypatch.setattr(pytest, "main", main)
    report = tmp_path / "report.json"
    assert cli.main(["run", "--subject=refimpl", "--report", str(report)]) == status
    assert report.exists() == (status == 0)
    assert ("1 of 2 cases have a result" in capsys.readouterr().out) == (status == 2)


def test_list_shows_each_case_with_its_statement(tmp_path):
    status, output = ended("list", folder=tmp_path)
    assert status == 0
    assert "optimizers.program" in output and "Every step of a program" in output


def test_list_with_texts_shows_the_cases_with_one_of_them_in_their_id(tmp_path):
    status, output = ended("list", "optimizers.prog", "schedules.rat", folder=tmp_path)
    listed = [line.split()[0] for line in output.splitlines() if line and not line.startswith(" ")]
    assert status == 0
    assert listed == ["optimizers.program", "schedules.rates"]


def collected(claims):
    """Ids, without parameters, of the cases that pytest collects with this choice of claims."""
    options = ["--assert=plain", "-o", "python_files=*.py", "--subject=refimpl", *claims]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "conformance.running.plugin", *options, CASES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {f"{topic}.{name}" for topic, name in re.findall(r"cases/(\w+).*\.py::test_(\w+)", done.stdout)}


def test_the_cases_of_the_claims_and_all_others_are_chosen_by_one_word():
    of_claims = {case for claim in catalogue() for case in claim.cases}
    assert collected(ONLY_CLAIMS) == of_claims
    assert collected(WITHOUT_CLAIMS) == {name for name, _ in found([CASES])} - of_claims


def test_the_commands_say_which_of_them_they_run(monkeypatch, tmp_path):
    options = []

    def record_of(subjects, **passed):
        options.append(passed["options"])
        raise Incomplete("not in this test")

    monkeypatch.setattr(judge, "record_of", record_of)
    monkeypatch.setattr(cli, "run", lambda subjects, **passed: options.append(passed["options"]))
    for arguments in (["claims", "--into", str(tmp_path)], ["run", "--no-claims"], ["run"]):
        cli.main([*arguments, "--subject=refimpl"])
    assert options[0] == list(ONLY_CLAIMS)
    assert options[1] == [*options[2], *WITHOUT_CLAIMS]


UNDECORATED = """
from conformance import case

@case(statement="s", source="s", kind="exact", catches="c", capability="optimizer")
def test_described(subject, compare):
    compare.equal([1.0], [1.0], "one")

def test_undecorated(subject, compare):
    pass
"""
OF_ANOTHER_KIND = """
import unittest

class TestOfAnotherKind(unittest.TestCase):
    def test_method(self):
        pass
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_that_is_no_case_is_named_and_the_run_is_not_complete(tmp_path, workers):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/one.py").write_text(UNDECORATED)
    (tmp_path / "mine/two.py").write_text(OF_ANOTHER_KIND)
    status, output = ended(
        "run", f"--workers={workers}", "--subject=refimpl", "--cases=mine", "--case=described", folder=tmp_path
    )
    assert status == 2
    for where in ("test_undecorated in mine/one.py", "test_method in mine/two.py"):
        assert output.count(f"{where} is not a case: decorate it with @case(...)") == 1
    assert "test_described" not in output and "INTERNALERROR" not in output and "Traceback" not in output
    assert not (tmp_path / "build/report/report.json").exists()


def test_a_folder_for_a_report_is_refused_before_anything_runs(capsys, tmp_path):
    assert cli.main(["run", "--subject=refimpl", f"--report={tmp_path}"]) == 2
    assert f"--report must name a file, and {tmp_path} is a folder" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["-1", "two"])
def test_workers_that_are_no_number_of_processes_are_refused(capsys, workers):
    assert cli.main(["run", "--subject=refimpl", f"--workers={workers}"]) == 2
    assert f"--workers must be auto, or an integer of at least 0, got {workers}" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.os, "access", lambda folder, mode: folder != tmp_path / "locked")  # root may write anywhere
    assert cli.main(["run", "--subject=refimpl", f"--report={tmp_path}/locked/report.json"]) == 2
    assert f"--report must name a file in a folder that can be written, got {tmp_path}" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named_without_an_error_number(capsys, tmp_path):
    assert cli.main(["merge", f"{tmp_path}/missing.json"]) == 2
    assert capsys.readouterr().err == f"conformance: {tmp_path}/missing.json: No such file or directory\n"


@pytest.mark.parametrize(("text", "why"), [("def case(:", "SyntaxError"), (None, "FileNotFoundError")])
def test_a_file_of_cases_that_cannot_be_listed_is_named(capsys, tmp_path, text, why):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    assert cli.main(["list", f"--cases={file}"]) == 2
    assert f"{file} cannot be loaded: {why}" in capsys.readouterr().err


def test_the_list_of_subjects_says_how_to_install_one_that_is_not_here(capsys, monkeypatch):
    monkeypatch.setattr(cli, "installed", lambda names: ({}, dict.fromkeys(names, "pip install 'refimpl[that]'")))
    assert cli.main(["subjects"]) == 0
    assert capsys.readouterr().out.count("pip install 'refimpl[that]'") == len(cli.SHIPPED)
