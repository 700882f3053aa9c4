"""Which of cosmic-ray's mutants count, which function each one changes, and which key identifies it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

Place = tuple[int, int]  # line from 1, column from 0, in characters

# A replacement within a group counts. One across groups is not a mistake that happens: bits of floats raise TypeError
# wherever they are reached, `is` agrees with == on small integers and literals by chance of the interpreter, and
# `a * not b` is not Python.
_GROUPS = (
    {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"},
    {"BitAnd", "BitOr", "BitXor"},
    {"LShift", "RShift"},
    {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"},
    {"Is", "IsNot"},
    {"USub", "UAdd", "Delete"},
    {"Invert", "Delete"},
    {"Not", "Delete"},
)
_ORDER = {"Lt", "LtE", "Gt", "GtE"}


@dataclass(frozen=True, order=True)
class Key:
    """What identifies a mutant: in this file and definition it replaces the nth occurrence of a text.

    definition: qualified name, "" at the level of the module. find, replace: the lines that differ, not indented.
    """

    file: str
    definition: str
    find: str
    replace: str
    nth: int = 1


class Source:
    """The text of one file of the reference, and what its syntax says about places in it."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self._lines = text.splitlines()
        self._nodes = list(_with_names(ast.parse(text)))
        self._not_code = [self._span(node) for _, owner in self._nodes for node in _not_code(owner)]
        self._gaps = [  # the places of operators of binary operations
            (self._span(node.left)[1], self._span(node.right)[0])
            for _, node in self._nodes
            if isinstance(node, ast.BinOp)
        ]
        self._names = [  # comparisons with a string
            self._span(node)
            for _, node in self._nodes
            if isinstance(node, ast.Compare) and any(_is_text(x) for x in (node.left, *node.comparators))
        ]

    def counts(self, operator: str, start: Place) -> bool:
        """Whether a mutant that this operator of cosmic-ray makes at this place counts.

        Annotations do not, since they are not evaluated, nor f-strings, which are the prose of messages, nor an order
        of strings, which are names of conventions. Neither does the star of a parameter or of an unpacking, which
        cosmic-ray takes for a product.
        """
        kind, _, names = operator.removeprefix("core/").partition("_")
        pair = set(names.split("_")) if names else set()
        if not any(pair <= group for group in _GROUPS):
            return False
        if kind == "ReplaceBinaryOperator" and not _inside(start, self._gaps):
            return False
        return not _inside(start, self._not_code) and not (pair & _ORDER and _inside(start, self._names))

    def function(self, place: Place) -> int | None:
        """First line, decorators included, of the innermost function in whose body the place lies.

        None for code that runs on import, and for cached functions, since tests that use one need not call it.
        """
        around = [
            node
            for _, node in self._nodes
            if isinstance(node, ast.FunctionDef)
            and _inside(place, [(self._span(node.body[0])[0], self._span(node.body[-1])[1])])
        ]
        if not around or any("cache" in ast.unparse(d) for node in around for d in node.decorator_list):
            return None
        return max(first_line(node) for node in around)

    def key(self, start: Place, mutated: str) -> Key:
        """The key of the mutant with this text, which is changed from this place on."""
        old, new, first = self._lines, mutated.splitlines(), start[0] - 1
        same = 0  # lines after the change; new lines may be fewer than come before it, where a decorator is removed
        while same < min(len(old) - first - 1, len(new)) and old[-1 - same] == new[-1 - same]:
            same += 1
        find, replace = ("\n".join(line.strip() for line in text[first : len(text) - same]) for text in (old, new))
        around = [
            (first_line(node), name)
            for name, node in self._nodes
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and first_line(node) <= start[0] <= node.end_lineno
        ]
        begin, definition = max(around, default=(1, ""))
        return Key(self.file, definition, find, replace, self._occurrences(find, begin - 1, first + 1))

    def has(self, key: Key) -> bool:
        """Whether the definition still contains the text that the key's mutant replaces."""
        spans = [
            (first_line(node) - 1, node.end_lineno)
            for name, node in self._nodes
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and name == key.definition
        ]
        if not key.definition:
            spans = [(0, len(self._lines))]
        return sum(self._occurrences(key.find, begin, end) for begin, end in spans) >= key.nth

    def _occurrences(self, find: str, begin: int, end: int) -> int:
        """How many of these lines, counted from 0, begin the text."""
        wanted = find.splitlines()
        return sum(
            [line.strip() for line in self._lines[first : first + len(wanted)]] == wanted for first in range(begin, end)
        )

    def _span(self, node: ast.AST) -> tuple[Place, Place]:
        """Begin and end of a node; Python counts columns in bytes."""
        return self._place(node.lineno, node.col_offset), self._place(node.end_lineno, node.end_col_offset)

    def _place(self, line: int, column: int) -> Place:
        return line, len(self._lines[line - 1].encode()[:column].decode())


def _inside(place: Place, spans: list[tuple[Place, Place]]) -> bool:
    return any(first <= place < last for first, last in spans)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _with_names(node: ast.AST, name: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node below this one, with the qualified name of the definition that it is or lies in."""
    for child in ast.iter_child_nodes(node):
        own = name
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            own = f"{name}.{child.name}".lstrip(".")
        yield own, child
        yield from _with_names(child, own)


def _not_code(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that are not evaluated, or are prose."""
    if isinstance(node, ast.JoinedStr):
        yield node
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        if part is not None:
            yield part


def first_line(node: ast.FunctionDef | ast.ClassDef) -> int:
    """Of a definition, its decorators included."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
