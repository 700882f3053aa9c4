"""The worst ratio of error and bound for each rule and group of targets, where it was, and how much was compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass
class Entry:
    """worst: error over bound. compared, unclaimed: elements with and without a bound. where: the worst element."""

    worst: float = 0.0
    compared: int = 0
    unclaimed: int = 0
    where: str = ""


@dataclass
class Record:
    """Entries by rule and group."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def add(self, rule: str, group: str, ratio: np.ndarray, where: Callable[[int], str]) -> None:
        """Adds elements of a rule. `where` describes one of them by its flat index."""
        entry = self.entries.setdefault(rule, {}).setdefault(group, Entry())
        unclaimed = np.isnan(ratio)
        compared = int(ratio.size - np.count_nonzero(unclaimed))
        entry.compared += compared
        entry.unclaimed += int(ratio.size) - compared
        if compared:
            worst = float(np.max(np.where(unclaimed, 0.0, ratio)))
            if worst > entry.worst:
                entry.worst = worst
                entry.where = where(int(np.argmax(np.where(unclaimed, 0.0, ratio))))

    def merge(self, other: Record) -> None:
        for rule, groups in other.entries.items():
            for group, new in groups.items():
                entry = self.entries.setdefault(rule, {}).setdefault(group, Entry())
                entry.compared += new.compared
                entry.unclaimed += new.unclaimed
                if new.worst > entry.worst:
                    entry.worst, entry.where = new.worst, new.where

    @property
    def compared(self) -> int:
        return sum(entry.compared for groups in self.entries.values() for entry in groups.values())

    def beyond(self) -> list[tuple[str, str, Entry]]:
        """Rule, group and entry of every ratio above 1."""
        return [(r, g, e) for r, groups in self.entries.items() for g, e in groups.items() if not e.worst <= 1]

    def as_json(self) -> dict[str, Any]:
        return {rule: {group: asdict(e) for group, e in groups.items()} for rule, groups in self.entries.items()}

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> Record:
        return cls({rule: {group: Entry(**e) for group, e in groups.items()} for rule, groups in entries.items()})
