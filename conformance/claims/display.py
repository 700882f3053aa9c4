"""The terminal's view of the catalogue: the table of claims, and one claim with the numbers of its witness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.claims import Claim, Evidence
from conformance.judging.comparison import Observation
from conformance.judging.verdict import CONFORMS, FAILS
from conformance.report.terminal import SIGNS
from conformance.running.trace import Trace

_ANY_WIDTH = 10_000


def show_claims(console: Console, judged: Mapping[Claim, Evidence]) -> None:
    """The catalogue as a table, with what was compared for each claim and on whom; then what is not borne out."""
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
    console.print(f"\n{borne_out} of {len(judged)} verdicts are borne out", highlight=False)


def show_claim(console: Console, claim: Claim, trace: Trace) -> None:
    """One claim, and every comparison of its first case on the reference."""
    console.print(f"[bold]{claim.id}[/]  {claim.verdict}\n", highlight=False)
    facts = {
        "usually stated": claim.claim,
        "true": claim.statement,
        "witness": claim.witness,
        "source": claim.source,
        "cases": "\n".join(claim.cases),
    }
    said = Table.grid(padding=(0, 2))
    for name, text in [*facts.items(), *trace.context.items()]:
        said.add_row(Text(name, style="dim"), Text(str(text)))
    console.print(said)
    console.print(f"\n[dim]{claim.cases[0]} has the witness, and compares on the reference:[/]\n", highlight=False)
    in_rows, in_columns = (_numbers(trace.observations, separator) for separator in (" ", "\n"))
    needed = console.measure(in_rows, options=console.options.update(width=_ANY_WIDTH)).maximum
    console.print(in_rows if needed <= console.width else in_columns)


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


def _first(numbers: np.ndarray, digits: int, most: int = 4) -> list[str]:
    """The numbers, some of which may be fractions, with so many digits and no sign of zeros; the first of many."""
    return [f"{float(x):z.{digits}g}" for x in np.ravel(numbers)[:most]] + ["..."] * (np.size(numbers) > most)
