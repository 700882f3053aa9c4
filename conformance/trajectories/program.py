"""Runs a program of an optimizer's steps, and reduces a failure to one element."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.programs import Program
from conformance.strategies.trees import unlike_arrays
from conformance.subjects.subject import Subject, Unsupported
from conformance.trajectories.slots import shown_slots
from refimpl.arithmetic import RunningError, Target
from refimpl.trees import leaves, map_leaves, rebuilt, same_structure


def tree_size() -> int:
    """The number of elements of the tree that a subject gets as a whole. Elementwise rules do not depend on its
    shapes, so the reference runs on a flat array for them."""
    return sum(leaf.size for _, leaf in leaves(unlike_arrays()))


def follow_program(
    subject: Subject, compare: Comparison, program: Program, start: np.ndarray, gradients: np.ndarray
) -> None:
    """Runs `program` on subject and reference; compares parameters and every visible slot after each step. If a run
    supports no changes, or no restarts, the program has none.

    start: shape (elements,). gradients: shape (steps, elements). Both representable in the subject's format. Raises
    Unsupported where the subject has no such run.
    """
    for plainer in program.plainer():
        try:
            return _follow(subject, compare, plainer, start, gradients)
        except Unsupported as lacking:
            reason = lacking
        except Mismatch as mismatch:
            raise _reduced(subject, compare, mismatch, plainer, start, gradients) from None
    raise reason


def _follow(subject: Subject, compare: Comparison, program: Program, start: np.ndarray, gradients: np.ndarray) -> None:
    tree, spec = _tree(start.size), program.specs[0]

    def sent(flat: np.ndarray) -> Any:
        return _as_tree(flat.astype(subject.array_dtype), tree)

    run = subject.optimizer(spec, sent(start))
    certified = _certified(program, start.tobytes(), gradients.tobytes(), subject.target_of(spec))
    for step, (expected, state) in enumerate(certified):
        if program.specs[step] != spec:
            spec = program.specs[step]
            run.change(spec)
        if step in program.restarts:
            saved = run.save()
            run = subject.optimizer(spec, sent(start))
            run.restore(saved)
        run.step(sent(gradients[step]))
        compare.within(_flat(run.parameters(), tree, "parameters"), _elements_of(expected), "parameters", step=step + 1)
        for slot, kept in shown_slots(run, spec, step=step + 1).items():
            compare.within(_flat(kept, tree, slot), _elements_of(state[slot]), slot, step=step + 1)


@lru_cache(maxsize=6)  # the variants of a subject run one after another, on the same examples
def _certified(program: Program, start: bytes, gradients: bytes, target: Target) -> list[tuple[Any, dict[str, Any]]]:
    """The reference's parameters and state after each step; start and gradients are the bytes of float64 arrays."""
    elements = np.frombuffer(start)

    def exactly(flat: np.ndarray) -> Any:
        """The array as the reference takes it: rules that measure whole arrays get the tree."""
        tree = flat if spec.elementwise else _as_tree(flat, _tree(flat.size))
        return map_leaves(lambda leaf: RunningError.exact(leaf, target), tree)

    spec = program.specs[0]
    parameters, steps = exactly(elements), []
    state = spec.init(parameters)
    for spec, gradient in zip(program.specs, np.frombuffer(gradients).reshape(-1, elements.size), strict=True):
        parameters, state = spec.step(parameters, exactly(gradient), state)
        steps.append((parameters, state))
    return steps


def _tree(count: int) -> Any:
    """The zeros that a subject gets for so many elements: the tree if it has as many, else one array."""
    return unlike_arrays() if count == tree_size() else np.zeros(count)


def _as_tree(flat: np.ndarray, tree: Any) -> Any:
    """The flat array in the structure and the shapes of `tree`."""
    shapes = [leaf.shape for _, leaf in leaves(tree)]
    parts = np.split(flat, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
    return rebuilt(tree, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])


def _elements_of(certified: Any) -> RunningError:
    """The leaves of the reference's tree as one flat array."""
    if isinstance(certified, RunningError):
        return certified
    elements: Any = np.concatenate([np.ravel(leaf) for _, leaf in leaves(certified)])
    return elements


_TREES = (dict, list, tuple)  # that branch


def _flat(found: Any, tree: Any, what: str) -> np.ndarray:
    """The leaves of a subject's tree as one flat array, when structure and shapes are those of the elements."""
    try:
        if found is None or isinstance(found, _TREES) != isinstance(tree, _TREES):
            raise ValueError(f"{what}: got {type(found).__name__}, expected {type(tree).__name__}, as it was given")
        same_structure(what, found, tree, "what it was given")
    except ValueError as problem:
        raise Mismatch(f"{what}: wrong structure", {"problem": str(problem)}) from None
    by_path = dict(leaves(found))
    return np.concatenate([np.ravel(by_path[path]) for path, _ in leaves(tree)])


def _reduced(
    subject: Subject,
    compare: Comparison,
    mismatch: Mismatch,
    program: Program,
    start: np.ndarray,
    gradients: np.ndarray,
) -> Mismatch:
    """The same failure with its one element and the steps up to it, if that element also fails alone."""
    if "element" not in mismatch.facts or "step" not in mismatch.facts:
        return mismatch
    element, steps = mismatch.facts["element"][0], mismatch.facts["step"]
    alone = Comparison(compare.dtype, compare.accepted, compare.factor, context=compare.context)
    shorter = Program(program.specs[:steps], frozenset(s for s in program.restarts if s < steps))
    history = gradients[:steps, element : element + 1]
    facts = {"start": float(start[element]), "gradients": _abbreviated(history[:, 0])}
    try:
        _follow(subject, alone, shorter, start[element : element + 1], history)
    except Mismatch as single:
        return Mismatch(single.what, {**single.facts, **facts})
    return Mismatch(mismatch.what, {**mismatch.facts, **facts, "note": "the element conforms when it runs alone"})


def _abbreviated(history: np.ndarray, shown: int = 8) -> str:
    values = ", ".join(f"{x!r}" for x in history[-shown:].tolist())
    return f"[{values}]" if len(history) <= shown else f"[{len(history) - shown} steps, then {values}]"
