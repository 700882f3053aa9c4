"""Known differences of subjects that are defects, as data: strict, dated, with reason and link."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from conformance.comparison import LESS_ACCURATE, NON_FINITE_WITHOUT_BOUND

KINDS = (NON_FINITE_WITHOUT_BOUND, LESS_ACCURATE)


@dataclass(frozen=True)
class Divergence:
    """One entry: which case (and formats) of a subject differs, in which `kind` of way, why, and since when known.

    Only failures of its kind are accounted for: the case goes on checking everything else. `factor` belongs to
    LESS_ACCURATE: the measured error over the bound, rounded up, that the subject is held to instead of 1.
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


@cache
def load(subject: str) -> tuple[Divergence, ...]:
    """The entries for a subject. Raises ValueError for one that lacks a field or a reason."""
    path = Path(__file__).parent / f"{subject}.toml"
    if not path.exists():
        return ()
    return tuple(_entry(path.name, values) for values in tomllib.loads(path.read_text())["divergence"])


def declared(subject: str, case: str, dtype: str) -> Divergence | None:
    """The entry for one case in one format, or None."""
    return next((d for d in load(subject) if d.case == case and dtype in d.dtypes), None)


def _entry(file: str, values: dict) -> Divergence:
    names = {f.name for f in fields(Divergence)}
    empty = sorted(name for name in names - {"factor"} if not values.get(name))
    surplus = sorted(set(values) - names)
    if empty or surplus:
        raise ValueError(f"{file}: entry {values.get('id', '?')!r} lacks {empty} and has unknown {surplus}")
    if values["kind"] not in KINDS:
        raise ValueError(f"{file}: entry {values['id']!r}: kind must be one of {KINDS}, got {values['kind']!r}")
    if (values["kind"] == LESS_ACCURATE) != (values.get("factor", 1.0) > 1.0):
        raise ValueError(f"{file}: entry {values['id']!r}: a factor above 1 goes with the kind {LESS_ACCURATE!r} alone")
    return Divergence(**values | {"dtypes": tuple(values["dtypes"])})
