"""Identifying optimizers: a run of steps with everything at work, in which the learning rate changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task, described
from conformance.strategies.gradients import parameters, representable
from conformance.strategies.hyperparameters import AT_WORK
from conformance.strategies.trees import ELEMENTS
from conformance.subjects import Subject
from refimpl.arithmetic import RunningError, Target
from refimpl.optimizers import Optimizer

STEPS = 8


@dataclass(frozen=True)
class Run:
    """start: shape (elements,). gradients: shape (steps, elements). slower: from which step on the learning rate is an
    eighth. at_zero: hyperparameters that are 0 in this run. held: those that stay as they are all the same."""

    start: np.ndarray
    gradients: np.ndarray
    slower: int
    at_zero: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()

    def spec(self, spec: Any, step: int) -> Any:
        """The spec in force at step 1, 2, ..."""
        changed = {name: 0.0 for name in self.at_zero if hasattr(spec, name)}
        if step >= self.slower:
            changed["learning_rate"] = spec.learning_rate / 8
        return replace(spec, **{name: value for name, value in changed.items() if name not in self.held})


class Optimizers(Task):
    """step(parameter, gradient, state, step, **hyperparameters) -> (parameter, state), on one array."""

    rules = (Optimizer,)
    capability = "optimizer"
    takes = ("parameter", "gradient", "state", "step")
    returns = "(parameter, state)"
    at_work = AT_WORK

    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        start = parameters(np.random.default_rng(5), ELEMENTS, dtype)
        still = Run(
            np.array([1.0, -2.0]), np.zeros((1, 2)), slower=2,
            at_zero=frozenset({"epsilon", "initial_accumulator", "weight_decay"}), held=frozenset(held),
        )  # fmt: skip
        return [
            Input(f"{STEPS} steps", Run(start, _gradients(dtype), slower=STEPS // 2, held=frozenset(held))),
            Input("a gradient of zeros, without epsilon", still, singular=True),
        ]

    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        run, state, parts = given.data, None, []
        parameter = np.array(run.start)
        for step, gradient in enumerate(run.gradients, start=1):
            in_force = run.spec(spec, step)
            hyperparameters = {name: getattr(in_force, name) for name in names}
            result = function(parameter, np.array(gradient), state, step, **hyperparameters)
            if not isinstance(result, (tuple, list)) or len(result) != 2:
                raise self.unusable(f"got {described(result)}", {"step": step})
            part = self.part("parameters", {"step": step}, result[0], gradient.shape)
            parts.append(part)
            parameter, state = np.array(part.numbers), result[1]
        return parts

    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        run, parts = given.data, []
        enter = np.array if given.singular else lambda x: RunningError.exact(x, target)
        parameter = enter(run.start)
        state = run.spec(spec, 1).init(parameter)
        for step, gradient in enumerate(run.gradients, start=1):
            parameter, state = run.spec(spec, step).step(parameter, enter(gradient), state)
            parts.append(Part("parameters", {"step": step}, parameter))
        return parts

    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        def step(parameter: Any, gradient: Any, state: Any, step: int, **hyperparameters: Any) -> tuple[Any, Any]:
            spec = build(**hyperparameters)
            if state is None:
                state = {"run": subject.optimizer(spec, parameter.astype(subject.array_dtype)), "spec": spec}
            elif state["spec"] != spec:
                state["run"].change(spec)
                state["spec"] = spec
            state["run"].step(gradient.astype(subject.array_dtype))
            return state["run"].parameters(), state

        return step


def _gradients(dtype: str) -> np.ndarray:
    """Of all magnitudes of practice, with sign flips, zeros, and what decreases from a large first one.

    No element is constant: there the estimate of a variance is rounding alone.
    """
    generator = np.random.default_rng(6)
    gradients = generator.standard_normal((STEPS, ELEMENTS)) * 10.0 ** generator.uniform(-6, 2, ELEMENTS)
    gradients[generator.random((STEPS, ELEMENTS)) < 0.1] = 0.0
    gradients[:, ::7] *= 0.5 ** np.arange(STEPS)[:, None]
    return representable(gradients, dtype)
