"""What a contributor reads is what there is: commands, quick tests, links, decisions and the fields of issue forms."""

import inspect
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.running.result import replay

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Date: 20", "**Context.** ", "**Decision.** ", "**Consequence.** ")


def text(path: str, root: Path = ROOT) -> str:
    return (root / path).read_text("utf-8")


# --- what is read off the files ---


def explained(makefile: str) -> list[str]:
    """Targets with a help line."""
    return re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)


def variables(makefile: str) -> list[str]:
    """Variables that a caller may set. The exported ones with a default are settings of libraries."""
    return re.findall(r"^([A-Z_]+) \?=", makefile, re.MULTILINE)


def explained_variables(makefile: str) -> list[str]:
    """Variables with a line that `make help` prints."""
    return re.findall(r"^# ([A-Z_]+): .", makefile, re.MULTILINE)


def phony(makefile: str) -> list[str]:
    """Targets that name no file, without those that only others call."""
    (names,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    return [name for name in names.replace("\\\n", " ").split() if name != "python-version"]


def tabled(contributing: str) -> list[str]:
    """Targets with a row in the table of commands."""
    return re.findall(r"^\| `make ([a-z-]+)", contributing, re.MULTILINE)


def absent_tests(arguments: str, root: Path) -> Iterator[str]:
    """Lines of a file of pytest arguments that name a file or a function that is not there."""
    for line in arguments.splitlines():
        path, _, function = line.removeprefix("--deselect=").partition("::")
        if not path.startswith("#") and not ((root / path).exists() and f"def {function}" in text_below(root / path)):
            yield line


def text_below(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else "def "


def broken_links(root: Path) -> Iterator[str]:
    """Relative links of pages that lead to no file."""
    for page in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not (page.parent / link).exists():
                yield f"{page.relative_to(root)}: {link}"


def unsound_decisions(root: Path) -> Iterator[str]:
    """Pages that lack a part or a row in the index, under their date and title, or that leave out a number."""
    index = text("docs/decisions/README.md", root)
    for number, page in enumerate(sorted((root / "docs/decisions").glob("[0-9]*.md")), 1):
        lines = page.read_text("utf-8").splitlines()
        starts = [part for part in PARTS if any(line.startswith(part) for line in lines)]
        date = next((line.removeprefix("Date: ") for line in lines if line.startswith("Date: ")), "")
        row = f"| [{number:04d}]({page.name}) | {date} | {lines[0].removeprefix('# ')} |"
        if tuple(starts) != PARTS or row not in index:
            yield page.name


def options(source: str) -> set[str]:
    return set(re.findall(r"--[a-z]+", source))


def made(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What make prints, with an interpreter that prints its arguments."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "SUBJECTS", "ARGS")
    }
    command = ["make", "--silent", "VENV=", "PYTHON=echo", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=kept)


# --- what holds ---


def test_every_command_has_a_help_line_and_a_row():
    makefile = text("Makefile")
    assert sorted(explained(makefile)) == sorted(phony(makefile)) == sorted(tabled(text("CONTRIBUTING.md")))


def test_help_lists_every_command_and_every_variable():
    makefile, printed = text("Makefile"), made("help").stdout
    assert explained_variables(makefile) == variables(makefile) != []
    for name in [f"make {command}" for command in explained(makefile)] + variables(makefile):
        assert re.search(rf"^  {name} +\S", printed, re.MULTILINE), name


@pytest.mark.parametrize("file", [".github/workflows/ci.yml", ".pre-commit-config.yaml"])
def test_lint_is_called_by_its_name_and_its_commands_stand_once(file):
    assert re.findall(r"(?:run|entry): (make lint|.*(?:ruff|mypy).*)$", text(file), re.MULTILINE) == ["make lint"]


def test_lint_is_the_rules_the_format_and_the_types():
    commands = re.findall(r"-m (.*)", made("lint").stdout)
    assert [command for command in commands if "import sys" not in command] == [
        "ruff check .",
        "ruff format --check .",
        "mypy",
    ]


@pytest.mark.parametrize(
    ("named", "runs"),
    [
        ("tests/test_readme.py", "-m pytest tests/test_readme.py"),
        ("test_readme.py", "-m pytest test_readme.py"),
        ("tests/a.py::test_b[c d='e']", "-m pytest tests/a.py::test_b[c d='e']"),
        ("adam.first_step", "-m conformance run --case adam.first_step"),
        (
            "losses.value[MeanSquaredError(reduction='sum')]",
            "-m conformance run --case losses.value[MeanSquaredError(reduction='sum')]",
        ),
        ("momentum and not nesterov", "-m pytest -k momentum and not nesterov"),
    ],
)
def test_one_takes_a_path_or_a_case_or_a_word(named, runs):
    assert made("one", f"T={named}").stdout.splitlines()[-1] == runs


def test_one_of_nothing_is_refused_with_what_to_pass():
    ended = made("one", "T=")
    assert ended.returncode != 0
    assert "T=tests/test_house_rules.py, T=FILE::TEST, T=adam.first_step (a case) or T=momentum" in ended.stdout


def test_the_quick_tests_are_there():
    assert list(absent_tests(text("tests/quick.txt"), ROOT)) == []


def test_every_link_leads_to_a_file():
    assert list(broken_links(ROOT)) == []


def test_every_decision_has_its_parts_and_its_row():
    assert list(unsound_decisions(ROOT)) == []


@pytest.mark.parametrize("form", ["right-accused", "wrong-passed"])
def test_a_form_requires_what_the_replay_line_has(form):
    assert options(text(f".github/ISSUE_TEMPLATE/{form}.yml")) == options(inspect.getsource(replay))


# --- proof that each can fail ---


def test_a_command_is_read_where_it_is_explained_declared_and_tabled():
    makefile = ".PHONY: help a-b \\\n\tpython-version\nhelp: ## list\na-b: $(READY) ## do\nc: d\n"
    assert explained(makefile) == phony(makefile) == ["help", "a-b"]
    assert tabled("| `make help` | lists |\n| `make a-b VENV=` | does |\n`make c`\n") == ["help", "a-b"]


def test_a_variable_is_read_where_it_has_a_default_and_where_it_is_explained():
    makefile = "# A_B: what it is\nA_B ?= 1\n# C, D: two\nC ?=\nexport D ?= 2\nE := 3\n"
    assert variables(makefile) == ["A_B", "C"]
    assert explained_variables(makefile) == ["A_B"]


def test_a_quick_test_that_is_gone_is_found(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room/a.py").write_text("def test_x():\n    pass\n")
    lines = ["# made", "room", "room/a.py", "--deselect=room/a.py::test_x", "room/b.py", "--deselect=room/a.py::test_y"]
    assert list(absent_tests("\n".join(lines), tmp_path)) == lines[4:]


def test_a_link_to_nothing_is_found(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("[b](b.md#part) [web](https://a.b) [part](#part) [up](../README.md)")
    (tmp_path / "README.md").write_text("[a](docs/a.md)")
    assert list(broken_links(tmp_path)) == ["docs/a.md: b.md"]


@pytest.mark.parametrize("old", ["Date: 2026-11-21", "**Context.** ", "**Consequence.** ", "# The title"])
def test_a_decision_without_a_part_or_under_another_title_is_found(tmp_path, old):
    folder = tmp_path / "docs/decisions"
    folder.mkdir(parents=True)
    page = "# The title\n\nDate: 2026-11-21\n\n**Context.** a\n\n**Decision.** b\n\n**Consequence.** c\n"
    (folder / "0001-a.md").write_text(page)
    (folder / "README.md").write_text("| [0001](0001-a.md) | 2026-11-21 | The title |\n")
    assert list(unsound_decisions(tmp_path)) == []
    (folder / "0001-a.md").write_text(page.replace(old, "# Other"))
    assert list(unsound_decisions(tmp_path)) == ["0001-a.md"]
