"""Brackets of `refimpl.propagation` compared with exact products of adversarial matrices."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np

from refimpl.propagation import Bracket
from tests.attack.record import Record
from tests.refimpl.propagation.adversarial_products import FAMILIES, Matrices, brackets

GROUP = "exact fractions"
NAMES = {family.__name__.replace("_", " "): family for family in FAMILIES}


def attack(name: str, family: Callable[[np.random.Generator], Matrices], draws: int, record: Record) -> None:
    """Records, for each draw, the distance of the exact number from the middle of its bracket over half the width."""
    for draw in range(draws):
        ratios = np.array([_ratio(found, exact) for found, exact in brackets(family, draw)])
        record.add(name, GROUP, ratios, lambda _, draw=draw: f"draw {draw}")


def _ratio(found: Bracket, exact: mpmath.mpf) -> float:
    """Infinite outside the bracket; 0 where only an upper end is claimed, or the ends are one number."""
    if not found.lower <= exact <= found.upper:
        return math.inf
    if math.isinf(found.lower):
        return 0.0
    middle, half = (mpmath.mpf(found.upper) + found.lower) / 2, (mpmath.mpf(found.upper) - found.lower) / 2
    return float(abs(exact - middle) / half) if half else 0.0
