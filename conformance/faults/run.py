"""Runs seeded faults: which case catches each, how soon, and which ones survive."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis.errors import HypothesisWarning
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from conformance.faults import Fault, seeded
from conformance.faults.syntax import NotFound
from conformance.faults.wrong import subject_with
from conformance.report.files import write_json
from conformance.running.trace import UnknownCase, run_case
from conformance.strategies.draws import load_profile
from conformance.subjects import Unsupported

CAUGHT, SURVIVED, EQUIVALENT, NOT_EQUIVALENT = "caught", "survived", "equivalent", "caught, but said to be equivalent"
_RIGHT = (CAUGHT, EQUIVALENT)


def outcome(fault: Fault) -> dict[str, Any]:
    """The outcome of one fault: the first of its cases that fails on it, after how many seconds, and how.

    Raises ValueError for an entry that is no fault: its code is not found or does not run, or it names a case that does
    not exist.
    """
    load_profile()
    warnings.simplefilter("ignore", HypothesisWarning)  # that a failing example is long to write out
    warnings.simplefilter("ignore", RuntimeWarning)  # of wrong formulas
    try:
        subject = subject_with(fault)
    except NotFound:
        raise
    except Exception as problem:
        raise ValueError(f"{fault.id}: the reference cannot be imported with it: {problem!r}") from problem
    result = {"fault": fault.id, "family": fault.family, "wrong": fault.wrong, "seen": fault.seen}
    start = time.perf_counter()
    for case in fault.cases:
        try:
            run_case(case, subject)
        except (Unsupported, UnknownCase, NameError) as problem:
            raise ValueError(f"{fault.id}, {case}: {problem!r}") from problem
        except Exception as problem:  # what a subject raises is a failure of its case
            seconds = round(time.perf_counter() - start, 3)
            facts = {"outcome": NOT_EQUIVALENT if fault.equivalent else CAUGHT}
            how = f"{type(problem).__name__}: {problem}"[:300]
            raised = not isinstance(problem, AssertionError)
            return result | facts | {"case": case, "seconds": seconds, "raised": raised, "how": how}
    return result | {"outcome": EQUIVALENT if fault.equivalent else SURVIVED, "reason": fault.equivalent}


def side_by_side(function: Callable[[Any], Any], items: Iterable[Any], workers: int, console: Console) -> list[Any]:
    """What the function makes of each item, in so many processes."""
    items = list(items)
    # Fresh processes: a fault must not find what another left behind in the modules of this one.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        results = pool.imap(function, items)
        return list(track(results, "faults", len(items), console=console, transient=True, show_speed=False))


def report(faults: Iterable[Fault], workers: int, console: Console) -> dict[str, Any]:
    """The outcomes of all faults, one next to the other in so many processes, and their totals."""
    return totalled(side_by_side(outcome, faults, workers, console))


def totalled(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """A report of these outcomes."""
    seconds = [r["seconds"] for r in outcomes if r["outcome"] == CAUGHT]
    totals = {"seeded": len(outcomes)} | {
        name: sum(r["outcome"] == name for r in outcomes) for name in (CAUGHT, EQUIVALENT, SURVIVED, NOT_EQUIVALENT)
    }
    median = round(statistics.median(seconds), 3) if seconds else None
    return {"format": 1, "totals": totals, "median_seconds_to_catch": median, "results": outcomes}


def show(console: Console, found: Mapping[str, Any], wrong: bool = False) -> None:
    """What caught each fault, if asked what is `wrong` with it, the families, and last the survivors."""
    results, totals = found["results"], found["totals"]
    each = Table(box=None, pad_edge=False, header_style="bold")
    each.add_column("fault", overflow="fold")
    each.add_column("caught by", overflow="fold")
    each.add_column("after s", justify="right")
    if wrong:
        each.add_column("what is wrong", overflow="fold")
    for result in results:
        where = result.get("case") or result["outcome"]
        cells = [result["fault"], escape(where), f"{result['seconds']:.2f}" if "case" in result else ""]
        each.add_row(*cells, *([escape(result["wrong"])] if wrong else []))
    families = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("family", "seeded", "caught", "equivalent", "survived", "median s"):
        families.add_column(name, justify="left" if name == "family" else "right")
    for family in sorted({r["family"] for r in results}):
        of_family = [r for r in results if r["family"] == family]
        counts = [sum(r["outcome"] == outcome for r in of_family) for outcome in (CAUGHT, EQUIVALENT)]
        seconds = [r["seconds"] for r in of_family if "case" in r]
        median = f"{statistics.median(seconds):.2f}" if seconds else ""
        families.add_row(family, *map(str, (len(of_family), *counts, len(of_family) - sum(counts))), median)
    console.print(each)
    console.print()
    console.print(families)
    console.print()
    for result in results:
        if result["outcome"] not in _RIGHT:
            console.print(f"[bold red]✗[/] {result['fault']} {result['outcome']}: {result['wrong']}", highlight=False)
    console.print(
        f"{totals[CAUGHT]} of {totals['seeded']} seeded faults caught, {totals[EQUIVALENT]} change no result; "
        f"half of them within {found['median_seconds_to_catch']} s",
        highlight=False,
    )


def faults(names: list[str], into: Path, workers: int | None, console: Console) -> int:
    """Runs the faults with these texts in their ids (all, when there are none), shows them and writes report.json.

    Returns 1 when one survives that is not proven equivalent, or one is caught that is said to be.
    """
    chosen = [fault for fault in seeded() if not names or any(name in fault.id for name in names)]
    if not chosen:
        raise ValueError(f"no fault has {' or '.join(names)} in its id: conformance/faults/*.toml have them")
    found = report(chosen, workers or os.cpu_count() or 1, console)
    show(console, found, wrong=bool(names))
    write_json(into / "report.json", found)
    return 0 if all(result["outcome"] in _RIGHT for result in found["results"]) else 1
