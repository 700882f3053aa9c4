"""Explanations of survivors: why a mutant that no test kills does not show a defect of the tests."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.counted import Key, Source

EXPLANATIONS = Path(__file__).parent / "survivors.toml"
_KEY = {"file", "definition", "find", "replace"}
_REASONS = {"equivalent", "tolerated"}


@dataclass(frozen=True)
class Reason:
    """kind: "equivalent" for a mutant that changes no result, "tolerated" for one that changes nothing promised."""

    kind: str
    why: str


def read(path: Path = EXPLANATIONS) -> dict[Key, Reason]:
    """The explained survivors. Raises ValueError for an entry with missing or unknown fields, or a repeated one."""
    explained: dict[Key, Reason] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", []):
        reasons = entry.keys() & _REASONS
        if not _KEY <= entry.keys() <= _KEY | _REASONS | {"nth"} or len(reasons) != 1:
            needs = f"{', '.join(sorted(_KEY))}, optionally nth, and either equivalent or tolerated"
            raise ValueError(f"{path.name}: an entry must have {needs}; got {entry}")
        (kind,) = reasons
        why = entry.pop(kind)
        key = Key(**entry)
        if key in explained or not why.strip():
            raise ValueError(f"{path.name}: an entry has no reason, or is a second one for its mutant: {entry}")
        explained[key] = Reason(kind, why)
    return explained


def obsolete(explained: Iterable[Key], killed: Iterable[Key], sources: Mapping[str, Source]) -> list[Key]:
    """Keys to delete: the mutant is killed now, or its text no longer occurs."""
    killed = set(killed)
    return [key for key in explained if key in killed or key.file not in sources or not sources[key.file].has(key)]


def draft(keys: Iterable[Key]) -> str:
    """Entries for survivors without an explanation, to be completed and moved to survivors.toml."""
    return "\n".join(_entry(key) for key in sorted(keys))


def _entry(key: Key) -> str:
    fields = ("file", "definition", "find", "replace")
    lines = ["[[survivor]]", *(f"{name} = {_text(getattr(key, name))}" for name in fields)]
    if key.nth > 1:
        lines.append(f"nth = {key.nth}")
    return "\n".join([*lines, 'equivalent = ""', ""])


def _text(value: str) -> str:
    """A string of TOML, literal where the text allows it, so that formulas stay readable."""
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    if "'''" not in value and not value.endswith("'"):
        return f"'''\n{value}'''"  # TOML leaves out a leading newline
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
