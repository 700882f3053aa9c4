"""One case on one subject in one variant and format, in this process: what it compared, and its verdict."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from hypothesis.errors import HypothesisWarning

import refimpl
from conformance.judging import divergences
from conformance.judging.comparison import Comparison, Tally
from conformance.judging.verdict import Verdict, judge
from conformance.running.case import CASES, Case, found
from conformance.running.trace import ids, run_case
from conformance.subjects import Subject
from conformance.subjects.subject import THEOREM
from refimpl.spec import Spec


@dataclass(frozen=True)
class Single:
    """A case, by its id with parameters, and the subject that it runs on."""

    case: str
    described: Case
    subject: type[Subject]
    variant: str
    dtype: str
    device: str = "cpu"

    def __str__(self) -> str:
        return "-".join(part for part in (self.case, self.variant, self.dtype) if part)

    def run(self) -> Outcome:
        """Runs the case, and judges what came of it."""
        divergence = divergences.declared(self.subject.name, self.case, self.dtype, self.variant)
        accepted = (divergence.kind, divergence.factor, divergence.steps) if divergence else ()
        compare, raised = Comparison(self.dtype, *accepted), None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)  # that a failing example is long to write out
            try:
                instance = self.subject(self.variant, self.dtype, self.device)
                run_case(self.case, instance, comparison=lambda *_, **__: compare)
            except Exception as problem:  # what a subject raises is a failure of its case
                raised = problem
        return Outcome(self, judge(raised, compare.tally, divergence, self.subject.version()), compare.tally, raised)


@dataclass(frozen=True)
class Outcome:
    """raised: what the case or the subject raised, None where nothing was."""

    single: Single
    verdict: Verdict
    tally: Tally
    raised: Exception | None


def singles(subject: type[Subject], rule: type[Spec] | None = None) -> Iterator[Single]:
    """Every case of the suite for what the subject offers, in each of its variants and formats.

    rule: leaves out the cases that are for another rule alone.
    """
    for name, described in _described():
        variants = subject.variants.get(described.capability, ())
        for case in ids(name) if variants and described.capability != THEOREM else ():
            if rule is not None and _of_another(case, rule):
                continue
            for variant in variants[:1] if described.in_one_variant else variants:
                for dtype in subject.dtypes:
                    yield Single(case, described, subject, variant, dtype)


@cache
def _described() -> tuple[tuple[str, Case], ...]:
    return tuple(found([CASES]))


def _of_another(case: str, rule: type[Spec]) -> bool:
    """Whether the first parameter of a case is the name of a rule that is not this one."""
    first = case.partition("[")[2].rstrip("]").partition(",")[0]
    return first != rule.__name__ and inspect.isclass(getattr(refimpl, first, None))
