"""The arguments of an implementation that are fields of a rule, whatever they are called there."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from conformance.subjects import SHIPPED, load
from conformance.subjects.table import collected, entry
from refimpl.spec import Spec


@dataclass(frozen=True)
class Arguments:
    """names: field of the rule -> its argument, "betas[0]" for an entry of one. own: other arguments, which keep their
    defaults."""

    names: Mapping[str, str]
    own: tuple[str, ...] = ()

    def of(self, spec: Spec) -> dict[str, Any]:
        """The arguments by name for a spec of the rule."""
        return collected({argument: getattr(spec, field) for field, argument in self.names.items()})


def arguments_of(implementation: Callable[..., Any], rule: type[Spec], before: int) -> Arguments:
    """Which argument of `implementation` each field of `rule` is, after so many that are no fields.

    An argument is called as the field is, or as PyTorch, JAX, optax or Keras call it. A function that was compiled from
    C may have no signature: it is called without hyperparameters. Raises ValueError for an implementation that needs
    an argument that is no field of the rule.
    """
    try:
        parameters = list(inspect.signature(implementation).parameters.values())[before:]
    except ValueError:
        return Arguments({})
    if any(p.kind is p.VAR_KEYWORD for p in parameters) and not inspect.isclass(implementation):
        return Arguments({f.name: f.name for f in fields(rule)})
    by_name = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    names = {
        field: next(name for name in candidates if entry(name)[0] in by_name)
        for field, candidates in _names(rule).items()
        if any(entry(name)[0] in by_name for name in candidates)
    }
    taken = {entry(argument)[0] for argument in names.values()}
    own = tuple(name for name in by_name if name not in taken)
    needed = [name for name in own if by_name[name].default is inspect.Parameter.empty]
    if needed:
        known = ", ".join(f.name for f in fields(rule))
        raise ValueError(
            f"{name_of(implementation)} needs {', '.join(needed)}, which {rule.__name__} does not have: its fields are "
            f"{known}. Rename the argument, or give it by functools.partial"
        )
    return Arguments(names, own)


@cache
def _names(rule: type[Spec]) -> dict[str, tuple[str, ...]]:
    """Field -> what it may be called: its own name, then the names in this rule of each library, then in others.

    A convention has its own name alone: libraries have other values for it.
    """
    conventions, found = rule.conventions(), {f.name: {f.name: None} for f in fields(rule)}
    rows = [row for name in SHIPPED for row in load(name).table.values()]
    for row in sorted(rows, key=lambda row: row.rule is not rule):
        for field, argument in row.arguments.items():
            if field in found and field not in conventions and argument:
                found[field][argument] = None
    return {field: tuple(names) for field, names in found.items()}


def name_of(implementation: Any) -> str:
    """What an implementation is called in messages."""
    if isinstance(implementation, functools.partial):
        given = ", ".join(f"{name}={value!r}" for name, value in implementation.keywords.items())
        return f"{name_of(implementation.func)}({given})"
    return str(getattr(implementation, "__name__", type(implementation).__name__))
