"""One quantity in the several algebraic forms that correct implementations choose between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refimpl.arithmetic.running_error import RunningError


def forms(*candidates: Callable[[], Any]) -> Any:
    """The value of the first form; for running-error arrays with a bound that every form stays within.

    The first form is the accurate one; those that follow are what libraries evaluate. They are algebraically equal,
    so plain NumPy and multiprecision evaluation need only the first.
    """
    first = candidates[0]()
    if not isinstance(first, RunningError):
        return first
    return first.hull(*(candidate() for candidate in candidates[1:]))
