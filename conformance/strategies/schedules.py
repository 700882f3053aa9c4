"""Schedules with ends and boundaries inside the steps a case looks at."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from conformance.subjects import Subject
from refimpl.schedules import Schedule, WarmUp

_RATES = st.sampled_from([1e-3, 0.1, 1.0, 0.37])
_LENGTHS = st.integers(1, 25)
FIELDS: dict[str, st.SearchStrategy] = {
    "learning_rate": _RATES,
    "start": st.sampled_from([0.01, 0.25, 1.0, 0.003]),
    "end": st.sampled_from([0.0, 0.1, 1.0, 0.002]),
    "initial": _RATES,
    "peak": _RATES,
    "floor": st.sampled_from([0.0, 1e-4, 0.05]),
    "decay": st.sampled_from([0.5, 0.9, 0.96, 0.99]),
    "factor": st.sampled_from([0.1, 0.5, 0.3]),
    "steps": _LENGTHS,
    "every": _LENGTHS,
    "decay_steps": _LENGTHS,
}


def schedules(rule: type[Schedule], subject: Subject) -> st.SearchStrategy[Any]:
    """Specs of `rule` under the conventions the subject declares; a warm-up leads into any schedule it offers."""
    fixed = subject.fixed(rule)
    drawn = {}
    for declared in fields(rule):
        if declared.name in fixed:
            drawn[declared.name] = st.just(fixed[declared.name])
        elif "values" in declared.metadata:
            drawn[declared.name] = st.sampled_from(list(declared.metadata["values"]))
        elif declared.name == "schedule":
            inner = [r for r in subject.conventions if issubclass(r, Schedule) and not issubclass(r, WarmUp)]
            drawn["schedule"] = st.sampled_from(inner).flatmap(lambda r: schedules(r, subject))
        else:
            drawn[declared.name] = FIELDS[declared.name]
    return st.fixed_dictionaries(drawn).map(_consistent).map(lambda values: rule(**values))


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """A recursion cannot take fractional powers; a warm-up rises."""
    if values.get("evaluation") == "recursive" and values.get("staircase") is False:
        return values | {"decay_steps": 1}
    if "schedule" in values:
        return values | {"start": min(values["start"], values["schedule"].rate(0))}
    return values
