"""Declared accuracy of each backend's elementary functions: the largest error in ulp that a subject may make."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# A sweep that does not visit every input may miss the worst one.
MARGIN = 1.1
_FOLDER = Path(__file__).parent


@cache
def load(name: str) -> Mapping[str, Mapping[str, float]]:
    """Format name -> function name -> allowed error in ulp of the exact result.

    That is the measured maximum with a margin of 10 %, and never below the 0.5 of correct rounding.
    Raises ValueError for a profile that does not exist.
    """
    path = _FOLDER / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in _FOLDER.glob("*.toml")))
        raise ValueError(f"unknown profile {name!r}: there are {known}; measure one with conformance.profiles.calibrate")
    measured = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        format_name: {function: max(0.5, MARGIN * entry["ulp"]) for function, entry in functions.items()}
        for format_name, functions in measured.items()
        if isinstance(functions, dict)
    }
