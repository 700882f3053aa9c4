"""The pytest plugin: runs every case for every chosen subject, and turns outcomes into results."""

from __future__ import annotations

import os
import re
import sysconfig
import time
import traceback
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import refimpl
from conformance.judging import divergences
from conformance.judging.comparison import Comparison, Mismatch
from conformance.judging.verdict import judge
from conformance.running.aliasing_guard import lending
from conformance.running.case import CASES, Case, own_id, topic
from conformance.strategies.draws import EXAMPLES, SIZE, load_profile
from conformance.subjects import NoDevice, Subject, Unsupported, load
from conformance.subjects.subject import THEOREM

_LIBRARIES = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
_LIBRARIES += [Path(refimpl.__file__).parent, CASES.parent]
_JUDGED = [CASES, CASES.parent / "subjects"]

RESULT = "conformance"  # the user property that carries a result from worker to controller


@dataclass(frozen=True)
class Chosen:
    """One subject in one variant, format and device; `variant` None stands for a capability it does not have."""

    name: str
    subject: type[Subject]
    variant: str | None
    dtype: str
    device: str

    def __str__(self) -> str:
        return "-".join(part for part in (self.name, self.variant, self.dtype, self.device) if part)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--subject", action="append", default=[], help="torch, jax, or package.module:Class; repeatable")
    group.addoption("--variant", action="append", default=[], help="only these variants")
    group.addoption("--dtype", action="append", default=[], help="only these formats")
    group.addoption("--device", default="present", help="present, accelerator (all except cpu), or the name of one")
    group.addoption("--case", action="append", default=[], help="only cases with this text in their id")
    group.addoption("--examples", type=int, default=EXAMPLES, help="Hypothesis examples per case")
    group.addoption("--size", type=int, default=SIZE, help="multiply the elements of drawn arrays by this")


def pytest_configure(config: pytest.Config) -> None:
    load_profile(config.getoption("--examples"), config.getoption("--size"), _seed(config))


def _seed(config: pytest.Config) -> int | None:
    """The seed that was asked for; Hypothesis has it as text."""
    seed = config.getoption("--hypothesis-seed")
    return None if seed is None else int(seed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    described = getattr(metafunc.function, "case", None)
    if described is None:
        return
    chosen = list(choices(metafunc.config, described))
    metafunc.parametrize("subject", chosen, indirect=True, ids=str)


def choices(config: pytest.Config, described: Case) -> Iterator[Chosen]:
    """Every subject, variant, format and device that the options choose, for one case."""
    formats = config.getoption("--dtype")
    for name in config.getoption("--subject"):
        subject = load(name)
        if described.capability == THEOREM and THEOREM not in subject.variants:
            continue
        variants = _variants(subject, described, config.getoption("--variant"))
        for device in _devices(subject, config.getoption("--device")):
            for dtype in subject.dtypes:
                if not formats or dtype in formats:
                    yield from (Chosen(name, subject, variant, dtype, device) for variant in variants)


def _variants(subject: type[Subject], described: Case, wanted: list[str]) -> list[str | None]:
    offered = subject.variants.get(described.capability, (None,))
    chosen = [variant for variant in offered if not wanted or variant in wanted]
    return chosen[:1] if described.in_one_variant else chosen


def _devices(subject: type[Subject], wanted: str) -> tuple[str, ...]:
    if wanted == "present":
        return subject.devices()
    if wanted == "accelerator":
        return tuple(device for device in subject.devices() if device != "cpu") or ("accelerator",)
    return (wanted,)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A test that is no case makes collection fail: it has no verdict, and must not be left out in silence."""
    report = yield
    strangers = [node for node in report.result if isinstance(node, pytest.Item) and not _is_case(node)]
    if strangers:
        names = dict.fromkeys(getattr(item, "originalname", item.name) for item in strangers)
        report.outcome = "failed"
        file = os.path.relpath(collector.path)
        report.longrepr = "\n".join(f"{name} in {file} is not a case: decorate it with @case(...)" for name in names)
    return report


def _is_case(item: Any) -> bool:
    return hasattr(getattr(item, "function", None), "case")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    kept = [item for item in items if _wanted(config, item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    # Workers take neighbours, and what one compiles for one format it can use for that format again.
    items[:] = sorted(kept, key=lambda item: item.callspec.params["subject"].dtype)


def _wanted(config: pytest.Config, item: Any) -> bool:
    if not isinstance(item.callspec.params["subject"], Chosen):
        return False  # what pytest makes of a case that no chosen subject runs
    texts = config.getoption("--case")
    return not texts or any(text in case_id(item) for text in texts)


def base_id(item: Any) -> str:
    """Id of a case without parameters: its topic and its function."""
    return f"{topic(item.path)}.{item.originalname.removeprefix('test_')}"


def case_id(item: Any) -> str:
    """Stable id of a case: its topic, its function and its own parameters, without those of the subject."""
    return base_id(item) + own_id(value for name, value in item.callspec.params.items() if name != "subject")


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """The subject a case runs on, ready for its capability and device."""
    chosen: Chosen = request.param
    capability = request.function.case.capability
    if chosen.device not in chosen.subject.devices():
        raise NoDevice(f"{chosen.name} has no device {chosen.device!r}: it has {', '.join(chosen.subject.devices())}")
    if chosen.variant is None:
        raise Unsupported(f"{chosen.name} does not offer {capability}")
    instance = lending(chosen.subject(chosen.variant, chosen.dtype, chosen.device))
    instance.smoke()
    rule = request.node.callspec.params.get("rule")
    if rule is not None:
        instance.fixed(rule)
    return instance


@pytest.fixture
def dtype(subject: Subject) -> str:
    """Name of the format the case runs in."""
    return subject.dtype


@pytest.fixture
def device(subject: Subject) -> str:
    """Name of the device the case runs on."""
    return subject.device


@pytest.fixture
def compare(request: pytest.FixtureRequest, subject: Subject) -> Comparison:
    """Compares, counts, and accepts what a declared divergence of this case accounts for."""
    divergence = divergences.declared(subject.name, case_id(request.node), subject.dtype, subject.variant)
    accepted = (divergence.kind, divergence.factor, divergence.steps) if divergence else ()
    request.node.comparison = Comparison(subject.dtype, *accepted)
    return request.node.comparison


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: pytest.CallInfo) -> Generator[None, Any, Any]:
    report = yield
    if call.when == "call" or (call.when == "setup" and call.excinfo):
        report.user_properties.append((RESULT, _result(item, call)))
    return report


def _draws(item: Any) -> tuple[int, int]:
    """How many draws the case took, and how many it discarded. Hypothesis fails a case for that itself, but only from
    50 on, which so few examples do not reach."""
    phases = re.findall(r"(\d+) passing, \d+ failing, and (\d+) invalid", getattr(item, "hypothesis_statistics", ""))
    return sum(int(passing) for passing, _ in phases), sum(int(invalid) for _, invalid in phases)


def _result(item: Any, call: pytest.CallInfo) -> dict[str, Any]:
    chosen: Chosen = item.callspec.params["subject"]
    raised = call.excinfo.value if call.excinfo else None
    comparison = getattr(item, "comparison", None)
    if comparison is None or isinstance(raised, Unsupported):  # which may come after a comparison or two
        comparison = Comparison(chosen.dtype)
    comparison.tally.draws, comparison.tally.discarded = _draws(item)
    divergence = divergences.declared(chosen.subject.name, case_id(item), chosen.dtype, chosen.variant or "")
    verdict = judge(raised, comparison.tally, divergence, chosen.subject.version())
    result = {
        "case": case_id(item),
        "statement": item.function.case.statement,
        "subject": chosen.name,
        "version": chosen.subject.version(),
        "variant": chosen.variant or "",
        "dtype": chosen.dtype,
        "device": chosen.device,
        "seed": _seed(item.config),
        "verdict": verdict.name,
        "reason": verdict.reason,
        **comparison.result(),
        "seconds": round(time.time() - call.start, 3),
    }
    if divergence is not None and verdict.name == "diverges":
        result["divergence"] = divergence.id
    if verdict.name == "fails":
        result["counterexample"] = _counterexample(raised)
        result["reproduce"] = _reproduce(item.config, item, chosen)
    return result


def _counterexample(raised: BaseException | None) -> dict[str, str]:
    if isinstance(raised, Mismatch):
        return {"what": raised.what} | {name: _shown(name, value) for name, value in raised.facts.items()}
    if raised is None:
        return {}
    frames = traceback.extract_tb(raised.__traceback__)
    # The last line of the code that is judged, or of the case: below it are only the libraries that it calls.
    own = [frame for frame in frames if not _is_of_a_library(Path(frame.filename))] or frames
    raised_at = f"{os.path.relpath(own[-1].filename)}:{own[-1].lineno}"
    return {"what": f"{type(raised).__name__}: {raised}", "raised_at": raised_at}


def _is_of_a_library(file: Path) -> bool:
    return any(map(file.is_relative_to, _LIBRARIES)) and not any(map(file.is_relative_to, _JUDGED))


def _shown(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return repr(value) if name in ("expected", "got") else f"{value:.9g}"  # these two may differ in the last digit


def _reproduce(config: pytest.Config, item: Any, chosen: Chosen) -> str:
    parts = [
        "python -m conformance run",
        f"--subject {chosen.name}",
        f"--dtype {chosen.dtype}",
        f"--case '{case_id(item)}'",
    ]
    if not item.path.is_relative_to(CASES):
        parts.append(f"--cases {os.path.relpath(item.path)}")
    if chosen.variant:
        parts.append(f"--variant {chosen.variant}")
    if len(chosen.subject.devices()) > 1:
        parts.append(f"--device {chosen.device}")
    if config.getoption("--examples") != EXAMPLES:
        parts.append(f"--examples {config.getoption('--examples')}")
    if config.getoption("--size") != SIZE:
        parts.append(f"--size {config.getoption('--size')}")
    if _seed(config) is not None:
        parts.append(f"--seed {_seed(config)}")
    return " ".join(parts)
