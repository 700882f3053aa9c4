"""A defect of a library as it shows in one run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reproduction:
    """A defect as it showed in one run: what the library found, the wrong values that it is known for, in the same
    format or exactly, and the right ones. Arrays of one shape."""

    found: np.ndarray
    wrong: np.ndarray
    right: np.ndarray

    def problem(self) -> str:
        """Why this is not the defect that the entry describes; empty where it is, value for value."""
        wrong, right = (np.asarray(values).astype(self.found.dtype) for values in (self.wrong, self.right))
        if np.array_equal(wrong, right, equal_nan=True):
            return f"no defect: what it says is wrong, {self.wrong}, is right"
        if not np.array_equal(self.found, wrong, equal_nan=True):
            return f"stale: it gives {self.found} now, not {self.wrong}; right is {self.right}"
        return ""
