"""A defect of a library as it occurs in one run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reproduction:
    """A defect as it occurred in one run, as arrays of one shape.

    actual: what the library returned. wrong: the values that it is known to return, in the same format or exactly.
    right: the correct values.
    """

    actual: np.ndarray
    wrong: np.ndarray
    right: np.ndarray

    def problem(self) -> str:
        """Why this is not the defect that the entry describes; empty if it is, value for value."""
        wrong, right = (np.asarray(values).astype(self.actual.dtype) for values in (self.wrong, self.right))
        if np.array_equal(wrong, right, equal_nan=True):
            return f"no defect: the value described as wrong, {self.wrong}, is right"
        if not np.array_equal(self.actual, wrong, equal_nan=True):
            return f"no longer reproduces: the library gives {self.actual}, not {self.wrong}; right is {self.right}"
        return ""
