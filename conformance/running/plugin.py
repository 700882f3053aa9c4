"""The pytest plugin: runs every case for every chosen subject, and turns outcomes into results."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

from conformance.judging import divergences
from conformance.judging.comparison import Comparison
from conformance.running.aliasing_guard import guarded
from conformance.running.chosen import Chosen, case_id, choices, seed, wanted
from conformance.running.result import result
from conformance.strategies.draws import EXAMPLES, SIZE, load_profile
from conformance.subjects import NoDevice, Subject, Unsupported

RESULT = "conformance"  # the user property that carries a result from worker to controller


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
    load_profile(config.getoption("--examples"), config.getoption("--size"), seed(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    described = getattr(metafunc.function, "case", None)
    if described is None:
        return
    chosen = list(choices(metafunc.config, described))
    metafunc.parametrize("subject", chosen, indirect=True, ids=str)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A test that is no case makes collection fail: it has no verdict, and must not be left out in silence."""
    report = yield
    others = [node for node in report.result if isinstance(node, pytest.Item) and not _is_case(node)]
    if others:
        names = dict.fromkeys(getattr(item, "originalname", item.name) for item in others)
        report.outcome = "failed"
        file = os.path.relpath(collector.path)
        report.longrepr = "\n".join(f"{name} in {file} is not a case: decorate it with @case(...)" for name in names)
    return report


def _is_case(item: Any) -> bool:
    return hasattr(getattr(item, "function", None), "case")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    kept = [item for item in items if wanted(config, item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    # Workers take neighbours, and what one compiles for one format it can use for that format again.
    items[:] = sorted(kept, key=lambda item: item.callspec.params["subject"].dtype)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """The subject a case runs on, ready for its capability and device."""
    chosen: Chosen = request.param
    capability = request.function.case.capability
    if chosen.device not in chosen.subject.devices():
        raise NoDevice(f"{chosen.name} has no device {chosen.device!r}: it has {', '.join(chosen.subject.devices())}")
    if chosen.variant is None:
        raise Unsupported(f"{chosen.name} does not offer {capability}")
    instance = guarded(chosen.subject(chosen.variant, chosen.dtype, chosen.device))
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
        report.user_properties.append((RESULT, result(item, call)))
    return report
