"""The long attack on the bounds: `python -m tests.attack` continues where it stopped, and writes docs/attack.md."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console

from conformance.report.files import write_json, write_whole
from tests.attack import page, parts
from tests.attack.record import Record

ROOT = Path(__file__).parents[2]
BUILD, PAGE = ROOT / "build/attack", ROOT / "docs/attack.md"
WORKERS = 2


def digest(root: Path = ROOT) -> str:
    """The digest of all code that a ratio depends on, except the libraries: the reference and the attack."""
    files = sorted([*(root / "refimpl").rglob("*.py"), *(root / "tests/attack").rglob("*.py")])
    code = hashlib.sha256()
    for file in files:
        code.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return code.hexdigest()


def run(names: Sequence[str], into: Path, workers: int, console: Console) -> tuple[Record, float]:
    """The merged record of all parts, including those that an earlier run of this code saved, and the hours they took.

    Raises RuntimeError when the code changes meanwhile.
    """
    code, merged, seconds, done = digest(), Record(), 0.0, 0
    saved = {name: into / code[:16] / (re.sub(r"[^\w.]+", "-", name) + ".json") for name in names}

    def take(name: str) -> None:
        nonlocal seconds, done
        found = json.loads(saved[name].read_text(encoding="utf-8"))
        merged.merge(Record.from_json(found["record"]))
        seconds, done = seconds + found["seconds"], done + 1

    remaining = [name for name in names if not saved[name].exists()]
    for name in names:
        if name not in remaining:
            take(name)
    console.print(f"{len(names)} parts, {len(remaining)} to run", highlight=False)
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(_timed, name): name for name in remaining}
        try:
            for future in as_completed(futures):
                name, (record, took) = futures[future], future.result()
                if digest() != code:
                    raise RuntimeError("the code changed while it was attacked: run the command again")
                write_json(saved[name], {"record": record, "seconds": took})
                take(name)
                worst = max((e.worst for groups in record.values() for e in map(_entry, groups.values())), default=0.0)
                line = f"{done:4} of {len(names)}  {merged.compared:14,} elements  {worst:.4f}  {name}"
                console.print(line[:79], highlight=False, markup=False)
        finally:
            pool.shutdown(cancel_futures=True)
    return merged, seconds / 3600


def _entry(entry: dict) -> object:
    return argparse.Namespace(**entry)


def _timed(name: str) -> tuple[dict, float]:
    begin = time.process_time()
    return parts.run(name), time.process_time() - begin


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page when all parts have run. Returns 1 for a ratio above 1, 0 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--only", default="", help="run parts whose name contains this; writes no page")
    parser.add_argument("--workers", type=int, default=min(WORKERS, os.cpu_count() or 1), help="number of processes")
    options = parser.parse_args(arguments)
    names = [name for name in parts.all_parts() if options.only in name]
    if not names:
        parser.error(f"no part contains {options.only!r}; there are {', '.join(parts.all_parts())}")
    console = Console()
    record, hours = run(names, BUILD, options.workers, console)
    beyond = record.beyond()
    for rule, group, entry in beyond:
        console.print(f"{rule}, {group}: {entry.worst:.6g} bounds\n  {entry.where}", markup=False, highlight=False)
    console.print(f"{len(beyond)} ratios above 1 in {record.compared:,} elements", highlight=False)
    if not options.only:
        write_whole(PAGE, page.page(record, hours))
        console.print(f"written: {PAGE.relative_to(ROOT)}", highlight=False)
    return 1 if beyond else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
