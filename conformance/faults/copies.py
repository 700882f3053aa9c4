"""A second copy of the reference in which one fragment of code is replaced."""

from __future__ import annotations
import __future__

import ast
import builtins
import importlib
import importlib.abc
import importlib.machinery
import sys
from functools import cache, cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from conformance.faults import Fault
from conformance.faults.syntax import ROOT, Match, definitions, node_at, parsed

COPY = "wrong_refimpl"

_reached: set[str] = set()  # modules of the copy that the last fault has reached
_replaced: list[tuple[FunctionType, CodeType]] = []  # functions of the copy that the last fault has changed
_run_by_imports: set[CodeType] = set()


def copy_with(fault: Fault) -> ModuleType:
    """The wrong copy of refimpl. Raises what code that does not run raises.

    A fault in the body of a function replaces the code of this function in the copy, which is quick. For other faults
    the modules that the fault reaches are imported again.
    """
    while _replaced:
        function, code = _replaced.pop()
        function.__code__ = code
    copy = _imported(None)
    match = fault.match()
    if match.file not in map(str, _modules()):
        return copy
    changed = _function(match)
    if changed is None:
        return _imported(fault)
    code = _code(fault.tree(), match)
    if len(code.co_freevars) != len(changed.__code__.co_freevars):  # super() where there was none
        return _imported(fault)
    _replaced.append((changed, changed.__code__))
    changed.__code__ = code
    return copy


# --- the code of a function -------------------------------------------------------------------------------------------


def _function(match: Match) -> FunctionType | None:
    """The outermost function of the copy in whose body the match is; None elsewhere, or where the import runs it."""
    found: Any = sys.modules[next(module for module in _imports() if _file(module) == match.file)]
    for steps, node in definitions(match):
        found = vars(found).get(node.name)
        if isinstance(node, ast.FunctionDef):
            function = _undecorated(found)
            inside = match.steps[len(steps) : len(steps) + 1] and match.steps[len(steps)][0] == "body"
            return function if inside and function and function.__code__ not in _run_by_imports else None
    return None


def _undecorated(found: Any) -> FunctionType | None:
    for kind, name in ((property, "fget"), (cached_property, "func"), ((staticmethod, classmethod), "__func__")):
        if isinstance(found, kind):
            found = getattr(found, name)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found if isinstance(found, FunctionType) else None


def _code(module: ast.Module, match: Match) -> CodeType:
    """The code that the outermost function around the match has in the changed module."""
    outer: list[Any] = []
    body: list[Any]
    for steps, node in definitions(match):
        changed = node_at(module, steps)
        outer.append(changed)
        if isinstance(node, ast.FunctionDef):
            break
    *classes, function = outer
    body = [ast.copy_location(ast.FunctionDef(function.name, function.args, function.body, []), function)]
    for surrounding in reversed(classes):  # for super(), and the names of private attributes
        body = [ast.copy_location(ast.ClassDef(surrounding.name, [], [], body, []), surrounding)]
    code = compile(ast.Module(body, []), match.file, "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    for part in outer:
        code = next(const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == part.name)
    return code


# --- imports ----------------------------------------------------------------------------------------------------------


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports COPY from the files of refimpl, one of them changed where there is a fault."""

    def __init__(self, fault: Fault | None) -> None:
        self._changed = {fault.file: fault.tree()} if fault else {}

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != COPY:
            return None
        file = _file(name)
        package = file.endswith("__init__.py")
        return importlib.machinery.ModuleSpec(name, self, origin=file, is_package=package)

    def exec_module(self, module: ModuleType) -> None:
        file = str(module.__spec__.origin)  # type: ignore[union-attr]  # made above
        module.__dict__["__builtins__"] = _builtins()
        exec(compile(self._changed[file], file, "exec") if file in self._changed else right_code(file), module.__dict__)


def _imported(fault: Fault | None) -> ModuleType:
    """The copy with this fault, or the right one. Modules that neither this fault nor the last reaches stay."""
    reached = _touched(fault.file) if fault else frozenset()
    if COPY in sys.modules and not reached and not _reached:
        return sys.modules[COPY]
    for name in _reached | reached | {COPY}:
        sys.modules.pop(name, None)
    _reached.clear()
    _reached.update(reached)
    importer = _Importer(fault)
    sys.meta_path.insert(0, importer)
    watching = sys.getprofile()
    sys.setprofile(lambda frame, *_: _run_by_imports.add(frame.f_code))
    try:
        copy = importlib.import_module(COPY)
        for name in copy.__all__:
            getattr(copy, name)  # which loads its package, while there is an importer for it
        return copy
    finally:
        sys.setprofile(watching)
        sys.meta_path.remove(importer)


def defined_in_copy(code: CodeType) -> dict[str, Any]:
    """What the code of a module outside of refimpl defines, where refimpl is the copy."""
    namespace: dict[str, Any] = {"__name__": "outside_of_the_copy", "__builtins__": _builtins()}
    exec(code, namespace)
    return namespace


def _builtins() -> dict[str, Any]:
    return vars(builtins) | {"__import__": _import}


def _import(name: str, *others: Any) -> ModuleType:
    """What `import` does in the copy, where refimpl is the copy."""
    return __import__(COPY + name.removeprefix("refimpl") if name.partition(".")[0] == "refimpl" else name, *others)


def _file(module: str) -> str:
    path = "refimpl/" + "/".join(module.split(".")[1:])
    package = f"{path.rstrip('/')}/__init__.py"
    return package if (ROOT / package).exists() else f"{path}.py"


@cache
def right_code(file: str) -> CodeType:
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
