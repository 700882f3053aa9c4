"""The session of cosmic-ray: the mutants of the reference in a fixed random order, and the verdict on each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from conformance.report.files import write_json
from tests.mutation.counted import Key, Place, Source

KILLED, SURVIVED = TestOutcome.KILLED.value, TestOutcome.SURVIVED.value
OPEN = WorkResult(worker_outcome=WorkerOutcome.NO_TEST)


@dataclass(frozen=True)
class Mutant:
    """One change of one file of the reference by an operator of cosmic-ray."""

    job: str
    file: str
    operator: str
    occurrence: int
    start: Place

    def text(self, source: Source) -> str:
        """The whole text of the file, changed."""
        text = mutate_code(source.text, get_operator(self.operator)(), self.occurrence)
        assert text is not None, f"cosmic-ray finds no mutant {self}"
        return text

    def rank(self, seed: int) -> bytes:
        """Its place in the random order of this seed, which is the same in every session."""
        return hashlib.sha256(f"{seed} {self.file} {self.operator} {self.occurrence}".encode()).digest()


@dataclass(frozen=True)
class Verdict:
    """The outcome of the tests on a mutant. by: the first test that failed, or another end; "" for a survivor."""

    outcome: str
    by: str
    key: Key


class _Database(WorkDB):
    """The database of a session, with the mutants that count."""

    def __init__(self, path: Path, sources: Mapping[str, Source]) -> None:
        super().__init__(path, WorkDB.Mode.create)
        self._sources = sources

    def add_work_items(self, work_items: Iterable[WorkItem]) -> None:
        super().add_work_items(
            item
            for item in work_items
            for m in item.mutations
            if self._sources[str(m.module_path)].counts(m.operator_name, m.start_pos)
        )


class Session:
    """A session in `folder`, of the reference and the tests with these `digests` (file -> digest).

    It continues where the last one stopped. If the reference has changed, it starts again. If tests have changed, a
    kill remains valid where the file of the killing test is the same; every other mutant is open again.
    `session.sqlite` is an ordinary session of cosmic-ray, for cr-report and cr-html.
    """

    def __init__(self, folder: Path, sources: Mapping[str, Source], digests: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.digests = dict(digests)
        self._database = _Database(folder / "session.sqlite", sources)
        stamp = folder / "digests.json"
        before = json.loads(stamp.read_text(encoding="utf-8")) if stamp.exists() else {}
        if _of_reference(before) != _of_reference(digests):
            stamp.unlink(missing_ok=True)
            init([Path(file) for file in sources], self._database, {})
            before = dict(digests)
        self.mutants = [
            Mutant(item.job_id, str(m.module_path), m.operator_name, m.occurrence, m.start_pos)
            for item in self._database.work_items
            for m in item.mutations
        ]
        self.verdicts = {job: _verdict(result) for job, result in self._database.results if result != OPEN}
        changed = {file for file in before.keys() | digests.keys() if before.get(file) != digests.get(file)}
        helpers = {file for file in changed if not Path(file).name.startswith("test_")}
        for job, verdict in list(self.verdicts.items()):
            if helpers or (changed and (verdict.by.partition("::")[0] in {"", "timeout", "crash", *changed})):
                self._database.set_result(job, OPEN)
                del self.verdicts[job]
        write_json(stamp, digests)

    def in_random_order(self, seed: int) -> list[Mutant]:
        """All mutants that count: the first n are a random sample of n."""
        return sorted(self.mutants, key=lambda mutant: mutant.rank(seed))

    def keep(self, mutant: Mutant, verdict: Verdict) -> None:
        """Saves a verdict."""
        key = verdict.key
        self.verdicts[mutant.job] = verdict
        self._database.set_result(
            mutant.job,
            WorkResult(
                worker_outcome=WorkerOutcome.NORMAL,
                test_outcome=verdict.outcome,
                output=json.dumps({"by": verdict.by, "key": vars(key)}),
                diff=f"--- {key.file}: {key.definition}\n-{key.find}\n+{key.replace}",
            ),
        )


def _of_reference(digests: Mapping[str, str]) -> dict[str, str]:
    return {file: digest for file, digest in digests.items() if file.startswith("refimpl/")}


def _verdict(result: WorkResult) -> Verdict:
    record = json.loads(result.output)
    return Verdict(result.test_outcome.value, record["by"], Key(**record["key"]))
