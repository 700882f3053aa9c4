"""Lending arrays to a subject: it gets copies, and may change neither these nor, afterwards, what it returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from inspect import Signature, signature
from typing import Any

import numpy as np

from conformance.judging.comparison import Mismatch
from conformance.subjects.subject import CAPABILITIES, THEOREM, OptimizerRun, Subject
from refimpl.trees import leaves, map_leaves

_LENDING = "_lending"  # the attribute of a subject that lends
_METHODS = {*CAPABILITIES, "running_statistics"} - {THEOREM, "optimizer"}


def lending(subject: Subject) -> Subject:
    """The subject itself, whose methods and runs raise Mismatch from now on when they change what is not theirs.

    Every call gets copies of its arrays, which must come back unchanged, and may be what it returns. The next one must
    leave alone what this one was given or returned, and a step what its run handed out or began with. Gradients are
    overwritten when their step is over, as a caller may do: what is handed out after it may not change with them.
    """
    if _LENDING not in vars(subject):
        loans = _Loans()
        for name in _METHODS:
            setattr(subject, name, partial(_called, loans, name, getattr(subject, name)))
        subject.optimizer = partial(_started, subject.optimizer)  # type: ignore[method-assign]
        setattr(subject, _LENDING, loans)
    return subject


def _called(loans: _Loans, name: str, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
    result = loans.call(Subject, name, method, *given, **named)
    loans.leave()
    return result


def _started(optimizer: Callable[..., OptimizerRun], *given: Any, **named: Any) -> OptimizerRun:
    loans = _Loans()
    run = loans.call(Subject, "optimizer", optimizer, *given, **named)
    if not isinstance(run, OptimizerRun):
        raise TypeError(f"optimizer() must return an OptimizerRun, got {type(run).__name__}")
    loans.leave()
    return _Run(run, loans)


class _Run(OptimizerRun):
    """A run that is lent its gradients."""

    def __init__(self, run: OptimizerRun, loans: _Loans) -> None:
        self._run, self._loans = run, loans

    def step(self, gradients: Any) -> None:
        self._loans.settle("step")
        self._loans.call(OptimizerRun, "step", self._run.step, gradients)

    def parameters(self) -> Any:
        return self._loans.call(OptimizerRun, "parameters", self._run.parameters)

    def state(self) -> dict[str, Any]:
        return self._loans.call(OptimizerRun, "state", self._run.state)

    def change(self, spec: Any) -> None:
        self._run.change(spec)

    def save(self) -> Any:
        self._loans.settle("save")
        return self._run.save()

    def restore(self, saved: Any) -> None:
        self._run.restore(saved)


class _Loans:
    """The arrays that a subject, or a run of one, was lent and has returned last, by what they are called."""

    def __init__(self) -> None:
        self._lent: dict[str, np.ndarray] = {}
        self._returned: dict[str, np.ndarray] = {}
        self._contents: dict[str, tuple] = {}  # of what was returned, as it was then
        self._facts: dict[str, Any] = {}

    def call(self, contract: type, name: str, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """What the method of the contract returns, given copies of the arrays."""
        arguments = _signature(contract, name).bind(self, *given, **named).arguments
        arguments.pop("self")
        copies: dict[int, np.ndarray] = {}  # an array that is passed twice is one array to the subject too

        def copy(leaf: Any) -> Any:
            return copies.setdefault(id(leaf), np.array(leaf)) if isinstance(leaf, np.ndarray) else leaf

        trees = {argument: map_leaves(copy, value) for argument, value in arguments.items()}
        self._facts |= {argument: tree for argument, tree in trees.items() if not _arrays({argument: tree})}
        lent = _arrays(trees)
        before = _contents(lent)
        result = method(*trees.values())
        changed = _changed(before, _contents(_arrays(trees)))
        if changed is not None:
            raise self.mismatch(f"{name} changes its argument {changed}")
        if arguments:  # what a look at a run changes, its next step shows
            self._check(name)
        returned = _arrays({f"the result {name}()": result})
        self._returned |= returned
        self._contents |= _contents(returned)
        self._lent |= {f"the argument {argument} of {name}": array for argument, array in lent.items()}
        return result

    def settle(self, name: str) -> None:
        """Overwrites all that was lent, with which nothing that was returned may change, before or after `name`."""
        for array in self._lent.values():
            array.setflags(write=True)  # it is nobody else's
            array.fill(0 if array.dtype.kind in "biu" else np.nan)
        self._check(name)
        self._lent = {}

    def leave(self) -> None:
        """Leaves what was lent to its borrower, to look at: it may be kept, but is held like what was returned."""
        self._returned |= self._lent
        self._contents |= _contents(self._lent)
        self._lent = {}

    def mismatch(self, what: str) -> Mismatch:
        return Mismatch(
            what,
            self._facts | {"advice": "never change an array that was given or returned: copy it, or make a new one"},
        )

    def _check(self, name: str) -> None:
        path = _changed(self._contents, _contents(self._returned))
        if path is not None:  # and stays so: a replay of the call that showed it fails as well
            shared = [lent for lent, array in self._lent.items() if np.shares_memory(array, self._returned[path])]
            what = f"{path} shares memory with {shared[0]}" if shared else f"{name} changes {path}"
            raise self.mismatch(what)


@cache
def _signature(contract: type, name: str) -> Signature:
    return signature(getattr(contract, name))


def _arrays(trees: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The leaves of named trees, by path, that are NumPy's; a library's arrays on their devices are its own affair."""
    return {
        path: leaf for name, tree in trees.items() for path, leaf in leaves(tree, name) if isinstance(leaf, np.ndarray)
    }


def _contents(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple]:
    return {path: (array.shape, array.tobytes()) for path, array in arrays.items()}


def _changed(before: Mapping[str, tuple], after: Mapping[str, tuple]) -> str | None:
    """The path of the first array that is not what it was."""
    return next((path for path in {**before, **after} if before.get(path) != after.get(path)), None)
