"""The names that `refimpl` offers: each is loaded at its first use, and type checkers are told of the same ones."""

import ast
import importlib
from inspect import getmodule
from pathlib import Path

import pytest

import refimpl


def names_in_stub():
    """Public names by the statements `from package import a as a` and `from package import *` of the stub."""
    stub = Path(refimpl.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    for statement in ast.parse(stub).body:
        if isinstance(statement, ast.ImportFrom):
            names = [alias.name for alias in statement.names]
            yield from importlib.import_module(statement.module).__all__ if names == ["*"] else names


def test_type_checkers_are_told_the_names_that_there_are():
    assert sorted(names_in_stub()) == sorted(refimpl.__all__)


@pytest.mark.parametrize("name", refimpl.__all__)
def test_a_name_is_of_the_package_that_it_is_loaded_from(name):
    package = importlib.import_module(f"refimpl.{refimpl._PACKAGE_OF[name]}")
    assert getattr(refimpl, name) is getattr(package, name)
    assert getmodule(getattr(refimpl, name)).__name__.startswith(package.__name__)


def test_names_and_packages_are_listed_before_they_are_loaded():
    assert {*refimpl.__all__, "optimizers", "arithmetic"} <= set(dir(refimpl))


def test_an_unknown_name_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="module 'refimpl' has no attribute 'Adm'"):
        refimpl.Adm  # noqa: B018
