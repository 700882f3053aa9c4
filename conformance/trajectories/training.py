"""Following a whole training run: a network's gradients and an optimizer's steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.judging.comparison import Comparison
from conformance.running.aliasing_guard import guarded
from conformance.strategies.trees import in_format
from conformance.subjects.subject import Subject, Unsupported
from conformance.trajectories.slots import shown_slots
from refimpl.arithmetic import RunningError, Target
from refimpl.network import Network
from refimpl.trees import leaves, map_leaves


@dataclass(frozen=True)
class Step:
    """The optimizer's spec in force, and the batch: x of shape (rows, inputs), y of shape (rows, outputs)."""

    spec: Any
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Training:
    """start: the network's parameters, representable in the subject's format, as the batches are."""

    network: Network
    start: list[dict]
    steps: Sequence[Step]


def follow_training(subject: Subject, compare: Comparison, training: Training) -> Iterator[list[dict]]:
    """The subject's parameters after each step; loss, gradients, parameters and slots are compared on the way.

    Each step is certified from where the subject itself stands: gradients at its own parameters, and the update from
    its own parameters, gradients and slots. So a bound covers the roundings of one step, however many there were.
    """
    spec, target = training.steps[0].spec, subject.target_of(training.steps[0].spec)
    before = in_format(training.start, subject.array_dtype)
    run = _with_optimizers(subject).optimizer(spec, before)
    state = spec.init(_exact(before, target))
    for number, step in enumerate(training.steps, start=1):
        if step.spec != spec:
            spec = step.spec
            run.change(spec)
        loss, gradients = subject.network(
            training.network, before, step.x.astype(subject.array_dtype), step.y.astype(subject.array_dtype)
        )
        run.step(gradients)
        after = run.parameters()

        certified_loss, certified = training.network.gradients(
            _exact(before, target), RunningError.exact(step.x, target), step.y
        )
        compare.within(loss, certified_loss, "loss", step=number)
        compare.tree(gradients, certified, "gradient", step=number)
        updated, state = spec.step(_exact(before, target), _exact(gradients, target), state)
        compare.tree(after, updated, "parameters", step=number)
        for slot, kept in shown_slots(run, spec, step=number).items():
            compare.tree(kept, state[slot], slot, step=number)
            state[slot] = _exact(kept, target)
        before = after
        yield after


def certified(training: Training, target: Target) -> Iterator[Any]:
    """The parameters after each step, bounded for runs of the target from the start on: roundings of all steps."""
    parameters = _exact(training.start, target)
    state = training.steps[0].spec.init(parameters)
    for step in training.steps:
        _, gradients = training.network.gradients(parameters, RunningError.exact(step.x, target), step.y)
        parameters, state = step.spec.step(parameters, gradients, state)
        yield parameters


def largest_bound(tree: Any) -> float:
    """The largest bound in a tree of running-error arrays; NaN where one has none."""
    return float(np.max([np.max(leaf.bound) for _, leaf in leaves(tree)]))


def _exact(tree: Any, target: Target) -> Any:
    return map_leaves(lambda leaf: RunningError.exact(leaf, target), tree)


def _with_optimizers(subject: Subject) -> Subject:
    """The subject in a variant that has optimizers: its own, where that has them."""
    variants = subject.variants.get("optimizer", ())
    if not variants:
        raise Unsupported(f"{subject.name} does not offer optimizer")
    if subject.variant in variants:
        return subject
    return guarded(type(subject)(variants[0], subject.dtype, subject.device))
