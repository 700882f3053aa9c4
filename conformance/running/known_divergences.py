"""Checks of the divergence entries of a subject: the case, format and variant exist, and the defect still occurs."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.judging.divergences import Defect, Divergence, defects, known_of, load
from conformance.judging.verdict import DIVERGES, FAILS
from conformance.report.terminal import SIGNS
from conformance.running.trace import UnknownCase, function_of, ids
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import Subject


def unmatched(subject: type[Subject]) -> list[str]:
    """The problems of the entries of an installed subject, without running it; empty if all entries match."""
    return [*_entries_of_nothing(subject), *_reproductions_of_nothing(subject)]


def _entries_of_nothing(subject: type[Subject]) -> Iterator[str]:
    for entry in load(subject.name):
        name = entry.case.partition("[")[0]
        try:
            known, capability = ids(name), function_of(name).case.capability
        except UnknownCase:
            known = []
        if entry.case not in known:
            yield f"divergence {entry.id}: no case {entry.case!r}: `conformance list` shows all ids"
            continue
        for what, named, there in (
            ("format", entry.dtypes, subject.dtypes),
            ("variant", entry.variants, subject.variants.get(capability, ())),
        ):
            for one in sorted(set(named) - set(there)):
                yield f"divergence {entry.id}: {subject.name} has no {what} {one!r} for it, only {', '.join(there)}"


def _reproductions_of_nothing(subject: type[Subject]) -> Iterator[str]:
    entries, shown = {defect.id for defect in defects(subject.name)}, set(subject.reproductions())
    for one in sorted(entries - shown):
        yield f"defect {one}: {subject.name} has no reproduction of it"
    for one in sorted(shown - entries):
        yield f"{subject.name} reproduces {one}, which has no entry"


def reproduced(subject: type[Subject], defect: Defect) -> tuple[Reproduction, str]:
    """The defect as it occurs here, and the problem of its entry; empty if the defect is as described."""
    reproduction = subject.reproductions()[defect.id]()
    problem = reproduction.problem()
    if not problem and not known_of(defect, subject.version()):
        known = f"it is known in {defect.versions} and also occurs in {subject.version()}"
        problem = f"{known}: add the version to the entry"
    return reproduction, problem


def options(entry: Divergence) -> list[str]:
    """The options of `conformance run` that show a divergence, without its subject."""
    variants = [f"--variant={variant}" for variant in entry.variants]
    return [f"--case={entry.case}", *(f"--dtype={dtype}" for dtype in entry.dtypes), *variants]


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
    for name in ("actual", "wrong", "right"):
        said.add_row(Text(f"  {name}", style="dim"), Text(str(getattr(reproduction, name))))
    console.print(said)
