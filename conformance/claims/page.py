"""The page of the catalogue: verdicts, statements, witnesses and pictures in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.claims import Claim, Evidence
from conformance.claims.pictures import PICTURES
from conformance.report.files import write_whole


def write(path: Path, judged: Mapping[Claim, Evidence], report: Mapping[str, Any]) -> None:
    """Writes the page of the claims, with the evidence that the report has for each."""
    templates = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # The SVG is our own, and the only markup that comes in from outside the template.
    pictures = [{"title": p.title, "caption": p.caption, "cases": p.cases, "svg": Markup(p.svg())} for p in PICTURES]
    page = environment.get_template("page.html").render(
        judged=judged,
        pictures=pictures,
        environment=report["environment"],
        totals=report["totals"],
        borne_out=sum(not found.problems for found in judged.values()),
    )
    write_whole(path, page)
