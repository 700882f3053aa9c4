"""Running the suite: a pytest session with the plugin, seen through a progress bar, ending in a report."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.judging.verdict import FAILS
from conformance.report import record, terminal
from conformance.report.files import write_json
from conformance.running.case import CASES
from conformance.running.known_divergences import unmatched
from conformance.running.plugin import RESULT
from conformance.subjects import load


class Session:
    """The controller's side of a run: collects results and problems in place of pytest's own terminal output."""

    def __init__(self, console: Console) -> None:
        self.results: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.expected = 0
        self.progress = Progress(
            TextColumn("[bold]conformance"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[state]}"), console=console, transient=True,
        )  # fmt: skip
        self.task = self.progress.add_task("cases", total=None, state="collecting")
        self.failed = 0

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self._expect(len(ids))

    def _expect(self, count: int) -> None:
        self.expected = max(self.expected, count)
        self.progress.update(self.task, total=self.expected, state="")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(f"{report.nodeid}\n{report.longrepr}".strip())  # a custom file has no id

    def pytest_internalerror(self, excrepr: Any) -> None:
        self.problems.append(str(excrepr))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        result: Any = dict(report.user_properties).get(RESULT)
        if result is not None and report.when in ("setup", "call"):
            self.results.append(result)
            self.failed += result["verdict"] == FAILS
            self.progress.update(self.task, advance=1, state=f"[red]{self.failed} failing" if self.failed else "")
        elif report.failed:
            self.problems.append(f"{report.nodeid} ({report.when})\n{report.longrepr}")


class Incomplete(Exception):
    """A run that did not come to its end; the message says why."""


def run(
    subjects: list[str],
    *,
    options: list[str],
    report_path: Path,
    cases: list[Path],
    workers: str = "auto",
    seed: int | None = None,
    console: Console | None = None,
) -> int:
    """Runs the cases on the subjects and shows the report. Returns 0 when nothing fails, 1 when something does or
    nothing was compared, 2 when the run is not complete, and then leaves no report."""
    console = console or terminal.screen()
    try:
        report = record_of(
            subjects, options=options, report_path=report_path, cases=cases, workers=workers, seed=seed, console=console
        )
    except Incomplete as problem:
        console.print(str(problem), markup=False, highlight=False)
        return 2
    terminal.show(console, report)
    console.print(f"report: {relative(report_path)}", highlight=False)
    if report["totals"]["comparisons"] == 0 and not report["totals"][FAILS]:
        console.print("nothing was compared: the subjects lack what these cases need, and the report says what")
        return 1
    return 1 if report["totals"][FAILS] else 0


def record_of(
    subjects: list[str],
    *,
    options: list[str],
    report_path: Path,
    cases: list[Path],
    workers: str,
    seed: int | None,
    console: Console,
) -> dict[str, Any]:
    """Runs the cases on the subjects that are installed, writes the report and returns it. `options` are those of the
    plugin. Raises Incomplete when the run does not reach its end, and then leaves no report."""
    report_path.unlink(missing_ok=True)  # a report of an earlier run must not pass for this one's
    versions, missing = installed(subjects)
    for name, reason in missing.items():
        console.print(f"{name}: {reason}", highlight=False)
    if not versions:
        raise Incomplete("no subject is installed: nothing was compared")
    if problems := [problem for name in versions for problem in unmatched(load(name))]:
        raise Incomplete("\n".join(problems))
    session = Session(console)
    arguments = [
        *map(str, [CASES, *cases]),
        "-p",
        "conformance.running.plugin",
        "-p",
        "no:cacheprovider",
        "--assert=plain",
        *options,
    ]
    arguments += ["-o", "python_files=*.py", "-o", "addopts=", "--import-mode=importlib", f"--rootdir={CASES.parent}"]
    arguments += [f"--subject={name}" for name in versions]
    if workers != "0":
        arguments += ["-n", workers, "--dist=worksteal"]
    if seed is not None:
        arguments.append(f"--hypothesis-seed={seed}")
    with session.progress:
        status = pytest.main(arguments, plugins=[session])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise Incomplete("no case matches the options: `conformance list` shows all ids")
    if session.problems or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise Incomplete("\n".join([*session.problems, f"the run stopped early ({status!r})"]))
    if len(session.results) != session.expected:
        raise Incomplete(f"the run is not complete: {len(session.results)} of {session.expected} cases have a result")
    report = record.record(environment(versions, missing, seed, options), session.results)
    write_json(report_path, report)
    return report


def installed(subjects: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the subjects that are installed, and why each of the others is not."""
    versions, missing = {}, {}
    for name in subjects:
        try:
            versions[name] = load(name).version()
        except ImportError as problem:
            missing[name] = str(problem)
    return versions, missing


def environment(
    versions: dict[str, str], missing: dict[str, str], seed: int | None, options: list[str]
) -> dict[str, Any]:
    """What a reader of the report needs in order to run the same again."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "numpy": np.__version__,
        "hypothesis": hypothesis.__version__,
        "subjects": versions,
        "not_installed": missing,
        "seed": seed,
        "options": options,
        "command": " ".join(["conformance", *sys.argv[1:]]),
    }


def relative(path: Path) -> Path:
    """The path as seen from here, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
