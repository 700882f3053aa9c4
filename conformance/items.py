"""Subjects in anybody's own pytest: every case of the suite as an ordinary item of a test file.

@conformance.parametrize(MySubject)
def test_conforms(check):
    check()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.checks import Failure
from conformance.judging.verdict import CONFORMS, DIVERGES, FAILS
from conformance.running.single import Single, singles
from conformance.subjects import Subject, declarations


@dataclass(frozen=True)
class Check:
    """One case on one subject. A call runs it: it returns, or ends the test as pytest does for skips and failures."""

    single: Single

    def __call__(self) -> None:
        """Raises AssertionError where the case fails, is vacuous, or conforms in spite of a declared divergence.

        A case that the subject does not offer is skipped. A declared divergence that shows is an expected failure.
        """
        outcome = self.single.run()
        verdict = outcome.verdict
        if verdict.name == FAILS:
            raise AssertionError(str(Failure.of(outcome))) from outcome.raised
        if verdict.name == DIVERGES:
            pytest.xfail(verdict.reason)
        if verdict.name != CONFORMS:
            pytest.skip(verdict.reason)


def parametrize(*subjects: type[Subject]) -> Callable[[Any], Any]:
    """A decorator for a test that takes `check`: it becomes one item for each case, variant and format.

    subjects: classes derived from `conformance.Subject`, or made by `conformance.adapters`. Ids are those of the cases:
    `-k "optimizers.program"` chooses some. Raises ValueError for a subject that declares what has no meaning.
    """
    for subject in subjects:
        declarations.check(subject)
    several = len(subjects) > 1
    checks = [
        pytest.param(Check(single), id=f"{subject.name}-{single}" if several else str(single))
        for subject in subjects
        for single in singles(subject)
    ]
    return pytest.mark.parametrize("check", checks)
