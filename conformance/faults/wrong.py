"""A seeded fault as a subject: a second copy of the reference in which one fragment of code is replaced."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from conformance.faults import Fault
from conformance.faults.syntax import ROOT, parsed
from conformance.subjects.subject import Subject

COPY = "wrong_refimpl"
SUBJECT = "conformance/subjects/reference.py"


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports COPY from the files of refimpl, one of them changed."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != COPY:
            return None
        file = _file(name)
        package = file.endswith("__init__.py")
        return importlib.machinery.ModuleSpec(name, self, origin=file, is_package=package)

    def exec_module(self, module: ModuleType) -> None:
        file = str(module.__spec__.origin)  # type: ignore[union-attr]  # made above
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": _import}
        exec(compile(self._fault.tree(), file, "exec") if file == self._fault.file else _right(file), module.__dict__)


def _import(name: str, *others: Any) -> ModuleType:
    """What `import` does in the copy, where refimpl is the copy."""
    return __import__(COPY + name.removeprefix("refimpl") if name.partition(".")[0] == "refimpl" else name, *others)


def _file(module: str) -> str:
    path = "refimpl/" + "/".join(module.split(".")[1:])
    package = f"{path.rstrip('/')}/__init__.py"
    return package if (ROOT / package).exists() else f"{path}.py"


@cache
def _right(file: str) -> CodeType:
    return compile(parsed(file), file, "exec")


@cache
def _imports() -> dict[str, set[str]]:
    """Module of the copy -> modules of the copy that it imports."""
    files = {".".join((COPY, *path.parts[1:])).removesuffix(".py"): path for path in _modules()}
    names = {name.removesuffix(".__init__"): str(path) for name, path in files.items()}
    found: dict[str, set[str]] = {}
    for name, file in names.items():
        found[name] = set()
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("refimpl"):
                module = COPY + str(node.module).removeprefix("refimpl")
                found[name] |= {module, *(f"{module}.{alias.name}" for alias in node.names)} & names.keys()
    return found


def _modules() -> list[Path]:
    return [path.relative_to(ROOT) for path in (ROOT / "refimpl").rglob("*.py")]


@cache
def _touched(file: str) -> frozenset[str]:
    """The modules of the copy that a change of `file` reaches: its own, and those that import one of them."""
    touched = {name for name in _imports() if _file(name) == file}
    while more := {name for name, imported in _imports().items() if imported & touched} - touched:
        touched |= more
    return frozenset(touched)


_wrong: set[str] = set()  # modules of the copy that the last fault has reached


def copy_with(fault: Fault) -> ModuleType:
    """The wrong copy of refimpl. Raises what code that cannot be imported raises.

    Modules that neither this fault nor the last one reaches stay as they were imported: that saves most of the time.
    """
    for name in _wrong | _touched(fault.file) | {COPY}:
        sys.modules.pop(name, None)
    _wrong.clear()
    _wrong.update(_touched(fault.file))
    importer = _Importer(fault)
    sys.meta_path.insert(0, importer)
    try:
        wrong = importlib.import_module(COPY)
        for name in wrong.__all__:
            getattr(wrong, name)  # which loads its room, while there is an importer for it
        return wrong
    finally:
        sys.meta_path.remove(importer)


def subject_with(fault: Fault) -> Subject:
    """The wrong copy as a subject, in the place of the reference."""
    wrong = copy_with(fault)
    namespace: dict[str, Any] = {"__name__": "wrong_reference"}
    exec(compile(fault.tree(), SUBJECT, "exec") if fault.file == SUBJECT else _right(SUBJECT), namespace)
    right: type[Subject] = namespace["Reference"]

    def translated(spec: Any) -> Any:
        """The spec of the right reference as one of the wrong copy."""
        if isinstance(spec, Sequence) and not isinstance(spec, str):
            return type(spec)(translated(part) for part in spec)  # type: ignore[call-arg]
        if not is_dataclass(spec):
            return spec
        rule = getattr(wrong, type(spec).__name__)
        return rule(**{f.name: translated(getattr(spec, f.name)) for f in fields(spec)})

    class Wrong(right):  # type: ignore[misc, valid-type]  # what it derives from is made from a text
        def optimizer(self, spec: Any, parameters: Any) -> Any:
            run = super().optimizer(translated(spec), parameters)
            change = run.change
            run.change = lambda spec: change(translated(spec))
            return run

    def with_translation(name: str) -> Any:
        method = getattr(right, name)
        return lambda self, spec, *inputs: method(self, translated(spec), *inputs)

    for name in ("clip", "schedule", "initializer", "activation", "loss", "network", "running_statistics"):
        setattr(Wrong, name, with_translation(name))
    return Wrong("numpy", "float64", "cpu")
