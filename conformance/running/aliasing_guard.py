"""The aliasing guard: a subject gets copies of arrays, and may change neither these nor what it has returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from inspect import Signature, signature
from typing import Any

import numpy as np

from conformance.judging.comparison import Mismatch
from conformance.subjects.subject import CAPABILITIES, THEOREM, OptimizerRun, Subject
from refimpl.trees import leaves, map_leaves

_GUARD = "_aliasing_guard"  # the attribute of a subject that is guarded
_METHODS = {*CAPABILITIES, "running_statistics"} - {THEOREM, "optimizer"}


def guarded(subject: Subject) -> Subject:
    """The subject itself, whose methods and runs from now on raise Mismatch when they change what they must not.

    Every call gets copies of its arrays. It must not change them, but may return them. The next call must not change
    what this one was given or returned, and a step must not change what its run has returned or began with. Gradients
    are overwritten after their step, as a caller may do: what the run returns later must not change with them.
    """
    if _GUARD not in vars(subject):
        guard = _Guard()
        for name in _METHODS:
            setattr(subject, name, partial(_called, guard, name, getattr(subject, name)))
        subject.optimizer = partial(_started, subject.optimizer)  # type: ignore[method-assign]
        setattr(subject, _GUARD, guard)
    return subject


def _called(guard: _Guard, name: str, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
    result = guard.call(Subject, name, method, *given, **named)
    guard.keep()
    return result


def _started(optimizer: Callable[..., OptimizerRun], *given: Any, **named: Any) -> OptimizerRun:
    guard = _Guard()
    run = guard.call(Subject, "optimizer", optimizer, *given, **named)
    if not isinstance(run, OptimizerRun):
        raise TypeError(f"optimizer() must return an OptimizerRun, got {type(run).__name__}")
    guard.keep()
    return _Run(run, guard)


class _Run(OptimizerRun):
    """A run that gets copies of its gradients, which are overwritten after the step."""

    def __init__(self, run: OptimizerRun, guard: _Guard) -> None:
        self._run, self._guard = run, guard

    def step(self, gradients: Any) -> None:
        self._guard.overwrite("step")
        self._guard.call(OptimizerRun, "step", self._run.step, gradients)

    def parameters(self) -> Any:
        return self._guard.call(OptimizerRun, "parameters", self._run.parameters)

    def state(self) -> dict[str, Any]:
        return self._guard.call(OptimizerRun, "state", self._run.state)

    def change(self, spec: Any) -> None:
        self._run.change(spec)

    def save(self) -> Any:
        self._guard.overwrite("save")
        return self._run.save()

    def restore(self, saved: Any) -> None:
        self._run.restore(saved)


class _Guard:
    """The arrays that a subject, or a run of one, was given and has returned last, by name."""

    def __init__(self) -> None:
        self._given: dict[str, np.ndarray] = {}
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
        copied = _arrays(trees)
        before = _contents(copied)
        result = method(*trees.values())
        changed = _changed(before, _contents(_arrays(trees)))
        if changed is not None:
            raise self.mismatch(f"{name} changes its argument {changed}")
        if arguments:  # what a look at a run changes, its next step shows
            self._check(name)
        returned = _arrays({f"the result {name}()": result})
        self._returned |= returned
        self._contents |= _contents(returned)
        self._given |= {f"the argument {argument} of {name}": array for argument, array in copied.items()}
        return result

    def overwrite(self, name: str) -> None:
        """Overwrites what was given. Nothing that was returned may change with it, before or after `name`."""
        for array in self._given.values():
            array.setflags(write=True)  # it is nobody else's
            array.fill(0 if array.dtype.kind in "biu" else np.nan)
        self._check(name)
        self._given = {}

    def keep(self) -> None:
        """Lets the subject keep what it was given, and from now on checks that like what was returned."""
        self._returned |= self._given
        self._contents |= _contents(self._given)
        self._given = {}

    def mismatch(self, what: str) -> Mismatch:
        return Mismatch(
            what,
            self._facts | {"advice": "never change an array that was given or returned: copy it, or make a new one"},
        )

    def _check(self, name: str) -> None:
        path = _changed(self._contents, _contents(self._returned))
        if path is not None:  # and stays so: a replay of the call that showed it fails as well
            shared = [
                argument for argument, array in self._given.items() if np.shares_memory(array, self._returned[path])
            ]
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
