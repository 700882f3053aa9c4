"""The pages docs/conventions.md and docs/porting.md, written from what rules and subjects declare."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from conformance.conventions import choices, default_of, families, fixed, hyperparameters, libraries, purpose
from conformance.report.files import write_whole
from conformance.report.markdown import table
from conformance.subjects.subject import Subject
from refimpl.spec import Spec

COMMAND = "conformance conventions --docs"


def write(folder: Path) -> list[Path]:
    """Writes both pages. Raises ValueError where a shipped library is not installed, and then writes none."""
    pages = {"conventions.md": conventions(), "porting.md": porting()}
    for name, text in pages.items():
        write_whole(folder / name, text)
    return [folder / name for name in pages]


def conventions() -> str:
    """Every rule with its fields and values, and who declares which."""
    parts = [_CONVENTIONS.format(command=COMMAND)]
    for family, rules in families().items():
        parts.append(f"## {family.capitalize()}\n")
        parts += [_rule(rule) for rule in rules]
    return "\n".join(parts)


def _rule(rule: type[Spec]) -> str:
    lines = [f"### {rule.__name__}", "", purpose(rule), ""]
    numbers = [f"`{field.name}`{_shown(field.default)}{_said(text)}" for field, text in hyperparameters(rule)]
    if numbers:
        lines += ["; ".join(numbers) + ".", ""]
    rows = [
        [f"`{name}`" if index == 0 else "", f"`{c.value!r}`", c.meaning, ", ".join(c.libraries)]
        for name, values in choices(rule).items()
        for index, c in enumerate(values)
    ]
    if rows:
        lines += [table(["convention", "value", "meaning", "libraries"], rows), ""]
    return "\n".join(lines)


def _shown(default: Any) -> str:
    return "" if default is MISSING else f" = {default!r}"


def _said(allowed: str) -> str:
    return f" ({allowed})" if allowed else ""


def porting() -> str:
    """Every rule next to the libraries' functions for it: the conventions that they fix, and their defaults.

    Raises ValueError where a library is not installed.
    """
    subjects = _with_functions()
    try:
        parts = [_PORTING.format(command=COMMAND, versions=versions())]
        for family, rules in families().items():
            parts.append(f"## {family.capitalize()}\n")
            parts += [_ported(rule, subjects) for rule in rules if fields(rule)]
    except ImportError as problem:
        raise ValueError(f"the porting table needs every shipped library: {problem}") from problem
    return "\n".join(parts)


def _with_functions() -> dict[str, type[Subject]]:
    """The libraries, each once: one that only another backend computes for has the functions that it has anyway."""
    once: dict[tuple[str, ...], tuple[str, type[Subject]]] = {}
    for name, subject in libraries().items():
        once.setdefault(tuple(row.function for row in subject.table.values()), (name, subject))
    return dict(once.values())


def versions() -> str:
    """Those of the libraries, without how they were built. Raises ImportError where one is not installed."""
    parts = [part for subject in _with_functions().values() for part in subject.version().split(", ")]
    return ", ".join(dict.fromkeys(part.partition("+")[0] for part in parts))


def _ported(rule: type[Spec], subjects: dict[str, type[Subject]]) -> str:
    functions = [_function(rule, subject) for subject in subjects.values()]
    columns = [_cells(rule, subject) for subject in subjects.values()]
    rows = [
        [f"`{field.name}`", _reference(rule, field.name), *(column[field.name] for column in columns)]
        for field in fields(rule)
    ]
    lines = [f"### {rule.__name__}", ""]
    return "\n".join([*lines, table(["", "refimpl", *subjects], [["function", "", *functions], *rows]), ""])


def _reference(rule: type[Spec], name: str) -> str:
    default = default_of(rule, name)
    return "given" if default is MISSING else f"`{default!r}`"


def _function(rule: type[Spec], subject: type[Subject]) -> str:
    if rule not in subject.conventions:
        return "–"
    row = subject.table.get(rule)
    return f"`{row.signature()}`" if row and row.function else ""


def _cells(rule: type[Spec], subject: type[Subject]) -> dict[str, str]:
    """What a library has of each field of a rule."""
    if rule not in subject.conventions:
        return {field.name: "–" for field in fields(rule)}
    row = subject.table.get(rule)
    defaults = row.defaults if row and row.function else {}
    cells = {}
    for field in fields(rule):
        values = fixed(subject.conventions[rule], field.name)
        said = [_alone(values, field.name in defaults)] if values else []
        relation = row.relation(field.name) if row else ""
        if field.name in defaults:
            argument, default = defaults[field.name]
            shown = f"`{argument}`" if default is inspect.Parameter.empty else f"`{argument}={default!r}`"
            said.append(f"{shown}: {relation}" if relation else shown)
        else:
            if not values and "values" in field.metadata:
                said.append("any")
            if relation:
                said.append(relation)
        cells[field.name] = "; ".join(said)
    return cells


def _alone(values: tuple[Any, ...], argument: bool) -> str:
    """The values that a library has of a field, or that the suite checks where the library has an argument for it."""
    word = "only " if argument else "always "
    return word * (len(values) == 1) + " or ".join(f"`{value!r}`" for value in values)


_CONVENTIONS = """\
<!-- Written by `{command}`; changes belong to the rules and the subjects. -->
# Conventions

Where correct libraries differ, a rule of the reference names the choice: a field with these values. The first value is
the default of the reference. The libraries are those that declare the value, or follow all of them, and the suite
checks that they do. A hyperparameter has its default after its name, and what it accepts in parentheses.
"""

_PORTING = """\
<!-- Written by `{command}`; changes belong to the rules and the subjects. -->
# Porting from one library to another

This page compares each rule of the reference with the functions of the libraries for it ({versions}).

- *always* `value`: the function has no other value. `value` or `value`: the function has these values, the usual one
  first.
- `argument=default`: the name of the field in the library, and its default, both read from its signature. `argument`
  without a default must be given. `argument=default: relation`: the argument is not the field itself. The relation says
  what it is, in fields of the reference: Keras's `alpha` is floor / peak.
- *only* `value`: the argument has other values, which the suite does not check.
- *any*: nothing is fixed. The library conforms under every value of the convention.
- keras is Keras on JAX. Where Keras differs on TensorFlow, [conventions.md](conventions.md) has both.
- An empty cell: the function has no such argument. A penalty, for example, may be a transformation of its own. –: the
  library has no such rule.

[conventions.md](conventions.md) explains the values.
"""
