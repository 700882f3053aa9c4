"""Planted faults: wrong versions of the reference, as data, that the cases must catch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEMATIC = "systematic"


@dataclass(frozen=True)
class Fault:
    """A wrong version of one file of the reference.

    family: the name of the file it is listed in. wrong: what it gets wrong. seen: where that, or what it is a variation
    of, was seen in the wild, or SYSTEMATIC. file: the file that is changed, from the root of the repository. find,
    replace: its text, which occurs once, and the wrong one. cases: ids of the cases that should catch it, the likeliest
    first. equivalent: why no case can, where it changes no result; then none may.
    """

    id: str
    family: str
    wrong: str
    seen: str
    file: str
    find: str
    replace: str
    cases: tuple[str, ...]
    equivalent: str = ""

    def source(self) -> str:
        """The wrong text of the file. Raises ValueError unless the text to be replaced occurs exactly once."""
        right = (ROOT / self.file).read_text(encoding="utf-8")
        if right.count(self.find) != 1:
            raise ValueError(
                f"{self.family}.toml: {self.id}: {self.file} has {self.find!r} {right.count(self.find)} times"
            )
        return right.replace(self.find, self.replace)


@cache
def planted() -> tuple[Fault, ...]:
    """All faults, file by file. Raises ValueError for an entry that lacks a field or has a wrong one."""
    faults = tuple(fault for path in sorted(Path(__file__).parent.glob("*.toml")) for fault in _read(path))
    ids = [fault.id for fault in faults]
    if len(set(ids)) != len(ids):
        raise ValueError(f"two faults have the id {next(i for i in ids if ids.count(i) > 1)!r}")
    return faults


_REQUIRED = {"id", "wrong", "file", "find", "replace", "cases"}


def _read(path: Path) -> Iterator[Fault]:
    """The faults of one file. Fields of its head hold for all of its entries; an entry with a list of wrong texts is a
    fault for each, numbered."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    entries = content.pop("fault")
    for entry in entries:
        values = {"seen": SYSTEMATIC} | content | entry
        lacking, surplus = _REQUIRED - values.keys(), values.keys() - _REQUIRED - {"seen", "equivalent"}
        if lacking or surplus:
            raise ValueError(f"{path.name}: {entry.get('id')!r} lacks {sorted(lacking)}, has unknown {sorted(surplus)}")
        replaces = values.pop("replace")
        values |= {"cases": tuple(values["cases"]), "family": path.stem}
        if isinstance(replaces, str):
            yield Fault(**values, replace=replaces)
            continue
        name = values.pop("id")
        for number, replace in enumerate(replaces, 1):
            yield Fault(**values, id=f"{name}-{number}", replace=replace)
