"""The ledger of survivors: why mutants that no test kills are no defect of the tests."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.counted import Key, Source

LEDGER = Path(__file__).parent / "survivors.toml"
_KEY = {"file", "definition", "find", "replace"}
_REASONS = {"equivalent", "tolerated"}


@dataclass(frozen=True)
class Reason:
    """kind: "equivalent" for a mutant that changes no result, "tolerated" for one that changes nothing promised."""

    kind: str
    why: str


def read(path: Path = LEDGER) -> dict[Key, Reason]:
    """The explained survivors. Raises ValueError for an entry that lacks a field, has a wrong one, or stands twice."""
    ledger: dict[Key, Reason] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", []):
        reasons = entry.keys() & _REASONS
        if not _KEY <= entry.keys() <= _KEY | _REASONS | {"nth"} or len(reasons) != 1:
            needs = f"{', '.join(sorted(_KEY))}, perhaps nth, and equivalent or tolerated"
            raise ValueError(f"{path.name}: an entry has {needs}; got {entry}")
        (kind,) = reasons
        why = entry.pop(kind)
        key = Key(**entry)
        if key in ledger or not why.strip():
            raise ValueError(f"{path.name}: an entry without a reason, or a second one for the same mutant: {entry}")
        ledger[key] = Reason(kind, why)
    return ledger


def stale(ledger: Iterable[Key], killed: Iterable[Key], sources: Mapping[str, Source]) -> list[Key]:
    """Entries to delete: the mutant is killed, or its text no longer occurs."""
    killed = set(killed)
    return [key for key in ledger if key in killed or key.file not in sources or not sources[key.file].has(key)]


def draft(keys: Iterable[Key]) -> str:
    """Entries for survivors that nobody has explained yet, to be completed and moved to the ledger."""
    return "\n".join(_entry(key) for key in sorted(keys))


def _entry(key: Key) -> str:
    fields = ("file", "definition", "find", "replace")
    lines = ["[[survivor]]", *(f"{name} = {_text(getattr(key, name))}" for name in fields)]
    if key.nth > 1:
        lines.append(f"nth = {key.nth}")
    return "\n".join([*lines, 'equivalent = ""', ""])


def _text(value: str) -> str:
    """A string of TOML: literal, so that formulas stay readable, wherever the text allows that."""
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    if "'''" not in value and not value.endswith("'"):
        return f"'''\n{value}'''"  # TOML leaves out a newline that comes first
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
