"""What the options of a run choose: cases, subjects, variants, formats and devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.running.case import Case, own_id, topic
from conformance.subjects import Subject, load
from conformance.subjects.subject import THEOREM


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


def wanted(config: pytest.Config, item: Any) -> bool:
    """Whether the options choose this case, and a subject that runs it."""
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


def seed(config: pytest.Config) -> int | None:
    """The seed that the options choose; Hypothesis has it as text."""
    seed = config.getoption("--hypothesis-seed")
    return None if seed is None else int(seed)
