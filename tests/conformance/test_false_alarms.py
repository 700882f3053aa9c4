"""The long run: it continues where it stopped, counts everything once, and names every alarm; draws differ by seed."""

import json

import numpy as np
import pytest
from rich.console import Console

from conformance.report import record
from conformance.strategies.draws import enlarged, load_profile, random_numbers
from tests.conformance import false_alarms, test_no_false_alarms
from tests.conformance.command import HERE, ROOT, ended
from tests.conformance.false_alarms import RIGHT, Incomplete, Part

PARTS = {
    "thresholds": Part(("clipping.tree[ClipByValue]",), size=2, examples=2),
    "rates": Part(("schedules.rates[Constant]",), size=1, examples=1),
}


@pytest.fixture
def importable(monkeypatch):
    """The subjects of these tests, here and in what is run, which is too little for workers."""
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{ROOT}")


@pytest.fixture(autouse=True)
def size_and_seed_as_before(drawn_as_the_suite_draws):
    yield
    load_profile()


def result(case="optimizers.program[Adam]", verdict="conforms", seed=1, **changes):
    return {
        "case": case, "statement": "s", "subject": "torch", "version": "1", "variant": "v", "dtype": "float32",
        "device": "cpu", "seed": seed, "verdict": verdict, "comparisons": 7, "masked": 2, "loose": 1, "undecided": 3,
        "diverging": 0, "reason": "", "worst_error_over_bound": 0.5,
    } | changes  # fmt: skip


def report(*results, **changes):
    environment = {
        "date": "2026-01-01T00:00:00", "python": "3", "hypothesis": "6", "platform": "P", "command": "conformance run",
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
def test_a_run_continues_where_it_stopped_and_counts_every_comparison_once(tmp_path):
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
    # All leaves have an axis to grow on but a single number, in each example.
    single = sum(r["examples"] for r in first["results"])
    assert again["totals"]["comparisons"] - single == 2 * (first["totals"]["comparisons"] - single)


RATES = {"rates": PARTS["rates"]}


@pytest.mark.usefixtures("importable")
def test_what_other_code_judged_is_judged_again_and_named(tmp_path, monkeypatch, capsys):
    def judged(code):
        monkeypatch.setattr(false_alarms, "digest", lambda: code)
        false_alarms.run([1], RATES, ["refimpl"], tmp_path, Console())
        [path] = tmp_path.iterdir()
        return path.stat().st_mtime_ns, record.read(path)["environment"]["code"], capsys.readouterr().out

    first, again, other = judged("one"), judged("one"), judged("another")
    assert first[:2] == again[:2] and "again" not in first[2] + again[2]
    assert other[0] > first[0] and other[1] == "another"
    assert "seed-1-rates.json is of other code: judged again" in other[2]
    monkeypatch.setattr(false_alarms, "draws_hang_on", lambda: {"hypothesis": "another"})
    assert "seed-1-rates.json is of other hypothesis: judged again" in judged("another")[2]


def test_a_part_of_few_seeds_has_its_own_subjects_and_the_first_of_every_so_many(tmp_path, monkeypatch):
    asked = []

    def noted(arguments, versions, code, path, console):
        asked.append((path.name, arguments[1], list(versions)))
        return report(result(seed=len(asked), comparisons=0))

    monkeypatch.setattr(false_alarms, "report_of", noted)
    parts = {"few": Part(("a",), 1, 1, subjects=("refimpl",), every=3), "each": Part(("b",), 1, 1)}
    false_alarms.run([1, 2, 3, 4], parts, ["refimpl", "torch"], tmp_path, Console(quiet=True))
    assert [path for path, *_ in asked] == [
        "seed-1-few.json", "seed-1-each.json", "seed-2-each.json", "seed-3-each.json", "seed-4-few.json",
        "seed-4-each.json",
    ]  # fmt: skip
    assert asked[:2] == [
        ("seed-1-few.json", "--subject=refimpl", ["refimpl"]),
        ("seed-1-each.json", "--subject=refimpl,torch", ["refimpl", "torch"]),
    ]


@pytest.mark.usefixtures("importable")
def test_a_part_whose_code_changed_meanwhile_is_not_kept(tmp_path, monkeypatch):
    digests = iter(["before", "after"])
    monkeypatch.setattr(false_alarms, "digest", lambda: next(digests))
    with pytest.raises(Incomplete, match=r"the code changed while seed-1-rates\.json was judged"):
        false_alarms.run([1], RATES, ["refimpl"], tmp_path, Console(quiet=True))
    monkeypatch.setattr(false_alarms, "digest", lambda: "after")
    false_alarms.run([1], RATES, ["refimpl"], tmp_path, Console(quiet=True))
    [path] = tmp_path.iterdir()
    assert record.read(path)["environment"]["code"] == "after"


def test_a_digest_is_that_of_all_code_that_judges(tmp_path):
    files = [
        "refimpl/spec.py", "conformance/cases/norms.py", "conformance/profiles/cpu.toml",
        "tests/conformance/correct_implementations/norms.py", "tests/conformance/false_alarms.py",
    ]  # fmt: skip
    digests = []
    for name in ["", *files, "refimpl/another.py"]:
        for file in files if name == "" else [name]:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(f"# {name}")
        digests.append(false_alarms.digest(tmp_path))
    assert len(set(digests)) == len(digests)
    (tmp_path / "conformance/notes.txt").write_text("no code")
    assert false_alarms.digest(tmp_path) == digests[-1]


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


def test_every_correct_subject_takes_part():
    assert {name.rpartition(":")[2] for name in RIGHT} == {
        name for names in test_no_false_alarms.RUNS for name in names
    }


# --- the record --------------------------------------------------------------------------------------------------


def test_the_page_adds_up_by_subject_and_family():
    results = [
        result(), result(seed=2), result("clipping.tree", subject="jax", comparisons=1000, diverging=4),
        result("losses.batch", "unsupported", comparisons=0, masked=0, loose=0),
    ]  # fmt: skip
    merged = record.merge([report(*results, subjects={"torch": "torch 1", "jax": "jax 2"})])
    page = false_alarms.page(merged, PARTS)
    assert "**1,014 elements compared under 2 seeds: 0 alarms.**" in page
    assert "| torch | 2 | – | 14 | 14 |" in page and "| jax | 1 | 1,000 | – | 1,000 |" in page
    assert "| all | 2 | 1,000 | 14 | 1,014 |" in page and "| share |  | 98.6% | 1.4% |" in page
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
