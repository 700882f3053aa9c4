"""The terminal: progress while the suite runs, then failures, differences and the matrix of verdicts."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from conformance.claims import Claim, Evidence
from conformance.conventions import choices, hyperparameters, purpose
from conformance.identification import EXCLUDED, FOLLOWED, Exclusion, Identification
from conformance.judging.comparison import Observation
from conformance.judging.divergences import Defect, Divergence
from conformance.judging.verdict import CONFORMS, DIVERGES, FAILS, NO_DEVICE, UNSUPPORTED
from conformance.running.trace import Worked
from conformance.subjects.reproduction import Reproduction
from refimpl.spec import Spec

SIGNS = {
    CONFORMS: "[green]✓[/]",
    DIVERGES: "[yellow]≠[/]",
    FAILS: "[bold red]✗[/]",
    UNSUPPORTED: "[dim]–[/]",
    NO_DEVICE: "[dim]∅[/]",
}
_WORST_FIRST = (FAILS, DIVERGES, CONFORMS, NO_DEVICE, UNSUPPORTED)
_ANY_WIDTH = 10_000
# The facts of a difference that a line has room for.
_TOLD = ("step", "array", "lane", "expected", "got", "bound", "distribution", "distance", "raised")


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
    counts = ", ".join(f"{totals[v]} {v.replace('_', ' ')}" for v in SIGNS if totals[v])
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
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        console.print(f"  {name:<{width}}  {value}", highlight=False, markup=False, soft_wrap=True)


def show_claims(console: Console, judged: Mapping[Claim, Evidence]) -> None:
    """The ledger as a table, with what was compared for each claim and on whom; then what is not borne out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("claim", "as it is usually stated", "verdict", "proven on"):
        table.add_column(name, overflow="fold")
    table.add_column("elements\ncompared", justify="right")
    for claim, evidence in judged.items():
        sign = SIGNS[FAILS] if evidence.problems else SIGNS[CONFORMS]
        subjects, compared = ", ".join(evidence.subjects), f"{evidence.comparisons:,}"
        table.add_row(claim.id, Text(claim.claim), f"{sign} {claim.verdict}", subjects, compared)
    console.print(table)
    for claim, evidence in judged.items():
        for problem in evidence.problems:
            console.print(f"{SIGNS[FAILS]} {claim.id}: {problem}", highlight=False)
    borne_out = sum(not evidence.problems for evidence in judged.values())
    console.print(f"\n{borne_out} of {len(judged)} verdicts borne out", highlight=False)


def show_claim(console: Console, claim: Claim, worked: Worked, most: int = 24) -> None:
    """One claim, and the numbers of its first case on the reference; `most` of them."""
    console.print(f"[bold]{claim.id}[/]  {claim.verdict}\n", highlight=False)
    facts = {
        "usually stated": claim.claim,
        "true": claim.statement,
        "witness": claim.witness,
        "source": claim.source,
        "cases": "\n".join(claim.cases),
    }
    said = Table.grid(padding=(0, 2))
    for name, text in [*facts.items(), *worked.context.items()]:
        said.add_row(Text(name, style="dim"), Text(str(text)))
    console.print(said)
    console.print()
    in_rows, in_columns = (_numbers(worked.observations[:most], separator) for separator in (" ", "\n"))
    needed = console.measure(in_rows, options=console.options.update(width=_ANY_WIDTH)).maximum
    console.print(in_rows if needed <= console.width else in_columns)
    left = len(worked.observations) - most
    if left > 0:
        console.print(f"[dim]and {left} more comparisons in {claim.cases[0]}[/]", highlight=False)


def show_identification(console: Console, found: Identification) -> None:
    """The values of each convention, followed or excluded and by what; or else what is nearest, and how it differs."""
    count = len(found.consistent) + len(found.excluded)
    console.print(
        f"[bold]{found.rule.__name__}[/]: consistent with {len(found.consistent)} of {count} combinations of "
        f"conventions, on inputs: {found.inputs}",
        highlight=False,
    )
    nearest = found.nearest()
    if nearest is not None and not found.consistent:
        _show_nearest(console, nearest)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value, verdict, exclusion in found.values() if found.consistent else ():
        sign = {FOLLOWED: SIGNS[CONFORMS], EXCLUDED: SIGNS[FAILS]}.get(verdict, "[yellow]?[/]")
        meaning = found.rule.conventions()[name][value] if exclusion is None else _first_difference(exclusion)
        table.add_row(Text(name), sign, Text(str(value)), Text(meaning, style="dim"))
    console.print(table)
    if len(found.consistent) > 1:
        console.print("[yellow]?[/] no input tells these apart:")
        for conventions in found.consistent:
            console.print("  " + _fields(conventions), highlight=False, markup=False)
    told = {
        "not taken by the function, so assumed (otherwise --fixed NAME=VALUE)": _fields(found.built_in),
        "given with this value alone": _fields(found.held),
        "other arguments, left at their defaults": ", ".join(found.own),
        "not returned, so that what depends on it is open": found.without,
    }
    for what, which in told.items():
        if which:
            console.print(f"{what}: {which}", style="dim", highlight=False, markup=False)
    for given, message in found.refused.items():
        console.print(f"{SIGNS[UNSUPPORTED]} {given}: the function raised {message}", highlight=False)


def _show_nearest(console: Console, nearest: Exclusion) -> None:
    console.print(f"{SIGNS[FAILS]} none; nearest is {_fields(nearest.conventions) or 'the rule'}", highlight=False)
    facts = {"input": nearest.given, "first difference": nearest.what, **nearest.facts}
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        console.print(f"  {name:<{width}}  {value}", highlight=False, markup=False, soft_wrap=True)


def _first_difference(exclusion: Exclusion) -> str:
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in exclusion.facts.items() if name in _TOLD)
    return f"{exclusion.given}: {numbers or exclusion.what}"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _fields(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _numbers(observations: Iterable[Observation], separator: str) -> Table:
    """What was compared, with this separator between the numbers of one comparison."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("compared", "where"):
        table.add_column(name, overflow="fold")
    for name in ("found", "", "expected", "bound or\nstandard\nerror"):
        table.add_column(name, no_wrap=True)
    for seen in observations:
        where = Text(", ".join(f"{name} {value}" for name, value in seen.where.items()), style="dim")
        found, expected = (separator.join(_first(numbers, 10)) for numbers in (seen.found, seen.expected))
        bounds = seen.bound if len(np.unique(seen.bound)) > 1 else seen.bound.flat[0]
        bound = separator.join(_first(bounds, 3)) if seen.relation in ("=", "~") else ""
        table.add_row(Text(seen.what), where, found, seen.relation, expected, bound)
    return table


def show_conventions(console: Console, families: Mapping[str, Iterable[type[Spec]]]) -> None:
    """Rules by family: hyperparameters, then each convention with its values, the default marked, and who has which."""
    for family, rules in families.items():
        console.print(f"[bold underline]{family}[/]\n")
        for rule in rules:
            console.print(f"[bold]{rule.__name__}[/]  {escape(purpose(rule))}", highlight=False)
            for field, accepted in hyperparameters(rule):
                default = "" if field.default is MISSING else f" = {field.default!r}"
                console.print(f"  {field.name}{default}  [dim]{escape(accepted)}[/]", highlight=False)
            for name, values in choices(rule).items():
                console.print(f"  {name}", highlight=False)
                table = Table.grid(padding=(0, 1))
                for choice in values:
                    marked = Text("  * " if choice.default else "    ") + Text(repr(choice.value))
                    libraries = Text(", ".join(choice.libraries), style="cyan")
                    table.add_row(marked, Text(choice.meaning, style="dim"), libraries)
                console.print(table)
            console.print()


def show_divergence(console: Console, entry: Divergence | Defect, problem: str, missing: str = "") -> None:
    """One entry and how to see it; `problem`: why it does not match, `missing`: why its subject is not here."""
    console.print(f"{SIGNS[FAILS if problem else DIVERGES]} [bold]{entry.id}[/]  {entry.versions}", highlight=False)
    facts = {"does not match": problem, "reason": entry.reason}
    if isinstance(entry, Defect):
        facts |= {"gives": entry.wrong, "right": entry.right}
    else:
        facts |= {"case": entry.case, "formats": ", ".join((*entry.dtypes, *entry.variants)), "differs": entry.kind}
    facts |= {"link": entry.link, "known since": entry.date}
    facts["see it"] = missing or f"conformance divergences show {entry.id}"
    said = Table.grid(padding=(0, 2))
    for name, text in facts.items():
        if text:
            said.add_row(Text(f"  {name}", style="dim"), Text(text, overflow="fold"))
    console.print(said)


def show_reproduction(console: Console, reproduction: Reproduction) -> None:
    """The numbers of one run."""
    said = Table.grid(padding=(0, 2))
    for name in ("found", "wrong", "right"):
        said.add_row(Text(f"  {name}", style="dim"), Text(str(getattr(reproduction, name))))
    console.print(said)


def _first(numbers: np.ndarray, digits: int, most: int = 4) -> list[str]:
    """The numbers, some of which may be fractions, with so many digits and no sign of zeros; the first of many."""
    return [f"{float(x):z.{digits}g}" for x in np.ravel(numbers)[:most]] + ["..."] * (np.size(numbers) > most)
