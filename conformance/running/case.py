"""What a case says about itself: statement, source, kind, what it catches, and the capability it requires."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.subjects.subject import CAPABILITIES

CASES = Path(__file__).parents[1] / "cases"
KINDS = ("property", "analytic", "statistical", "exact")


@dataclass(frozen=True)
class Case:
    """statement: what holds, in one sentence. source: the paper and equation, or the documentation that says so.
    catches: which mistakes it is for. capability: what the subject must offer. in_one_variant: it runs in the first
    of the chosen variants, as the others share its subject matter, or are checked by a cheaper case."""

    statement: str
    source: str
    kind: str
    catches: str
    capability: str
    in_one_variant: bool


def case(
    *, statement: str, source: str, kind: str, catches: str, capability: str, in_one_variant: bool = False
) -> Callable[[Callable], Callable]:
    """Marks a test function as a case of the suite; it takes the fixtures `subject` and `compare`."""
    for name, value, allowed in (("kind", kind, KINDS), ("capability", capability, CAPABILITIES)):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    described = Case(statement, source, kind, catches, capability, in_one_variant)

    def mark(function: Any) -> Any:
        function.case = described
        return function

    return mark


def own_id(parameters: Iterable[Any]) -> str:
    """What a case's own parameters add to its id: nothing, or [Adam,float32]."""
    names = [str(getattr(value, "__name__", value)) for value in parameters]
    return f"[{','.join(names)}]" if names else ""


def topic(file: Path) -> str:
    """What the ids of the cases in a file begin with: its name, or that of its folder in `conformance.cases`."""
    return file.parent.name if file.parent.parent == CASES else file.stem


def found(paths: Iterable[Path]) -> Iterator[tuple[str, Case]]:
    """The (id without parameters, description) of every case in the given files and folders.

    Raises ValueError for a file that is not there or does not run.
    """
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            spec = importlib.util.spec_from_file_location(f"cases_of_{topic(file)}_{file.stem}", file)
            module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
            sys.modules[module.__name__] = module  # which dataclasses look for
            try:
                spec.loader.exec_module(module)  # type: ignore[union-attr]
            except Exception as problem:
                raise ValueError(f"{file} cannot be loaded: {problem!r}") from problem
            for name, function in vars(module).items():
                if isinstance(getattr(function, "case", None), Case):
                    yield f"{topic(file)}.{name.removeprefix('test_')}", function.case
