"""Runs tests of the reference in separate processes: all, to see what each reaches, or those that reach a mutant."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType
from typing import Any

import hypothesis
import ml_dtypes  # noqa: F401  # and what follows: imported once, here, not in each process
import mpmath  # noqa: F401
import numpy  # noqa: F401
import pytest

from tests.mutation.counted import first_line

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/refimpl"
MEMORY = 8 * 2**30  # bytes of address space: a mutant that needs more fails
COLLECTION_SECONDS = 60
TEST_SECONDS, TEST_FACTOR = 10, 10  # a test may take this long plus this many times its usual time

_STARTED = "started"
_CALLED = "_called_while_watched"  # the name of the function that watched code calls
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Reach:
    """What one run of all tests on the unchanged reference has shown.

    seconds: of each test, in the order they ran. calls: the functions that each called, as "file:first line". imported:
    the functions that were called while tests were collected.
    """

    seconds: Mapping[str, float]
    calls: Mapping[str, list[str]]
    imported: list[str]

    def plan(self, file: str, function: int | None) -> dict[str, float]:
        """The tests that may see a change of this function (None: of code that runs on import), best first -> seconds.

        A test that takes more than these seconds of processor time is in an endless loop. Files of tests are taken
        whole, since one test may use what another computes. Within them, tests that call the function come first (those
        that call anything in its file, for a change on import), the quickest first.
        """
        changed = f"{file}:{function}"
        everywhere = function is None or changed in self.imported
        reaching = {
            test
            for test, calls in self.calls.items()
            if (any(call.startswith(f"{file}:") for call in calls) if everywhere else changed in calls)
        }
        files = {_file(test) for test in reaching}
        tests = [test for test in self.seconds if everywhere or _file(test) in files]
        tests.sort(key=lambda test: (test not in reaching, self.seconds[test]))
        return {test: TEST_SECONDS + TEST_FACTOR * self.seconds[test] for test in tests}


def reach(tests: str = TESTS) -> Reach:
    """Runs the tests of a folder or file, and records which functions of the reference each calls.

    Raises RuntimeError where one fails.
    """
    outcome, by, watched = _in_a_process(_watch, tests)
    if outcome != "survived":
        raise RuntimeError(f"the tests of the reference must pass before they judge mutants: repair {by}")
    return watched


def judge(file: str, text: str, plan: Mapping[str, float]) -> tuple[str, str]:
    """Runs the tests of a plan on the reference with this text in this file: "killed" or "survived", and by what.

    The latter is the first test that failed, "timeout", or "crash" for a process that ended without a result. Raises
    RuntimeError where no test could run.
    """
    if not plan:
        return "survived", ""
    outcome, by, _ = _in_a_process(_run, file, text, dict(plan))
    return outcome, by


def _in_a_process(function: Callable[..., None], *arguments: Any) -> tuple[str, str, Any]:
    receiver, sender = _forks.Pipe(duplex=False)
    process = _forks.Process(target=function, args=(sender, *arguments), daemon=True)
    process.start()
    sender.close()
    messages = []
    with contextlib.suppress(EOFError):
        while True:
            messages.append(receiver.recv())
    process.join()
    if not messages:  # it was not the mutant that ended it
        raise RuntimeError(f"a process to run tests in did not start: exit code {process.exitcode}")
    answer = messages[-1]
    if answer == _STARTED:
        return "killed", "timeout" if process.exitcode == -signal.SIGPROF else "crash", None
    if answer[0] == "broken":  # no verdict on anything
        raise RuntimeError(f"pytest could not run the tests: {answer[1]}")
    return answer


# --- in the process ---


def _watch(sender: Connection, tests: str) -> None:
    sender.send(_STARTED)
    watcher = _Watcher()
    sys.meta_path.insert(0, _Changed(watcher.watched))
    outcome, by = _pytest([tests], watcher)
    sender.send((outcome, by, Reach(watcher.seconds, watcher.calls, sorted(watcher.imported))))


def _run(sender: Connection, file: str, text: str, plan: dict[str, float]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.meta_path.insert(0, _Changed(lambda found: compile(text, found, "exec") if found == str(ROOT / file) else None))
    sender.send(_STARTED)
    outcome, by = _pytest(sorted({_file(test) for test in plan}), _Planned(plan))
    sender.send((outcome, by, None))


def _pytest(files: list[str], plugin: object) -> tuple[str, str]:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    # The first failure is enough: examples are not shrunk or explained.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("first-failure", derandomize=True, deadline=None, phases=phases)
    first = _FirstFailure()
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-profile=first-failure"]
    code = pytest.main([*options, *files], plugins=[plugin, first])
    interrupted = code == pytest.ExitCode.INTERRUPTED and not first.name
    if interrupted or code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        return "broken", f"pytest {' '.join(files)}: {code!r}"
    return ("survived", "") if code == pytest.ExitCode.OK else ("killed", first.name or "crash")


class _FirstFailure:
    """Remembers the test, or the file, that failed first."""

    name = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


class _Watcher:
    """Records the time and the called functions of each test."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, list[str]] = {}
        self.imported: set[str] = set()
        self._called = self.imported
        builtins.__dict__[_CALLED] = lambda name: self._called.add(name)

    def watched(self, path: str) -> CodeType:
        """The code of a file of the reference in which every function first records that it is called."""
        file = Path(path).relative_to(ROOT).as_posix()
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                [record] = ast.parse(f"{_CALLED}({f'{file}:{first_line(node)}'!r})").body
                node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, record)
        return compile(tree, path, "exec")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._called = set()
        start = time.process_time()
        yield
        self.seconds[item.nodeid] = round(time.process_time() - start, 4)
        self.calls[item.nodeid] = sorted(self._called)


class _Planned:
    """Runs the tests in the order of the plan, each within its time."""

    def __init__(self, plan: Mapping[str, float]) -> None:
        self._plan, self._longest = plan, max(plan.values())
        self._order = {test: place for place, test in enumerate(plan)}
        _end_after(COLLECTION_SECONDS)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # A test that the plan does not contain got its name from the change: it comes first.
        items.sort(key=lambda item: self._order.get(item.nodeid, -1))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        _end_after(self._plan.get(item.nodeid, self._longest))
        yield
        _end_after(COLLECTION_SECONDS)


def _end_after(seconds: float) -> None:
    """Ends the process after it has used this much more processor time. The signal also works inside compiled code."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


class _Changed(importlib.abc.MetaPathFinder):
    """Imports files of the reference with the code that `code` returns for a path, if any; no file is written."""

    def __init__(self, code: Callable[[str], CodeType | None]) -> None:
        self._code = code

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != "refimpl":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        code = self._code(spec.origin) if spec is not None and spec.origin else None
        if spec is not None and code is not None:
            spec.loader = _Loader(name, spec.origin, code)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, name: str) -> CodeType:
        return self._code


def _file(test: str) -> str:
    return test.partition("::")[0]
