"""Fragments of code are found and replaced by what they mean, not by how they are laid out."""

import ast

import pytest

from conformance.faults import syntax

MODULE = '''
"""A module."""

LIMIT: float = 2.0

@decorated(1)
def doubled(x: Any, axis: int = -1) -> Any:
    """Twice x."""
    # a comment
    result = sum(
        x,  # of all
        x,
        axis=axis,
    )
    if axis < 0:
        return result
    return result + 1


class Rule(Base):
    """A rule."""

    rate: float = 0.1

    def step(self, x):
        def inner(y):
            return y - 1

        return inner(x) - 1

    def again(self, x):
        x = x - 1
        x = x - 1
        return x
'''


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """A repository with the module above."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("START = 0\n")
    (tmp_path / "package/module.py").write_text(MODULE)
    monkeypatch.setattr(syntax, "ROOT", tmp_path)
    cached = (syntax.parsed, syntax.file_of, syntax.matched, syntax._nodes)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def changed(place, find, replace, occurrence=None):
    return ast.unparse(syntax.replaced(syntax.matched(f"package.{place}", find, replace, occurrence), replace))


@pytest.mark.parametrize(
    ("place", "find", "replace", "right", "wrong"),
    [
        pytest.param("module.doubled", "sum(x,x,axis = axis)", "x", "sum(x, x, axis=axis)", "x", id="layout"),
        pytest.param("module.doubled", "axis < 0", "axis<=0", "axis < 0", "axis <= 0", id="a part of a statement"),
        pytest.param("module", "LIMIT = 2.0", "LIMIT = 3.0", "float = 2.0", "float = 3.0", id="an annotated variable"),
        pytest.param("module.Rule", "rate = 0.1", "rate = 1", "float = 0.1", "float = 1", id="an annotated field"),
        pytest.param(
            "module.doubled", "@decorated(1)\ndef doubled(x, axis=-1): ...", "def doubled(x, axis=0): ...",
            "@decorated(1)\ndef doubled(x: Any, axis: int=-1) -> Any:", "def doubled(x, axis=0):", id="a header",
        ),
        pytest.param("module.Rule.step.inner", "y - 1", "y", "y - 1", "y", id="a function in a function"),
        pytest.param("module.Rule.step", "inner(x) - 1", "x", "inner(x) - 1", "x", id="what is outside of it"),
        pytest.param(
            "module.Rule.again", "x = x - 1\nreturn x", "return x", "x = x - 1\n        return", "return",
            id="statements",
        ),
        pytest.param(
            "module.doubled", "if axis < 0:\n    return result", "", "    if axis < 0:\n        return result\n", "",
            id="nothing in the place of statements",
        ),
        pytest.param("module.doubled", "return result + 1", "return 1", "result + 1", "1", id="a statement"),
        pytest.param("module.Rule.step.inner", "return y - 1", "", "return y - 1", "pass", id="all of a body"),
    ],
)  # fmt: skip
def test_code_is_found_however_it_is_laid_out_and_only_it_is_replaced(place, find, replace, right, wrong):
    before = ast.unparse(ast.parse(MODULE))
    assert before.count(right) in (1, 2)  # `x = x - 1`, of which the last is meant
    assert changed(place, find, replace) == wrong.join(before.rsplit(right, 1))


def test_what_is_shared_with_the_right_tree_is_left_as_it_was():
    before = ast.dump(syntax.parsed("package/module.py"), include_attributes=True)
    changed("module.doubled", "sum(x, x, axis=axis)", "x")
    changed("module.Rule", "rate = 0.1", "rate = 1")
    changed("module.Rule.step", "return inner(x) - 1", "")
    assert ast.dump(syntax.parsed("package/module.py"), include_attributes=True) == before


BODY = """
@decorated(1)
def doubled(x, axis=-1):
    result = sum(x, x, axis=axis)
    if axis < 0:
        return result
    return result + 1
"""


def test_a_docstring_need_not_be_quoted():
    assert "2 * x" in changed("module", BODY, BODY.replace("sum(x, x, axis=axis)", "2 * x"))


def test_a_package_is_a_place():
    assert ast.unparse(syntax.replaced(syntax.matched("package", "START = 0", "START = 1"), "START = 1")) == "START = 1"
    assert changed("module", "2.0", "1.0").startswith('"""A module."""\nLIMIT: float = 1.0')


@pytest.mark.parametrize(
    ("place", "find", "named"),
    [
        ("module.Rule.again", "x = x - 1", "2 times: quote more"),
        (
            "module.Rule.step",
            "inner(x) - 2",
            r"package.module.Rule.step does not have 'inner\(x\) - 2'.*'inner\(x\) - 1'",
        ),
        ("module.doubled", "1 == True", "does not have"),
        ("module.Rule.stepp", "x", "0 definitions of stepp; there is step"),
        ("modul.Rule", "x", "0 definitions of modul"),
    ],
)
def test_what_is_not_found_once_is_refused_with_what_is_nearest(place, find, named):
    with pytest.raises(syntax.NotFound, match=f"(?s){named}"):
        changed(place, find, "0")


def test_one_of_equal_fragments_can_be_meant():
    before = ast.unparse(ast.parse(MODULE))
    first, second = (changed("module.Rule.again", "x - 1", "x", occurrence) for occurrence in (1, 2))
    assert first != second
    assert {first, second} == {
        before.replace(f"x = x - 1\n        {after}", f"x = x\n        {after}") for after in "xr"
    }
    with pytest.raises(syntax.NotFound):
        changed("module.Rule.again", "x - 1", "x", 3)


def test_numbers_are_told_from_truths_and_whole_ones_from_others():
    for other in ("1.0", "True", "2"):
        with pytest.raises(syntax.NotFound):
            changed("module.doubled", f"result + {other}", "0")


def test_the_innermost_function_is_named_and_none_outside_of_functions():
    def around(place, find):
        function = syntax.function_around(syntax.matched(f"package.{place}", find, "x"))
        return function and function.name

    assert around("module.Rule.step", "y - 1") == "inner"
    assert around("module.Rule", "inner(x) - 1") == "step"
    assert around("module", "2.0") is None
