"""The slots that a subject's run shows, checked against the names of its rule."""

from __future__ import annotations

from typing import Any

from conformance.judging.comparison import Mismatch
from conformance.subjects.subject import OptimizerRun


def shown_slots(run: OptimizerRun, spec: Any, **where: Any) -> dict[str, Any]:
    """What `run.state()` shows: every slot that `spec.slots()` names, or none, as libraries may hide them.

    Raises Mismatch for anything else: a slot that is missing, or under another name, would never be compared.
    """
    found, expected = run.state(), spec.slots()
    if isinstance(found, dict) and (not found or set(found) == set(expected)):
        return found
    facts: dict[str, Any] = {"expected": list(expected), "got": type(found).__name__}
    if isinstance(found, dict):
        facts["got"] = list(found)
        facts["missing"] = [slot for slot in expected if slot not in found]
        facts["unknown"] = [slot for slot in found if slot not in expected]
    names = f"slots() of this {spec!r}; a run that cannot show its slots returns {{}}"
    raise Mismatch("state() must have the slots of the rule", {**where, **facts, "names": names})
