"""The terminal: progress while the suite runs, then failures, differences and the matrix of verdicts."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.judging.verdict import CONFORMS, DIVERGES, FAILS, NO_DEVICE, UNSUPPORTED

SIGNS = {
    CONFORMS: "[green]✓[/]",
    DIVERGES: "[yellow]≠[/]",
    FAILS: "[bold red]✗[/]",
    UNSUPPORTED: "[dim]–[/]",
    NO_DEVICE: "[dim]∅[/]",
}
# One result, several results.
_COUNTED = {
    CONFORMS: ("conforms", "conform"),
    DIVERGES: ("differs as declared", "differ as declared"),
    FAILS: ("fails", "fail"),
    UNSUPPORTED: ("unsupported", "unsupported"),
    NO_DEVICE: ("no device", "no device"),
}
_WORST_FIRST = (FAILS, DIVERGES, CONFORMS, NO_DEVICE, UNSUPPORTED)


def screen() -> Console:
    """A console as wide as the terminal, or, where there is none, so wide that ids of cases stay in one piece."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160)


def matrix(results: Iterable[Mapping[str, Any]]) -> Table:
    """Cases against subjects and formats: the verdict of all variants together, and the worst error over its bound."""
    results = list(results)
    columns = sorted({(r["subject"], r["dtype"], r["device"]) for r in results})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("case", overflow="fold", min_width=24)
    for subject, dtype, device in columns:
        table.add_column(f"{subject}\n{dtype}" + (f"\n{device}" if device != "cpu" else ""), justify="right")
    table.add_column("elements\ncompared", justify="right")
    for case in sorted({r["case"] for r in results if r["verdict"] != UNSUPPORTED}):
        of_case = [r for r in results if r["case"] == case]
        cells = [_cell([r for r in of_case if (r["subject"], r["dtype"], r["device"]) == c]) for c in columns]
        table.add_row(case.replace("[", r"\["), *cells, f"{sum(r['comparisons'] for r in of_case):,}")
    return table


def _cell(results: list[Mapping[str, Any]]) -> str:
    if not results:
        return ""
    verdict = next(v for v in _WORST_FIRST if any(r["verdict"] == v for r in results))
    worst = max(r["worst_error_over_bound"] for r in results)
    return f"{worst:.2f} {SIGNS[verdict]}" if verdict in (CONFORMS, DIVERGES) else SIGNS[verdict]


def show(console: Console, report: Mapping[str, Any]) -> None:
    """Everything a person wants to see of a complete run, the failures next to the end."""
    results, totals = report["results"], report["totals"]
    console.print(matrix(results))
    console.print(
        "[dim]A number is the worst error as a fraction of its certified bound, over all variants. "
        f"{SIGNS[CONFORMS]} conforms  {SIGNS[DIVERGES]} differs as declared  {SIGNS[FAILS]} fails  "
        f"{SIGNS[UNSUPPORTED]} unsupported  {SIGNS[NO_DEVICE]} no device[/]\n"
    )
    if totals[UNSUPPORTED] or totals[NO_DEVICE]:
        console.print(_not_compared(results))
    for divergence in sorted({(r["divergence"], r["reason"]) for r in results if r["verdict"] == DIVERGES}):
        console.print(f"{SIGNS[DIVERGES]} {divergence[0]}: {divergence[1]}", highlight=False)
    for result in results:
        if result["verdict"] == FAILS:
            _show_failure(console, result)
    counts = ", ".join(f"{totals[v]} {_COUNTED[v][totals[v] != 1]}" for v in SIGNS if totals[v])
    console.print(f"{totals['comparisons']:,} elements compared in {totals['cases']} cases: {counts}", highlight=False)


def _not_compared(results: Iterable[Mapping[str, Any]], most: int = 3) -> Table:
    """A row for each subject with what it does not offer, or the device it lacks, and in how many cases: the `most`
    frequent reasons, and the others counted. Last are capabilities that it has not, which surprise nobody."""
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for r in results:
        if r["verdict"] in (UNSUPPORTED, NO_DEVICE):
            of_subject = reasons.setdefault((r["verdict"], r["subject"]), Counter())
            of_subject[r["reason"].removeprefix(r["subject"] + " ")] += 1
    table = Table.grid(padding=(0, 1))
    for (verdict, subject), counts in sorted(reasons.items()):
        ordered = sorted(counts.most_common(), key=lambda told: told[0].startswith("does not offer "))
        told = [f"{reason} ({count})" for reason, count in ordered[:most]]
        if others := sum(count for _, count in ordered[most:]):
            told.append(f"others ({others})")
        table.add_row(SIGNS[verdict], f"{subject} ({counts.total()})", Text("; ".join(told), style="dim"))
    return table


def _show_failure(console: Console, result: Mapping[str, Any]) -> None:
    who = " ".join(x for x in (result["subject"], result["version"], result["variant"], result["dtype"]) if x)
    console.print(f"\n{SIGNS[FAILS]} [bold]{result['case'].replace('[', chr(92) + '[')}[/]  {who}", highlight=False)
    console.print(f"  {result['statement']}", style="dim", highlight=False, markup=False)
    facts = (result.get("counterexample") or {"what": result["reason"]}) | {"replay": result["reproduce"]}
    show_facts(console, facts)


def show_facts(console: Console, facts: Mapping[str, Any]) -> None:
    """Names and values, one a line, which no width of the terminal breaks."""
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        console.print(f"  {name:<{width}}  {value}", highlight=False, markup=False, soft_wrap=True)
