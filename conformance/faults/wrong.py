"""A seeded fault as a subject, in the place of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from conformance.faults import Fault
from conformance.faults.copies import copy_with, defined_in_copy, right_code
from conformance.subjects.reference import Reference
from conformance.subjects.subject import Subject

SUBJECT = "conformance/subjects/reference.py"


def subject_with(fault: Fault) -> Subject:
    """The wrong copy as a subject, in the place of the reference."""
    wrong = copy_with(fault)
    code = compile(fault.tree(), SUBJECT, "exec") if fault.file == SUBJECT else right_code(SUBJECT)
    right: type[Subject] = defined_in_copy(code)["Reference"]

    def translated(spec: Any) -> Any:
        """The spec of the right reference as one of the wrong copy."""
        if isinstance(spec, Sequence) and not isinstance(spec, str):
            return type(spec)(translated(part) for part in spec)  # type: ignore[call-arg]
        if not is_dataclass(spec):
            return spec
        rule = getattr(wrong, type(spec).__name__)
        return rule(**{f.name: translated(getattr(spec, f.name)) for f in fields(spec)})

    class Wrong(right):  # type: ignore[misc, valid-type]  # what it derives from is made from a text
        conventions = Reference.conventions  # by the rules that cases name

        def optimizer(self, spec: Any, parameters: Any) -> Any:
            run = super().optimizer(translated(spec), parameters)
            change = run.change
            run.change = lambda spec: change(translated(spec))
            return run

    def with_translation(name: str) -> Any:
        method = getattr(right, name)
        return lambda self, spec, *inputs: method(self, translated(spec), *inputs)

    for name in ("clip", "schedule", "initializer", "activation", "loss", "network", "running_statistics"):
        setattr(Wrong, name, with_translation(name))
    return Wrong("numpy", "float64", "cpu")
