"""The long run without false alarms: correct subjects under one seed after another, and a record of what was compared.

`python -m tests.conformance.false_alarms` continues where an earlier one stopped: reports of the same code are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
from rich.console import Console

from conformance.judging.verdict import FAILS
from conformance.report import record
from conformance.report.files import write_json, write_whole
from conformance.report.markdown import NUMBERS, table
from conformance.running.runner import installed
from conformance.subjects import DEFAULT, Subject
from tests.conformance import correct_implementations

RIGHT = [
    f"{correct_implementations.__name__}:{name}"
    for name, found in vars(correct_implementations).items()
    if isclass(found) and issubclass(found, Subject) and found is not Subject
]
SUBJECTS = [*DEFAULT, *RIGHT]
ROOT = Path(__file__).parents[2]
REPORTS, PAGE = ROOT / "build/false-alarms", ROOT / "docs/false-alarms.md"


@dataclass(frozen=True)
class Part:
    """Cases that run together, the size and number of their examples, the subjects (None: all), and under which seeds:
    each, or the first of every so many."""

    cases: tuple[str, ...]
    size: int
    examples: int
    subjects: tuple[str, ...] | None = None
    every: int = 1


# Cases that draw other examples under each seed. Sizes and examples are chosen so that no family has nearly all
# comparisons.
FUNCTIONS = (
    "activations.elementwise", "activations.rows", "losses.batch", "losses.class_weights", "losses.positive_weights",
    "clipping.tree", "norms.adaptive",
)  # fmt: skip
COMPOSITIONS = (
    "networks.gradients",
    "networks.gradients_with_blocks",
    "normalization.running_statistics",
    "schedules.rates",
)
# JAX takes its time to compile each example, whatever its size: few, and large.
COMPILED, UNCOMPILED = ("jax",), tuple(subject for subject in SUBJECTS if subject != "jax")
PARTS = {
    "steps": Part(("optimizers.program",), size=24, examples=3, subjects=UNCOMPILED),
    "functions": Part(FUNCTIONS, size=36, examples=3, subjects=UNCOMPILED),
    "compositions": Part(COMPOSITIONS, size=16, examples=3, subjects=UNCOMPILED),
    "compiled": Part(("optimizers.program", *FUNCTIONS, *COMPOSITIONS), 48, examples=2, subjects=COMPILED, every=5),
}


class Incomplete(Exception):
    """A run that did not come to its end; the message says why."""


def command(part: Part, subjects: Iterable[str], seed: int, report: Path) -> list[str]:
    """The arguments of `conformance` for one part under one seed."""
    cases = [f"--case={case}" for case in part.cases]
    draws = [f"--size={part.size}", f"--examples={part.examples}", f"--seed={seed}"]
    return ["run", f"--subject={','.join(subjects)}", *cases, *draws, f"--report={report}"]


def digest(root: Path = ROOT) -> str:
    """Of the reference, the suite and the correct subjects: all that a verdict depends on, apart from the libraries."""
    suite = [file for room in ("refimpl", "conformance") for file in (root / room).rglob("*")]
    here = root / "tests/conformance"
    files = [file for file in suite if file.suffix in (".py", ".toml")]
    code = hashlib.sha256()
    files += [*(here / "correct_implementations").glob("*.py"), here / "false_alarms.py"]
    for file in sorted(files):
        code.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return code.hexdigest()


def draws_hang_on() -> dict[str, str]:
    """Versions, as a report has them, with which the same seed draws the same."""
    return {"python": platform.python_version(), "numpy": np.__version__, "hypothesis": hypothesis.__version__}


def report_of(
    arguments: Sequence[str], versions: Mapping[str, str], code: str, path: Path, console: Console
) -> dict[str, Any]:
    """The report of this command: the one that is there, where this code and these versions wrote it, or a new one.

    Raises Incomplete where there is none in the end, or where the code changes meanwhile.
    """
    if path.exists():
        kept = record.read(path)
        same = {"command": " ".join(["conformance", *arguments]), "subjects": versions, "code": code} | draws_hang_on()
        other = [what for what, value in same.items() if kept["environment"].get(what) != value]
        if not other:
            return kept
        console.print(f"{path.name} is of other {', '.join(other)}: judged again", highlight=False)
    path.unlink(missing_ok=True)  # what other code wrote must not pass for this one's
    run = subprocess.run([sys.executable, "-m", "conformance", *arguments], capture_output=True, text=True, check=False)
    if not path.exists():
        raise Incomplete(f"{run.stdout}{run.stderr}\nconformance {' '.join(arguments)}: no report")
    if digest() != code:
        raise Incomplete(f"the code changed while {path.name} was judged")
    report = record.read(path)
    report["environment"]["code"] = code
    write_json(path, report)
    return report


def run(seeds: Sequence[int], parts: Mapping[str, Part], subjects: Sequence[str], into: Path, console: Console) -> Any:
    """The merged report of every part under every seed. Raises Incomplete when one has no report."""
    versions, missing = installed(list(subjects))
    if missing:
        raise Incomplete("; ".join(f"{name}: {reason}" for name, reason in missing.items()))
    reports, comparisons, code = [], 0, digest()
    for seed in seeds:
        for name, part in parts.items():
            if (seed - 1) % part.every:
                continue
            path, of_part = into / f"seed-{seed}-{name}.json", part.subjects or subjects
            wanted = {subject: versions[subject] for subject in of_part}
            report = report_of(command(part, of_part, seed, path), wanted, code, path, console)
            reports.append(report)
            comparisons += report["totals"]["comparisons"]
            console.print(f"seed {seed}, {name}: {comparisons:,} comparisons so far", highlight=False)
    merged = record.merge(reports)
    if merged["totals"]["comparisons"] != comparisons:
        raise Incomplete(f"{comparisons} comparisons were made, {merged['totals']['comparisons']} are in the record")
    return merged


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the record. Returns 0 without an alarm, 1 with one, 2 for a run that is not complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 1 on (default %(default)s)")
    seeds = range(1, parser.parse_args(arguments).seeds + 1)
    console = Console()
    try:
        merged = run(seeds, PARTS, SUBJECTS, REPORTS, console)
    except (Incomplete, ValueError) as problem:
        print(f"{problem}\nThe record is not written. The same command continues from here.", file=sys.stderr)
        return 2
    write_json(REPORTS / "report.json", merged)
    write_whole(PAGE, page(merged, PARTS))
    for alarm in (r for r in merged["results"] if r["verdict"] == FAILS):
        console.print(f"{alarm['case']}: {alarm['reason']}\n  replay: {alarm['reproduce']}", markup=False)
    console.print(f"{merged['totals'][FAILS]} alarms in {merged['totals']['comparisons']:,} comparisons: {PAGE}")
    return 1 if merged["totals"][FAILS] else 0


# --- the record ------------------------------------------------------------------------------------------------------


def family(result: Mapping[str, Any]) -> str:
    """The file of a case."""
    return result["case"].partition(".")[0]


def total(results: Iterable[Mapping[str, Any]], what: str = "comparisons") -> int:
    return sum(result[what] for result in results)


def page(merged: Mapping[str, Any], parts: Mapping[str, Part]) -> str:
    """docs/false-alarms.md: the numbers of a merged report, every alarm with its replay."""
    results, runs = [r for r in merged["results"] if r["comparisons"] or r["verdict"] == FAILS], merged["environment"]
    environments = runs["merged"]
    alarms = [r for r in results if r["verdict"] == FAILS]
    dates = sorted(e["date"] for e in environments)
    families = sorted({family(r) for r in results})
    rows = [["subject", "seeds", *families, "all"]]
    for name in [*dict.fromkeys(name for e in environments for name in e["subjects"]), "all"]:
        of_name = [r for r in results if name in (r["subject"], "all")]
        counts = [len({r["seed"] for r in of_name})]
        counts += [*(total(r for r in of_name if family(r) == f) for f in families), total(of_name)]
        rows.append([name.rpartition(":")[2], *(f"{count:,}" if count else "–" for count in counts)])
    everything = max(1, total(results))
    rows.append(
        ["share", "", *(f"{total(r for r in results if family(r) == f) / everything:.1%}" for f in families), ""]
    )
    first = environments[0]
    return _PAGE.format(
        comparisons=f"{total(results):,}",
        alarms=_counted(len(alarms), "alarm"),
        seeds=_counted(len({r["seed"] for r in results}), "seed"),
        table=table(rows[0], rows[1:], NUMBERS),
        replays="".join(f"\n- {r['case']}, {r['subject']}: {r['reason']}\n  `{r['reproduce']}`" for r in alarms),
        masked=f"{total(results, 'masked'):,}",
        undecided=f"{total(results, 'undecided'):,}",
        loose=f"{total(results, 'loose'):,}",
        diverging=f"{total(results, 'diverging'):,}",
        parts=table(
            ["cases", "subjects", "size", "examples per case and seed", "one seed in"],
            [
                [", ".join(part.cases), _named(part.subjects), *map(str, (part.size, part.examples, part.every))]
                for part in parts.values()
            ],
            NUMBERS,
        ),
        versions=", ".join(sorted({v for e in environments for v in e["subjects"].values() if v})),
        hypothesis=first["hypothesis"],
        python=first["python"],
        platform=first["platform"],
        dates=f"{dates[0][:10]}" if dates[0][:10] == dates[-1][:10] else f"{dates[0][:10]} to {dates[-1][:10]}",
    )


def _named(subjects: Sequence[str] | None) -> str:
    return "all but " + ", ".join(COMPILED) if subjects == UNCOMPILED else ", ".join(subjects or ("all",))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


_PAGE = """\
<!-- Written by `make false-alarms`; changes belong there. -->

# The long run without false alarms

**{comparisons} elements compared under {seeds}: {alarms}.** A correct subject never exceeds a derived bound, however
many elements are compared. It would exceed a tuned bound in the end.
{replays}

{table}

A cell counts elements of results that were compared with their certified bound. `refimpl` is the reference in plain
float64. The subjects below it are NumPy implementations that are correct and written differently: other orders of
operations, fused and wider operations, other forms of a formula (`tests/conformance/correct_implementations/`).
PyTorch and JAX run in all their variants. Every subject runs in all its formats, float32 and float64.

Of these elements {loose} are loose: the bound is larger than the element, so that zero would pass too. {undecided} are
undecided: the bound covers both outcomes of a comparison that rounding can reverse. {diverging} are accounted for by a
declared divergence (`conformance/judging/divergences/`). {masked} more elements are masked: no bound can be derived for
them, and they are not counted.

An alarm is any case that fails: an element outside its bound, an error, a vacuous comparison, or a declared divergence
that no longer shows.

## What was drawn

{parts}

Size multiplies the elements of the arrays of a case. Each seed draws other programs of steps, hyperparameters, shapes
and numbers. Subjects and variants of one row get the same examples. JAX compiles each example for some seconds,
whatever its size, and gets fewer and larger examples.

Left out are the cases with fixed inputs, among them accumulated gradients and averaged parameters. Left out are also
the cases of initializers, which decide by statistics of draws at a stated false-alarm rate.

Versions: {versions}; Hypothesis {hypothesis}, Python {python}, {platform}. Date: {dates}.

`make false-alarms` repeats the run and continues where it was interrupted. It fails if there is an alarm, and the alarm
appears here with the command that replays it.
"""


if __name__ == "__main__":
    sys.exit(main())
