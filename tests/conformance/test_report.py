"""Reports: whole or not at all, refused when incomplete, merged without double counting."""

import json
import os

import pytest
from rich.console import Console
from rich.text import Text

from conformance.report import record, terminal
from conformance.report.files import write_json, write_whole


def result(case="a", verdict="conforms", **changes):
    return {
        "case": case, "statement": "s", "subject": "torch", "version": "1", "variant": "v", "dtype": "float32",
        "device": "cpu", "seed": None, "verdict": verdict, "comparisons": 7, "masked": 0, "worst_error_over_bound": 0.5,
    } | changes  # fmt: skip


def test_totals_count_every_verdict_and_comparison():
    results = [result("b"), result("a", "fails"), result("c", "unsupported", comparisons=0)]
    report = record.record({"python": "3"}, results)
    assert report["totals"] == {
        "cases": 3, "comparisons": 14, "conforms": 1, "diverges": 0, "fails": 1, "unsupported": 1, "no_device": 0,
    }  # fmt: skip
    assert [r["case"] for r in report["results"]] == ["a", "b", "c"]


def test_a_written_report_reads_back_and_what_is_no_number_in_json_becomes_text(tmp_path):
    path = tmp_path / "deep" / "report.json"
    numbers = [0.1, float("inf"), (float("-inf"), float("nan"))]
    write_json(path, record.record({"numbers": numbers}, [result(worst_error_over_bound=float("inf"))]))
    report = record.read(path)
    assert report["results"][0]["worst_error_over_bound"] == "inf"
    assert report["environment"]["numbers"] == [0.1, "inf", ["-inf", "nan"]]
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]


def test_what_is_written_is_for_everybody_to_read(tmp_path):
    write_whole(tmp_path / "page.md", "text")
    assert (tmp_path / "page.md").stat().st_mode & 0o777 == 0o644


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, record.record({}, [result()]))
    before = path.read_text()
    with pytest.raises(TypeError):
        write_json(path, record.record({"python": object()}, []))
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("interrupted", [OSError, KeyboardInterrupt])
def test_writing_that_ends_on_the_way_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, interrupted):
    def replace(*paths):
        raise interrupted

    path = tmp_path / "page.md"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(interrupted):
        write_whole(path, "new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"page.md": "old"}


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


@pytest.mark.parametrize("name", ["subject", "version", "variant", "dtype", "device", "seed"])
def test_reports_that_differ_in_one_thing_merge_and_the_same_one_twice_is_refused(name):
    one, two = (record.record({}, [result(**{name: value})]) for value in ("1.0", "2.0"))
    assert record.merge([one, two])["totals"]["comparisons"] == 14
    with pytest.raises(ValueError, match="two reports"):
        record.merge([two, one, two])


def cells(results):
    """What stands in the matrix: its head, and then its rows."""
    columns = terminal.matrix(results).columns
    rows = zip(*(column.cells for column in columns), strict=True)
    return [[Text.from_markup(cell).plain for cell in row] for row in ([c.header for c in columns], *rows)]


def test_the_matrix_has_a_row_for_each_case_and_a_column_for_each_subject_format_and_device():
    results = [
        result("b.two[float32]", comparisons=1000, variant="one", worst_error_over_bound=0.25),
        result("b.two[float32]", comparisons=200, variant="two", worst_error_over_bound=0.75),
        result("b.two[float32]", comparisons=30, variant="three", worst_error_over_bound=0.5),
        result("b.two[float32]", "fails", comparisons=4, dtype="float64"),
        result("a.one", "diverges", subject="jax", device="gpu", worst_error_over_bound=1.5),
        result("a.one", "no_device", device="gpu", comparisons=0),
        result("c.none", "unsupported", comparisons=0),
    ]
    assert cells(results) == [
        ["case", "jax\nfloat32\ngpu", "torch\nfloat32", "torch\nfloat32\ngpu", "torch\nfloat64", "elements\ncompared"],
        ["a.one", "1.50 ≠", "", "∅", "", "7"],
        ["b.two[float32]", "", "0.75 ✓", "", "✗", "1,234"],
    ]


@pytest.mark.parametrize(
    ("worse", "better", "cell"),
    [
        ("fails", "diverges", "✗"),
        ("diverges", "conforms", "0.50 ≠"),
        ("conforms", "no_device", "0.50 ✓"),
        ("no_device", "unsupported", "∅"),
    ],
)
def test_a_cell_has_the_verdict_of_its_worst_variant(worse, better, cell):
    for verdicts in ((worse, better), (better, worse)):
        _, row = cells([result(verdict=verdict, variant=verdict) for verdict in verdicts])
        assert row[1] == cell


def shown(report):
    """What a terminal of 120 columns shows of the report, line by line."""
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        terminal.show(console, report)
    return capture.get().splitlines()


def test_what_is_unsupported_is_one_line_for_each_subject_with_the_most_frequent_reasons_first_but_capabilities_last():
    reasons = ["has no seldom", *["torch has no often"] * 4, *["has no twice"] * 2, *["has no thrice"] * 3]
    reasons += ["torch does not offer clip"] * 5
    results = [result(str(i), "unsupported", comparisons=0, reason=r) for i, r in enumerate(reasons)]
    results += [result("x", "unsupported", subject="jax", comparisons=0, reason="jax declares nothing")]
    results += [result("y", "no_device", comparisons=0, reason="torch sees no device 'tpu'"), result("z")]
    lines = [line.rstrip() for line in shown(record.record({}, results))]
    start = next(i for i, line in enumerate(lines) if line.startswith("∅ torch"))
    assert lines[start : start + 3] == [
        "∅ torch (1)  sees no device 'tpu' (1)",
        "– jax (1)    declares nothing (1)",
        "– torch (15) has no often (4); has no thrice (3); has no twice (2); others (6)",
    ]
    assert lines[start + 3 :] == ["7 elements compared in 18 cases: 1 conforms, 16 unsupported, 1 no device"]


def test_a_failure_is_shown_with_whom_it_is_of_what_was_wrong_and_its_replay():
    wrong = {"what": "parameters", "element": "(0,)", "error_over_bound": "3.5"}
    failures = [
        result("a[b]", "fails", statement="Steps [exactly].", counterexample=wrong, reproduce="run it"),
        result("b", "fails", statement="T.", variant="", reason="vacuous: it compared nothing", reproduce="run b"),
    ]
    lines = [line.rstrip() for line in shown(record.record({}, [*failures, result("c")]))]
    assert lines[lines.index("✗ a[b]  torch 1 v float32") :] == [
        "✗ a[b]  torch 1 v float32",
        "  Steps [exactly].",
        "  what              parameters",
        "  element           (0,)",
        "  error_over_bound  3.5",
        "  replay            run it",
        "",
        "✗ b  torch 1 float32",
        "  T.",
        "  what    vacuous: it compared nothing",
        "  replay  run b",
        "21 elements compared in 3 cases: 1 conforms, 2 fail",
    ]


def test_a_difference_as_declared_is_said_once():
    variants = [result("a", "diverges", variant=v, divergence="late", reason="One step late.") for v in ("v", "w")]
    lines = shown(record.record({}, variants))
    assert [line.rstrip() for line in lines if "late" in line] == ["≠ late: One step late."]


def test_nothing_is_said_of_it_where_all_is_offered():
    *_, legend, empty, last = shown(record.record({}, [result()]))
    assert legend.rstrip().endswith("no device") and not empty and last.startswith("7 elements")
