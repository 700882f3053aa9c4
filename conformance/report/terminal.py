"""The terminal: progress while the suite runs, then failures, differences and the matrix of verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from conformance.verdict import CONFORMS, DIVERGES, FAILS, NO_DEVICE, NOT_OFFERED

SIGNS = {
    CONFORMS: "[green]✓[/]",
    DIVERGES: "[yellow]≠[/]",
    FAILS: "[bold red]✗[/]",
    NOT_OFFERED: "[dim]–[/]",
    NO_DEVICE: "[dim]∅[/]",
}
_WORST_FIRST = (FAILS, DIVERGES, CONFORMS, NO_DEVICE, NOT_OFFERED)


def matrix(results: Iterable[Mapping[str, Any]]) -> Table:
    """Cases against subjects and formats: the verdict of all variants together, and the worst error over its bound."""
    results = list(results)
    columns = sorted({(r["subject"], r["dtype"], r["device"]) for r in results})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("case")
    for subject, dtype, device in columns:
        table.add_column(f"{subject}\n{dtype}" + (f"\n{device}" if device != "cpu" else ""), justify="right")
    table.add_column("elements\ncompared", justify="right")
    for case in sorted({r["case"] for r in results}):
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
        f"{SIGNS[NOT_OFFERED]} not offered  {SIGNS[NO_DEVICE]} no device[/]\n"
    )
    for divergence in sorted({(r["divergence"], r["reason"]) for r in results if r["verdict"] == DIVERGES}):
        console.print(f"{SIGNS[DIVERGES]} {divergence[0]}: {divergence[1]}", highlight=False)
    for result in results:
        if result["verdict"] == FAILS:
            _show_failure(console, result)
    counts = ", ".join(f"{totals[v]} {v.replace('_', ' ')}" for v in SIGNS if totals[v])
    console.print(f"{totals['comparisons']:,} elements compared in {totals['cases']} cases: {counts}", highlight=False)


def _show_failure(console: Console, result: Mapping[str, Any]) -> None:
    who = " ".join(x for x in (result["subject"], result["version"], result["variant"], result["dtype"]) if x)
    console.print(f"\n{SIGNS[FAILS]} [bold]{result['case'].replace('[', chr(92) + '[')}[/]  {who}", highlight=False)
    console.print(f"  {result['statement']}", style="dim", highlight=False, markup=False)
    facts = result.get("counterexample") or {"what": result["reason"]}
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        console.print(f"  {name:<{width}}  {value}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"  {'replay':<{width}}  {result['reproduce']}", highlight=False, markup=False, soft_wrap=True)
