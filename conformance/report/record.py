"""report.json: the record of a complete run, and merging several of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.judging.verdict import VERDICTS

FORMAT = 1


def record(environment: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The report of a complete run: environment, totals and the results in a fixed order."""
    ordered = sorted(results, key=lambda r: (r["case"], r["subject"], r["variant"], r["dtype"], r["device"]))
    counts = {verdict: sum(r["verdict"] == verdict for r in ordered) for verdict in VERDICTS}
    totals = {"cases": len(ordered), "comparisons": sum(r["comparisons"] for r in ordered)} | counts
    return {"format": FORMAT, "complete": True, "environment": dict(environment), "totals": totals, "results": ordered}


def read(path: Path) -> dict[str, Any]:
    """A report. Raises ValueError for one that is not complete, or of another format."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as problem:
        raise ValueError(f"{path} is not a report: {problem}") from problem
    if not isinstance(report, dict) or report.get("format") != FORMAT or report.get("complete") is not True:
        raise ValueError(f"{path} is not a complete report of format {FORMAT}: run the suite again")
    return report


def merge(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One report of several machines, shards or seeds. Raises ValueError when two hold the same result."""
    reports = list(reports)
    results = [result for report in reports for result in report["results"]]
    keys = [tuple(r[k] for k in ("case", "subject", "version", "variant", "dtype", "device", "seed")) for r in results]
    if len(set(keys)) != len(keys):
        twice = " ".join(map(str, next(key for key in keys if keys.count(key) > 1)))
        raise ValueError(f"two reports have a result for {twice}: merge reports of different shards or seeds")
    return record({"merged": [report["environment"] for report in reports]}, results)
