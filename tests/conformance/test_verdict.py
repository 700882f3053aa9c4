"""Verdicts: what comparisons amount to, and that vacuous cases and divergences that no longer reproduce fail."""

import dataclasses

import pytest

from conformance import NoDevice, Unsupported
from conformance.judging import divergences
from conformance.judging.comparison import LESS_ACCURATE, NON_FINITE_WITHOUT_BOUND, ONE_STEP_LATE, Tally
from conformance.judging.divergences import Divergence
from conformance.judging.verdict import judge

ENTRY = Divergence("id", "case", ("float32",), NON_FINITE_WITHOUT_BOUND, "reason", "link", "2026-11-21", "lib 1.0")


@pytest.mark.parametrize(
    ("raised", "tally", "divergence", "expected"),
    [
        (None, Tally(comparisons=3), None, "conforms"),
        (None, Tally(comparisons=3, masked=3), None, "conforms"),
        (None, Tally(comparisons=3, masked=4), None, "fails"),
        (None, Tally(), None, "fails"),
        (None, Tally(masked=5), None, "fails"),
        (None, Tally(comparisons=3, draws=2, discarded=18), None, "conforms"),
        (None, Tally(comparisons=3, draws=2, discarded=19), None, "fails"),
        (None, Tally(comparisons=100, loose=90), None, "conforms"),
        (None, Tally(comparisons=100, loose=91), None, "fails"),
        (AssertionError("x"), Tally(comparisons=3), None, "fails"),
        (TypeError("x"), Tally(comparisons=3), None, "fails"),
        (Unsupported("x"), Tally(), None, "unsupported"),
        (NoDevice("x"), Tally(), None, "no_device"),
        (None, Tally(comparisons=3, diverging=1), ENTRY, "diverges"),
        (None, Tally(comparisons=3), ENTRY, "fails"),
        (AssertionError("x"), Tally(comparisons=3, diverging=1), ENTRY, "fails"),
    ],
)
def test_each_outcome_has_its_verdict(raised, tally, divergence, expected):
    assert judge(raised, tally, divergence, "lib 1.0").name == expected


def test_a_divergence_that_shows_in_a_version_it_is_not_known_of_fails_and_says_so():
    verdict = judge(None, Tally(comparisons=3, diverging=1), ENTRY, "lib 1.1")
    assert verdict.name == "fails"
    assert "is known in lib 1.0 and also occurs in lib 1.1" in verdict.reason


def test_every_verdict_but_conforms_has_a_reason():
    assert "compared nothing" in judge(None, Tally(), None).reason
    assert "no longer reproduces" in judge(None, Tally(comparisons=3), ENTRY, "lib 1.0").reason
    assert judge(Unsupported("no such rule"), Tally(), None).reason == "no such rule"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reason": ""}, "lacks"),
        ({"kind": "loose"}, "kind must be one of"),
        ({"extra": "x"}, "unknown"),
        ({"versions": "1.0"}, "versions must be libraries with their versions"),
        ({"factor": 2.0}, "factor above 1"),
        ({"kind": LESS_ACCURATE}, "factor above 1"),
        ({"steps": [41]}, "steps go with"),
        ({"kind": ONE_STEP_LATE}, "steps go with"),
    ],
)
def test_incomplete_divergence_entries_are_refused(change, message):
    values = {
        "id": "a", "case": "c", "dtypes": ["float32"], "kind": NON_FINITE_WITHOUT_BOUND, "reason": "r", "link": "l",
        "date": "2026-11-21", "versions": "lib 1",
    }  # fmt: skip
    divergences._entry("x.toml", values)
    with pytest.raises(ValueError, match=message):
        divergences._entry("x.toml", values | change)


def test_a_divergence_is_declared_for_its_case_format_and_variants(monkeypatch):
    jit = dataclasses.replace(ENTRY, kind=ONE_STEP_LATE, steps=(41,), variants=("jit",))
    monkeypatch.setattr(divergences, "load", {"all": (ENTRY,), "one": (jit,)}.get)
    assert divergences.declared("all", "case", "float32", "eager") is ENTRY
    assert divergences.declared("one", "case", "float32", "jit") is jit
    for subject, case, dtype, variant in (
        ("one", "case", "float32", "eager"), ("one", "case", "float64", "jit"), ("all", "other", "float32", "eager"),
    ):  # fmt: skip
        assert divergences.declared(subject, case, dtype, variant) is None
