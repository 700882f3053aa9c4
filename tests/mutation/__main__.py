"""Mutation testing of the reference: `python -m tests.mutation` judges a random sample of mutants."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict

from rich.console import Console

from conformance.report.files import write_json, write_whole
from tests.mutation import explanations, page
from tests.mutation.counted import Source
from tests.mutation.judge import ROOT, TESTS, Reach, judge, reach
from tests.mutation.session import KILLED, SURVIVED, Mutant, Session, Verdict

SAMPLE = 1000
LEAST_SCORE = 0.95
UNEXPLAINED = explanations.Reason("unexplained", "To be reviewed.")
BUILD, PAGE, DRAFT = ROOT / "build/mutation", ROOT / "docs/mutation.md", ROOT / "build/mutation/survivors.toml"


def digests() -> dict[str, str]:
    """File -> digest, of the reference and of its tests."""
    files = [*(ROOT / "refimpl").rglob("*.py"), *(ROOT / TESTS).rglob("*.py"), ROOT / "tests/conftest.py"]
    return {file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def reached(files: dict[str, str], console: Console) -> Reach:
    """Which tests call which function: from the last run that recorded it, if that was of these files."""
    path = BUILD / "reach.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if known.get("files") != files:
        console.print("recording which tests call which functions (once, takes some minutes)")
        known = {"files": files, "reach": asdict(reach())}
        write_json(path, known)
    return Reach(**known["reach"])


def judge_all(
    mutants: Sequence[Mutant],
    session: Session,
    sources: Mapping[str, Source],
    tests: Reach,
    workers: int,
    console: Console,
) -> None:
    """Judges these mutants in parallel, and saves each verdict at once.

    Raises SyntaxError for a mutant that is not Python and must not count, RuntimeError when files change meanwhile.
    """

    def verdict_on(mutant: Mutant) -> Verdict:
        source = sources[mutant.file]
        text = mutant.text(source)
        compile(text, mutant.file, "exec")
        outcome, by = judge(mutant.file, text, tests.plan(mutant.file, source.function(mutant.start)))
        return Verdict(outcome, by, source.key(mutant.start, text))

    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(verdict_on, mutant): mutant for mutant in mutants}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                verdict = future.result()
                if digests() != session.digests:
                    raise RuntimeError("refimpl or its tests changed while they were judged: run the command again")
                session.keep(futures[future], verdict)
                if number % 25 == 0:
                    console.print(f"{number} of {len(mutants)} judged")
        finally:
            pool.shutdown(cancel_futures=True)


def report(
    verdicts: Sequence[Verdict], total: int, sources: Mapping[str, Source], command: str, console: Console
) -> int:
    """Shows the score, and writes the page unless this is less than a sample. Returns 1 where work remains, else 0."""
    explained = explanations.read()
    survivors = {verdict.key for verdict in verdicts if verdict.outcome == SURVIVED}
    table = page.counts(((v.key, v.outcome, v.by) for v in verdicts), explained)
    page.show(console, table)
    mutants, killed = table["all"][:2]
    console.print(page.score(killed, mutants, total), highlight=False)

    unexplained = survivors - explained.keys()
    write_whole(DRAFT, explanations.draft(unexplained))
    obsolete = explanations.obsolete(explained, (v.key for v in verdicts if v.outcome == KILLED), sources)
    file = explanations.EXPLANATIONS.name
    defects = [f"the mutant is killed, or its text is gone: delete the entry of {file}: {key}" for key in obsolete]
    if unexplained:
        defects.append(f"{len(unexplained)} survivors have no explanation: complete {DRAFT.relative_to(ROOT)}")
    if killed < LEAST_SCORE * mutants:
        defects.append(f"the score is below {LEAST_SCORE:.0%}: strengthen the tests")
    for defect in defects:
        console.print(defect, markup=False, highlight=False, soft_wrap=True)
    if mutants >= min(SAMPLE, total):
        reasons = {key: explained.get(key, UNEXPLAINED) for key in survivors}
        write_whole(PAGE, page.page(table, reasons, total, command))
        console.print(f"written: {PAGE.relative_to(ROOT)}", highlight=False)
    return 1 if defects else 0


def run(size: int | None, seed: int, workers: int, console: Console) -> int:
    """Judges what remains of the sample, and reports."""
    explanations.read()  # a mistake in them shows now, not after an hour
    files = digests()
    sources = {
        file: Source(file, (ROOT / file).read_text(encoding="utf-8")) for file in files if file.startswith("refimpl/")
    }
    tests = reached(files, console)
    session = Session(BUILD, sources, files)
    total = len(session.mutants)
    sample = session.in_random_order(seed)[:size]
    remaining = [mutant for mutant in sample if mutant.job not in session.verdicts]
    console.print(f"{total} mutants, {len(sample)} in the sample, {len(remaining)} to be judged", highlight=False)
    judge_all(remaining, session, sources, tests, workers, console)
    words = ["make mutation", "ALL=1" if size is None else f"SAMPLE={size}", f"SEED={seed}"]
    command = " ".join(word for word in words if word not in {f"SAMPLE={SAMPLE}", "SEED=0"})
    return report([session.verdicts[mutant.job] for mutant in sample], total, sources, command, console)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", type=int, default=SAMPLE, help=f"number of mutants (default {SAMPLE})")
    size.add_argument("--all", action="store_true", help="all mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the random order (default 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="number of processes")
    arguments = parser.parse_args()
    if arguments.sample < 1 or arguments.workers < 1:
        parser.error("--sample and --workers must be at least 1")
    os.chdir(ROOT)
    with contextlib.suppress(KeyboardInterrupt):
        return run(None if arguments.all else arguments.sample, arguments.seed, arguments.workers, Console())
    return 130


if __name__ == "__main__":
    sys.exit(main())
