"""Known defects of subjects, as data, each with date, reason, link and what shows it.

A Divergence is a defect that a case of the suite shows. A Defect is shown by a few lines of the subject
(`Subject.reproductions`), and its wrong value is known exactly.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from conformance.judging.comparison import (
    LESS_ACCURATE,
    NON_FINITE_WITHOUT_BOUND,
    ONE_STEP_EARLY,
    ONE_STEP_LATE,
    OTHERWISE_RESTORED,
)

KINDS = (NON_FINITE_WITHOUT_BOUND, LESS_ACCURATE, ONE_STEP_LATE, ONE_STEP_EARLY, OTHERWISE_RESTORED)


@dataclass(frozen=True)
class Divergence:
    """One entry: the case and formats in which a subject differs, the `kind` of failure, the reason and the date.

    An entry accounts for failures of its kind only: the case continues to check everything else.

    factor: for LESS_ACCURATE, the measured error over the bound, rounded up, which replaces the limit 1. steps: for
    ONE_STEP_LATE and ONE_STEP_EARLY, the steps at which the value of the step before or after is accepted. variants:
    empty for all variants. versions: those with the defect, "optax 0.2.8, jax 0.10.2".
    """

    id: str
    case: str
    dtypes: tuple[str, ...]
    kind: str
    reason: str
    link: str
    date: str
    versions: str
    factor: float = 1.0
    steps: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Defect:
    """One entry that no case shows: what the library returns (`wrong`) and should return (`right`), in words.

    versions: as for a Divergence. The subject has a reproduction with this id.
    """

    id: str
    wrong: str
    right: str
    reason: str
    link: str
    date: str
    versions: str


@cache
def load(subject: str) -> tuple[Divergence, ...]:
    """The entries of a subject that cases show. Raises ValueError for one that lacks a field or a reason."""
    return tuple(_entry(file, values) for file, values in _tables(subject, "divergence"))


@cache
def defects(subject: str) -> tuple[Defect, ...]:
    """The other entries of a subject. Raises ValueError for one that lacks a field or a reason."""
    return tuple(Defect(**_checked(file, values, Defect, set())) for file, values in _tables(subject, "defect"))


def of(subject: str) -> tuple[Divergence | Defect, ...]:
    """All entries of a subject."""
    return load(subject) + defects(subject)


def find(name: str, subjects: Iterable[str]) -> tuple[str, Divergence | Defect]:
    """The subject and the entry with this id. Raises ValueError, with the existing ids."""
    entries = {entry.id: (subject, entry) for subject in subjects for entry in of(subject)}
    if name not in entries:
        raise ValueError(f"no divergence {name!r}; there are {', '.join(entries)}")
    return entries[name]


def declared(subject: str, case: str, dtype: str, variant: str) -> Divergence | None:
    """The entry for one case in one format and variant, or None."""
    of_case = (d for d in load(subject) if d.case == case and dtype in d.dtypes)
    return next((d for d in of_case if not d.variants or variant in d.variants), None)


def known_of(entry: Divergence | Defect, version: str) -> bool:
    """Whether this version of the subject is known to have the defect, such as "jax 0.10.2, optax 0.2.8".

    The part of a version after "+" names a local build, and is ignored.
    """
    here = {library: number for library, _, number in (part.rpartition(" ") for part in version.split(", "))}
    known: dict[str, set[str]] = {}
    for part in entry.versions.split(", "):
        library, number = part.rsplit(" ", 1)
        known.setdefault(library, set()).add(number)
    return all(here.get(library, "").partition("+")[0] in numbers for library, numbers in known.items())


def _tables(subject: str, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The file's name with each table of this kind. Raises ValueError where two entries of the file share an id."""
    path = Path(__file__).parent / f"{subject}.toml"
    if not path.exists():
        return []
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    ids = [values.get("id") for entries in tables.values() for values in entries]
    if twice := sorted({str(i) for i in ids if ids.count(i) > 1}):
        raise ValueError(f"{path.name}: more than one entry has the id {', '.join(twice)}")
    return [(path.name, values) for values in tables.get(kind, ())]


_OPTIONAL = {"factor", "steps", "variants"}


_VERSIONS = re.compile(r"[\w.-]+ \d[\w.]*(, [\w.-]+ \d[\w.]*)*")


def _checked(file: str, values: dict, kind: type, optional: set[str]) -> dict:
    names = {f.name for f in fields(kind)}
    empty = sorted(name for name in names - optional if not values.get(name))
    surplus = sorted(set(values) - names)
    if empty or surplus:
        raise ValueError(f"{file}: entry {values.get('id', '?')!r} lacks {empty} and has unknown {surplus}")
    if not _VERSIONS.fullmatch(values["versions"]):
        form = "libraries with their versions, such as 'optax 0.2.8, jax 0.10.2'"
        raise ValueError(f"{file}: entry {values['id']!r}: versions must be {form}, got {values['versions']!r}")
    return values


def _entry(file: str, values: dict) -> Divergence:
    _checked(file, values, Divergence, _OPTIONAL)
    if values["kind"] not in KINDS:
        raise ValueError(f"{file}: entry {values['id']!r}: kind must be one of {KINDS}, got {values['kind']!r}")
    if (values["kind"] == LESS_ACCURATE) != (values.get("factor", 1.0) > 1.0):
        raise ValueError(f"{file}: entry {values['id']!r}: a factor above 1 goes with the kind {LESS_ACCURATE!r} alone")
    if (values["kind"] in (ONE_STEP_LATE, ONE_STEP_EARLY)) != bool(values.get("steps")):
        shifts = f"{ONE_STEP_LATE!r} and {ONE_STEP_EARLY!r}"
        raise ValueError(f"{file}: entry {values['id']!r}: steps go with the kinds {shifts} alone")
    return Divergence(**values | {name: tuple(values.get(name, ())) for name in ("dtypes", "steps", "variants")})
