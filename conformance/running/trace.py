"""The trace of a case: every number that it compares, for a reader, a picture or a test of its power."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.judging.comparison import Comparison, Observation
from conformance.running.aliasing_guard import guarded
from conformance.running.case import CASES, own_id
from conformance.strategies.draws import drawing
from conformance.subjects.reference import Reference
from conformance.subjects.subject import Subject


class UnknownCase(ValueError):
    """There is no case with this id."""


@dataclass(frozen=True)
class Trace:
    """observations: the comparisons of the case, in order."""

    observations: list[Observation]

    @property
    def context(self) -> Mapping[str, Any]:
        """What the case said of its examples, where it said the same of all."""
        found = [observation.context for observation in self.observations]
        return {name: value for name, value in found[0].items() if all(c.get(name) is value for c in found)}


def run_case(
    case: str,
    subject: Subject | None = None,
    perturbed: str | None = None,
    comparison: Callable[..., Comparison] = Comparison,
) -> Trace:
    """Runs the case with this id on the reference, or on another subject in its place.

    An id without parameters stands for all of the case's own. perturbed: what is to be expected wrongly (see
    `conformance.judging.comparison.PERTURBATION`). comparison: what compares. Raises Mismatch where the case fails, or
    what the subject raises; UnknownCase.
    """
    name, _, chosen = case.partition("[")
    function = function_of(name)
    subject = guarded(subject or Reference("numpy", "float64", "cpu"))
    compare = comparison(subject.dtype, journal=[], perturbed=perturbed)
    found = [p for p in _parameters(function) if not chosen or own_id(p.values()) == f"[{chosen}"]
    if not found:
        raise UnknownCase(f"no case {case!r}: `conformance list` shows all ids")
    for parameters in found:
        function(subject=subject, compare=compare, **parameters)
    return Trace(compare.journal or [])


def ids(case: str) -> list[str]:
    """The ids, with its own parameters, of the case with this id without them. Raises UnknownCase."""
    return [case + own_id(parameters.values()) for parameters in _parameters(function_of(case))]


def function_of(case: str) -> Any:
    """The function of the case with this id, without parameters. Raises UnknownCase."""
    topic, _, name = case.partition(".")
    folder = sorted((CASES / topic).glob("*.py"))
    files = [f"{topic}.{file.stem}" for file in folder if file.stem != "__init__"] or [topic]
    try:
        with drawing():  # Hypothesis keeps the settings under which a case is defined
            modules = [importlib.import_module(f"conformance.cases.{file}") for file in files]
        return next(vars(module)[f"test_{name}"] for module in modules if f"test_{name}" in vars(module))
    except (ModuleNotFoundError, StopIteration):
        raise UnknownCase(f"no case {case!r}: `conformance list` shows all ids") from None


def _parameters(function: Any) -> Iterator[dict[str, Any]]:
    """Every combination of the values that the case is parametrized with."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        yield {mark.args[0]: value for mark, value in zip(marks, values, strict=True)}
