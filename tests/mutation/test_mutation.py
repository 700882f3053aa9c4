"""Mutation testing: what counts, which tests are run, what they find, how survivors are explained and counted."""

from __future__ import annotations

import math
import time
import tomllib

import pytest

from tests.mutation import explanations, page
from tests.mutation.counted import Key, Source
from tests.mutation.judge import COLLECTION_SECONDS, ROOT, Reach, _in_a_process, judge, reach

TEXT = '''\
"""A file of the reference."""

from functools import cache

LIMIT = 3


@dataclass(frozen=True)
class Rule:
    rate: float | None = hyperparameter(0.5)

    @property
    def half(self) -> int | None:
        """é"""; return self.rate / 2

    def apply(self, x, *, y):
        if self.kind == "plain":
            raise ValueError(f"é {x + 1}: no" f"{y * 2}")
        for _ in range(
            y
        ):
            pass
        total = [*x, x @ y, x * y]
        def inner():
            return total == 1

        total = [*x, x @ y, x * y]
        return inner


@cache
def constant():
    return ~LIMIT
'''
SOURCE = Source("refimpl/rule.py", TEXT)


def place(text: str) -> tuple[int, int]:
    """Line and column of the sign ¦ in a line of TEXT, which has `text` without it."""
    line, column = text.replace("¦", ""), text.index("¦")
    number = next(n for n, content in enumerate(TEXT.splitlines(), 1) if line in content)
    return number, TEXT.splitlines()[number - 1].index(line) + column


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("ReplaceBinaryOperator_Div_Mul", "self.rate ¦/ 2"),
        ("NumberReplacer", "LIMIT = ¦3"),
        ("NumberReplacer", "hyperparameter(¦0.5)"),
        ("ReplaceBinaryOperator_Mul_Add", "x ¦* y]"),
        ("ReplaceComparisonOperator_Eq_NotEq", 'self.kind ¦== "plain"'),
        ("ReplaceComparisonOperator_Eq_LtE", "total ¦== 1"),
        ("ReplaceUnaryOperator_Delete_Invert", "¦~LIMIT"),
        ("RemoveDecorator", "¦@dataclass"),
    ],
)
def test_a_change_of_what_is_computed_counts(operator, text):
    assert SOURCE.counts(f"core/{operator}", place(text))


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("ReplaceBinaryOperator_Div_BitAnd", "self.rate ¦/ 2"),  # one of another kind
        ("ReplaceComparisonOperator_Eq_Is", "total ¦== 1"),
        ("ReplaceUnaryOperator_Invert_Not", "¦~LIMIT"),
        ("ReplaceBinaryOperator_BitOr_BitAnd", "rate: float ¦| None"),  # an annotation
        ("ReplaceBinaryOperator_BitOr_BitAnd", "-> int ¦| None"),
        ("ReplaceBinaryOperator_Add_Sub", "x ¦+ 1"),  # a message
        ("NumberReplacer", "y * ¦2"),
        ("ReplaceBinaryOperator_Mul_Add", "x, ¦*, y"),  # no product
        ("ReplaceBinaryOperator_Mul_Add", "[¦*x"),
        ("ReplaceComparisonOperator_Eq_LtE", 'self.kind ¦== "plain"'),  # an order of names
    ],
)
def test_a_change_of_nothing_that_is_computed_does_not_count(operator, text):
    assert not SOURCE.counts(f"core/{operator}", place(text))


@pytest.mark.parametrize(
    ("text", "first_line"),
    [
        ("LIMIT = ¦3", None),  # on import
        ("hyperparameter(¦0.5)", None),
        ("¦@property", None),
        ("self.rate ¦/ 2", "@property"),  # decorators belong to it
        ("x ¦* y]", "def apply"),
        ("total ¦== 1", "def inner"),
        ("¦~LIMIT", None),  # cached
    ],
)
def test_the_function_is_the_innermost_one_unless_others_may_run_it(text, first_line):
    lines = TEXT.splitlines()
    expected = first_line and next(n for n, line in enumerate(lines, 1) if first_line in line)
    assert SOURCE.function(place(text)) == expected


def test_a_function_begins_where_the_interpreter_says():
    namespace = {"dataclass": lambda **_: lambda cls: cls, "hyperparameter": float}
    exec(compile(TEXT, "rule", "exec"), namespace)
    rule = namespace["Rule"]
    assert SOURCE.function(place("self.rate ¦/ 2")) == rule.half.fget.__code__.co_firstlineno
    assert SOURCE.function(place("x ¦* y]")) == rule.apply.__code__.co_firstlineno


@pytest.mark.parametrize(
    ("at", "find", "replace", "key"),
    [
        ("LIMIT = ¦3", "LIMIT = 3", "LIMIT =  4", ("", "LIMIT = 3", "LIMIT =  4")),
        ("total ¦== 1", "== 1", "<= 1", ("Rule.apply.inner", "return total == 1", "return total <= 1")),
        ("    ¦@property", "\n    @property\n", "", ("Rule.half", "@property", "")),  # the empty line goes too
        ("¦@dataclass(", "\n\n@dataclass(frozen=True)", "", ("Rule", "@dataclass(frozen=True)", "")),
        ("¦~LIMIT", "~LIMIT", "LIMIT", ("constant", "return ~LIMIT", "return LIMIT")),
        (
            "in ¦range",
            "range(\n            y\n        )",
            " []",
            ("Rule.apply", "for _ in range(\ny\n):", "for _ in  []:"),
        ),
    ],
)
def test_a_mutant_is_known_by_its_definition_and_the_lines_that_differ(at, find, replace, key):
    assert TEXT.count(find) == 1
    found = SOURCE.key(place(at), TEXT.replace(find, replace))
    assert found == Key("refimpl/rule.py", *key)
    assert SOURCE.has(found)


def test_the_same_change_of_equal_lines_is_told_apart_by_their_number():
    head, middle, tail = TEXT.split("x * y]")
    line, column = place("x ¦* y]")
    first = SOURCE.key((line, column), f"{head}x / y]{middle}x * y]{tail}")
    second = SOURCE.key((line + middle.count("\n"), column), f"{head}x * y]{middle}x / y]{tail}")
    assert (first.nth, second.nth) == (1, 2)
    assert (first.find, first.replace) == (second.find, second.replace)
    assert SOURCE.has(first) and SOURCE.has(second)
    assert not SOURCE.has(Key(first.file, first.definition, first.find, first.replace, nth=3))
    assert not SOURCE.has(Key(first.file, "Rule.half", first.find, first.replace))


# --- which tests are run ---

REACH = Reach(
    seconds={"a.py::slow": 3.0, "a.py::quick": 1.0, "a.py::other": 0.1, "b.py::t": 0.2, "c.py::t": 0.3},
    calls={
        "a.py::slow": ["refimpl/x.py:7"],
        "a.py::quick": ["refimpl/x.py:7", "refimpl/y.py:7"],
        "a.py::other": [],
        "b.py::t": ["refimpl/x.py:9"],
        "c.py::t": ["refimpl/y.py:7"],
    },
    imported=["refimpl/y.py:3"],
)


@pytest.mark.parametrize(
    ("file", "function", "tests"),
    [
        ("refimpl/x.py", 7, ["a.py::quick", "a.py::slow", "a.py::other"]),  # the rest of the file comes after
        ("refimpl/x.py", 9, ["b.py::t"]),
        ("refimpl/x.py", 11, []),  # nobody calls it
        ("refimpl/x.py", None, ["b.py::t", "a.py::quick", "a.py::slow", "a.py::other", "c.py::t"]),
        ("refimpl/y.py", 3, ["c.py::t", "a.py::quick", "a.py::other", "b.py::t", "a.py::slow"]),  # called on import
    ],
)
def test_tests_that_reach_the_change_come_first_and_files_whole(file, function, tests):
    assert list(REACH.plan(file, function)) == tests


def test_a_slow_test_may_take_longer_than_a_quick_one():
    plan = REACH.plan("refimpl/x.py", 7)
    assert plan["a.py::slow"] > 3.0
    assert plan["a.py::slow"] > plan["a.py::quick"] > plan["a.py::other"] > 1.0


# --- what they find ---

TREES = "refimpl/trees.py"
TEST_TREES = "tests/refimpl/test_trees.py"
QUICK = f"{TEST_TREES}::test_a_tree_without_leaves_is_refused[{{'a': [], 'b': {{}}}}]"


def test_the_right_text_survives():
    assert judge(TREES, (ROOT / TREES).read_text(encoding="utf-8"), {QUICK: 20.0}) == ("survived", "")


def test_a_change_that_no_test_reaches_survives():
    assert judge(TREES, "1 / 0", {}) == ("survived", "")


def test_a_text_that_cannot_be_imported_is_killed():
    assert judge(TREES, "1 / 0", {QUICK: 20.0}) == ("killed", TEST_TREES)


def test_a_wrong_text_is_killed_by_the_test_that_fails():
    text = (ROOT / TREES).read_text(encoding="utf-8").replace("raise ValueError", "raise KeyError")
    outcome, by = judge(TREES, text, {QUICK: 20.0})
    assert outcome == "killed"
    assert by.startswith(f"{TEST_TREES}::")


def test_a_loop_without_end_is_killed():
    first = "    if not any(True for _ in leaves(tree)):\n"
    text = (ROOT / TREES).read_text(encoding="utf-8")
    assert first in text
    text = text.replace(first, f"    while True:\n        pass\n{first}")
    start = time.monotonic()
    assert judge(TREES, text, {QUICK: 0.2}) == ("killed", "timeout")
    assert time.monotonic() - start < COLLECTION_SECONDS  # by the limit of the test


def silent(sender):
    """A process that ends before it has begun."""


def test_a_process_that_does_not_start_kills_nothing():
    with pytest.raises(RuntimeError, match="did not start"):
        _in_a_process(silent)


def test_tests_that_cannot_be_found_kill_nothing():
    with pytest.raises(RuntimeError, match="could not run the tests"):
        judge(TREES, "", {"tests/refimpl/test_nothing.py::test": 20.0})


def test_the_functions_that_a_test_calls_are_seen():
    source = Source(TREES, (ROOT / TREES).read_text(encoding="utf-8"))
    seen = reach(TEST_TREES)
    lines = {
        name: 1 + next(n for n, line in enumerate(source.text.splitlines()) if line.startswith(f"def {name}("))
        for name in ("as_arrays", "leaves", "rebuilt")
    }
    assert {f"{TREES}:{lines['as_arrays']}", f"{TREES}:{lines['leaves']}"} <= set(seen.calls[QUICK])
    assert f"{TREES}:{lines['rebuilt']}" not in seen.calls[QUICK]  # it is refused before
    assert any(f"{TREES}:{lines['rebuilt']}" in calls for calls in seen.calls.values())
    assert seen.calls.keys() == seen.seconds.keys()
    makes_its_rules = "refimpl/arithmetic/running_error/elementwise.py:"
    assert any(call.startswith(makes_its_rules) for call in seen.imported)


# --- how survivors are explained ---

KEYS = [
    Key("refimpl/a.py", "", "x = 'a' + \"b\"", "x = 'a' - \"b\"", nth=2),
    Key("refimpl/a.py", "C.f", "@property", ""),
    Key("refimpl/b.py", "f", "y = [\n1,\n]", "y = [\n2,\n]"),
    Key("refimpl/b.py", "f", "z = '''\\n''' + 'c'", "z = '''\\n''' * 'c'"),
]


def test_a_draft_holds_the_mutants_that_it_was_made_of():
    entries = tomllib.loads(explanations.draft(KEYS))["survivor"]
    assert [Key(**{name: value for name, value in e.items() if name != "equivalent"}) for e in entries] == KEYS


def test_a_completed_draft_can_be_read(tmp_path):
    path = tmp_path / "survivors.toml"
    path.write_text(explanations.draft(KEYS).replace('equivalent = ""', 'tolerated = "Because."'), encoding="utf-8")
    assert explanations.read(path) == dict.fromkeys(KEYS, explanations.Reason("tolerated", "Because."))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Because.", " ", "has no reason"),
        ("equivalent", "because", "equivalent or tolerated; got"),
        ("equivalent", "tolerated = 'Too.'\nequivalent", "equivalent or tolerated; got"),
        ("definition", "where", "equivalent or tolerated; got"),
        ("'C.f'\n", "'C.f'\nnth = 1\n[[survivor]]\n", "equivalent or tolerated; got"),
    ],
)
def test_an_entry_that_explains_nothing_is_refused(tmp_path, old, new, message):
    path = tmp_path / "survivors.toml"
    right = explanations.draft(KEYS[1:2]).replace('equivalent = ""', 'equivalent = "Because."')
    path.write_text(right.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        explanations.read(path)


def test_a_second_entry_for_a_mutant_is_refused(tmp_path):
    path = tmp_path / "survivors.toml"
    path.write_text(2 * explanations.draft(KEYS[1:2]).replace('equivalent = ""', 'equivalent = "Because."\n'))
    with pytest.raises(ValueError, match="a second one"):
        explanations.read(path)


def test_an_entry_is_obsolete_when_its_mutant_is_killed_or_its_text_is_gone():
    there = SOURCE.key(place("total ¦== 1"), TEXT.replace("total == 1", "total <= 1"))
    killed = SOURCE.key(place("LIMIT = ¦3"), TEXT.replace("LIMIT = 3", "LIMIT = 4"))
    gone = Key(SOURCE.file, "Rule.apply", "return x", "return -x")
    nowhere = Key("refimpl/gone.py", "", "x", "y")
    entries = [there, killed, gone, nowhere]
    assert explanations.obsolete(entries, [killed], {SOURCE.file: SOURCE}) == [killed, gone, nowhere]


def test_the_explanations_of_the_repository_can_be_read_and_none_is_obsolete():
    entries = explanations.read()
    sources = {key.file: Source(key.file, (ROOT / key.file).read_text(encoding="utf-8")) for key in entries}
    assert explanations.obsolete(entries, [], sources) == []


# --- the score ---


def test_the_interval_of_a_sample_that_was_killed_whole_begins_where_that_has_odds_of_1_to_39():
    # all n killed has probability p**n: 1/40 at the lower end of an exact interval of 95 %
    lower = math.exp(math.log(1 / 40) / 5)
    assert page.score(5, 5, 900) == (f"5 of 5 mutants killed, 100.0% (95% confidence interval {lower:.1%} to 100.0%)")


def test_a_score_of_all_mutants_has_no_interval():
    assert page.score(3, 4, 4) == "3 of 4 mutants killed, 75.0%; these are all"


def test_mutants_are_counted_by_file_and_in_all():
    a, b, c, d = KEYS
    judged = [(a, "killed", "t"), (b, "killed", "timeout"), (c, "survived", ""), (d, "survived", "")]
    reasons = {d: explanations.Reason("equivalent", "Because."), a: explanations.Reason("tolerated", "Obsolete.")}
    table = page.counts(judged, reasons)
    assert page.COLUMNS == ("mutants", "killed", "time-outs", "survived", "equivalent", "tolerated")
    assert table == {
        "refimpl/a.py": [2, 2, 1, 0, 0, 0],
        "refimpl/b.py": [2, 0, 0, 2, 1, 0],
        "all": [4, 2, 1, 2, 1, 0],
    }


@pytest.mark.parametrize(
    ("total", "words"), [(9, "takes 4, drawn at random, of the 9 mutants"), (4, "takes all of the 4 mutants")]
)
def test_the_page_says_what_was_judged_and_why_mutants_survive(monkeypatch, total, words):
    monkeypatch.setattr(page, "version", lambda name: "1.2")
    table = {"refimpl/a.py": [4, 3, 0, 1, 1, 0], "all": [4, 3, 0, 1, 1, 0]}
    text = page.page(table, {KEYS[1]: explanations.Reason("equivalent", "Because.")}, total, "make mutation")
    assert f"`make mutation` {words}" in text
    assert page.score(3, 4, total) in text
    assert "Without mutants that change no result: 100.0%." in text
    assert "| refimpl/a.py | 4 | 3 | 0 | 1 | 1 | 0 |" in text
    assert "`refimpl/a.py`, `C.f`: equivalent. Because.\n\n```diff\n-@property\n```" in text
