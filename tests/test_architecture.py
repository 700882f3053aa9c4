"""Imports go one way, and docs/architecture.md says what there is: its picture, its names, its commands."""

import re

import pytest

from tests import architecture
from tests.architecture import arrows, cycles, module_imports, package_imports

ROOT = architecture.ROOT
TEXT = (ROOT / architecture.PAGE).read_text("utf-8")
ROWS = re.findall(r"^\| (`.*) \| (.*) \|$", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def imports():
    return module_imports(architecture.modules(ROOT))


def test_no_module_imports_itself_through_others(imports):
    assert cycles(imports) == set()


def test_packages_import_one_way(imports):
    assert cycles(package_imports(imports)) == set()


def test_the_page_is_what_imports_and_packages_give(imports):
    """`python -m tests.architecture` writes it."""
    assert architecture.written(TEXT, imports) == TEXT


def test_every_package_has_a_row_that_says_what_to_run(imports):
    touched = {path.rstrip("/").removesuffix(".py").replace("/", ".") for row, _ in ROWS for path in paths(row)}
    assert package_imports(imports).keys() - {"refimpl"} <= touched


def paths(text):
    return re.findall(r"`([^`]+)`", text)


def missing(row, targets, root):
    """What a row names that is not there: files and folders, commands, and what `make one` is to run."""
    touched, commands = row
    yield from (path for path in paths(touched) if not (root / path).exists())
    for command in paths(commands):
        words = command.removeprefix("make ").split()
        if words[0] not in targets:
            yield command
        for given in (word.removeprefix("T=") for word in words if word.startswith("T=")):
            topic = root / "conformance/cases" / given.rstrip(".")
            named = [root / given] if "/" in given else [topic, topic.with_suffix(".py")]
            if given != "NAME." and not any(path.exists() for path in named):
                yield command


def test_each_row_names_files_and_commands_that_there_are():
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {command for row in ROWS for command in missing(row, targets, ROOT)} == set()


# --- proof that each can fail ---


def test_a_row_that_names_what_is_not_there_is_found(tmp_path):
    (tmp_path / "there").mkdir()
    row = ("`there/`, `gone.py`", "`make one T=gone/a.py`, `make one T=gone.`, `make it`, `make one T=there/`")
    assert list(missing(row, ["one"], tmp_path)) == ["gone.py", "make one T=gone/a.py", "make one T=gone.", "make it"]


PLANTED = {
    "conformance.__init__": "from conformance.b import b",
    "conformance.a.__init__": "from conformance.b import b",
    "conformance.a.low": "x = 1",
    "conformance.b": "from .a import low\nfrom refimpl import c",
    "conformance.top": "import conformance.a\nimport conformance.b",
    "refimpl.__init__": "",
    "refimpl.c.__init__": "def f():\n    from ..d import x",
    "refimpl.d": "from numpy import c",
}


def test_an_import_in_any_form_is_followed_to_its_module():
    assert module_imports(PLANTED) == {
        "conformance.__init__": {"conformance.b"},
        "conformance.a.__init__": {"conformance.b"},
        "conformance.a.low": set(),
        "conformance.b": {"conformance.a.low", "refimpl.c.__init__"},
        "conformance.top": {"conformance.a.__init__", "conformance.b"},
        "refimpl.__init__": set(),
        "refimpl.c.__init__": {"refimpl.d"},
        "refimpl.d": set(),
    }


def test_a_cycle_of_modules_is_found():
    changed = PLANTED | {"conformance.a.low": "from conformance import a"}
    assert cycles(module_imports(PLANTED)) == set()
    assert cycles(module_imports(changed)) == {
        frozenset(["conformance.a.__init__", "conformance.a.low", "conformance.b"])
    }


def test_a_cycle_of_packages_is_found_where_modules_have_none():
    assert cycles(package_imports(module_imports(PLANTED))) == {frozenset(["conformance.a", "conformance.b"])}


def test_an_arrow_that_a_longer_path_implies_is_left_out():
    graph = {"top": {"middle", "low"}, "middle": {"low"}, "low": set()}
    assert arrows(graph) == {(frozenset([a]), frozenset([b])) for a, b in (("top", "middle"), ("middle", "low"))}


def test_the_picture_has_each_package_and_each_cycle_once():
    lines = architecture.picture(package_imports(module_imports(PLANTED))).splitlines()
    assert [line.strip() for line in lines] == [
        *("```mermaid", "flowchart TD"),
        *("subgraph conformance", 'conformance_a_b["a, b"]', 'conformance_top["top"]', "end"),
        *("subgraph refimpl", 'refimpl_c["c"]', 'refimpl_d["d"]', "end"),
        *("conformance_a_b --> refimpl", "conformance_top --> conformance_a_b", "refimpl_c --> refimpl_d", "```"),
    ]


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="needs the lines '<!-- picture: "):
        architecture.written("# Architecture\n", module_imports(PLANTED))
