"""The long run: it goes on where it stopped, counts everything once, and names every alarm; draws differ by seed."""

import json

import numpy as np
import pytest
from rich.console import Console

from conformance.report import record
from conformance.strategies.profile import enlarged, load_profile, random_numbers
from tests.conformance import false_alarms, test_no_false_alarms
from tests.conformance.command import HERE, ROOT, ended
from tests.conformance.false_alarms import RIGHT, Incomplete, Part

PARTS = {
    "thresholds": Part(("clipping.tree[ClipByValue]",), size=2, examples=2),
    "rates": Part(("schedules.rates[Constant]",), size=1, examples=1),
}


@pytest.fixture
def importable(monkeypatch):
    """The subjects of these tests, here and in what is run."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{ROOT}")


@pytest.fixture(autouse=True)
def size_and_seed_as_before(drawn_as_the_suite_draws):
    yield
    load_profile()


def result(case="optimizers.program[Adam]", verdict="conforms", seed=1, **changes):
    return {
        "case": case, "statement": "s", "subject": "torch", "version": "1", "variant": "v", "dtype": "float32",
        "device": "cpu", "seed": seed, "verdict": verdict, "comparisons": 7, "masked": 2, "loose": 1, "diverging": 0,
        "reason": "", "worst_error_over_bound": 0.5,
    } | changes  # fmt: skip


def report(*results, **changes):
    environment = {
        "date": "2026-01-01T00:00:00", "python": "3", "platform": "P", "command": "conformance run",
        "subjects": {"torch": "torch 1"},
    }  # fmt: skip
    return record.record(environment | changes, results)


# --- size and seed -----------------------------------------------------------------------------------------------


def test_size_multiplies_one_axis_of_a_shape():
    load_profile(size=3)
    assert [enlarged(shape) for shape in [(5, 7), (2,), (), (3, 0)]] == [(15, 7), (6,), (), (9, 0)]
    assert enlarged((5, 2, 7), axis=-1) == (5, 2, 21)
    load_profile()
    assert enlarged((5, 7)) == (5, 7)


def test_a_seed_changes_the_numbers_of_every_draw_also_of_the_first_that_hypothesis_tries():
    def drawn(seed):
        load_profile(seed=seed)
        return tuple(random_numbers(number).random() for number in (0, 1000))

    assert drawn(None) == tuple(np.random.default_rng(number).random() for number in (0, 1000))
    numbers = [x for seed in (None, 0, 1, 2) for x in drawn(seed)]
    assert len(set(numbers)) == len(numbers)
    assert drawn(1) == drawn(1)


@pytest.mark.parametrize(("option", "message"), [("--size=0", "--size must be at least 1, got 0"),
                                                 ("--seed=-1", "--seed must be at least 0, got -1")])  # fmt: skip
def test_sizes_and_seeds_out_of_range_are_refused(option, message, tmp_path):
    status, output = ended("run", "--subject=refimpl", option, folder=tmp_path)
    assert status == 2 and message in output


# --- the run -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("importable")
def test_a_run_goes_on_where_it_stopped_and_counts_every_comparison_once(tmp_path):
    console = Console(quiet=True)
    false_alarms.run([1], PARTS, ["refimpl"], tmp_path, console)
    kept = {path: path.read_text() for path in tmp_path.iterdir()}
    assert len(kept) == 2

    merged = false_alarms.run([1, 2], PARTS, ["refimpl"], tmp_path, console)
    assert {path: path.read_text() for path in kept} == kept
    reports = [record.read(path) for path in tmp_path.iterdir()]
    assert len(reports) == 4
    assert merged["totals"]["comparisons"] == sum(r["comparisons"] for report in reports for r in report["results"])
    assert {(r["case"], r["seed"]) for r in merged["results"]} == {
        (case, seed) for part in PARTS.values() for case in part.cases for seed in (1, 2)
    }
    assert merged["totals"]["fails"] == 0 and all(r["comparisons"] > 0 for r in merged["results"])

    larger = {"thresholds": Part(("clipping.tree[ClipByValue]",), size=4, examples=2)}
    again = false_alarms.run([1], larger, ["refimpl"], tmp_path, console)
    first = json.loads(kept[tmp_path / "seed-1-thresholds.json"])
    # All leaves have an axis to grow on but a single number, which is compared before and after in each example.
    single = sum(r["examples"] for r in first["results"]) * 2
    assert again["totals"]["comparisons"] - single == 2 * (first["totals"]["comparisons"] - single)


@pytest.mark.usefixtures("importable")
def test_an_alarm_is_kept_and_named_with_its_replay(tmp_path):
    parts = {"steps": Part(("optimizers.program[Adam]",), size=1, examples=2)}
    merged = false_alarms.run([5], parts, ["wrong_subjects:SlightlyOff"], tmp_path, Console(quiet=True))
    alarms = [r for r in merged["results"] if r["verdict"] == "fails"]
    assert alarms
    page = false_alarms.page(merged, parts)
    assert all(alarm["reproduce"] in page and "--seed 5" in alarm["reproduce"] for alarm in alarms)


@pytest.mark.usefixtures("importable")
def test_a_run_without_a_report_stops_and_says_why(tmp_path):
    nothing = {"nothing": Part(("no such case",), size=1, examples=1)}
    with pytest.raises(Incomplete, match="no case matches"):
        false_alarms.run([1], nothing, ["refimpl"], tmp_path, Console(quiet=True))
    assert not list(tmp_path.iterdir())


def test_every_right_subject_takes_part():
    assert {name.rpartition(":")[2] for name in RIGHT} == {
        name for names in test_no_false_alarms.RUNS for name in names
    }


# --- the record --------------------------------------------------------------------------------------------------


def test_the_page_adds_up_by_subject_and_family():
    results = [
        result(), result(seed=2), result("clipping.tree", subject="jax", comparisons=1000, diverging=4),
        result("losses.batch", "not_offered", comparisons=0, masked=0, loose=0),
    ]  # fmt: skip
    merged = record.merge([report(*results, subjects={"torch": "torch 1", "jax": "jax 2"})])
    page = false_alarms.page(merged, PARTS)
    assert "**1,014 elements compared under 2 seeds: 0 alarms.**" in page
    assert "| torch | – | 14 | 14 |" in page and "| jax | 1,000 | – | 1,000 |" in page
    assert "| all | 1,000 | 14 | 1,014 |" in page and "| share | 98.6% | 1.4% |" in page
    assert "torch 1" in page and "jax 2" in page and "losses" not in page.partition("## What was drawn")[0]


def test_the_status_is_that_of_the_alarms(monkeypatch, tmp_path):
    monkeypatch.setattr(false_alarms, "REPORTS", tmp_path)
    monkeypatch.setattr(false_alarms, "PAGE", tmp_path / "page.md")

    def status(*results):
        monkeypatch.setattr(false_alarms, "run", lambda *_: record.merge([report(*results)]))
        return false_alarms.main(["--seeds=1"])

    assert status(result()) == 0 and "0 alarms.**" in (tmp_path / "page.md").read_text()
    assert status(result(), result("a.b", "fails", reproduce="replay this", reason="bad")) == 1
    assert "1 alarm.**" in (tmp_path / "page.md").read_text() and "replay this" in (tmp_path / "page.md").read_text()


def test_an_incomplete_run_leaves_the_record_as_it_is(monkeypatch, tmp_path, capsys):
    def stop(*_):
        raise Incomplete("the power went")

    monkeypatch.setattr(false_alarms, "run", stop)
    monkeypatch.setattr(false_alarms, "REPORTS", tmp_path)
    monkeypatch.setattr(false_alarms, "PAGE", tmp_path / "page.md")
    assert false_alarms.main(["--seeds=1"]) == 2
    assert "the power went" in capsys.readouterr().err and not list(tmp_path.iterdir())
