"""The search: compares an implementation with every combination of conventions, on inputs that distinguish them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task, Unusable
from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.hyperparameters import combinations
from refimpl.arithmetic import Target
from refimpl.spec import Spec

Conventions = Mapping[str, Any]

FOLLOWED, UNDECIDED, EXCLUDED = "followed", "indistinguishable", "excluded"


@dataclass(frozen=True)
class Exclusion:
    """A combination of conventions, and the first difference from it: the input's name, what was compared, and the
    facts (step, element, expected, got, bound). `agreed`: the parts of results that were compared before."""

    conventions: Conventions
    given: str
    what: str
    facts: Mapping[str, Any]
    agreed: int

    def __str__(self) -> str:
        return f"{self.given}: {self.what}: " + ", ".join(f"{name} {value}" for name, value in self.facts.items())


@dataclass(frozen=True)
class Identification:
    """What an implementation of `rule` was found to follow.

    consistent: the combinations of conventions it agrees with on every input; none of them is told from the others by
    any. excluded: all others. inputs: how many were compared. refused: the names of those it raised for, with the
    message. built_in: hyperparameters that it was not given, with the values it was expected to have. held: those that
    it was given with this value alone. own: its other arguments, which kept their defaults. without: the part of a
    result that it may leave out, and did, or "".
    """

    rule: type[Spec]
    consistent: tuple[Conventions, ...]
    excluded: tuple[Exclusion, ...]
    inputs: int
    refused: Mapping[str, str]
    built_in: Mapping[str, Any]
    held: Mapping[str, Any]
    own: tuple[str, ...]
    without: str

    def followed(self) -> dict[str, tuple[Any, ...]]:
        """Each convention with the values that it may have; one, where the inputs decide."""
        names = self.rule.conventions()
        return {name: tuple(dict.fromkeys(c[name] for c in self.consistent)) for name in names}

    def values(self) -> Iterator[tuple[str, Any, str, Exclusion | None]]:
        """Of each convention each value: what was found of it, and what excludes it where the others are followed."""
        for name, meanings in self.rule.conventions().items():
            left = self.followed()[name]
            for value in meanings:
                if value in left:
                    yield name, value, FOLLOWED if len(left) == 1 else UNDECIDED, None
                elif with_it := [e for e in self.excluded if e.conventions[name] == value]:
                    yield name, value, EXCLUDED, min(with_it, key=self._distance)

    def nearest(self) -> Exclusion | None:
        """The excluded combination that went furthest; of several the one that was least wrong there."""
        return max(self.excluded, key=lambda e: (e.agreed, -_error(e)), default=None)

    def _distance(self, exclusion: Exclusion) -> tuple[float, int, float]:
        """In how many conventions it is another than what is followed; then, how far it did not go."""
        others = [sum(exclusion.conventions[n] != v for n, v in c.items()) for c in self.consistent]
        return min(others, default=0), -exclusion.agreed, _error(exclusion)


def _error(exclusion: Exclusion) -> float:
    error = exclusion.facts.get("error", exclusion.facts.get("distance", math.inf))
    return math.inf if math.isnan(error) else error


@dataclass(frozen=True)
class Trial:
    """One input; spec and results of the rule, by the number of each combination that has a meaning there."""

    given: Input
    specs: Mapping[int, Any]
    expected: Mapping[int, list[Part]]

    def run(self, task: Task, function: Callable[..., Any], names: Sequence[str]) -> list[Part] | BaseException:
        """What a function that takes the hyperparameters `names` makes of the input, or raises: of whatever kind an
        implementation has for what it does not offer. Raises Unusable for a result that is none."""
        try:
            with np.errstate(all="ignore"):
                return task.actual(function, next(iter(self.specs.values())), self.given, names)
        except Unusable:
            raise
        except (Exception, SystemExit) as problem:
            return problem


def search(
    task: Task, function: Callable[..., Any], rule: type[Spec], fixed: Mapping[str, Any], target: Target
) -> Identification:
    """See `conformance.identification.identify`; the target is the arithmetic that the function works in."""
    names, own = accepted_arguments(function, rule, task.arguments(rule))
    _check_fixed(rule, fixed)
    free = hyperparameters(rule)
    defaults = {f.name: f.default for f in fields(rule) if f.name in free and f.name not in names}
    fixed_hyperparameters = defaults | {name: value for name, value in fixed.items() if name in free}
    fixed_conventions = {name: value for name, value in fixed.items() if name not in free}
    _check_possible(task, rule, fixed_conventions, fixed_hyperparameters)
    choices, trials = prepared(
        task, rule, tuple(fixed_conventions.items()), tuple(fixed_hyperparameters.items()), target
    )
    refused: dict[str, str] = {}
    parts: set[str] = set()
    agreed: dict[int, int] = dict.fromkeys(range(len(choices)), 0)
    excluded: dict[int, Exclusion] = {}
    for trial in trials:
        actual = trial.run(task, function, names)
        if isinstance(actual, BaseException):
            refused[trial.given.name] = f"{type(actual).__name__}: {actual}".removesuffix(": ")
            last = actual
            continue
        _check_format(task, actual, target)
        parts |= {part.what for part in actual}
        for number, expected in trial.expected.items():
            if number in excluded:
                continue
            try:
                for part in check_all(task, Comparison(target.format.name), actual, expected):
                    agreed[number] += part
            except Mismatch as mismatch:
                excluded[number] = Exclusion(
                    choices[number], trial.given.name, mismatch.what, mismatch.facts, agreed[number]
                )
    if len(refused) == len(trials):
        messages = "; ".join(dict.fromkeys(refused.values()))
        raise ValueError(f"the function raised for every input: {messages}") from last
    for number, conventions in enumerate(choices):
        if number not in excluded and not agreed[number]:
            raised = "; ".join(refused.values())
            excluded[number] = Exclusion(conventions, "each input for it", "the function raised", {"raised": raised}, 0)
    excluded |= _narrower(choices, [t for t in trials if t.given.name not in refused], excluded)
    return Identification(
        rule,
        tuple(c for number, c in enumerate(choices) if number not in excluded),
        tuple(excluded[number] for number in sorted(excluded)),
        len(trials) - len(refused),
        refused,
        {name: value for name, value in fixed_hyperparameters.items() if name not in names},
        {name: value for name, value in fixed_hyperparameters.items() if name in names},
        own,
        "" if task.optional in parts else task.optional,
    )


def _narrower(
    choices: Sequence[Conventions], trials: Sequence[Trial], excluded: Mapping[int, Exclusion]
) -> dict[int, Exclusion]:
    """The combinations that agree, but have no meaning for inputs on which another agrees as well."""
    meant = {n: {t.given.name for t in trials if n in t.expected} for n in range(len(choices)) if n not in excluded}
    what, narrower = "there is a result where the combination has no meaning", {}
    for number, inputs in meant.items():
        beyond = next((sorted(more - inputs)[0] for more in meant.values() if more > inputs), None)
        if beyond is not None:
            narrower[number] = Exclusion(choices[number], beyond, what, {}, len(inputs))
    return narrower


def check_all(task: Task, compare: Comparison, actual: Sequence[Part], expected: Sequence[Part]) -> Iterator[int]:
    """Checks each part against what is expected of it, and counts 1. The optional part may be missing.

    Raises Mismatch at the first difference.
    """
    left = {part.name: part for part in actual}
    for part in expected:
        if part.name in left:
            task.check(compare, left.pop(part.name), part)
            yield 1
        elif part.what != task.optional:
            raise Mismatch(part.what, {**part.where, "expected": "an array", "got": "nothing"})
    for part in left.values():
        raise Mismatch(part.what, {**part.where, "expected": "nothing", "got": "an array"})


@lru_cache(maxsize=16)  # several runs of one rule, of a subject or of its variants, follow one another
def prepared(
    task: Task,
    rule: type[Spec],
    fixed_conventions: tuple[tuple[str, Any], ...],
    built_in: tuple[tuple[str, Any], ...],
    target: Target,
) -> tuple[list[Conventions], list[Trial]]:
    """The combinations of conventions, and the inputs for them; singular ones where combinations differ there.

    Raises ValueError where there is no input for which any of them has a meaning.
    """
    choices, trials = candidates(task, rule, dict(fixed_conventions), dict(built_in)), []
    without_meaning: list[Exception] = []
    for called, setting in settings(rule, choices, task.at_work, dict(built_in)).items():
        specs = _accepted(rule, choices, setting)
        for given in task.inputs(list(specs.values()), target.format.name, dict(built_in)) if specs else ():
            given = replace(given, name=given.name + called)
            expected = _expected(task, specs, given, target, without_meaning)
            if expected and (not given.singular or _differ(task, expected)):
                trials.append(Trial(given, {number: specs[number] for number in expected}, expected))
    if not trials:
        reason = without_meaning[0] if without_meaning else "its conventions show in no result"
        raise ValueError(f"no input can show which conventions of {rule.__name__} a function follows: {reason}")
    return choices, trials


def _expected(
    task: Task, specs: Mapping[int, Any], given: Input, target: Target, without_meaning: list[Exception]
) -> dict[int, list[Part]]:
    """What each spec makes of an input; those that have no meaning for it are left out, and their errors kept."""
    expected = {}
    for number, spec in specs.items():
        try:
            expected[number] = task.expected(spec, given, target)
        except (TypeError, ValueError, OverflowError) as problem:
            without_meaning.append(problem)
    return expected


def _differ(task: Task, expected: Mapping[int, list[Part]]) -> bool:
    first, *others = expected.values()
    return any(distinguishable(task, first, other) for other in others)


def distinguishable(task: Task, first: Sequence[Part], second: Sequence[Part]) -> bool:
    """Whether no implementation can have both results."""
    return any(task.distinguishable(one, other) for one, other in zip(first, second, strict=True))


def hyperparameters(rule: type[Spec]) -> list[str]:
    """The fields that are no conventions."""
    return [f.name for f in fields(rule) if f.name not in rule.conventions()]


def candidates(
    task: Task, rule: type[Spec], fixed: Mapping[str, Any], built_in: Mapping[str, Any]
) -> list[Conventions]:
    """Every combination of the conventions that `fixed` leaves, and that has a meaning."""
    names = rule.conventions()
    chosen = {name: value for name, value in fixed.items() if name in names}
    every = combinations(rule, chosen, {name: [None] for name in hyperparameters(rule)})
    choices = [{name: c[name] for name in names} for c in every]
    every_setting = settings(rule, choices, task.at_work, built_in).values()
    accepted = [_accepted(rule, choices, setting) for setting in every_setting]
    return [c for number, c in enumerate(choices) if any(number in specs for specs in accepted)]


def settings(
    rule: type[Spec], choices: Sequence[Conventions], at_work: Mapping[str, Any], built_in: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Hyperparameters under which each combination is in one setting at least, if it has a meaning at all.

    First, without a name, all are at work; where a combination refuses that, one of them is at its least.
    """
    free = [f for f in fields(rule) if f.name not in rule.conventions()]
    usual = {f.name: at_work.get(f.name, f.default) for f in free} | dict(built_in)
    chosen, missing = {"": usual}, set(range(len(choices))) - set(_accepted(rule, choices, usual))
    for field in free:
        least = field.metadata.get("limits", field.metadata).get("at_least", -math.inf)
        if field.name in built_in or not math.isfinite(least):
            continue
        having = set(_accepted(rule, choices, usual | {field.name: least}))
        if having & missing:
            chosen[f", {field.name} {least:g}"] = usual | {field.name: least}
            missing -= having
    return chosen


def _accepted(rule: type[Spec], choices: Sequence[Conventions], setting: Mapping[str, Any]) -> dict[int, Any]:
    """The specs of the combinations that have a meaning under these hyperparameters, by number."""
    specs = {}
    for number, conventions in enumerate(choices):
        try:
            specs[number] = rule(**setting, **conventions)
        except (TypeError, ValueError):
            continue
    return specs


def accepted_arguments(
    function: Callable[..., Any], rule: type[Spec], arguments: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """The hyperparameters of `rule` that the function takes by name after these arguments, and what else it may take.

    Raises ValueError for what is no such function, or needs others.
    """
    if not callable(function):
        raise ValueError(f"function must be callable, got {type(function).__name__} {function!r}")
    try:
        signature = inspect.signature(function)
    except ValueError as problem:
        raise ValueError(f"function must have a signature ({problem}): wrap it in a function that has one") from None
    known = hyperparameters(rule)
    parameters = list(signature.parameters.values())
    by_name = [p for p in parameters[len(arguments) :] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    strange = [p.name for p in by_name if p.name not in known and p.default is p.empty]
    if strange:
        raise ValueError(
            f"the function must take hyperparameters of {rule.__name__} after its first {len(arguments)} arguments "
            f"({', '.join(known) or 'it has none'}), got one that needs {', '.join(strange)}: rename it, or "
            f"bind it with functools.partial"
        )
    own = tuple(p.name for p in by_name if p.name not in known)
    everything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    names = known if everything else [p.name for p in by_name if p.name in known]
    try:
        signature.bind(*arguments, **dict.fromkeys(names))
    except TypeError as problem:
        raise ValueError(
            f"the function must take {', '.join(arguments)} by position, then hyperparameters by name, "
            f"got one of {signature}: {problem}"
        ) from None
    return names, own


def _check_fixed(rule: type[Spec], fixed: Mapping[str, Any]) -> None:
    declared = {f.name: f for f in fields(rule)}
    for name, value in fixed.items():
        if name not in declared:
            raise ValueError(f"{rule.__name__} has no field {name!r}: its fields are {', '.join(declared) or 'none'}")
        try:
            rule.accepted(declared[name], value)
        except TypeError as problem:
            raise ValueError(str(problem)) from None


def _check_possible(
    task: Task, rule: type[Spec], fixed_conventions: Mapping[str, Any], fixed_hyperparameters: Mapping[str, Any]
) -> None:
    """Raises ValueError where no combination of conventions has a meaning with these hyperparameters."""
    if candidates(task, rule, fixed_conventions, fixed_hyperparameters):
        return
    every = combinations(rule, fixed_conventions, {name: [None] for name in hyperparameters(rule)})
    conventions = {name: value for name, value in next(every).items() if name in rule.conventions()}
    [usual, *_] = settings(rule, [conventions], task.at_work, fixed_hyperparameters).values()
    try:
        rule(**usual, **conventions)
    except (TypeError, ValueError) as problem:
        together = ", ".join(
            f"{name}={value!r}" for name, value in {**fixed_conventions, **fixed_hyperparameters}.items()
        )
        raise ValueError(f"{problem}. No convention allows {together}: fix other values") from None


def _check_format(task: Task, actual: Sequence[Part], target: Target) -> None:
    """Raises ValueError for a part that is not in the format of what the function was given."""
    for part in actual:
        if part.numbers.dtype != np.dtype(target.format.name):
            problem = f"{part.what} must be in {target.format.name}, as what it is given, got {part.numbers.dtype}"
            raise task.unusable(problem, part.where)
