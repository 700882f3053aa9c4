"""The accuracy of each backend's elementary functions: the largest error, in ulp, that a subject may make.

A profile is a TOML file with the largest error of each function in each format, and with the date and the method of
its measurement. `calibrate` measures a backend and writes the file.
"""

from __future__ import annotations

import math
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

    That is 0.5 where every result visited was correctly rounded, and elsewhere the measured maximum and 10 %. A
    function without an entry has no declared accuracy, and `Target.function_error` says so when it is called for it.
    Raises ValueError for a profile that does not exist, or for an entry without a finite measured maximum.
    """
    path = _FOLDER / f"{name}.toml"
    known = sorted(p.stem for p in _FOLDER.glob("*.toml"))
    if name not in known:
        raise ValueError(
            f"unknown profile {name!r}: there are {', '.join(known)}; "
            "measure another with python -m conformance.profiles.calibrate"
        )
    measured = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        format_name: {f: _allowed(f"{name}.{format_name}.{f}", **entry) for f, entry in functions.items()}
        for format_name, functions in measured.items()
        if isinstance(functions, dict)
    }


def _allowed(what: str, ulp: float = math.nan, **_: object) -> float:
    if not 0 <= ulp < math.inf:
        raise ValueError(f"{what}: ulp must be a finite measured maximum, got {ulp}: measure it again")
    return 0.5 if ulp <= 0.5 else MARGIN * ulp
