"""The conventions as data: the rules by family, what each field means, and which library has which value.

`display` shows them in the terminal, and `pages` writes docs/conventions.md and docs/porting.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from conformance.subjects import SHIPPED, Subject, load
from conformance.subjects.reference import Reference
from conformance.subjects.subject import values_of
from refimpl.spec import Spec, allowed

# Up to a full stop before a space; those of "et al." and "alg." end none.
_SENTENCE = re.compile(r".*?(?<!\bal)(?<!\balg)\.(?=\s|$)|.*")


@dataclass(frozen=True)
class Choice:
    """One value of a convention: what it means, whether it is the reference's default, and the libraries that have it.

    Of a library that has several values, or follows them all, each names it.
    """

    value: Any
    meaning: str
    default: bool
    libraries: tuple[str, ...]


def families(texts: Iterable[str] = ()) -> dict[str, list[type[Spec]]]:
    """The rules by family ("optimizers", "clipping", ...), in alphabetical order; those with one of the texts in their
    name, their family or a field's name, if any is given. Raises ValueError for a text that none has."""
    texts = list(texts)
    found: dict[str, list[type[Spec]]] = {}
    for rule in sorted(Reference.conventions, key=lambda rule: (family(rule), rule.__name__.lower())):
        if not texts or any(_has(rule, text) for text in texts):
            found.setdefault(family(rule), []).append(rule)
    for text in texts:
        if not any(_has(rule, text) for rules in found.values() for rule in rules):
            raise ValueError(f"no rule, family or field has {text!r} in its name: `conformance conventions` has all")
    return found


def family(rule: type[Spec]) -> str:
    """The room of the reference that the rule lies in."""
    return rule.__module__.split(".")[1]


def _has(rule: type[Spec], text: str) -> bool:
    return any(text.lower() in name.lower() for name in (rule.__name__, family(rule), *(f.name for f in fields(rule))))


def purpose(rule: type[Spec]) -> str:
    """What the rule is, in the first sentence of its own words."""
    return _SENTENCE.match(" ".join((rule.__doc__ or "").split())).group()  # type: ignore[union-attr]  # of any text


def libraries() -> dict[str, type[Subject]]:
    """The shipped subjects, without the reference."""
    return {name: load(name) for name in SHIPPED if name != Reference.name}


def hyperparameters(rule: type[Spec]) -> list[tuple[Field, str]]:
    """The fields that are no conventions, each with what it accepts in words (empty: the rule's documentation says)."""
    return [(field, allowed(field)) for field in fields(rule) if "values" not in field.metadata]


def choices(rule: type[Spec]) -> dict[str, list[Choice]]:
    """The values of each convention of the rule, the reference's default first."""
    return {
        name: [
            Choice(value, meaning, value == default_of(rule, name), tuple(_declaring(rule, name, value)))
            for value, meaning in meanings.items()
        ]
        for name, meanings in rule.conventions().items()
    }


def _declaring(rule: type[Spec], name: str, value: Any) -> list[str]:
    return [
        library
        for library, subject in libraries().items()
        if rule in subject.conventions and value in (fixed(subject.conventions[rule], name) or (value,))
    ]


def fixed(declared: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """The values of a field that a subject is declared to have, the usual one first; empty where it follows all."""
    return values_of(declared[name]) if name in declared else ()


def default_of(rule: type[Spec], name: str) -> Any:
    """The reference's default of a field, dataclasses.MISSING where it has none."""
    return next(field.default for field in fields(rule) if field.name == name)
