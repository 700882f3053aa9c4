"""Schedules with ends and boundaries inside the steps a case looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from conformance.strategies.hyperparameters import combinations, drawn
from conformance.subjects import Subject, Unsupported
from refimpl.schedules import Linear, OneCycle, Schedule, Sequential, WarmUp

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
    "power": st.sampled_from([2.0, 1.0, 3.0]),  # of others there is no bound at the end: see polynomial_end
    "period": st.integers(6, 25),
    "growth": st.sampled_from([1, 2, 3]),
    "boundaries": st.sampled_from([(5, 9, 20), (1, 2, 11), (13, 14, 15)]),
    "factors": st.sampled_from([(0.5, 0.5, 0.5), (0.1, 0.3, 1.7)]),
    "rise": st.sampled_from([0.3, 0.25, 0.4]),
    "fallen": st.sampled_from([0.6, 0.85, 0.7]),
    "start_divisor": st.sampled_from([25.0, 10.0, 3.0]),
    "end_divisor": st.sampled_from([1e4, 7.0]),
}
_CYCLE_LENGTHS = st.integers(12, 40)  # where each phase of a cycle takes time


def schedules(rule: type[Schedule], subject: Subject) -> st.SearchStrategy[Any]:
    """Specs of `rule` under the conventions the subject declares; a warm-up leads into any schedule it offers."""
    values = dict(FIELDS)
    if issubclass(rule, (WarmUp, Sequential)):
        inner = st.sampled_from(_inner(subject)).flatmap(lambda inner: schedules(inner, subject))
    if issubclass(rule, WarmUp):
        values["schedule"] = inner
    if issubclass(rule, Sequential):
        values["schedules"] = st.tuples(_RATES, *[inner] * 4).map(lambda drawn: _from_one_rate(drawn[1:], drawn[0]))
    if issubclass(rule, OneCycle):
        values["steps"] = _CYCLE_LENGTHS
    return drawn(rule, subject.fixed(rule), values).map(_consistent).map(lambda chosen: rule(**chosen))


# Values unlike one another, and unlike what anybody might have built in; ends and boundaries within AT_WORK_STEPS.
AT_WORK: dict[str, list[Any]] = {
    "learning_rate": [0.03], "start": [0.02], "end": [0.3], "initial": [0.7], "peak": [0.6], "floor": [0.04],
    "decay": [0.8], "factor": [0.3], "steps": [9], "every": [7], "decay_steps": [5],
    "power": [3.0], "period": [7], "growth": [1, 3], "boundaries": [(5, 9, 20)], "factors": [(0.6, 0.3, 1.4)],
    "rise": [0.3], "fallen": [0.8], "start_divisor": [9.0], "end_divisor": [30.0],
}  # fmt: skip
AT_WORK_STEPS = 48
_AT_WORK_CYCLE = 31


def all_terms_active(rule: type[Schedule], subject: Subject) -> list[Any]:
    """Specs of `rule` under each combination of the conventions that the subject leaves; a warm-up leads into each
    of the schedules it offers."""
    choices = dict(AT_WORK)
    if issubclass(rule, WarmUp):
        choices["schedule"] = [spec for inner in _inner(subject) for spec in all_terms_active(inner, subject)]
    if issubclass(rule, Sequential):
        every = tuple(all_terms_active(inner, subject)[-1] for inner in _inner(subject))
        choices["schedules"] = [_from_one_rate(every, AT_WORK["initial"][0])]
        choices["boundaries"] = [tuple(range(5, 5 * len(every), 5))]
    if issubclass(rule, OneCycle):
        choices["steps"] = [_AT_WORK_CYCLE]
    return [rule(**_consistent(values)) for values in combinations(rule, subject.fixed(rule), choices)]


# What begins at an own rate, or is made of schedules itself.
_NEVER_INNER = (WarmUp, Sequential, OneCycle)


def _inner(subject: Subject) -> list[type[Schedule]]:
    """The schedules to be led into. Raises Unsupported where there are none."""
    declared = [rule for rule in subject.conventions if issubclass(rule, Schedule)]
    inner = [rule for rule in declared if not issubclass(rule, _NEVER_INNER)]
    if not inner:
        raise Unsupported(f"{subject.name} declares no schedule that another one can lead into")
    return inner


def steps_that_have_rates(spec: Any, steps: int) -> int:
    """The first `steps` steps, or fewer where a schedule ends."""
    return min(steps, spec.steps) if getattr(spec, "counting", "") == "first_to_last" else steps


def _from_one_rate(specs: tuple[Any, ...], rate: float) -> tuple[Any, ...]:
    """The schedules, each from `rate` or up to it: PyTorch's have one optimizer, and its rate, in common."""
    begun = []
    for spec in specs:
        if isinstance(spec, Linear):
            begun.append(replace(spec, start=min(spec.start, rate), end=rate))
            continue
        top = next(name for name in ("learning_rate", "initial", "peak") if hasattr(spec, name))
        lowest = {name: min(getattr(spec, name), rate) for name in ("end", "floor") if hasattr(spec, name)}
        begun.append(replace(spec, **{top: rate}, **lowest))
    return tuple(begun)


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """A recursion cannot take fractional powers, nor an end other than 0 by factors; a warm-up rises; what falls ends
    below; a cycle of three phases in PyTorch falls for as long as it rises."""
    if "power" in values:
        return values | {"end": 0.0 if values["evaluation"] == "recursive" else min(values["end"], values["initial"])}
    if "growth" in values:
        return values | {"floor": min(values["floor"], values["peak"])}
    if values.get("counting") == "first_to_last":
        return values | {"fallen": 2 * values["rise"]}
    if values.get("evaluation") == "recursive" and values.get("staircase") is False:
        return values | {"decay_steps": 1}
    if "schedule" in values:
        return values | {"start": min(values["start"], values["schedule"].rate(0))}
    return values
