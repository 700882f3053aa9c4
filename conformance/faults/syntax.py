"""Fragments of code found and replaced in the syntax tree of a function, class or module."""

from __future__ import annotations

import ast
import copy
import difflib
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

Step = tuple[str, int | None]  # a field of a node, and an index where the field is a list
_Definition = ast.FunctionDef | ast.ClassDef
# Layout and comments are not in the tree; these fields are, and do not matter either.
_IGNORED = {"ctx", "annotation", "returns", "type_comment", "kind"}


class NotFound(ValueError):
    """A place or a fragment does not exist, or exists more than once."""


@dataclass(frozen=True)
class Match:
    """Where a fragment is. steps: from the module to it. count: of statements; None for an expression."""

    file: str
    steps: tuple[Step, ...]
    count: int | None


@cache
def parsed(file: str) -> ast.Module:
    """The syntax tree of the file with this path from the root of the repository. Callers must not change it."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


@cache
def file_of(place: str) -> str:
    """The file of a qualified name: that of the longest beginning of the name which is a module."""
    names = place.split(".")
    for length in range(len(names), 0, -1):
        stem = "/".join(names[:length])
        for file in (f"{stem}.py", f"{stem}/__init__.py"):
            if (ROOT / file).exists():
                return file
    raise NotFound(f"there is no module {place!r}")


@cache
def matched(place: str, find: str, replace: str, occurrence: int | None = None) -> Match:
    """Where in the place the fragment is that `find` says. Raises NotFound unless it is there exactly once.

    Both are expressions, or both are taken as statements. A definition with the body `...` stands for its header.
    occurrence: which one is meant, 1 for the first, of a fragment that is there more often.
    """
    found = list(_matches(place, _fragment(find, _are_expressions(find, replace))))
    if occurrence and occurrence <= len(found):
        return found[occurrence - 1]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"{place} has {find!r} {len(found)} times: quote more of the code around it")
    nearest = _nearest(place, find)
    raise NotFound(f"{place} does not have {find!r}" + "".join(f"\n  it has {candidate!r}" for candidate in nearest))


def replaced(match: Match, replace: str) -> ast.Module:
    """The tree of the file with `replace` in the place of the match. Raises SyntaxError."""
    module = parsed(match.file)
    new = _fragment(replace, match.count is None)
    if isinstance(new, ast.expr):
        return _with(module, match.steps, new)
    *steps, (field, index) = match.steps
    statements = getattr(node_at(module, steps), field)
    begin = index or 0
    end = begin + (match.count or 0)
    changed = [*statements[:begin], *_in_place_of(statements[begin:end], new), *statements[end:]]
    return _with(module, (*steps, (field, None)), changed or ast.parse("pass").body)


def function_around(match: Match) -> ast.FunctionDef | None:
    """The innermost function that the match is in, or is; None outside of functions."""
    return next((node for _, node in reversed(definitions(match)) if isinstance(node, ast.FunctionDef)), None)


def definitions(match: Match) -> list[tuple[tuple[Step, ...], ast.FunctionDef | ast.ClassDef]]:
    """The functions and classes that the match is in, or is, with the steps to them, the outermost first."""
    module = parsed(match.file)
    nodes = ((match.steps[:length], node_at(module, match.steps[:length])) for length in range(len(match.steps) + 1))
    return [(steps, node) for steps, node in nodes if isinstance(node, _Definition)]


# --- fragments --------------------------------------------------------------------------------------------------------


def _are_expressions(*texts: str) -> bool:
    return all(isinstance(_fragment(text, True), ast.expr) for text in texts)


@cache
def _fragment(text: str, expression: bool) -> Any:
    """The text as statements, or as an expression where it is one and one is wanted."""
    statements = ast.parse(textwrap.dedent(text).strip()).body
    if expression and len(statements) == 1 and isinstance(statements[0], ast.Expr):
        return statements[0].value
    return statements


def _in_place_of(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The new statements, with the bodies of headers and the annotations of variables that the old ones have."""
    annotations = {
        s.target.id: s.annotation for s in old if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    }
    for before, statement in zip_longest(old, new):
        if isinstance(statement, _Definition) and _is_header(statement) and isinstance(before, _Definition):
            yield _copied(statement, body=before.body)
        elif isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", None) in annotations:
            target: Any = statement.targets[0]
            annotated = ast.AnnAssign(target, annotations[target.id], statement.value, simple=1)
            yield ast.copy_location(annotated, statement)
        elif statement is not None:
            yield statement


def _is_header(definition: _Definition) -> bool:
    body = definition.body
    return len(body) == 1 and isinstance(body[0], ast.Expr) and getattr(body[0].value, "value", None) is ...


# --- finding ----------------------------------------------------------------------------------------------------------


def _matches(place: str, fragment: Any) -> Iterator[Match]:
    file = file_of(place)
    for steps, node in _nodes(place):
        if isinstance(fragment, ast.expr):
            if type(node) is type(fragment) and _same(fragment, node):
                yield Match(file, steps, None)
        elif isinstance(node, ast.stmt):
            *up, (field, index) = steps
            if index is None:
                continue
            following = getattr(node_at(parsed(file), up), field)[index : index + len(fragment)]
            if _same(fragment, following):
                yield Match(file, steps, len(fragment))


@cache
def _nodes(place: str) -> list[tuple[tuple[Step, ...], ast.AST]]:
    """All nodes of the place with the steps to them, the place itself first."""
    steps: tuple[Step, ...] = ()
    node: ast.AST = parsed(file_of(place))
    for name in _names_in_module(place):
        found = list(_definitions(node, name, steps))
        if len(found) != 1:
            names = [child.name for child in ast.walk(node) if isinstance(child, _Definition)]
            nearest = ", ".join(difflib.get_close_matches(name, names)) or ", ".join(sorted(set(names)))
            raise NotFound(f"{place}: there are {len(found)} definitions of {name}; there is {nearest}")
        ((steps, node),) = found
    return list(_walk(node, steps))


def _names_in_module(place: str) -> list[str]:
    module = file_of(place).removesuffix(".py").removesuffix("/__init__")
    return place.split(".")[module.count("/") + 1 :]


def _definitions(node: ast.AST, name: str, steps: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], ast.AST]]:
    """The definitions of the name in the node, those inside of other definitions left out."""
    for step, child in _children(node):
        if isinstance(child, _Definition):
            if child.name == name:
                yield (*steps, step), child
        elif isinstance(child, ast.stmt):
            yield from _definitions(child, name, (*steps, step))


def _walk(node: ast.AST, steps: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], ast.AST]]:
    yield steps, node
    for step, child in _children(node):
        yield from _walk(child, (*steps, step))


def _children(node: ast.AST) -> Iterator[tuple[Step, ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield (field, None), value
        elif isinstance(value, list):
            yield from (((field, index), child) for index, child in enumerate(value) if isinstance(child, ast.AST))


def _same(fragment: Any, code: Any) -> bool:
    """Whether the code reads as the fragment does."""
    if isinstance(fragment, list):
        return len(fragment) == len(code) and all(map(_same, fragment, code))
    if not isinstance(fragment, ast.AST):
        return type(fragment) is type(code) and fragment == code
    kind, values = _read(fragment)
    other, others = _read(code)
    if kind is not other:
        return False
    header = isinstance(fragment, _Definition) and _is_header(fragment)
    return all(_same(values[name], others[name]) for name in values if not (header and name == "body"))


def _read(node: ast.AST) -> tuple[type[ast.AST], dict[str, Any]]:
    """The type and the fields of a node that matter."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return ast.Assign, {"targets": [node.target], "value": node.value}
    fields = {name: value for name, value in ast.iter_fields(node) if name not in _IGNORED}
    if isinstance(node, _Definition) and len(node.body) > 1 and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    return type(node), fields


def _nearest(place: str, find: str) -> list[str]:
    """The code of the place that looks most like the fragment."""
    kind = ast.expr if _are_expressions(find) else ast.stmt
    nodes = _nodes(place)
    texts = {ast.unparse(node) for _, node in nodes if isinstance(node, kind) and not isinstance(node, _Definition)}
    return difflib.get_close_matches(find, sorted(texts), n=3, cutoff=0.5)


# --- changing ---------------------------------------------------------------------------------------------------------


def node_at(node: Any, steps: Sequence[Step]) -> Any:
    """What the steps lead to."""
    for field, index in steps:
        node = getattr(node, field)
        node = node if index is None else node[index]
    return node


def _with(node: Any, steps: Sequence[Step], new: Any) -> Any:
    """The node, with something new at the end of the steps. What is not on the way is shared."""
    if not steps:
        return new
    (field, index), *rest = steps
    value = getattr(node, field)
    if index is None:
        return _copied(node, **{field: _with(value, rest, new)})
    changed = _with(value[index], rest, new)
    return _copied(node, **{field: [*value[:index], changed, *value[index + 1 :]]})


def _copied(node: Any, **fields: Any) -> Any:
    copied = copy.copy(node)
    for name, value in fields.items():
        setattr(copied, name, value)
    return copied
