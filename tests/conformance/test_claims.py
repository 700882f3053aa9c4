"""The catalogue of claims: every verdict is proven on the reference, and every closed form behind one can fail."""

import re
from dataclasses import replace

import numpy as np
import pytest

from conformance import claims, cli
from conformance.claims import FALSE, Evidence, catalogue, evidence, page
from conformance.claims.witnesses import WITNESSES
from conformance.judging.comparison import Comparison, Mismatch
from conformance.running.trace import Trace, run_case

pytestmark = pytest.mark.usefixtures("drawn_as_the_suite_draws")

CASES = sorted({case for claim in catalogue() for case in claim.cases})


@pytest.mark.parametrize("case", CASES)
def test_every_closed_form_fails_when_it_is_off(case):
    """By 1e-6 of itself, or 1000 standard errors; and as it stands it holds."""
    compared = {seen.what for seen in run_case(case).observations if seen.relation in ("=", "~")}
    assert compared, f"{case} compares nothing with a closed form"
    for what in sorted(compared):
        with pytest.raises(Mismatch, match=re.escape(what)):
            run_case(case, perturbed=what)


def matrices_shown(case):
    """The matrices of every example of a case."""
    shown = []

    class Noted(Comparison):
        def example(self, **context):
            shown.extend(context.get("matrices", ()))
            super().example(**context)

    run_case(case, comparison=Noted)
    return shown


HELD_ON_ALL = "products.statements_hold_for_every_witness"


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith(("depth.", "products.")) and c != HELD_ON_ALL])
def test_every_matrix_that_a_claim_shows_is_one_that_all_statements_about_matrices_are_held_on(case):
    known = {str(matrix.tolist()) for matrices in WITNESSES.values() for matrix in matrices}
    assert {str(np.array(matrix).tolist()) for matrix in matrices_shown(case)} <= known


def test_what_holds_of_products_of_matrices_is_said_of_linear_layers_or_with_slopes():
    of_products = [claim for claim in catalogue() if HELD_ON_ALL in claim.cases]
    assert len(of_products) > 1
    for claim in of_products:
        assert re.search("linear (layers?|network)|layers are linear|slopes", claim.statement, re.IGNORECASE), claim.id


def report_of(*results):
    names = ("case", "subject", "variant", "dtype", "verdict")
    return {"results": [dict(zip(names, r, strict=True), comparisons=7) for r in results]}


CLAIM = replace(catalogue()[0], cases=("a.one", "a.two"))
PROVEN = [("a.one[x]", "refimpl", "numpy", "float64", "conforms"), ("a.two", "refimpl", "numpy", "float64", "conforms")]


def test_a_claim_is_borne_out_when_every_case_conforms_on_the_reference_and_fails_nowhere():
    assert evidence(CLAIM, report_of(*PROVEN)).problems == ()
    assert evidence(CLAIM, report_of(*PROVEN, ("a.one[y]", "jax", "jit", "float32", "unsupported"))).problems == ()


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        (PROVEN[:1], "a.two is not proven"),
        ([PROVEN[0], ("a.two", "torch", "func", "float32", "conforms")], "a.two is not proven"),
        ([*PROVEN, ("a.one[y]", "jax", "jit", "float32", "fails")], "a.one fails on jax jit float32"),
        ([*PROVEN, ("a.one[y]", "refimpl", "numpy", "float64", "fails")], "a.one fails on refimpl"),
        ([("a.one_more", *PROVEN[0][1:]), PROVEN[1]], "a.one is not proven"),
    ],
)
def test_a_claim_is_not_borne_out_by_a_report_with_a_gap(results, problem):
    assert any(problem in found for found in evidence(CLAIM, report_of(*results)).problems)


def test_evidence_is_what_the_cases_of_the_claim_compared_and_on_whom():
    others = [
        ("a.one[y]", "torch", "func", "float32", "diverges"),
        ("a.two", "jax", "jit", "float32", "fails"),
        ("a.one_more", "mine", "numpy", "float32", "conforms"),
    ]
    found = evidence(CLAIM, report_of(*PROVEN, *others))
    assert found == Evidence(28, ("refimpl", "torch"), ("a.two fails on jax jit float32",))


def test_the_page_shows_every_claim_with_its_evidence(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PICTURES", ())
    judged = {
        CLAIM: Evidence(1234, ("refimpl", "torch"), ()),
        replace(CLAIM, id="other", claim="1 < 2"): Evidence(5, (), ("a.two fails on jax jit float32",)),
    }
    environment = {"subjects": {"torch": "torch 2"}, "date": "today", "command": "conformance claims"}
    page.write(tmp_path / "index.html", judged, {"environment": environment, "totals": {"comparisons": 1239}})
    written = " ".join((tmp_path / "index.html").read_text().split())
    for text in (
        "1 of 2 verdicts are borne out by 1,239",
        "1,234 comparisons on refimpl, torch",
        'id="other"',
        "1 &lt; 2",
    ):
        assert text in written
    assert written.count('class="unproven"') == 1 and "a.two fails on jax" in written


ENTRY = """
[[claim]]
id = "x"
claim = "c"
verdict = "false"
statement = "s"
witness = "w"
source = "o"
cases = ["a.one"]
"""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (ENTRY.replace('witness = "w"\n', ""), "witness"),
        (ENTRY.replace('"s"', '""'), "statement"),
        (ENTRY.replace('"false"', '"mostly"'), "verdict"),
        (ENTRY.replace('["a.one"]', "[]"), "cases"),
        (ENTRY + "colour = 1\n", "colour"),
        (ENTRY + ENTRY, "two entries"),
    ],
)
def test_a_wrong_ledger_is_refused(tmp_path, monkeypatch, text, named):
    monkeypatch.setattr(claims, "CATALOGUE", tmp_path / "catalogue.toml")
    claims.CATALOGUE.write_text(text)
    with pytest.raises(ValueError, match=named):
        catalogue.__wrapped__()


def test_a_sound_ledger_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "CATALOGUE", tmp_path / "catalogue.toml")
    claims.CATALOGUE.write_text(ENTRY)
    assert [(claim.id, claim.verdict, claim.cases) for claim in catalogue.__wrapped__()] == [("x", FALSE, ("a.one",))]


def test_show_prints_statement_witness_and_numbers(capsys):
    claim = next(c for c in catalogue() if c.cases[0] == "depth.nilpotent_layers_explode")
    assert cli.main(["claims", "show", claim.id]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in (claim.claim, claim.statement, claim.witness, claim.source, *claim.cases, "above 3", "0 8 = 0 8"):
        assert " ".join(text.split()) in printed


@pytest.mark.parametrize("width", ["80", "100", "140"])
@pytest.mark.parametrize("name", ["bce-saturates", "clip-by-value-direction", "rmsprop-rule", "depth-gelfand"])
def test_show_breaks_no_number_and_cuts_nothing_off(capsys, monkeypatch, name, width):
    """Claims with long numbers, with fractions, with many numbers in a comparison, with long labels."""
    monkeypatch.setenv("COLUMNS", width)
    claim = claims.find(name)
    assert cli.main(["claims", "show", name]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= int(width)
    numbers = {
        f"{float(x):.10g}" for seen in run_case(claim.cases[0]).observations[:24] for x in np.ravel(seen.found)[:4]
    }
    words = " ".join([claim.claim, claim.statement, claim.witness, claim.source, *claim.cases])
    assert {*words.split(), *numbers - {"-0"}} <= set(printed.split())


def test_what_is_shown_of_the_examples_of_a_case_holds_for_each_of_them():
    compare, shared = Comparison("float64", journal=[]), object()
    for bias in (2.0, 6.0):
        compare.example(bias=bias, network=shared)
        compare.equal(np.ones(2), np.ones(2), "ones")
    assert Trace(compare.journal).context == {"network": shared}
    assert [seen.context["bias"] for seen in compare.journal] == [2.0, 6.0]


def test_an_unknown_claim_is_refused_with_those_there_are(capsys):
    assert cli.main(["claims", "show", "nonsense"]) == 2
    assert catalogue()[0].id in capsys.readouterr().err


def test_an_unknown_case_cannot_be_worked():
    for name in ("depth.nonsense", "nonsense.case", "nonsense"):
        with pytest.raises(ValueError, match=name):
            run_case(name)
