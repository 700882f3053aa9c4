"""The result of one case: its verdict, what it compared, the counterexample, and the command that replays it."""

from __future__ import annotations

import os
import re
import sysconfig
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

import refimpl
from conformance.judging import divergences
from conformance.judging.comparison import Comparison, Mismatch
from conformance.judging.verdict import judge
from conformance.running.case import CASES
from conformance.running.chosen import Chosen, case_id, seed
from conformance.strategies.draws import EXAMPLES, SIZE
from conformance.subjects import Unsupported

_LIBRARIES = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
_LIBRARIES += [Path(refimpl.__file__).parent, CASES.parent]
_JUDGED = [CASES, CASES.parent / "subjects"]


def _draws(item: Any) -> tuple[int, int]:
    """How many draws the case took, and how many it discarded. Hypothesis fails a case for that itself, but only from
    50 on, which so few examples do not reach."""
    phases = re.findall(r"(\d+) passing, \d+ failing, and (\d+) invalid", getattr(item, "hypothesis_statistics", ""))
    return sum(int(passing) for passing, _ in phases), sum(int(invalid) for _, invalid in phases)


def result(item: Any, call: pytest.CallInfo) -> dict[str, Any]:
    """The result of one case on one subject, as the report has it."""
    chosen: Chosen = item.callspec.params["subject"]
    raised = call.excinfo.value if call.excinfo else None
    comparison = getattr(item, "comparison", None)
    if comparison is None or isinstance(raised, Unsupported):  # which may come after a comparison or two
        comparison = Comparison(chosen.dtype)
    comparison.tally.draws, comparison.tally.discarded = _draws(item)
    divergence = divergences.declared(chosen.subject.name, case_id(item), chosen.dtype, chosen.variant or "")
    verdict = judge(raised, comparison.tally, divergence, chosen.subject.version())
    facts = {
        "case": case_id(item),
        "statement": item.function.case.statement,
        "subject": chosen.name,
        "version": chosen.subject.version(),
        "variant": chosen.variant or "",
        "dtype": chosen.dtype,
        "device": chosen.device,
        "seed": seed(item.config),
        "verdict": verdict.name,
        "reason": verdict.reason,
        **comparison.result(),
        "seconds": round(time.time() - call.start, 3),
    }
    if divergence is not None and verdict.name == "diverges":
        facts["divergence"] = divergence.id
    if verdict.name == "fails":
        facts["counterexample"] = counterexample(raised)
        facts["reproduce"] = replay(item.config, item, chosen)
    return facts


def counterexample(raised: BaseException | None) -> dict[str, str]:
    """What a failed case raised, and at which element or line; empty where it raised nothing."""
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


def replay(config: pytest.Config, item: Any, chosen: Chosen) -> str:
    """The command that runs one case again on one subject."""
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
    if seed(config) is not None:
        parts.append(f"--seed {seed(config)}")
    return " ".join(parts)
