"""Proving what a subject declares: it is consistent with the conventions it declares, and with no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.identification.search import (
    Conventions,
    candidates,
    check_all,
    distinguishable,
    hyperparameters,
    prepared,
)
from conformance.identification.task import Task
from conformance.judging.comparison import Comparison, Mismatch
from conformance.subjects import Subject
from conformance.subjects.subject import values_of
from refimpl.schedules import Schedule
from refimpl.spec import Spec


def declarations(task: Task, subject: Subject, rule: type[Spec]) -> list[Conventions]:
    """Combinations of conventions that the subject declares, as few as have each value of each in one of them."""
    of_subject = candidates(task, rule, subject.fixed(rule), lacked(subject, rule))
    left, chosen = {item for c in of_subject for item in c.items()}, []
    while left:
        chosen.append(max(of_subject, key=lambda c: len(left & set(c.items()))))
        left -= set(chosen[-1].items())
    return chosen


def lacked(subject: Subject, rule: type[Spec]) -> dict[str, Any]:
    """The hyperparameters that the subject fixes, as it does not have them."""
    fixed = subject.fixed(rule).items()
    return {name: values_of(value)[0] for name, value in fixed if name not in rule.conventions()}


def as_function(task: Task, subject: Subject, rule: type[Spec], conventions: Conventions) -> Callable[..., Any]:
    """The subject's rule as a function that does not say which conventions it follows."""

    lacking = lacked(subject, rule)

    def build(**given: Any) -> Any:
        of_subject = {name: _under_conventions(subject, value) for name, value in given.items()}
        return rule(**lacking | of_subject, **conventions)

    return task.of_subject(subject, build)


def prove(task: Task, subject: Subject, compare: Comparison, rule: type[Spec]) -> None:
    """Checks that a subject's rule follows each declaration, and that every other combination is excluded.

    Only those stay that no result can tell from what is declared, in the subject's format. Raises Mismatch.
    """
    lacking, target = lacked(subject, rule), task.target(subject, rule)
    choices, trials = prepared(task, rule, (), tuple(lacking.items()), target)
    names = [name for name in hyperparameters(rule) if name not in lacking]
    for declared in declarations(task, subject, rule):
        number, excluded = choices.index(declared), set[int]()
        compare.example(declared=dict(declared))
        function = as_function(task, subject, rule, declared)
        for trial in trials:
            if number not in trial.expected:
                continue
            actual = trial.run(task, function, names)
            if isinstance(actual, BaseException):
                raise actual
            sum(check_all(task, compare, actual, trial.expected[number]))
            for other in trial.expected.keys() - excluded - {number}:
                try:
                    sum(check_all(task, Comparison(target.format.name), actual, trial.expected[other]))
                except Mismatch:
                    excluded.add(other)
                    continue
                if distinguishable(task, trial.expected[number], trial.expected[other]):
                    facts = {"input": trial.given.name, "declared": dict(declared), "other": dict(choices[other])}
                    raise Mismatch("the inputs do not exclude another convention", facts)


def _under_conventions(subject: Subject, value: Any) -> Any:
    """A schedule within another under the conventions of the subject; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(_under_conventions(subject, each) for each in value)
    if not isinstance(value, Schedule):
        return value
    return subject.spec(type(value), **{name: getattr(value, name) for name in hyperparameters(type(value))})
