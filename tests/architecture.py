"""What docs/architecture.md draws and lists, read off the imports and packages: `python -m tests.architecture`."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = "docs/architecture.md"
FACES = ("refimpl", "refimpl.arithmetic", "refimpl.propagation", "conformance")
BEGIN, END = "<!-- {}: written by python -m tests.architecture -->\n", "<!-- end -->\n"

Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, str]:
    """Source of every module of `refimpl` and `conformance`, by its full name; a package's is that of its __init__."""
    paths = [path for name in ("refimpl", "conformance") for path in sorted((root / name).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts): path.read_text("utf-8") for path in paths}


def module_imports(sources: dict[str, str]) -> Graph:
    """Module -> modules that it imports, at any depth of nesting. A package's `__init__` is a module like any other."""
    return {name: set(_imported(name, source, sources)) - {name} for name, source in sources.items()}


def _imported(name: str, source: str, known: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:  # a name of a module, or else the module that it is taken from
            parent = target.rpartition(".")[0]
            candidates = (target, f"{target}.__init__", parent, f"{parent}.__init__")
            yield from [candidate for candidate in candidates if candidate in known][:1]


def package(module: str) -> str:
    """What a module counts as in the picture: the package below `refimpl` or `conformance`, or itself."""
    return ".".join(module.removesuffix(".__init__").split(".")[:2])


def package_imports(imports: Graph) -> Graph:
    """Package -> packages it imports. For `conformance` all of `refimpl` is one. Left out is what only passes on names:
    the `__init__` of the two, and `__main__`."""
    graph: Graph = {}
    for module, targets in imports.items():
        source = package(module)
        if source in ("refimpl", "conformance", "conformance.__main__"):
            continue
        of_suite = source.startswith("conformance.")
        found = {"refimpl" if of_suite and name.startswith("refimpl") else package(name) for name in targets}
        graph.setdefault(source, set()).update(found - {source, "conformance"})
    return graph | {"refimpl": set()}


def reached(graph: Graph) -> Graph:
    """Node -> every node that a path of at least one arrow leads to."""
    closure = {node: set(targets) for node, targets in graph.items()}
    for middle in graph:
        for targets in closure.values():
            if middle in targets:
                targets |= closure[middle]
    return closure


def cycles(graph: Graph) -> set[frozenset[str]]:
    """Largest sets of two or more nodes in which each reaches each other."""
    closure = reached(graph)
    return {
        frozenset(other for other in closure[node] if node in closure[other]) for node in graph if node in closure[node]
    }


def arrows(graph: Graph) -> set[tuple[frozenset[str], frozenset[str]]]:
    """Fewest arrows, between nodes and cycles, through which all imports can still be followed."""
    of = {node: frozenset([node]) for node in graph} | {node: cycle for cycle in cycles(graph) for node in cycle}
    between = {(of[a], of[b]) for a in graph for b in graph[a] if of[a] != of[b]}
    condensed: Graph = {}
    for a, b in between:
        condensed.setdefault(_id(a), set()).add(_id(b))
        condensed.setdefault(_id(b), set())
    closure = reached(condensed)
    return {(a, b) for a, b in between if not any(_id(b) in closure[c] for c in condensed[_id(a)])}


def _id(nodes: frozenset[str]) -> str:
    """conformance_claims_report, for the cycle of two packages; refimpl, for itself."""
    return "_".join(dict.fromkeys(part for name in sorted(nodes) for part in name.split(".")))


def picture(graph: Graph) -> str:
    """The graph as a Mermaid diagram: an arrow leads from a package to one that it imports."""
    of = {node: frozenset([node]) for node in graph} | {node: cycle for cycle in cycles(graph) for node in cycle}
    lines = ["```mermaid", "flowchart TD"]
    for top in ("conformance", "refimpl"):
        lines.append(f"  subgraph {top}")
        inside = {_id(nodes): nodes for node, nodes in of.items() if node.startswith(f"{top}.")}
        for name, nodes in sorted(inside.items()):
            label = ", ".join(node.partition(".")[2] for node in sorted(nodes))
            lines.append(f'    {name}["{label}"]')
        lines.append("  end")
    lines += sorted(f"  {_id(a)} --> {_id(b)}" for a, b in arrows(graph))
    return "\n".join([*lines, "```", ""])


def names(face: str) -> str:
    """The public names of a package, as a paragraph."""
    return ", ".join(f"`{name}`" for name in importlib.import_module(face).__all__) + "\n"


def written(text: str, imports: Graph) -> str:
    """The page with the parts between its marks written again, from the imports of modules."""
    parts = {"picture": picture(package_imports(imports))} | {face: names(face) for face in FACES}
    for name, part in parts.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END)
        if not end:
            raise ValueError(f"{PAGE} needs the lines {BEGIN.format(name).strip()!r} and {END.strip()!r}")
        text = f"{before}{begin}\n{part}\n{end}{after}"
    return text


if __name__ == "__main__":
    page = ROOT / PAGE
    page.write_text(written(page.read_text("utf-8"), module_imports(modules(ROOT))), encoding="utf-8")
