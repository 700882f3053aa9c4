"""What written pages of the documentation name is there: cases, tests, claims and files."""

import re
from pathlib import Path

import pytest

from conformance.claims import catalogue
from conformance.running.trace import function_of

ROOT = Path(__file__).resolve().parents[1]
CORRECTIONS = (ROOT / "docs/corrections.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"`([^`\s]+)`", CORRECTIONS)
CASES = sorted({name for name in QUOTED if re.fullmatch(r"[a-z_]+\.[a-z_0-9]+", name) and not name.endswith(".py")})
LINKS = re.findall(r"\]\(([^)#]+)\)", CORRECTIONS)


def test_every_case_that_the_page_of_corrections_names_is_there():
    cases = [name for name in CASES if not name.startswith("refimpl.")]
    assert cases
    for name in cases:
        assert function_of(name)


def test_every_claim_that_the_page_of_corrections_names_is_in_the_catalogue():
    named = {name for name in QUOTED if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)}
    assert named and named <= {claim.id for claim in catalogue()}


@pytest.mark.parametrize("name", [name for name in QUOTED if name.startswith("test_")])
def test_every_test_that_the_page_of_corrections_names_is_there(name):
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert any(name in (path.name for path in (ROOT / "tests").rglob(name)) or f"def {name}(" in text for text in texts)


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("README.md", "docs/glossary.md"),
        ("CONTRIBUTING.md", "docs/glossary.md"),
        ("docs/architecture.md", "glossary.md"),
    ],
)
def test_the_glossary_is_linked_where_readers_begin(page, link):
    assert f"]({link})" in (ROOT / page).read_text(encoding="utf-8")


def test_every_word_of_the_glossary_stands_once_and_has_a_meaning():
    rows = re.findall(
        r"^\| ([^|]+?) \| ([^|]+?) \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    rows = [row for row in rows if row[0] not in ("word", "---")]
    assert len(dict(rows)) == len(rows) >= 25
    assert [word for word, meaning in rows if not meaning.endswith(".")] == []


@pytest.mark.parametrize("target", LINKS)
def test_every_page_that_the_page_of_corrections_links_is_there(target):
    assert (ROOT / "docs" / target).exists()
