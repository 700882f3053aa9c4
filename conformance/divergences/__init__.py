"""Known differences of subjects that are defects, as data: strict, dated, with reason and link."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from conformance.comparison import LESS_ACCURATE, NON_FINITE_WITHOUT_BOUND, ONE_STEP_LATE

KINDS = (NON_FINITE_WITHOUT_BOUND, LESS_ACCURATE, ONE_STEP_LATE)


@dataclass(frozen=True)
class Divergence:
    """One entry: which case (and formats) of a subject differs, in which `kind` of way, why, and since when known.

    Only failures of its kind are accounted for: the case goes on checking everything else. `factor` belongs to
    LESS_ACCURATE: the measured error over the bound, rounded up, that the subject is held to instead of 1. `steps`
    belongs to ONE_STEP_LATE: where the value of the step before is accepted. `variants`: empty for all of them.
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


@cache
def load(subject: str) -> tuple[Divergence, ...]:
    """The entries for a subject. Raises ValueError for one that lacks a field or a reason."""
    path = Path(__file__).parent / f"{subject}.toml"
    if not path.exists():
        return ()
    return tuple(_entry(path.name, values) for values in tomllib.loads(path.read_text())["divergence"])


def declared(subject: str, case: str, dtype: str, variant: str) -> Divergence | None:
    """The entry for one case in one format and variant, or None."""
    of_case = (d for d in load(subject) if d.case == case and dtype in d.dtypes)
    return next((d for d in of_case if not d.variants or variant in d.variants), None)


_OPTIONAL = {"factor", "steps", "variants"}


def _entry(file: str, values: dict) -> Divergence:
    names = {f.name for f in fields(Divergence)}
    empty = sorted(name for name in names - _OPTIONAL if not values.get(name))
    surplus = sorted(set(values) - names)
    if empty or surplus:
        raise ValueError(f"{file}: entry {values.get('id', '?')!r} lacks {empty} and has unknown {surplus}")
    if values["kind"] not in KINDS:
        raise ValueError(f"{file}: entry {values['id']!r}: kind must be one of {KINDS}, got {values['kind']!r}")
    if (values["kind"] == LESS_ACCURATE) != (values.get("factor", 1.0) > 1.0):
        raise ValueError(f"{file}: entry {values['id']!r}: a factor above 1 goes with the kind {LESS_ACCURATE!r} alone")
    if (values["kind"] == ONE_STEP_LATE) != bool(values.get("steps")):
        raise ValueError(f"{file}: entry {values['id']!r}: steps go with the kind {ONE_STEP_LATE!r} alone")
    return Divergence(**values | {name: tuple(values.get(name, ())) for name in ("dtypes", "steps", "variants")})
