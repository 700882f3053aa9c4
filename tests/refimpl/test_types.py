"""Types of conventions: the Literal of each has the values that there are, and mypy refuses other ones."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

import refimpl
from refimpl.spec import Spec

ROOT = Path(__file__).resolve().parents[2]
RULES = [
    rule for name in refimpl.__all__ if isinstance(rule := getattr(refimpl, name), type) and issubclass(rule, Spec)
]
NOT_YET = ("refimpl.clipping", "refimpl.schedules")
# Conventions with names for all of their values. A Literal cannot have floats.
NAMED = [
    (rule, name)
    for rule in RULES
    if not rule.__module__.startswith(NOT_YET)
    for name, meanings in rule.conventions().items()
    if all(isinstance(value, str) for value in meanings)
]

SNIPPET = """
import refimpl

rule = refimpl.GELU(approximation="tanh")
reveal_type(rule.approximation)
reveal_type(refimpl.SGD(learning_rate=1).learning_rate)
refimpl.GELU(approximation="erf")
refimpl.SGD(learning_rate="fast")
refimpl.Adm
"""


@pytest.mark.parametrize(("rule", "name"), NAMED, ids=lambda x: getattr(x, "__name__", x))
def test_the_literal_of_a_convention_has_its_values(rule, name):
    hint = get_type_hints(rule)[name]
    assert get_origin(hint) is Literal
    assert list(get_args(hint)) == list(rule.conventions()[name])


def test_mypy_knows_the_values_of_a_convention_and_refuses_others(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "snippet.py")]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    printed = run.stdout + run.stderr
    assert "Literal['none', 'tanh']" in printed
    assert 'Revealed type is "float"' in printed.replace("builtins.", "")
    assert printed.count("error:") == 3, printed
    assert all(text in printed for text in ("Literal['erf']", 'incompatible type "str"; expected "float"', '"Adm"'))
