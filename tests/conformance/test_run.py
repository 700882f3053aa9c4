"""The command: what it answers to right and wrong subjects, missing frameworks and devices, and interruption."""

import json
import signal
import time

import pytest

from tests.conformance.command import command, ended

MISTAKES = {
    "Raises": "RuntimeError: out of luck",
    "Shape": "wrong structure",
    "Structure": "wrong structure",
    "Format": "wrong type or shape",
    "NotANumber": "parameters",
    "Slot": "slot",
    "LosesState": "parameters",
    "ForgetsRate": "parameters",
    "SlightlyOff": "error_over_bound",
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


def test_the_right_subject_conforms(judged):
    results, _, _ = judged
    assert results["Right"]["verdict"] == "conforms"
    assert results["Right"]["comparisons"] > 100_000
    assert 0 < results["Right"]["worst_error_over_bound"] <= 1


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


def test_a_failure_is_reduced_to_one_lane_and_few_steps(judged):
    results, _, _ = judged
    shown = results["SlightlyOff"]["counterexample"]
    assert {"step", "lane", "expected", "got", "bound", "start", "gradients", "program"} <= set(shown)
    assert shown["lane"] == "(0,)"


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
        (["merge", "nowhere.json"], "nowhere.json"),
    ],
)
def test_misuse_is_named_and_leaves_no_report(tmp_path, arguments, message):
    status, output = ended(*arguments, *(["--workers=0"] if arguments[0] == "run" else []), folder=tmp_path)
    assert status == 2
    assert message in output and "Traceback" not in output
    assert not list(tmp_path.rglob("*.json"))


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
    process = command("run", "--workers=0", "--subject=own_subject:Own", "--examples=400", folder=tmp_path)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert not old.exists()


def test_list_shows_each_case_with_its_statement(tmp_path):
    status, output = ended("list", folder=tmp_path)
    assert status == 0
    assert "optimizers.program" in output and "Every step of a program" in output
