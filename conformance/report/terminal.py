"""The terminal: progress while the suite runs, then failures, differences and the matrix of verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.claims import Claim
from conformance.verdict import CONFORMS, DIVERGES, FAILS, NO_DEVICE, NOT_OFFERED
from conformance.worked import Worked

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
    table.add_column("case", overflow="fold", min_width=24)
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


def show_claims(
    console: Console, claims: Iterable[Claim], problems: Mapping[str, list[str]], report: Mapping[str, Any]
) -> None:
    """The ledger as a table, with what was compared for each claim and on whom; then what is not borne out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("claim", "as it is usually stated", "verdict", "proven on"):
        table.add_column(name, overflow="fold")
    table.add_column("elements\ncompared", justify="right")
    for claim in claims:
        results = [r for r in report["results"] if r["case"].partition("[")[0] in claim.cases]
        proven = sorted({r["subject"] for r in results if r["verdict"] in (CONFORMS, DIVERGES)})
        sign = SIGNS[FAILS] if problems[claim.id] else SIGNS[CONFORMS]
        compared = f"{sum(r['comparisons'] for r in results):,}"
        table.add_row(claim.id, claim.claim, f"{sign} {claim.verdict}", ", ".join(proven), compared)
    console.print(table)
    for name, reasons in problems.items():
        for reason in reasons:
            console.print(f"{SIGNS[FAILS]} {name}: {reason}", highlight=False)
    borne_out = sum(not reasons for reasons in problems.values())
    console.print(f"\n{borne_out} of {len(problems)} verdicts borne out", highlight=False)


def show_claim(console: Console, claim: Claim, worked: Worked, most: int = 24) -> None:
    """One claim, and the numbers of its first case on the reference; `most` of them."""
    console.print(f"[bold]{claim.id}[/]  {claim.verdict}\n", highlight=False)
    facts = {"usually stated": claim.claim, "true": claim.statement, "witness": claim.witness, "source": claim.source}
    said = Table.grid(padding=(0, 2))
    for name, text in (facts | worked.context).items():
        said.add_row(f"[dim]{name}[/]", Text(str(text)))
    console.print(said)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "found", "", "expected", "within"):
        table.add_column(name, overflow="fold")
    for seen in worked.observations[:most]:
        where = " ".join(f"{name} {value}" for name, value in seen.where.items())
        within = _short(seen.bound) if seen.relation in ("=", "~") else ""
        table.add_row(f"{seen.what} [dim]{where}[/]", _short(seen.found), seen.relation, _short(seen.expected), within)
    console.print()
    console.print(table)
    left = len(worked.observations) - most
    if left > 0:
        console.print(f"[dim]and {left} more comparisons in {claim.cases[0]}[/]", highlight=False)
    console.print(f"\n[dim]all cases: {', '.join(claim.cases)}[/]", highlight=False)


def _short(numbers: np.ndarray, most: int = 6) -> str:
    """The numbers on one line; the first of many."""
    flat = [f"{x:.10g}" for x in np.ravel(numbers)[:most]]
    return " ".join(flat) + (" ..." if numbers.size > most else "")
