"""Judging the catalogue: its cases run on the subjects, each claim borne out or not, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from conformance.claims import catalogue, evidence
from conformance.claims.display import show_claims
from conformance.claims.page import write
from conformance.claims.selection import ONLY_CLAIMS
from conformance.running.runner import Incomplete, record_of, relative
from conformance.subjects.reference import Reference


def judge(subjects: list[str], into: Path, workers: str, console: Console) -> int:
    """Prints the table, writes report.json and index.html into the folder. Returns 0 when every claim is borne out,
    1 when one is not, 2 when the run is not complete."""
    try:
        report = record_of(
            list(dict.fromkeys([Reference.name, *subjects])),
            options=list(ONLY_CLAIMS),
            report_path=into / "report.json",
            cases=[],
            workers=workers,
            seed=None,
            console=console,
        )
    except Incomplete as problem:
        console.print(str(problem), markup=False, highlight=False)
        return 2
    judged = {claim: evidence(claim, report) for claim in catalogue()}
    show_claims(console, judged)
    write(into / "index.html", judged, report)
    console.print(f"page: {relative(into / 'index.html')}", highlight=False)
    return 1 if any(found.problems for found in judged.values()) else 0
