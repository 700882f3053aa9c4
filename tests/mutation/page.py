"""The score of a sample of mutants with its confidence interval, for terminals and for docs/mutation.md."""

from __future__ import annotations

import datetime
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from conformance.report import markdown
from tests.mutation.counted import Key
from tests.mutation.explanations import Reason

CONFIDENCE = 0.95
COLUMNS = ("mutants", "killed", "time-outs", "survived", "equivalent", "tolerated")


def score(killed: int, mutants: int, total: int) -> str:
    """The share that was killed, in words, with the exact (Clopper-Pearson) interval unless these are all, `total`."""
    share = f"{killed} of {mutants} mutants killed, {killed / mutants:.1%}"
    if mutants == total:
        return f"{share}; these are all"
    interval = binomtest(killed, mutants).proportion_ci(CONFIDENCE, method="exact")
    return f"{share} ({CONFIDENCE:.0%} confidence interval {interval.low:.1%} to {interval.high:.1%})"


def counts(judged: Iterable[tuple[Key, str, str]], explained: Mapping[Key, Reason]) -> dict[str, list[int]]:
    """File -> the numbers of COLUMNS, and "all". judged: key, outcome and by what, of each mutant."""
    found: dict[str, Counter[str]] = {}
    for key, outcome, by in judged:
        facts = ["mutants", outcome]
        if by == "timeout":
            facts.append("time-outs")
        if outcome == "survived" and key in explained:
            facts.append(explained[key].kind)
        for row in (key.file, "all"):
            found.setdefault(row, Counter()).update(facts)
    rows = sorted(found, key=lambda row: (row == "all", row))
    return {row: [found[row][column] for column in COLUMNS] for row in rows}


def show(console: Console, table: Mapping[str, Sequence[int]]) -> None:
    """The table of `counts`."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("file", min_width=max(map(len, table)))  # a log is as wide as it needs to be
    for column in COLUMNS:
        shown.add_column(column, justify="right", min_width=len(column))
    for row, numbers in table.items():
        shown.add_row(row, *map(str, numbers))
    console.print(shown, crop=False)


def page(table: Mapping[str, Sequence[int]], survivors: Mapping[Key, Reason], total: int, command: str) -> str:
    """The text of docs/mutation.md. total: the number of all mutants that count."""
    mutants, killed, _, _, equivalent, _ = table["all"]
    versions = ", ".join(f"{name} {version(name)}" for name in ("cosmic-ray", "pytest", "hypothesis", "numpy"))
    rows = [[row, *map(str, numbers)] for row, numbers in table.items()]
    reasons = [_explained(key, reason) for key, reason in sorted(survivors.items())]
    return _PAGE.format(
        score=score(killed, mutants, total),
        without=f"{killed / (mutants - equivalent):.1%}",
        sample="all" if mutants == total else f"{mutants}, drawn at random,",
        total=total,
        command=command,
        today=datetime.date.today(),
        versions=f"Python {platform.python_version()}, {versions}",
        table=markdown.table(["file", *COLUMNS], rows, markdown.NUMBERS),
        survivors="\n\n".join(reasons) or "None.",
    )


def _explained(key: Key, reason: Reason) -> str:
    place = f"`{key.file}`, `{key.definition or 'module'}`" + (f", occurrence {key.nth}" if key.nth > 1 else "")
    changed = "\n".join(f"-{line}" for line in key.find.splitlines())
    changed += "".join(f"\n+{line}" for line in key.replace.splitlines())
    return f"{place}: {reason.kind}. {reason.why.strip()}\n\n```diff\n{changed}\n```"


_PAGE = """\
<!-- Written by `make mutation`; changes belong in tests/mutation/. -->

# What the tests of the reference see

**{score}.** Without mutants that change no result: {without}.

`{command}` takes {sample} of the {total} mutants that [cosmic-ray](https://cosmic-ray.readthedocs.io) makes of
`refimpl/` and that count. On each it runs the tests of `tests/refimpl` until one fails. Run on {today} with
{versions}.

{table}

Time-outs are included in the killed mutants. Equivalent and tolerated mutants, explained below, are included in the
survivors.

## What counts

A mutant is one change: another operator, a number plus or minus one, a condition negated, `and` for `or`, a constant
True for False, a loop that never runs, a decorator removed, `continue` for `break`, an exception that is not caught.
Three kinds are left out, because they would say nothing about the tests:

- Operators that cannot work on the operands. Bits of floats (`a & b` for `a + b`) raise TypeError wherever they are
  reached, which would only raise the score. The caches of the interpreter decide on `is` for `==`.
- An order in place of `==` where a string is compared. Names of conventions have no order.
- Annotations, which are not evaluated, and f-strings, which are the prose of messages. Other strings and docstrings are
  not mutated at all.

A mutant is killed by the first test that fails. It is also killed by a test that does not end: one that takes ten times
its usual time and ten seconds. A file of tests runs if one of its tests calls the changed function. All files run for
code that runs on import. `build/mutation/session.sqlite` shows what killed which mutant. It is an ordinary session of
cosmic-ray (`cr-report`, `cr-html`).

## Survivors

`tests/mutation/survivors.toml` explains every survivor. The command fails if it does not. An *equivalent* mutant
changes no result. A *tolerated* mutant changes nothing that is promised.

{survivors}
"""
