"""The terminal's view of the conventions: the rules, their fields, and which library has which value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from conformance.conventions import choices, hyperparameters, purpose
from refimpl.spec import Spec


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
