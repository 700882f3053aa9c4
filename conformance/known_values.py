"""Known exact values of a rule: under the conventions that a subject has, with the bound of the rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from conformance.judging.comparison import Mismatch
from conformance.subjects import Subject, Unsupported
from refimpl.arithmetic import RunningError
from refimpl.spec import Spec


def supported_values(subject: Subject, rule: type[Spec], field: str, values: Sequence[Any]) -> Sequence[Any]:
    """The value or values that the subject fixes for a field of `rule`, or else all of `values`. Raises Unsupported."""
    fixed = subject.fixed(rule)
    if field not in fixed:
        return values
    return fixed[field] if isinstance(fixed[field], tuple) else [fixed[field]]


def offered(subject: Subject, requests: Iterable[tuple[type[Spec], Mapping[str, Any], Any]]) -> list[tuple[Any, Any]]:
    """Of requests (rule, fields, known): the spec, and what is known of it, of each that the subject offers.

    Raises Unsupported where it offers none, for the reason of the last one.
    """
    specs, reason = [], Unsupported("nothing is requested")
    for rule, fields, known in requests:
        try:
            specs.append((subject.spec(rule, **fields), known))
        except Unsupported as lacking:
            reason = lacking
    if not specs:
        raise reason
    return specs


def summed(subject: Subject, loss: type[Spec], **required: Any) -> Any:
    """The loss as a sum or, of a subject that takes means alone, as a mean: `divisor` says of how many. Raises
    Unsupported."""
    requests = [(loss, {**required, "reduction": reduction}, reduction) for reduction in ("sum", "mean")]
    return offered(subject, requests)[0][0]


def divisor(loss: Any, terms: int) -> int:
    """What a loss divides the sum of so many terms by; exact where it is a power of two."""
    return terms if loss.reduction == "mean" else 1


def with_bound_of(known: Any, certified: RunningError) -> RunningError:
    """`known`, with a bound on every correct evaluation of the rule that `certified` is the result of.

    Raises Mismatch where the known value lies outside the certified bound: the exact result does not.
    """
    known = np.broadcast_to(np.asarray(known, dtype=np.float64), certified.shape)
    if not certified.within(known).all():
        facts = {"known": known, "certified": certified.value, "bound": certified.bound}
        raise Mismatch("the rule does not compute the known value", facts)
    return RunningError(known, np.zeros(known.shape), certified.target).hull(certified)
