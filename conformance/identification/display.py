"""The terminal's view of an identification: each convention's values, followed or excluded, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.identification.search import EXCLUDED, FOLLOWED, Exclusion, Identification
from conformance.judging.verdict import CONFORMS, FAILS, UNSUPPORTED
from conformance.report.terminal import SIGNS, show_facts

# The facts of a difference that fit into a line.
_TOLD = ("step", "array", "element", "expected", "got", "bound", "distribution", "distance", "raised")


def show_identification(console: Console, found: Identification) -> None:
    """The values of each convention, followed or excluded and by what; or else what is nearest, and how it differs."""
    count = len(found.consistent) + len(found.excluded)
    console.print(
        f"[bold]{found.rule.__name__}[/]: consistent with {len(found.consistent)} of {count} combinations of "
        f"conventions, on {found.inputs} input{'s' * (found.inputs != 1)}",
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
        console.print("[yellow]?[/] no tried input distinguishes these:")
        for conventions in found.consistent:
            console.print("  " + _fields(conventions), highlight=False, markup=False)
    told = {
        "assumed, not taken by the function (--fixed NAME=VALUE sets it)": _fields(found.built_in),
        "given with this value only": _fields(found.held),
        "other arguments, left at their defaults": ", ".join(found.own),
        "not returned, so that what depends on it is undecided": found.without,
    }
    for what, which in told.items():
        if which:
            console.print(f"{what}: {which}", style="dim", highlight=False, markup=False)
    for given, message in found.refused.items():
        console.print(f"{SIGNS[UNSUPPORTED]} {given}: the function raised {message}", highlight=False)


def _show_nearest(console: Console, nearest: Exclusion) -> None:
    console.print(
        f"{SIGNS[FAILS]} it follows none; the nearest is {_fields(nearest.conventions) or 'the rule'}", highlight=False
    )
    facts = {"input": nearest.given, "first difference": nearest.what, **nearest.facts}
    show_facts(console, facts)


def _first_difference(exclusion: Exclusion) -> str:
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in exclusion.facts.items() if name in _TOLD)
    return f"{exclusion.given}: {numbers or exclusion.what}"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _fields(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
