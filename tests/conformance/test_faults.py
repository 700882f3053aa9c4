"""Seeded faults: each is caught or proven to change nothing, and the run itself can tell a survivor."""

import ast
import json
from dataclasses import replace

import pytest
from hypothesis import settings
from rich.console import Console

from conformance import cli, faults
from conformance.faults import run, seeded, syntax
from conformance.faults.copies import copy_with

(NO_SECOND_CORRECTION,) = (fault for fault in seeded() if fault.id == "adam-second-moment-not-corrected")

pytestmark = pytest.mark.usefixtures("drawn_as_the_suite_draws")


@pytest.mark.parametrize("fault", seeded(), ids=lambda fault: fault.id)
def test_every_fault_is_caught_or_changes_no_result(fault):
    assert run.outcome(fault)["outcome"] in (run.CAUGHT, run.EQUIVALENT)


@pytest.fixture
def in_force():
    """How Hypothesis draws, which it must do again in the end."""
    before = settings.default
    yield before
    assert settings.default == before


@pytest.mark.usefixtures("in_force")  # a mark of the function comes before that of the module
def test_a_run_leaves_hypothesis_as_it_was(in_force):
    assert settings.default != in_force
    run.outcome(NO_SECOND_CORRECTION)


def test_a_fault_lives_in_its_copy_alone():
    import refimpl

    wrong = copy_with(NO_SECOND_CORRECTION)
    right, copy = (module.Adam().step(1.0, 0.5, module.Adam().init(1.0))[0] for module in (refimpl, wrong))
    assert right != copy
    assert wrong.Adam is not refimpl.Adam


def test_the_subject_of_a_fault_knows_the_rules_of_the_copy_by_their_classes():
    adaptive = next(fault for fault in seeded() if fault.id == "adaptive-limit-1")
    place, same = "refimpl.clipping.AdaptiveClipping.apply", "rebuilt(gradients, list(clipped))"
    harmless = replace(adaptive, place=place, find="rebuilt(gradients, clipped)", replace=same)
    assert run.outcome(harmless)["outcome"] == run.SURVIVED


def outcome_of(**changes):
    return run.outcome(replace(NO_SECOND_CORRECTION, **changes))["outcome"]


def test_a_change_of_nothing_survives():
    assert outcome_of(replace="quotient(v, v_correction) * 1.0") == run.SURVIVED


def test_a_fault_that_its_cases_do_not_look_at_survives():
    assert outcome_of(cases=("optimizers.all_terms_active[SGD]",)) == run.SURVIVED


def test_a_fault_said_to_be_equivalent_that_is_caught_is_told_apart():
    assert outcome_of(equivalent="it is not") == run.NOT_EQUIVALENT


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"replace": "nonsense"}, "nonsense"),
        ({"replace": "= 1"}, "cannot be imported"),
        ({"cases": ("optimizers.nonsense",)}, "optimizers.nonsense"),
        ({"find": "no_such_code"}, "adam-second-moment-not-corrected.*does not have 'no_such_code'"),
        ({"find": "step"}, "'step' 2 times"),
        ({"place": "refimpl.optimizers.adam.Adam.increment"}, "_increment"),
        ({"place": "optimizers.adam"}, "no module 'optimizers.adam'"),
    ],
)
def test_an_entry_that_is_no_fault_is_refused(changes, named):
    with pytest.raises(ValueError, match=named):
        outcome_of(**changes)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 0),
        ({"replace": "quotient(v, v_correction) + 0.0"}, 1),
        ({"equivalent": "it is not"}, 1),
        ({"replace": "nonsense"}, 2),
    ],
)
def test_the_command_fails_for_survivors_and_writes_what_it_found(tmp_path, monkeypatch, change, status):
    monkeypatch.setattr(run, "seeded", lambda: (replace(NO_SECOND_CORRECTION, **change),))
    monkeypatch.setattr(run, "side_by_side", lambda function, items, workers, console: list(map(function, items)))
    assert cli.main(["faults", "--into", str(tmp_path)]) == status
    assert (tmp_path / "report.json").exists() == (status < 2)


def test_the_outcome_says_which_case_caught_it_and_what_was_wrong(capsys):
    found = run.report([NO_SECOND_CORRECTION], 1, Console())
    assert found["results"][0]["case"] == "optimizers.all_terms_active[Adam]"
    assert "parameters" in found["results"][0]["how"]
    assert found["totals"] == {
        "seeded": 1, run.CAUGHT: 1, run.EQUIVALENT: 0, run.SURVIVED: 0, run.NOT_EQUIVALENT: 0
    }  # fmt: skip


def made(fault, family="optimizers", outcome=run.CAUGHT, **facts):
    """An outcome that no run had."""
    return {"fault": fault, "family": family, "wrong": f"what {fault} gets wrong", "outcome": outcome} | facts


def test_what_is_shown_has_each_fault_each_family_and_last_the_survivors():
    outcomes = [
        made("one", case="a.one[float32]", seconds=0.25),
        made("two", case="a.two", seconds=4.0),
        made("three", case="a.two", seconds=0.5),
        made("four", outcome=run.SURVIVED),
        made("five", "losses", run.EQUIVALENT),
        made("six", "losses", run.NOT_EQUIVALENT, case="b.one", seconds=8.0),
    ]
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        run.show(console, run.totalled(outcomes))
    assert [" ".join(line.split()) for line in capture.get().splitlines()] == [
        "fault caught by after s",
        "one a.one[float32] 0.25",
        "two a.two 4.00",
        "three a.two 0.50",
        "four survived",
        "five equivalent",
        "six b.one 8.00",
        "",
        "family seeded caught equivalent survived median s",
        "losses 2 0 1 1 8.00",
        "optimizers 4 3 0 1 0.50",
        "",
        "✗ four survived: what four gets wrong",
        "✗ six caught, but said to be equivalent: what six gets wrong",
        "3 of 6 seeded faults caught, 1 change no result; half of them within 0.5 s",
    ]


def test_what_is_wrong_with_faults_is_shown_where_they_are_asked_for():
    console = Console(width=120, no_color=True)
    outcome = made("one", case="a.one", seconds=0.25)
    with console.capture() as capture:
        run.show(console, run.totalled([outcome]), wrong=True)
    assert "what one gets wrong" in capture.get()


@pytest.mark.parametrize(
    ("texts", "status", "expected"),
    [
        ([], 0, ["first", "second", "third"]),
        (["ir"], 0, ["first", "third"]),
        (["con", "thi"], 0, ["second", "third"]),
        (["fourth"], 2, None),
    ],
)
def test_the_faults_with_these_texts_in_their_ids_are_run(tmp_path, monkeypatch, texts, status, expected):
    faults = tuple(replace(NO_SECOND_CORRECTION, id=name) for name in ("first", "second", "third"))
    monkeypatch.setattr(run, "seeded", lambda: faults)
    monkeypatch.setattr(
        run, "side_by_side", lambda function, items, *_: [made(fault.id, case="a.one", seconds=1.0) for fault in items]
    )
    chosen = [f"--fault={text}" for text in texts]
    assert cli.main(["faults", *chosen, "--into", str(tmp_path)]) == status
    report = tmp_path / "report.json"
    assert ([r["fault"] for r in json.loads(report.read_text())["results"]] if report.exists() else None) == expected


ENTRY = """
in = "refimpl.optimizers.adam.Adam.update"
cases = ["a.one"]
[[fault]]
id = "x"
wrong = "w"
find = "parameter - increment"
replace = ["one", "two"]
"""


def test_a_list_of_wrong_texts_is_a_fault_each_and_heads_hold_for_all(tmp_path):
    (tmp_path / "family.toml").write_text(ENTRY)
    one, two = faults._read(tmp_path / "family.toml")
    assert (one.id, two.id, one.replace, two.replace) == ("x-1", "x-2", "one", "two")
    assert (one.family, one.seen, one.file, one.cases) == (
        "family", "systematic", "refimpl/optimizers/adam.py", ("a.one",)
    )  # fmt: skip
    assert "return (one, {" in one.source()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (ENTRY.replace('wrong = "w"\n', ""), "wrong"),
        (ENTRY + "colour = 1\n", "colour"),
        (ENTRY.replace("id =", "name ="), "id"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path, text, named):
    (tmp_path / "family.toml").write_text(text)
    with pytest.raises(ValueError, match=named):
        list(faults._read(tmp_path / "family.toml"))


def test_every_fault_changes_the_reference_and_no_id_is_there_twice():
    assert len({fault.id for fault in seeded()}) == len(seeded())
    assert {fault.file.partition("/")[0] for fault in seeded()} == {"refimpl", "conformance"}
    assert [fault.id for fault in seeded() if ast.dump(fault.tree()) == ast.dump(syntax.parsed(fault.file))] == []
