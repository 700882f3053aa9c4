"""The search for the conventions that a function follows.

`identify` compares a function with the rule under every combination of its conventions, on inputs that tell them
apart. `task` is what a family of rules must define for that: inputs, parts of a result, when two results differ.
`activations`, `clipping`, `initializers`, `losses`, `optimizers` and `schedules` define it, `search` compares,
`declared` checks what a subject declares, and `display` shows the result.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from inspect import isabstract, isclass
from typing import Any

import refimpl
from conformance.identification.activations import Activations
from conformance.identification.clipping import Clippings
from conformance.identification.initializers import Initializers
from conformance.identification.losses import Losses
from conformance.identification.optimizers import Optimizers
from conformance.identification.schedules import Schedules
from conformance.identification.search import EXCLUDED, FOLLOWED, UNDECIDED, Exclusion, Identification, search
from conformance.identification.task import Task
from conformance.subjects.reference import Reference
from refimpl.spec import Spec

__all__ = [
    "EXCLUDED",
    "FOLLOWED",
    "TASKS",
    "UNDECIDED",
    "Exclusion",
    "Identification",
    "Task",
    "function_named",
    "identifiable",
    "identify",
    "rule_named",
    "task_of",
]

TASKS: tuple[Task, ...] = (Optimizers(), Clippings(), Schedules(), Activations(), Losses(), Initializers())


def identify(function: Callable[..., Any], rule: type[Spec], **fixed: Any) -> Identification:
    """The combinations of `rule`'s conventions that `function` is consistent with, and what excludes the others.

    The function works on float64 NumPy arrays, and is the simplest thing at hand:

        optimizer    step(parameter, gradient, state, step, **hyperparameters) -> (parameter, state)
                     for one array; step counts from 1, and the state is None at the first and then what was returned
        clipping     clip(gradients, **hyperparameters) -> gradients, lists of arrays;
                     clip(gradients, parameters, **hyperparameters) for AdaptiveClipping
        schedule     rate(step, **hyperparameters) -> float; step counts from 0, and a schedule within is refimpl's
        activation   activation(x, **hyperparameters) -> y, or (y, derivative), without which kinks tell nothing
        loss         loss(prediction, target, **hyperparameters) -> value, or (value, gradient)
        initializer  draw(shape, seed, **hyperparameters) -> array, also of the shape of a convolution's kernel

    Hyperparameters have the names of refimpl's rule, and come as keywords. Those that the function does not take are
    what `fixed` says, or else the rule's defaults. A convention that is `fixed` narrows the search. An input for which
    the function raises is left out, and listed.

    Raises ValueError for a rule that cannot be identified, a value in `fixed` that the rule refuses, and a function
    that needs other arguments, returns something else, or raises for every input.
    """
    return search(task_of(rule), function, rule, fixed, Reference("numpy", "float64").target)


def task_of(rule: type[Spec]) -> Task:
    """How rules of this kind are identified. Raises ValueError where they are not."""
    for task in TASKS:
        if isclass(rule) and issubclass(rule, task.rules) and not isabstract(rule):
            return task
    got = rule.__name__ if isclass(rule) else repr(rule)
    raise ValueError(f"rule must be a class such as refimpl.Adam that a function can follow by itself, got {got}")


def identifiable() -> dict[str, type[Spec]]:
    """All rules that can be identified, by name."""
    rules = tuple(kind for task in TASKS for kind in task.rules)
    return {
        name: rule
        for name, rule in sorted((name, getattr(refimpl, name)) for name in refimpl.__all__)
        if isclass(rule) and issubclass(rule, rules) and not isabstract(rule)
    }


def rule_named(name: str) -> type[Spec]:
    """The rule of that name, in letters of either case. Raises ValueError, with the names there are."""
    known = {rule.lower(): found for rule, found in identifiable().items()}
    if name.lower() not in known:
        raise ValueError(f"--rule must be one of {', '.join(identifiable())}, got {name!r}")
    return known[name.lower()]


def function_named(path: str) -> Callable[..., Any]:
    """The function at package.module:name. Raises ValueError where there is none."""
    module_name, colon, name = path.partition(":")
    if not colon or not module_name or not name:
        raise ValueError(f"the function must be given as package.module:name, got {path!r}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        hint = ", and is named without .py" if module_name.endswith(".py") else ""
        raise ValueError(f"{path}: {problem}; the module must be importable from here{hint}") from problem
    except (Exception, SystemExit) as problem:  # of whatever kind the module has
        raise ValueError(f"{path}: importing it raised {type(problem).__name__}: {problem}") from problem
    if not hasattr(module, name):
        raise ValueError(f"{path}: {module_name} has no function {name}")
    function = getattr(module, name)
    if not callable(function):
        raise ValueError(f"{path}: {name} must be a function, got {type(function).__name__} {function!r:.60}")
    return function
