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


def show_identification(console: Console, identification: Identification) -> None:
    """The values of each convention, followed or excluded and by what; or else what is nearest, and how it differs."""
    count = len(identification.consistent) + len(identification.excluded)
    console.print(
        f"[bold]{identification.rule.__name__}[/]: consistent with {len(identification.consistent)} of {count} "
        f"combinations of conventions, on {identification.inputs} input{'s' * (identification.inputs != 1)}",
        highlight=False,
    )
    nearest = identification.nearest()
    if nearest is not None and not identification.consistent:
        _show_nearest(console, nearest)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value, verdict, exclusion in identification.values() if identification.consistent else ():
        sign = {FOLLOWED: SIGNS[CONFORMS], EXCLUDED: SIGNS[FAILS]}.get(verdict, "[yellow]?[/]")
        meaning = identification.rule.conventions()[name][value] if exclusion is None else _first_difference(exclusion)
        table.add_row(Text(name), sign, Text(str(value)), Text(meaning, style="dim"))
    console.print(table)
    if len(identification.consistent) > 1:
        console.print("[yellow]?[/] no tried input distinguishes these:")
        for conventions in identification.consistent:
            console.print("  " + _fields(conventions), highlight=False, markup=False)
    told = {
        "assumed, not taken by the function (--fixed NAME=VALUE sets it)": _fields(identification.built_in),
        "given with this value only": _fields(identification.held),
        "other arguments, left at their defaults": ", ".join(identification.own),
        "not returned, so that what depends on it is undecided": identification.without,
    }
    for what, which in told.items():
        if which:
            console.print(f"{what}: {which}", style="dim", highlight=False, markup=False)
    for given, message in identification.refused.items():
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
