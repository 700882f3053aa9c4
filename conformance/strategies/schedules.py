"""Schedules with ends and boundaries inside the steps a case looks at."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from conformance.strategies.hyperparameters import combinations
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
            drawn["schedule"] = st.sampled_from(_inner(subject)).flatmap(lambda r: schedules(r, subject))
        else:
            drawn[declared.name] = FIELDS[declared.name]
    return st.fixed_dictionaries(drawn).map(_consistent).map(lambda values: rule(**values))


# Values unlike one another, and unlike what anybody might have built in; ends and boundaries within AT_WORK_STEPS.
AT_WORK: dict[str, list[Any]] = {
    "learning_rate": [0.03], "start": [0.02], "end": [0.3], "initial": [0.7], "peak": [0.6], "floor": [0.04],
    "decay": [0.8], "factor": [0.3], "steps": [9], "every": [7], "decay_steps": [5],
}  # fmt: skip
AT_WORK_STEPS = 48


def all_at_work(rule: type[Schedule], subject: Subject) -> list[Any]:
    """Specs of `rule` under each combination of the conventions that the subject leaves; a warm-up leads into each
    of the schedules it offers."""
    choices = dict(AT_WORK)
    if issubclass(rule, WarmUp):
        choices["schedule"] = [spec for inner in _inner(subject) for spec in all_at_work(inner, subject)]
    return [rule(**_consistent(values)) for values in combinations(rule, subject.fixed(rule), choices)]


def _inner(subject: Subject) -> list[type[Schedule]]:
    return [rule for rule in subject.conventions if issubclass(rule, Schedule) and not issubclass(rule, WarmUp)]


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """A recursion cannot take fractional powers; a warm-up rises."""
    if values.get("evaluation") == "recursive" and values.get("staircase") is False:
        return values | {"decay_steps": 1}
    if "schedule" in values:
        return values | {"start": min(values["start"], values["schedule"].rate(0))}
    return values
