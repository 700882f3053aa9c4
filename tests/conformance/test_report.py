"""Reports: whole or not at all, refused when incomplete, merged without double counting."""

import json

import pytest
from rich.console import Console

from conformance.report import record, terminal
from conformance.report.files import write_json


def result(case="a", verdict="conforms", **changes):
    return {
        "case": case, "statement": "s", "subject": "torch", "version": "1", "variant": "v", "dtype": "float32",
        "device": "cpu", "seed": None, "verdict": verdict, "comparisons": 7, "masked": 0, "worst_error_over_bound": 0.5,
    } | changes  # fmt: skip


def test_totals_count_every_verdict_and_comparison():
    results = [result("b"), result("a", "fails"), result("c", "not_offered", comparisons=0)]
    report = record.record({"python": "3"}, results)
    assert report["totals"] == {
        "cases": 3, "comparisons": 14, "conforms": 1, "diverges": 0, "fails": 1, "not_offered": 1, "no_device": 0,
    }  # fmt: skip
    assert [r["case"] for r in report["results"]] == ["a", "b", "c"]


def test_a_written_report_reads_back_and_infinities_become_text(tmp_path):
    path = tmp_path / "deep" / "report.json"
    write_json(path, record.record({}, [result(worst_error_over_bound=float("inf"))]))
    assert record.read(path)["results"][0]["worst_error_over_bound"] == "inf"
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, record.record({}, [result()]))
    before = path.read_text()
    with pytest.raises(TypeError):
        write_json(path, record.record({"python": object()}, []))
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "complete": false}', '{"format": 2, "complete": true}']
)
def test_incomplete_reports_are_refused(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="report"):
        record.read(path)


def test_reports_of_shards_merge_and_the_same_shard_twice_is_refused():
    one, two = record.record({"host": 1}, [result("a")]), record.record({"host": 2}, [result("b", "fails")])
    merged = record.merge([one, two])
    assert merged["totals"]["cases"] == 2 and merged["totals"]["comparisons"] == 14 and merged["totals"]["fails"] == 1
    json.dumps(merged)
    with pytest.raises(ValueError, match="two reports"):
        record.merge([one, one])


def test_reports_of_two_seeds_merge_and_the_same_seed_twice_is_refused():
    one, two = (record.record({}, [result(seed=seed)]) for seed in (1, 2))
    assert record.merge([one, two])["totals"]["comparisons"] == 14
    with pytest.raises(ValueError, match="two reports"):
        record.merge([two, one, two])


def shown(report):
    """What a terminal of 120 columns shows of the report, line by line."""
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        terminal.show(console, report)
    return capture.get().splitlines()


def test_what_is_not_offered_is_one_line_for_each_subject_with_the_most_frequent_reasons_first():
    reasons = ["has no seldom", *["torch has no often"] * 4, *["has no twice"] * 2, *["has no thrice"] * 3]
    results = [result(str(i), "not_offered", comparisons=0, reason=r) for i, r in enumerate(reasons)]
    results += [result("x", "not_offered", subject="jax", comparisons=0, reason="jax declares nothing")]
    results += [result("y", "no_device", comparisons=0, reason="torch sees no device 'tpu'"), result("z")]
    lines = [line.rstrip() for line in shown(record.record({}, results))]
    start = next(i for i, line in enumerate(lines) if line.startswith("∅ torch"))
    assert lines[start : start + 3] == [
        "∅ torch (1)  sees no device 'tpu' (1)",
        "– jax (1)    declares nothing (1)",
        "– torch (10) has no often (4); has no thrice (3); has no twice (2); others (1)",
    ]
    assert lines[start + 3 :] == ["7 elements compared in 13 cases: 1 conforms, 11 not offered, 1 no device"]


def test_nothing_is_said_of_it_where_all_is_offered():
    *_, legend, empty, last = shown(record.record({}, [result()]))
    assert legend.rstrip().endswith("no device") and not empty and last.startswith("7 elements")
