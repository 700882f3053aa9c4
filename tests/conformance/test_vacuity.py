"""Vacuity: a case that proves nothing fails the run and is told so, whatever way it found."""

import json

import pytest

from tests.conformance.command import HERE, ended

VACUOUS = {
    "compares_nothing": "vacuous: the case compared nothing",
    "returns_early": "vacuous: the case compared nothing",
    "compares_empty_arrays": "vacuous: the case compared nothing",
    "masks_most": "vacuous: the case masked 5 elements and compared only 4",
    "matches_nan_with_nan": "vacuous: the case compared nothing",
    "bound_exceeds_the_value": "vacuous: the bound exceeds the value itself in 5 of 5 elements",
    "bound_of_zeros_is_no_roundoff": "vacuous: the bound exceeds the value itself in 5 of 5 elements",
    "limit_that_all_keep": "statistic: limit must exclude some number, got inf",
    "limit_that_all_exceed": "number: limit must exclude some number, got -inf",
    "standard_error_of_any_mean": "mean: standard_error must be finite and > 0, got inf",
    "discards_most_draws": "draws and used only",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vacuous")
    cases = HERE / "vacuous_cases.py"
    status, output = ended(
        "run", "--workers=0", "--subject=refimpl", f"--cases={cases}", "--case=vacuous_cases", folder=folder
    )
    assert status == 1, output
    report = json.loads((folder / "build/report/report.json").read_text())
    return {r["case"].partition(".")[2]: r for r in report["results"]}


@pytest.mark.parametrize("case", VACUOUS)
def test_a_vacuous_case_fails(judged, case):
    assert judged[case]["verdict"] == "fails"
    assert VACUOUS[case] in judged[case]["reason"]


def test_the_sound_cases_beside_them_conform_and_no_others_are_there(judged):
    assert judged["sound"]["verdict"] == "conforms"
    assert judged["discards_a_draw"]["verdict"] == "conforms"
    assert 0 < judged["discards_a_draw"]["discarded"] < judged["discards_a_draw"]["draws"]
    assert set(judged) == {"sound", "discards_a_draw", "gives_up", *VACUOUS}


def test_comparisons_before_a_case_is_unsupported_do_not_count(judged):
    assert judged["gives_up"]["verdict"] == "unsupported"
    assert judged["gives_up"]["comparisons"] == 0
