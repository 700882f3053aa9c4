"""The rules that hold for every file of the repository, and proof that each check can fail."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

IMPORT_SECONDS = 0.2

ORACLE_IMPORTS = {"refimpl", "numpy", *sys.stdlib_module_names}
MULTIPRECISION = "refimpl/arithmetic/multiprecision.py"

FRAMEWORKS = {"torch", "jax", "optax", "keras", "tensorflow"}
FRAMEWORK_PLACES = (
    "conformance/subjects/", "conformance/adapters/", "conformance/profiles/calibrate.py",
    "conformance/faults/other_methods.py",
)  # fmt: skip

TOLERANCE_NAMES = {
    *("rtol", "atol", "rel_tol", "abs_tol", "approx", "isclose", "allclose", "assert_allclose", "assertAlmostEqual"),
    *("assert_almost_equal", "assert_approx_equal", "assert_array_almost_equal"),
}
TOLERANCE_PLACES = ("refimpl/arithmetic/", "conformance/profiles/")

TEXT_FILES = (".py", ".pyi", ".md", ".toml", ".yml", ".yaml", ".html", ".txt", "Makefile")
RETIRED = "tests/retired.toml"

TYPES = "refimpl/types.py"  # the one place that says Any: its aliases say what an argument is
UNTYPED = "tests/untyped.txt"


# --- what is read off a file, or off a fresh interpreter ---


def texts(root: Path, endings: tuple[str, ...] = TEXT_FILES) -> Iterator[tuple[str, str]]:
    """Path relative to `root` and text of every file that ends so, without build output and environments, and of the
    hidden folders only .github."""
    for path in sorted(root.iterdir()):
        if path.is_file() and path.name.endswith(endings):
            yield path.name, path.read_text(encoding="utf-8")
        elif path.is_dir() and searched(path):
            for name, text in texts(path, endings):
                yield f"{path.name}/{name}", text


def searched(folder: Path) -> bool:
    hidden = folder.name.startswith(".") and folder.name != ".github"
    return not (
        hidden or folder.name.startswith("build") or folder.suffix == ".egg-info" or (folder / "pyvenv.cfg").exists()
    )


def python_files(root: Path) -> Iterator[tuple[str, str]]:
    """Path relative to `root` and text of every Python file."""
    return texts(root, (".py",))


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def imported_modules(source: str) -> set[str]:
    """Top-level names of the modules a file imports, at any depth of nesting, by statement or by name."""
    modules = set()
    for node in ast.walk(parsed(source)):
        match node:
            case ast.Import(names=names):
                modules.update(alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                modules.add(module)
            case ast.Call(
                func=ast.Attribute(attr=function) | ast.Name(id=function), args=[ast.Constant(value=str(module)), *_]
            ) if function in {"import_module", "__import__", "importorskip"}:
                modules.add(module)
    return {module.partition(".")[0] for module in modules}


def tolerance_names(source: str) -> set[str]:
    """Names in code (not in comments or strings) through which a tolerance chosen by hand enters a comparison."""
    if not any(name in source for name in TOLERANCE_NAMES):
        return set()  # without the cost of its tokens
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME} & TOLERANCE_NAMES


def docstring_defect(source: str) -> str | None:
    """What is wrong with the first line of the module's docstring; None for one sentence of at most 120 characters."""
    docstring = ast.get_docstring(parsed(source))
    if not docstring:
        return "no module docstring"
    line = docstring.splitlines()[0]
    if len(line) > 120:
        return f"first line has {len(line)} characters, allowed are 120"
    if not line.endswith(".") or re.search(r"[.!?] [A-Z]", line):
        return f"first line is not one sentence: {line!r}"
    return None


def import_in_fresh_interpreter(statement: str, root: Path, runs: int = 9) -> tuple[float, set[str]]:
    """Import from `root` in a new interpreter: seconds (least of so many runs) and top-level modules that it loaded.

    Seconds are processor time of the importing thread, so that neither a busy machine nor the thread pool of a linear
    algebra library decides. Modules without a specification do not count: compiled extensions make them up in memory.
    """
    program = (
        f"import sys, time; sys.path.insert(0, {str(root)!r}); before = set(sys.modules)\n"
        f"start = time.thread_time(); {statement}; print(time.thread_time() - start)\n"
        "loaded = [name for name, module in sys.modules.items() if getattr(module, '__spec__', None)]\n"
        "print(*{name.partition('.')[0] for name in set(loaded) - before})"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    printed = []
    for _ in range(runs):
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
        )
        assert run.returncode == 0, run.stderr
        printed.append(run.stdout.splitlines())
    return min(float(seconds) for seconds, _ in printed), set(printed[0][1].split())


def in_words(text: str) -> str:
    """The words of a text in lower case, one blank between them: camel case, snake case and comments taken apart."""
    return re.sub(r"[\s_#]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).lower()


@cache
def pattern(word: str) -> re.Pattern[str]:
    """Finds a retired word where no letter adjoins it."""
    return re.compile(rf"(?<![a-z])(?:{word})(?![a-z])")


@cache
def names_of(source: str) -> set[str]:
    """The names in code and the strings that could be names, in words."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    names |= {node.value for node in ast.walk(parsed(source)) if is_text(node) and node.value.isidentifier()}
    return {in_words(name).strip() for name in names}


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# --- the rules: each returns what breaks it under `root`, by path ---


def oracle_imports_others(root: Path) -> dict[str, set[str]]:
    """Imports in `refimpl` other than NumPy and the standard library (mpmath: in the multiprecision array only)."""
    return {
        path: others
        for path, source in python_files(root)
        if path.startswith("refimpl/")
        and (others := imported_modules(source) - ORACLE_IMPORTS - ({"mpmath"} if path == MULTIPRECISION else set()))
    }


def frameworks_outside_subjects(root: Path) -> dict[str, set[str]]:
    """Frameworks imported by the suite or by the tests of the oracle, outside the packages that drive them."""
    return {
        path: frameworks
        for path, source in python_files(root)
        if path.startswith(("conformance/", "tests/refimpl/"))
        and not path.startswith(FRAMEWORK_PLACES)
        and (frameworks := imported_modules(source) & FRAMEWORKS)
    }


def tolerances_chosen_by_hand(root: Path) -> dict[str, set[str]]:
    """Tolerances outside the places that derive and measure them."""
    return {
        path: names
        for path, source in python_files(root)
        if not path.startswith(TOLERANCE_PLACES) and (names := tolerance_names(source))
    }


def files_without_purpose(root: Path) -> dict[str, str]:
    """Files whose first line does not say in one sentence what they are for."""
    return {path: defect for path, source in python_files(root) if (defect := docstring_defect(source))}


def retired_words(root: Path) -> dict[str, set[str]]:
    """Words that the project no longer uses, each with what it says instead."""
    retired = tomllib.loads((root / RETIRED).read_text(encoding="utf-8"))
    return {
        path: {f"{word}: say {better}" for word, better in used}
        for path, text in texts(root)
        if path != RETIRED and (used := [*_retired_texts(path, text, retired), *_retired_names(path, text, retired)])
    }


def _retired_texts(path: str, text: str, retired: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    words = f"{in_words(path)} {in_words(text)}"
    return ((word, better) for word, better in retired["texts"].items() if pattern(word).search(words))


def _retired_names(path: str, text: str, retired: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    names = names_of(text) if path.endswith(".py") else set()
    return ((word, better) for word, better in retired["names"].items() if any(re.fullmatch(word, n) for n in names))


def signatures_that_say_any(root: Path) -> dict[str, set[str]]:
    """Public functions and methods of both packages with Any in their signature, where an alias could say more."""
    untyped = {line for line in (root / UNTYPED).read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
    return {
        path: names
        for path, source in python_files(root)
        if path.startswith(("refimpl/", "conformance/"))
        and path not in {TYPES, *untyped}
        and (names := set(_that_say_any(parsed(source))))
    }


def _that_say_any(definition: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in definition.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (f"{node.name}.{name}" for name in _that_say_any(node))
        elif isinstance(node, ast.FunctionDef) and (node.name.startswith("__") or not node.name.startswith("_")):
            annotations = [part.annotation for part in ast.walk(node.args) if isinstance(part, ast.arg)]
            if any(_says_any(part) for part in (*annotations, node.returns) if part):
                yield node.name


def _says_any(annotation: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in ast.walk(annotation))


def test_importing_refimpl_is_quick():
    seconds, _ = import_in_fresh_interpreter("import refimpl", ROOT)
    assert seconds < IMPORT_SECONDS


def test_every_name_of_refimpl_needs_numpy_only():
    _, modules = import_in_fresh_interpreter("from refimpl import *", ROOT, runs=1)
    assert {"refimpl", "numpy"} <= modules
    assert not modules - ORACLE_IMPORTS


@pytest.mark.parametrize(
    "rule",
    [
        oracle_imports_others,
        frameworks_outside_subjects,
        tolerances_chosen_by_hand,
        files_without_purpose,
        retired_words,
        signatures_that_say_any,
    ],
    ids=lambda rule: rule.__name__,
)
def test_nothing_breaks_the_rule(rule):
    assert rule(ROOT) == {}


def test_the_rules_reach_every_package():
    places = {path.partition("/")[0] for path, _ in python_files(ROOT)}
    assert {"refimpl", "conformance", "tests"} <= places


# --- proof that each can fail ---


def write(root: Path, files: dict[str, str]) -> None:
    """Write files, given by path relative to `root`, with the folders they need."""
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source, encoding="utf-8")


def test_files_are_found_at_any_depth_and_not_in_environments(tmp_path):
    write(tmp_path, dict.fromkeys(["a.py", "a/inner/b.py", "notes.txt", ".hidden/c.py", "build/d.py"], "x = 1\n"))
    write(tmp_path, {"environment/pyvenv.cfg": "", "environment/e.py": "x = 1\n"})
    assert dict(python_files(tmp_path)) == {"a.py": "x = 1\n", "a/inner/b.py": "x = 1\n"}


def test_a_slow_import_of_another_package_is_seen(tmp_path):
    busy = f"import time\nwhile time.thread_time() < 2 * {IMPORT_SECONDS}: pass\n"
    write(tmp_path, {"other.py": busy, "written.py": "import other\n"})
    seconds, modules = import_in_fresh_interpreter("import written", tmp_path, runs=2)
    assert seconds >= IMPORT_SECONDS
    assert modules - ORACLE_IMPORTS == {"written", "other"}


def test_another_import_in_the_oracle_is_found(tmp_path):
    write(tmp_path, dict.fromkeys([MULTIPRECISION, "refimpl/losses.py", "tests/a.py"], "def f():\n    import mpmath\n"))
    write(tmp_path, {"refimpl/clipping.py": "import conformance\nimport math\nimport numpy as np\n"})
    assert oracle_imports_others(tmp_path) == {
        "refimpl/losses.py": {"mpmath"},
        "refimpl/clipping.py": {"conformance"},
    }


def test_a_framework_outside_the_subjects_is_found(tmp_path):
    inside = ["conformance/subjects/torch.py", "conformance/profiles/calibrate.py", "tests/conformance/test_torch.py"]
    outside = ["conformance/cli.py", "conformance/cases/a.py", "conformance/profiles/a.py", "tests/refimpl/test_a.py"]
    write(tmp_path, dict.fromkeys(inside + outside, "import torch\nimport jax.numpy as jnp\n"))
    assert frameworks_outside_subjects(tmp_path) == {path: {"torch", "jax"} for path in outside}


@pytest.mark.parametrize(
    "source",
    [
        "import numpy, torch.nn as nn",
        "from torch.optim import Adam",
        "def lazily():\n    import torch",
        "try:\n    from torch import nn\nexcept ImportError:\n    nn = None",
        "importlib.import_module('torch.nn')",
        "__import__('torch')",
        "pytest.importorskip('torch', reason='not installed')",
    ],
)
def test_an_import_in_any_form_is_found(source):
    assert "torch" in imported_modules(source)


@pytest.mark.parametrize("source", ["from . import torch", "from .torch import x", "find_spec('torch')", "'torch'"])
def test_the_name_of_a_framework_alone_is_no_import(source):
    assert imported_modules(source) == set()


def test_a_tolerance_outside_arithmetic_and_profiles_is_found(tmp_path):
    places = ["refimpl/arithmetic/forms.py", "conformance/profiles/a.py", "conformance/cases/a.py", "tests/a.py"]
    write(tmp_path, dict.fromkeys(places, "limits = {0: 1}\ncheck(rtol=1e-6)\n"))
    assert tolerances_chosen_by_hand(tmp_path) == {path: {"rtol"} for path in places[2:]}


@pytest.mark.parametrize("name", sorted(TOLERANCE_NAMES))
def test_a_tolerance_in_any_form_is_found(name):
    assert tolerance_names(f"check(a, b, {name}=1e-6)") == {name}
    assert tolerance_names(f"assert library.{name}(a, b)") == {name}


def test_a_tolerance_in_a_comment_or_a_string_does_not_count():
    assert tolerance_names('"""rtol=1e-6"""\nx = "approx("  # isclose(a, b)\n') == set()


def test_a_file_without_purpose_is_found(tmp_path):
    write(tmp_path, {"refimpl/a.py": "import numpy\n", "tests/b.py": '"""Proof that a file is found."""\n'})
    assert files_without_purpose(tmp_path) == {"refimpl/a.py": "no module docstring"}


@pytest.mark.parametrize(
    ("source", "defect"),
    [
        ("", "no module docstring"),
        ("# A comment.\nimport numpy\n", "no module docstring"),
        ("import numpy\n'''Too late.'''\n", "no module docstring"),
        ("'''Adam'''", "not one sentence"),
        ("'''Adam, by the paper. And more.'''", "not one sentence"),
        ("'''Adam, by the\npaper.'''", "not one sentence"),
        (f"'''{'x' * 120}.'''", "has 121 characters"),
    ],
)
def test_a_first_line_that_is_not_one_sentence_is_found(source, defect):
    assert defect in docstring_defect(source)


def test_a_first_line_of_one_sentence_is_accepted():
    assert docstring_defect("'''Adam (Kingma & Ba 2015, algorithm 1), e.g. for networks.\n\nMore. And more.'''") is None


def write_retired(root: Path, texts: str = "", names: str = "") -> None:
    write(root, {RETIRED: f"[texts]\n{texts}\n[names]\n{names}\n"})


def test_a_retired_word_is_found_in_every_kind_of_file_and_in_its_path(tmp_path):
    files = [".github/a.yml", "Makefile", "a.md", "a/a.html", "a/a.toml", "a/b.py", "a/b.pyi"]
    write_retired(tmp_path, texts='"blorps?" = "slot"')
    write(tmp_path, dict.fromkeys(files, '"""A blorp of a blorp."""\n'))
    write(tmp_path, {"blorps/a.py": "x = 1\n", "a/c.md": "blorping", ".hidden/a.md": "blorp"})
    assert retired_words(tmp_path) == {path: {"blorps?: say slot"} for path in [*files, "blorps/a.py"]}


@pytest.mark.parametrize(
    "text",
    ["ab_cd = 1", "class AbCd:", "AB_CD", "ab cd", "x_ab_cd_y", "ab\n    cd", "# ab\n# cd", "`ab cd`", "'ab cd'"],
)
def test_a_retired_phrase_is_found_in_any_spelling(tmp_path, text):
    write_retired(tmp_path, texts='"ab cd" = "ef"')
    write(tmp_path, {"a.md": text})
    assert retired_words(tmp_path) == {"a.md": {"ab cd: say ef"}}


def test_a_word_that_contains_a_retired_one_is_not_retired(tmp_path):
    write_retired(tmp_path, texts='"saw" = "seen"')
    write(tmp_path, {"a.md": "A seesaw is sawn."})
    assert retired_words(tmp_path) == {}


def test_a_retired_name_is_found_in_names_and_keys_and_not_in_prose(tmp_path):
    write_retired(tmp_path, names='"blorp" = "slot"')
    code = ["Blorp = 1\n", "def f(blorp):\n    pass\n", "a.blorp\n", "x = {'blorp': 1}\n"]
    write(tmp_path, {f"{number}.py": text for number, text in enumerate(code)})
    write(tmp_path, {"prose.py": "# the blorp\n", "text.py": "x = 'a blorp'\n", "longer.py": "blorp_of = 1\n"})
    assert retired_words(tmp_path) == {f"{number}.py": {"blorp: say slot"} for number in range(4)}


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: Any): ...",
        "def f(*x: Any): ...",
        "def f(*, x: dict[str, Any] | None): ...",
        "def f(x) -> Any: ...",
        "class A:\n    def f(self, x: Any): ...",
        "class A:\n    def __init__(self, x: Any): ...",
    ],
)
def test_a_public_signature_that_says_any_is_found_unless_its_file_is_listed(tmp_path, source):
    write(tmp_path, {"refimpl/a.py": source, TYPES: source, "conformance/b.py": source, "tests/c.py": source})
    write(tmp_path, {UNTYPED: "# so far\n"})
    assert set(signatures_that_say_any(tmp_path)) == {"refimpl/a.py", "conformance/b.py"}
    write(tmp_path, {UNTYPED: "# so far\nconformance/b.py\n"})
    assert set(signatures_that_say_any(tmp_path)) == {"refimpl/a.py"}


@pytest.mark.parametrize(
    "source",
    [
        "def _f(x: Any): ...",
        "def f(x: Array):\n    y: Any = x",
        "def f():\n    def g(x: Any): ...",
        "class _A:\n    def f(self, x: Any): ...",
        "class A:\n    def _f(self, x: Any): ...",
    ],
)
def test_any_inside_and_in_private_signatures_is_allowed(tmp_path, source):
    write(tmp_path, {"refimpl/a.py": source, UNTYPED: ""})
    assert signatures_that_say_any(tmp_path) == {}
