"""The page of the ledger: verdicts, statements, witnesses and pictures in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.claims import ledger
from conformance.claims.pictures import PICTURES
from conformance.report.files import write_whole


def write(path: Path, report: Mapping[str, Any], problems: Mapping[str, list[str]]) -> None:
    """Writes the page of a report; `problems` says by claim what is not borne out."""
    templates = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # The SVG is our own, and the only markup that comes in from outside the template.
    pictures = [{"title": p.title, "caption": p.caption, "cases": p.cases, "svg": Markup(p.svg())} for p in PICTURES]
    page = environment.get_template("page.html").render(
        claims=[{"entry": claim, "problems": problems[claim.id], **_proof(claim, report)} for claim in ledger()],
        pictures=pictures,
        environment=report["environment"],
        totals=report["totals"],
        borne_out=sum(not reasons for reasons in problems.values()),
    )
    write_whole(path, page)


def _proof(claim: Any, report: Mapping[str, Any]) -> dict[str, Any]:
    """What was compared for a claim, and on which subjects."""
    results = [r for r in report["results"] if r["case"].partition("[")[0] in claim.cases]
    return {
        "comparisons": sum(r["comparisons"] for r in results),
        "subjects": sorted({r["subject"] for r in results if r["verdict"] in ("conforms", "diverges")}),
    }
