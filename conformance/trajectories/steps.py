"""Runs of single steps, paired with the certified rule, for cases that know what a step must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.judging.comparison import Comparison
from conformance.known_values import with_bound_of
from conformance.subjects.subject import Subject, Unsupported
from conformance.trajectories.slots import shown_slots
from refimpl.arithmetic import RunningError


@dataclass(frozen=True)
class View:
    """One side of a run between two steps: the parameters, and the slots that the run shows."""

    parameters: Any
    slots: dict[str, Any]

    def slot(self, name: str) -> Any:
        """A slot of the rule. Raises Unsupported where the run shows none."""
        if name not in self.slots:
            raise Unsupported(f"the case needs {name}, and the run's state() shows no slots")
        return self.slots[name]


@dataclass(frozen=True)
class Snapshot:
    """Both sides of a run between two steps: NumPy arrays of the subject, running-error arrays of its rule."""

    actual: View
    certified: View


class PairedRun:
    """A run of a subject and of the certified rule with the same steps, from a start of shape (elements,)."""

    def __init__(self, subject: Subject, spec: Any, start: np.ndarray) -> None:
        self._dtype, self._target = subject.array_dtype, subject.target_of(spec)
        self._run, self._spec = subject.optimizer(spec, start.astype(self._dtype)), spec
        self._certified = RunningError.exact(start, self._target)
        self._state = spec.init(self._certified)

    @property
    def now(self) -> Snapshot:
        slots = {slot: self._state[slot] for slot in self._spec.slots()}
        return Snapshot(View(self._run.parameters(), shown_slots(self._run, self._spec)), View(self._certified, slots))

    def step(self, gradient: np.ndarray) -> None:
        """One step with a gradient of shape (elements,)."""
        self._run.step(gradient.astype(self._dtype))
        self._advance(RunningError.exact(gradient, self._target))

    def descend(self, curvature: np.ndarray) -> None:
        """One step on the quadratic sum(curvature * x**2) / 2, each side with the gradient at its own parameters."""
        self._run.step(curvature.astype(self._dtype) * self._run.parameters())
        self._advance(RunningError.exact(curvature, self._target) * self._certified)

    def change(self, spec: Any) -> None:
        """Continues with other hyperparameters of the same rule."""
        self._run.change(spec)
        self._spec = spec

    def _advance(self, gradient: RunningError) -> None:
        self._certified, self._state = self._spec.step(self._certified, gradient, self._state)


def parameters_of(now: View) -> Any:
    return now.parameters


def step_of(before: View, after: View) -> Any:
    """What the steps between two views subtracted from the parameters."""
    return before.parameters - after.parameters


def check(
    compare: Comparison, what: str, closed: Any, formula: Callable[..., Any], *snapshots: Snapshot, **where: Any
) -> None:
    """Checks formula(*views of the subject) against a closed form of the exact result.

    The bound is that of formula(*views of the certified run), and must contain the closed form. Raises Mismatch.
    """
    certified = formula(*(snapshot.certified for snapshot in snapshots))
    actual = formula(*(snapshot.actual for snapshot in snapshots))
    compare.within(actual, with_bound_of(closed, certified), what, **where)
