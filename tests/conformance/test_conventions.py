"""Conventions as data: every choice has a meaning and its libraries, and the pages say what the declarations say."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import refimpl
from conformance import Subject, cli, conventions
from conformance.conventions import choices, families, hyperparameters, libraries, pages
from conformance.subjects import SHIPPED
from conformance.subjects.reference import Reference
from conformance.subjects.table import Row, fixed, table

DOCS = Path(__file__).parents[2] / "docs"
RULES = sorted(Reference.conventions, key=lambda rule: rule.__name__)


def versions_or_skip():
    try:
        return pages.versions()
    except ImportError as problem:
        pytest.skip(f"the table needs every shipped library: {problem}")


def test_the_conventions_page_is_what_the_declarations_give():
    assert (DOCS / "conventions.md").read_text(encoding="utf-8") == pages.conventions(), f"run `{pages.COMMAND}`"


def test_the_porting_table_is_what_declarations_and_installed_libraries_give():
    here, page = versions_or_skip(), (DOCS / "porting.md").read_text(encoding="utf-8")
    of_page = re.search(r"functions for it \((.*)\)", page).group(1)
    if of_page != here:
        pytest.skip(f"the page is of {of_page}; installed are {here}")
    assert page == pages.porting(), f"run `{pages.COMMAND}`"


def test_every_rule_and_field_stands_once_in_its_family():
    listed = [rule for rules in families().values() for rule in rules]
    assert sorted(listed, key=lambda rule: rule.__name__) == RULES
    for rule in RULES:
        named = [field.name for field, _ in hyperparameters(rule)] + list(choices(rule))
        assert sorted(named) == sorted(inspect.signature(rule).parameters)


@pytest.mark.parametrize("rule", RULES)
def test_every_choice_has_a_meaning_and_the_first_is_what_the_rule_does_by_default(rule):
    defaults = {name: parameter.default for name, parameter in inspect.signature(rule).parameters.items()}
    for name, values in choices(rule).items():
        assert all(choice.meaning.strip() and "\n" not in choice.meaning for choice in values)
        assert [choice.value for choice in values if choice.default] == [values[0].value] == [defaults[name]]


def test_a_library_is_named_at_the_values_that_it_declares(monkeypatch):
    def library(**fixed):
        return type("Library", (Subject,), {"conventions": {refimpl.Adam: fixed}})

    declared = {
        "one": library(epsilon_placement="inside"), "two": library(epsilon_placement=("outside", "uncorrected")),
        "all": library(beta1=0.9), "none": type("Library", (Subject,), {}),
    }  # fmt: skip
    monkeypatch.setattr(conventions, "libraries", lambda: declared)
    actual = {choice.value: choice.libraries for choice in choices(refimpl.Adam)["epsilon_placement"]}
    assert actual == {"outside": ("two", "all"), "inside": ("one", "all"), "uncorrected": ("two", "all")}


def test_the_libraries_are_all_that_are_shipped_without_the_reference():
    assert list(libraries()) == [name for name in SHIPPED if name != "refimpl"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["nadam"], {"optimizers": [refimpl.NAdam]}),
        (["clipping", "nadam"], None),
        (["after_end"], {"schedules": [refimpl.Cosine]}),
    ],
)
def test_a_text_chooses_rules_by_their_name_family_or_field(texts, expected):
    actual = families(texts)
    if expected is None:
        assert set(actual) == {"clipping", "optimizers"} and refimpl.ClipByValue in actual["clipping"]
    else:
        assert actual == expected


def test_a_text_without_a_rule_is_refused(capsys):
    assert cli.main(["conventions", "adam", "adan"]) == 2
    assert "'adan'" in capsys.readouterr().err


def test_the_command_shows_values_meanings_and_libraries(capsys):
    assert cli.main(["conventions", "AMSGrad"]) == 0
    shown = capsys.readouterr().out
    assert "epsilon = 1e-08  a finite number in [0, inf)" in shown
    assert re.search(r"\* 'raw' .*torch, keras", shown) and re.search(r"\n    'corrected' .*jax", shown)


@pytest.mark.parametrize(
    ("documentation", "sentence"),
    [
        ("One line.", "One line."),
        ("Two lines of (one\n    sentence). And\n    another.", "Two lines of (one sentence)."),
        ("Of Ada et al. 2020, section 2.3. lower case.", "Of Ada et al. 2020, section 2.3."),
        ("Of Ada (2020, alg. 1).\n\n    More.", "Of Ada (2020, alg. 1)."),
    ],
)
def test_a_purpose_is_the_first_sentence_and_whole(documentation, sentence):
    assert conventions.purpose(SimpleNamespace(__doc__=documentation)) == sentence


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_purpose_that_ends(rule):
    assert conventions.purpose(rule).endswith(".")


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "refimpl"])
def test_every_rule_with_fields_that_a_library_has_a_function_for_names_it(name):
    subject = libraries()[name]
    families_with_functions = ("optimizers", "schedules", "clipping", "initializers", "losses", "activations")
    declared = {rule for rule in subject.conventions if conventions.family(rule) in families_with_functions}
    assert declared <= {rule for rule, row in subject.table.items() if row.function}


# --- the pages ---


def example(lr, betas=(0.5, 0.75), *, epsilon=2.0, other=3.0):
    """A library's function."""


HERE = SimpleNamespace(example=example)


@pytest.fixture
def one_library(monkeypatch):
    class Library(Subject):
        table = table(
            Row(
                refimpl.Adam,
                "conformance.conventions.HERE.example",
                {"epsilon_placement": ("inside", "outside"), "maximize": False, "epsilon": 1e-8},
                {"learning_rate": "lr"},
                relations={"weight_decay": "a chain of two"},
            ),
            Row(
                refimpl.Yogi,
                "conformance.conventions.HERE.example",
                arguments={"beta2": "betas[1]"},
                constants={"other": True},
                relations={"beta2": "1 - beta2"},
            ),
        )
        conventions = fixed(table)

        @classmethod
        def version(cls):
            return "lib 1.0+local"

    monkeypatch.setattr("conformance.conventions.HERE", HERE, raising=False)
    monkeypatch.setattr(pages, "libraries", lambda: {"lib": Library})
    return Library


def row(page, rule, field):
    of_rule = page.partition(f"### {rule}\n")[2].partition("###")[0]
    return re.search(rf"^\| `{field}` \| (.*) \|$", of_rule, re.M).group(1).split(" | ")


def test_a_row_of_the_porting_table_has_what_is_fixed_and_what_is_default(one_library):
    page = pages.porting()
    assert "(lib 1.0)" in page
    assert row(page, "Adam", "learning_rate") == ["`0.001`", "`lr`"]
    assert row(page, "Adam", "epsilon") == ["`1e-08`", "only `1e-08`; `epsilon=2.0`"]
    assert row(page, "Adam", "weight_decay") == ["`0.0`", "a chain of two"]
    assert row(page, "Yogi", "beta2") == ["`0.999`", "`betas[1]=0.75`: 1 - beta2"]
    assert row(page, "Adam", "epsilon_placement") == ["`'outside'`", "`'inside'` or `'outside'`"]
    assert row(page, "Adam", "maximize") == ["`False`", "always `False`"]
    assert row(page, "Adam", "weight_decay_kind") == ["`'coupled'`", "any"]
    assert row(page, "Adam", "beta1") == ["`0.9`", ""]
    assert row(page, "Lion", "beta1") == ["`0.9`", "–"]
    assert "| function |  | `conformance.conventions.HERE.example(other=True)` |" in page


def test_a_library_with_two_backends_has_one_column(one_library, monkeypatch):
    other = type("OtherBackend", (one_library,), {})
    monkeypatch.setattr(pages, "libraries", lambda: {"lib": one_library, "lib-other": other})
    assert "|  | refimpl | lib |\n" in pages.porting()


def test_docs_are_written_together_or_not_at_all(one_library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["conventions", "--docs"]) == 0
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["conventions.md", "porting.md"]

    def absent():
        raise ImportError("lib is not installed")

    monkeypatch.setattr(one_library, "version", absent)
    monkeypatch.chdir(tmp_path / "docs")
    assert cli.main(["conventions", "--docs"]) == 2
    assert not (tmp_path / "docs" / "docs").exists()


def test_docs_of_some_rules_are_refused(capsys):
    assert cli.main(["conventions", "--docs", "adam"]) == 2
    assert "leave out the text" in capsys.readouterr().err
