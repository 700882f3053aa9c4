"""Seeded faults: wrong versions of the reference, as data, that the cases must catch.

An entry names a function, class or module and quotes code that is in it; the fault has other code in its place:

    [[fault]]
    id = "adam-second-moment-not-corrected"
    wrong = "the second moment is used without its bias correction"
    seen = "Keras, commit 2662d81a9c (2015)"
    in = "refimpl.optimizers.adam.Adam._divisor"
    find = "quotient(second, second_correction)"
    replace = "second"
    cases = ["optimizers.all_terms_active[Adam]", "optimizers.program[Adam]"]

`find` and `replace` are an expression or some statements, and are compared as syntax trees: layout, comments,
docstrings and annotations do not matter (see `conformance.faults.syntax`). `find` must be there exactly once. `def
f(x, axis=-1): ...` quotes the header of a function alone, `limit = 1.0` the default of a field. A list of texts under
`replace` is a fault for each.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance.faults import syntax

SYSTEMATIC = "systematic"


@dataclass(frozen=True)
class Fault:
    """A wrong version of one function, class or module of the reference.

    family: the name of the file it is listed in. wrong: what it gets wrong. seen: where that, or what it is a variation
    of, was seen in the wild, or SYSTEMATIC. place: the qualified name of what is changed, `in` in the files. find,
    replace: the code there that is replaced, and the wrong code. cases: ids of the cases that should catch it, the
    likeliest first. equivalent: why no case can, where it changes no result; then none may.
    """

    id: str
    family: str
    wrong: str
    seen: str
    place: str
    find: str
    replace: str
    cases: tuple[str, ...]
    equivalent: str = ""

    @property
    def file(self) -> str:
        """The file that is changed, from the root of the repository."""
        return syntax.file_of(self.place)

    def match(self) -> syntax.Match:
        """Where what is replaced is. Raises NotFound unless the place has it exactly once."""
        try:
            return syntax.matched(self.place, self.find, self.replace)
        except syntax.NotFound as problem:
            raise syntax.NotFound(f"{self.family}.toml: {self.id}: {problem}") from problem

    def tree(self) -> ast.Module:
        """The wrong syntax tree of the file. Raises as `match` does, and SyntaxError."""
        return syntax.replaced(self.match(), self.replace)

    def source(self) -> str:
        """The wrong text of the file, without its comments."""
        return ast.unparse(self.tree())


@cache
def seeded() -> tuple[Fault, ...]:
    """All faults, file by file. Raises ValueError for an entry that lacks a field or has a wrong one."""
    faults = tuple(fault for path in sorted(Path(__file__).parent.glob("*.toml")) for fault in _read(path))
    ids = [fault.id for fault in faults]
    if len(set(ids)) != len(ids):
        raise ValueError(f"two faults have the id {next(i for i in ids if ids.count(i) > 1)!r}")
    return faults


_REQUIRED = {"id", "wrong", "in", "find", "replace", "cases"}


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
        values["place"] = values.pop("in")
        values |= {"cases": tuple(values["cases"]), "family": path.stem}
        if isinstance(replaces, str):
            yield Fault(**values, replace=replaces)
            continue
        name = values.pop("id")
        for number, replace in enumerate(replaces, 1):
            yield Fault(**values, id=f"{name}-{number}", replace=replace)
