"""What a subject declares of itself, checked when it is loaded: before a run could misread it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import fields
from inspect import isabstract
from numbers import Real
from typing import Any

from conformance import profiles
from conformance.subjects.subject import CAPABILITIES, THEOREM, Subject
from refimpl.arithmetic import FORMATS
from refimpl.spec import Spec


def check(subject: type[Subject]) -> None:
    """Raises ValueError for the first declaration that has no meaning: its name, what is allowed, and its value."""
    name = getattr(subject, "name", None)
    _require(isinstance(name, str) and name != "", "name", "a text that is not empty", name)
    _check_names("dtypes", subject.dtypes)
    for dtype in subject.dtypes:
        _check_known("each of dtypes", dtype, FORMATS)
    _check_variants(subject)
    _check_conventions(subject.conventions)
    _check_profiles(subject.profiles)
    for declaration in ("scalars", "powers", "rates"):
        _check_formats(declaration, getattr(subject, declaration))
    for entry, rule, formats in _entries("rule_scalars", subject.rule_scalars):
        _check_rule("rule_scalars", rule)
        _check_formats(entry, formats)
    flushed = subject.flush_to_zero
    _require(isinstance(flushed, (Set, tuple, list)), "flush_to_zero", "a set of dtypes", flushed)
    for dtype in flushed:
        _check_known("each of flush_to_zero", dtype, FORMATS)


def _check_variants(subject: type[Subject]) -> None:
    for entry, capability, variants in _entries("variants", subject.variants):
        _check_known("each key of variants", capability, CAPABILITIES)
        _check_names(entry, variants)
        driven = capability == THEOREM or getattr(subject, capability) is not getattr(Subject, capability)
        _require(driven, "each key of variants", "a capability that the class defines a method for", capability)


def _check_conventions(conventions: Any) -> None:
    for _, rule, fixed in _entries("conventions", conventions):
        _check_rule("conventions", rule)
        declared = {field.name: field for field in fields(rule)}
        for _, name, value in _entries(f"conventions[{rule.__name__}]", fixed):
            _check_known(f"each key of conventions[{rule.__name__}]", name, declared)
            try:
                for choice in value if isinstance(value, tuple) and value else (value,):
                    rule.accepted(declared[name], choice)
            except (TypeError, ValueError) as problem:
                several = "; write several as a tuple" if isinstance(value, list) else ""
                raise ValueError(f"conventions: {problem}{several}") from None


def _check_rule(declaration: str, rule: Any) -> None:
    concrete = isinstance(rule, type) and issubclass(rule, Spec) and not isabstract(rule)
    _require(concrete, f"each key of {declaration}", "a rule such as refimpl.SGD", rule)


def _check_formats(declaration: str, formats: Any) -> None:
    for entry, dtype, format_ in _entries(declaration, formats):
        _check_known(f"each key of {declaration}", dtype, FORMATS)
        _check_known(entry, format_, FORMATS)


def _check_profiles(declared: Any) -> None:
    for entry, device, profile in _entries("profiles", declared):
        _require(isinstance(device, str), "each key of profiles", "the name of a device", device)
        if isinstance(profile, str):
            profiles.load(profile)
            continue
        for of_format, format_, errors in _entries(entry, profile, "the name of a profile, or a dict"):
            _check_known(f"each key of {entry}", format_, FORMATS)
            for of_function, function, ulp in _entries(of_format, errors):
                _check_known(f"each key of {of_format}", function, profiles.load("numpy")["float64"])
                known = isinstance(ulp, Real) and 0.5 <= float(ulp) < math.inf
                _require(known, of_function, "its largest error in ulp, 0.5 (correctly rounded) or more", ulp)


def _require(holds: bool, declaration: str, allowed: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"{declaration} must be {allowed}, got {value!r}")


def _entries(declaration: str, value: Any, allowed: str = "a dict") -> Iterator[tuple[str, Any, Any]]:
    """(name of the entry, key, entry) of each entry of a declaration that must be a dict."""
    _require(isinstance(value, Mapping), declaration, allowed, value)
    for key, entry in value.items():
        yield f"{declaration}[{key!r}]", key, entry


def _check_names(declaration: str, value: Any) -> None:
    """No text, which ("float32") is, and no set: the order is that of the cases in every process."""
    texts = isinstance(value, (tuple, list)) and all(isinstance(name, str) and name for name in value)
    _require(
        texts and 0 < len(value) == len(set(value)), declaration, "a tuple of names, at least one and each once", value
    )


def _check_known(declaration: str, value: Any, known: Collection[str]) -> None:
    _require(isinstance(value, str) and value in known, declaration, f"one of {', '.join(known)}", value)
