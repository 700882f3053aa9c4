"""Hyperparameters of a rule: real values of practice and awkward ones, under the conventions a subject declares."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from refimpl.spec import Spec


def _log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


_DECAYS = st.one_of(st.sampled_from([0.9, 0.99, 0.999, 0.95, 0.5, 0.0]), st.floats(0.0, 0.9995))
# Rates and penalties stay where a thousand steps remain a contraction: the bound is then that of training.
HYPERPARAMETERS: dict[str, st.SearchStrategy] = {
    "learning_rate": st.one_of(st.sampled_from([1e-3, 0.1]), _log_uniform(-6, -0.3)),
    "learning_rate_decay": st.one_of(st.just(0.0), _log_uniform(-4, -1)),
    "beta1": _DECAYS,
    "beta2": _DECAYS,
    "decay": _DECAYS,
    "momentum": st.one_of(st.just(0.0), st.sampled_from([0.9, 0.99, 0.5]), st.floats(0.01, 0.99)),
    "dampening": st.one_of(st.just(0.0), st.floats(0.0, 1.0)),
    "weight_decay": st.one_of(st.just(0.0), st.sampled_from([1e-2, 1e-4]), _log_uniform(-5, -1)),
    "epsilon": st.one_of(st.sampled_from([1e-8, 1e-7, 1e-10]), _log_uniform(-12, -1)),
    "max_norm": _log_uniform(-3, 3),
    "limit": _log_uniform(-3, 3),
    "slope": st.sampled_from([0.01, 0.3, 1.0, 0.0]),
    "alpha": st.sampled_from([1.0, 0.5, 2.0]),
    "axis": st.sampled_from([-1, 0]),
    "strength": st.sampled_from([0.0, 0.1, 1e-3]),
    "initial_accumulator": st.one_of(st.just(0.0), st.just(0.1), _log_uniform(-6, 0)),
}


# Values that leave no term of a rule out, unlike one another, and unlike what anybody might have built in.
AT_WORK: dict[str, float] = {
    "learning_rate": 0.03, "learning_rate_decay": 0.02, "beta1": 0.8, "beta2": 0.97, "decay": 0.93, "momentum": 0.7,
    "dampening": 0.4, "weight_decay": 0.05, "epsilon": 1e-3, "initial_accumulator": 0.2,
}  # fmt: skip


def all_at_work(rule: type[Spec], fixed: Mapping[str, Any]) -> list[Any]:
    """Specs of `rule` under each combination of the conventions that are not `fixed`, every hyperparameter at work."""
    at_work = {name: [value] for name, value in AT_WORK.items()}
    return [rule(**_consistent(values)) for values in combinations(rule, fixed, at_work)]


def combinations(
    rule: type[Spec], fixed: Mapping[str, Any], values: Mapping[str, Sequence[Any]]
) -> Iterator[dict[str, Any]]:
    """The fields of `rule`: `fixed` ones as they are, in each combination of the other conventions and of `values`."""
    choices: dict[str, Sequence[Any]] = {}
    for declared in fields(rule):
        if declared.name in fixed:
            choices[declared.name] = [fixed[declared.name]]
        elif "values" in declared.metadata:
            choices[declared.name] = list(declared.metadata["values"])
        else:
            choices[declared.name] = values[declared.name]
    for chosen in itertools.product(*choices.values()):
        yield dict(zip(choices, chosen, strict=True))


def specs(rule: type[Spec], fixed: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Specs of `rule` with the `fixed` fields as given; every other field is drawn."""
    drawn = {}
    for declared in fields(rule):
        if declared.name in fixed:
            drawn[declared.name] = st.just(fixed[declared.name])
        elif "values" in declared.metadata:
            drawn[declared.name] = st.sampled_from(list(declared.metadata["values"]))
        else:
            drawn[declared.name] = HYPERPARAMETERS[declared.name]
    return st.fixed_dictionaries(drawn).map(_consistent).map(lambda values: rule(**values))


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """Nesterov's form is defined with momentum and without dampening; what is added back, for labels alone."""
    if values.get("largest_logit") == "added_back":
        return values | {"labels": "index"}
    if values.get("nesterov"):
        return values | {"momentum": values["momentum"] or 0.9, "dampening": 0.0}
    return values
