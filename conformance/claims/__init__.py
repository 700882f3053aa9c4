"""The catalogue of claims: what is said about gradients, as data with verdicts and the cases that prove them.

`catalogue.toml` has the claims on depth, initializers, clipping and Adam, and `witnesses` their matrices. `judge`
runs the cases and decides which verdicts are borne out; `selection` picks these cases in a run. `display` shows
claims in the terminal, `page` writes them as HTML, with the `pictures`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from conformance.judging.verdict import CONFORMS, DIVERGES, FAILS
from conformance.subjects.reference import Reference

HOLDS, HOLDS_IF, FALSE = "holds", "holds if", "false"
VERDICTS = (HOLDS, HOLDS_IF, FALSE)
CATALOGUE = Path(__file__).parent / "catalogue.toml"


@dataclass(frozen=True)
class Claim:
    """One entry.

    claim: as it is usually stated. verdict: one of VERDICTS. statement: what is true, with its condition. witness: the
    smallest example that decides, in words; the first case has it as data. source: where the true statement is proven.
    cases: ids (without parameters) of the cases that bear it out.
    """

    id: str
    claim: str
    verdict: str
    statement: str
    witness: str
    source: str
    cases: tuple[str, ...]


@cache
def catalogue() -> tuple[Claim, ...]:
    """All claims, in the order of the file. Raises ValueError for an entry that lacks a field or has a wrong one."""
    claims = tuple(_claim(values) for values in tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))["claim"])
    ids = [claim.id for claim in claims]
    if len(set(ids)) != len(ids):
        raise ValueError(f"{CATALOGUE.name}: two entries have the id {next(i for i in ids if ids.count(i) > 1)!r}")
    return claims


def find(name: str) -> Claim:
    """The claim with this id. Raises ValueError, naming those there are."""
    for claim in catalogue():
        if claim.id == name:
            return claim
    raise ValueError(f"no claim {name!r}; there are {', '.join(claim.id for claim in catalogue())}")


@dataclass(frozen=True)
class Evidence:
    """What a report has on a claim.

    comparisons: elements that its cases compared. subjects: those that conform to one of them, or differ as declared.
    problems: what keeps the report from bearing the claim out.
    """

    comparisons: int
    subjects: tuple[str, ...]
    problems: tuple[str, ...]


def evidence(claim: Claim, report: Mapping[str, Any]) -> Evidence:
    """The evidence of a report for a claim: borne out where every case conforms on the reference and fails nowhere."""
    results = [r | {"case": r["case"].partition("[")[0]} for r in report["results"]]
    results = [r for r in results if r["case"] in claim.cases]
    proven = {r["case"] for r in results if r["subject"] == Reference.name and r["verdict"] == CONFORMS}
    problems = [f"{case} is not proven on the reference" for case in claim.cases if case not in proven]
    problems += [
        f"{r['case']} fails on {r['subject']} {r['variant']} {r['dtype']}" for r in results if r["verdict"] == FAILS
    ]
    return Evidence(
        comparisons=sum(r["comparisons"] for r in results),
        subjects=tuple(sorted({r["subject"] for r in results if r["verdict"] in (CONFORMS, DIVERGES)})),
        problems=tuple(problems),
    )


def _claim(values: dict[str, Any]) -> Claim:
    names = {f.name for f in fields(Claim)}
    lacking = sorted(name for name in names if not values.get(name))
    surplus = sorted(set(values) - names)
    if lacking or surplus:
        raise ValueError(f"{CATALOGUE.name}: entry {values.get('id', '?')!r} lacks {lacking} and has unknown {surplus}")
    if values["verdict"] not in VERDICTS:
        raise ValueError(f"{CATALOGUE.name}: entry {values['id']!r}: verdict must be one of {VERDICTS}")
    return Claim(**values | {"cases": tuple(values["cases"])})
