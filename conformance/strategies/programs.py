"""Programs of an optimizer run: steps, changes of hyperparameters, saving and restoring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from hypothesis import strategies as st

from conformance.strategies.hyperparameters import HYPERPARAMETERS

CHANGEABLE = ("learning_rate", "weight_decay")


@dataclass(frozen=True)
class Program:
    """specs: the spec in force at each step. restarts: the steps before which the run is saved, and restored into a
    new one."""

    specs: tuple[Any, ...]
    restarts: frozenset[int]

    def plainer(self) -> Iterator[Program]:
        """This program; then without restarts, without changes, and without either: for runs that do not offer them."""
        for specs in (self.specs, self.specs[:1] * len(self.specs)):
            for restarts in (self.restarts, frozenset()):
                yield Program(specs, restarts)

    def __repr__(self) -> str:
        changes = [f"{self.specs[0]!r}"]
        for step in range(1, len(self.specs)):
            if self.specs[step] != self.specs[step - 1]:
                changed = {
                    f.name: getattr(self.specs[step], f.name)
                    for f in fields(self.specs[step])
                    if getattr(self.specs[step], f.name) != getattr(self.specs[step - 1], f.name)
                }
                changes.append(f"before step {step + 1}: {changed}")
        if self.restarts:
            changes.append(f"saved and restored before steps {sorted(step + 1 for step in self.restarts)}")
        return "; ".join(changes) + f"; {len(self.specs)} steps"


@st.composite
def programs(draw: st.DrawFn, initial: Any, fixed: frozenset[str], most_steps: int) -> Program:
    """Programs of `most_steps`, or of half as many at least, that begin with the spec `initial`; fields named in
    `fixed` never change."""
    steps = draw(st.integers(most_steps // 2, most_steps), label="steps")
    specs, restarts = [initial], set()
    for step in range(1, steps):
        event = draw(st.sampled_from(["step"] * 8 + ["change", "restart"]))
        if event == "change":
            specs.append(draw(_changed(specs[-1], fixed)))
        else:
            specs.append(specs[-1])
        if event == "restart":
            restarts.add(step)
    return Program(tuple(specs), frozenset(restarts))


def _changed(spec: Any, fixed: frozenset[str]) -> st.SearchStrategy[Any]:
    present = {f.name for f in fields(spec)}
    names = [name for name in CHANGEABLE if name in present and name not in fixed]
    # A penalty that is switched on or off changes which terms the rule has: zero stays zero.
    names = [name for name in names if name == "learning_rate" or getattr(spec, name) > 0]
    return st.sampled_from(names).flatmap(
        lambda name: HYPERPARAMETERS[name].filter(lambda x: x > 0).map(lambda value: replace(spec, **{name: value}))
    )
