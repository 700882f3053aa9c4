"""Hyperparameters of a rule: real values of practice and awkward ones, under the conventions a subject declares."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from refimpl.optimizers import AdaBelief, Optimizer
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
    "delta": st.sampled_from([1.0, 0.5, 2.0]),
    "beta": st.sampled_from([1.0, 0.5, 2.0, 0.0]),
    "label_smoothing": st.sampled_from([0.0, 0.1, 0.4]),
    "class_weights": st.none(),  # as many as a prediction has classes: the cases give them
    "positive_weights": st.none(),
    "threshold": st.sampled_from([0.5, 1.0, 0.3, 0.0]),
    "alpha": st.sampled_from([1.0, 0.5, 2.0]),
    "axis": st.sampled_from([-1, 0]),
    "strength": st.sampled_from([0.0, 0.1, 1e-3]),
    "initial_accumulator": st.one_of(st.just(0.0), st.just(0.1), _log_uniform(-6, 0)),
    "epsilon_root": st.one_of(st.just(1e-16), _log_uniform(-12, -3)),
    "momentum_decay": st.sampled_from([4e-3, 1.0, 0.0, 0.05]),
    "growth": st.sampled_from([1.2, 1.5, 1.01]),
    "shrinkage": st.sampled_from([0.5, 0.3, 0.9]),
    "smallest_step": st.sampled_from([1e-7, 1e-9]),
    "largest_step": st.sampled_from([50.0, 1.0]),
    "trust_coefficient": st.sampled_from([1e-3, 0.02, 1.0]),
    "order": st.sampled_from([2.0, 1.0, math.inf, 3.0, 1.5]),
    "clipping": st.sampled_from([0.01, 0.3, 2.0]),
    "smallest_divisor": st.sampled_from([0.0, 1e-6]),
}

# Of a parameter, what decoupled decay may take at once: some of it, nearly all, all, and more than there is.
SHARES = st.one_of(st.sampled_from([0.99, 1.0, 1.01]), st.floats(0.1, 1.9))

# AdaBelief divides by multiples of beta1: with little of it, few bounds exist with a coupled penalty.
_OF_RULE: dict[type[Spec], dict[str, st.SearchStrategy]] = {
    AdaBelief: {"beta1": st.one_of(st.sampled_from([0.9, 0.99, 0.5]), st.floats(0.1, 0.9995))}
}


# Values that leave no term of a rule out, unlike one another, and unlike what anybody might have built in.
AT_WORK: dict[str, float] = {
    "learning_rate": 0.03, "learning_rate_decay": 0.02, "beta1": 0.8, "beta2": 0.97, "decay": 0.93, "momentum": 0.7,
    "dampening": 0.4, "weight_decay": 0.05, "epsilon": 1e-3, "initial_accumulator": 0.2,
    "epsilon_root": 2e-3, "momentum_decay": 0.6, "growth": 1.3, "shrinkage": 0.4, "smallest_step": 2e-3,
    "largest_step": 1.1, "trust_coefficient": 0.06,
}  # fmt: skip


def all_terms_active(rule: type[Optimizer], fixed: Mapping[str, Any]) -> list[Any]:
    """Specs of `rule` under each combination of the conventions that are not `fixed`, every hyperparameter at work.

    The conventions that all optimizers have take turns with the rule's own: each combination of either occurs.
    """
    choices = {name: [AT_WORK[name]] if allowed is None else allowed for name, allowed in _allowed(rule, fixed)}
    shared = [f.name for f in fields(Optimizer)]
    common = list(_every({name: choices[name] for name in shared}))
    own = list(_every({name: allowed for name, allowed in choices.items() if name not in shared}))
    turns = range(max(len(common), len(own)))
    return [rule(**_consistent(common[i % len(common)] | own[i % len(own)])) for i in turns]


def combinations(
    rule: type[Spec], fixed: Mapping[str, Any], values: Mapping[str, Sequence[Any]]
) -> Iterator[dict[str, Any]]:
    """The fields of `rule`: `fixed` ones as they are, in each combination of the other conventions and of `values`."""
    choices = {name: values[name] if allowed is None else allowed for name, allowed in _allowed(rule, fixed)}
    return _every(choices)


def _every(choices: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for chosen in itertools.product(*choices.values()):
        yield dict(zip(choices, chosen, strict=True))


def specs(rule: type[Spec], fixed: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Specs of `rule` with the `fixed` fields as given; every other field is drawn."""
    values = drawn(rule, fixed, HYPERPARAMETERS | _OF_RULE.get(rule, {}))
    return values.map(_consistent).map(lambda chosen: rule(**chosen))


def drawn(
    rule: type[Spec], fixed: Mapping[str, Any], values: Mapping[str, st.SearchStrategy]
) -> st.SearchStrategy[dict[str, Any]]:
    """The fields of `rule`: `fixed` ones as they are, other conventions one of theirs, the rest drawn from `values`."""
    return st.fixed_dictionaries(
        {name: values[name] if allowed is None else st.sampled_from(allowed) for name, allowed in _allowed(rule, fixed)}
    )


def _allowed(rule: type[Spec], fixed: Mapping[str, Any]) -> Iterator[tuple[str, list[Any] | None]]:
    """What each field of `rule` may be: its fixed value or values, those of its convention; None for any other."""
    for declared in fields(rule):
        if declared.name in fixed:
            value = fixed[declared.name]
            yield declared.name, list(value) if isinstance(value, tuple) else [value]
        elif "values" in declared.metadata:
            yield declared.name, list(declared.metadata["values"])
        else:
            yield declared.name, None


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """Nesterov's form is defined with momentum and without dampening; what is added back, for labels alone; epsilon for
    an uncorrected moment, where there is one."""
    if values.get("largest_logit") == "added_back":
        return values | {"labels": "index", "label_smoothing": 0.0}
    if values.get("nesterov"):
        return values | {"momentum": values["momentum"] or 0.9, "dampening": 0.0}
    if values.get("maximum") == "corrected" and values["epsilon_placement"] == "uncorrected":
        return values | {"epsilon_placement": "outside"}
    return values
