"""A subject that declares what has no meaning is refused when it is loaded, and told what is allowed."""

import sys
from types import ModuleType

import numpy as np
import pytest

import refimpl
from conformance import Subject
from conformance.subjects import SHIPPED, load
from refimpl.arithmetic import RunningError
from tests.conformance.command import ended
from tests.conformance.own_subject import Own

FORMATS = "float64, float32, float16, bfloat16"
NAMES = "a tuple of names, at least one and each once"

MEANINGLESS = {
    "no name": ({"name": None}, "name must be a text that is not empty, got None"),
    "a name without letters": ({"name": ""}, "name must be a text that is not empty, got ''"),
    "the name of a shipped subject": (
        {"name": "torch"}, "name must be none of refimpl, torch, jax, keras, keras-tensorflow, got 'torch'"
    ),
    "one dtype, not a tuple": ({"dtypes": "float32"}, f"dtypes must be {NAMES}, got 'float32'"),
    "no dtype": ({"dtypes": ()}, f"dtypes must be {NAMES}, got ()"),
    "a dtype twice": ({"dtypes": ("float32",) * 2}, f"dtypes must be {NAMES}, got ('float32', 'float32')"),
    "dtypes in no order": ({"dtypes": {"float32"}}, f"dtypes must be {NAMES}, got {{'float32'}}"),
    "a type for its name": ({"dtypes": (np.float32,)}, f"dtypes must be {NAMES}, got (<class 'numpy.float32'>,)"),
    "an unknown dtype": ({"dtypes": ("fp32",)}, f"each of dtypes must be one of {FORMATS}, got 'fp32'"),
    "variants without capability": ({"variants": ("plain",)}, "variants must be a dict, got ('plain',)"),
    "an unknown capability": ({"variants": {"optimiser": ("plain",)}}, "each key of variants must be one of optimizer"),
    "one variant, not a tuple": (
        {"variants": {"optimizer": ("plain")}}, f"variants['optimizer'] must be {NAMES}, got 'plain'"
    ),
    "no variant": ({"variants": {"optimizer": ()}}, f"variants['optimizer'] must be {NAMES}, got ()"),
    "a variant without name": ({"variants": {"optimizer": (1,)}}, f"variants['optimizer'] must be {NAMES}, got (1,)"),
    "a capability without its method": (
        {"variants": {"clip": ("plain",)}},
        "each key of variants must be a capability that the class defines a method for, got 'clip'",
    ),
    "conventions of nothing": ({"conventions": [refimpl.Adam]}, "conventions must be a dict, got [<class"),
    "a rule by its name": (
        {"conventions": {"Adam": {}}}, "each key of conventions must be a rule such as refimpl.SGD, got 'Adam'"
    ),
    "a rule that is none": ({"conventions": {Subject: {}}}, "each key of conventions must be a rule such as"),
    "a kind of rules": ({"conventions": {refimpl.Optimizer: {}}}, "each key of conventions must be a rule such as"),
    "fields without values": (
        {"conventions": {refimpl.Adam: {"epsilon_placement"}}},
        "conventions[Adam] must be a dict, got {'epsilon_placement'}",
    ),
    "an unknown field": (
        {"conventions": {refimpl.SGD: {"epsilon": 0.0}}},
        "each key of conventions[SGD] must be one of learning_rate, ",
    ),
    "an unknown convention": (
        {"conventions": {refimpl.Adam: {"epsilon_placement": "elsewhere"}}},
        "Adam: epsilon_placement must be one of 'outside', 'inside', 'uncorrected', got 'elsewhere'",
    ),
    "several in a list": (
        {"conventions": {refimpl.SGD: {"rate": ["outside", "inside"]}}},
        "SGD: rate must be one of 'outside', 'inside', got ['outside', 'inside']; write several as a tuple",
    ),
    "a number for a truth value": (
        {"conventions": {refimpl.SGD: {"nesterov": 0}}}, "SGD: nesterov must be one of False, True, got 0"
    ),
    "a hyperparameter that is no number": (
        {"conventions": {refimpl.SGD: {"momentum": "none"}}}, "SGD: momentum must be a finite number in [0"
    ),
    "a hyperparameter out of range": (
        {"conventions": {refimpl.Adam: {"beta2": 1.0}}}, "Adam: beta2 must be a finite number in [0, 1), got 1.0"
    ),
    "profiles of no device": ({"profiles": "numpy"}, "profiles must be a dict, got 'numpy'"),
    "a device without name": ({"profiles": {0: "numpy"}}, "each key of profiles must be the name of a device, got 0"),
    "an unknown profile": ({"profiles": {"cpu": "numpi"}}, "unknown profile 'numpi': there are jax-cpu, numpy"),
    "a profile that is none": (
        {"profiles": {"cpu": 2.0}}, "profiles['cpu'] must be the name of a profile, or a dict, got 2.0"
    ),
    "errors in an unknown format": (
        {"profiles": {"cpu": {"sqrt": 0.5}}}, f"each key of profiles['cpu'] must be one of {FORMATS}, got 'sqrt'"
    ),
    "errors of no function": (
        {"profiles": {"cpu": {"float32": 2.0}}}, "profiles['cpu']['float32'] must be a dict, got 2.0"
    ),
    "an unknown function": (
        {"profiles": {"cpu": {"float32": {"root": 0.5}}}},
        "each key of profiles['cpu']['float32'] must be one of sqrt, rsqrt, ",
    ),
    **{
        f"an error of {ulp!r} ulp": (
            {"profiles": {"cpu": {"float32": {"sqrt": ulp}}}},
            f"profiles['cpu']['float32']['sqrt'] must be its largest error in ulp, 0.5 (correctly rounded) or more, "
            f"got {ulp!r}",
        )
        for ulp in ("0.5", 0.25, -1, float("nan"), float("inf"))
    },
    **{
        f"{what} of {declaration}": ({declaration: value}, message.format(declaration))
        for declaration in ("scalars", "powers", "rates")
        for what, value, message in (
            ("no dict", "float32", "{} must be a dict, got 'float32'"),
            ("an unknown dtype", {"single": "float32"}, f"each key of {{}} must be one of {FORMATS}, got 'single'"),
            ("an unknown format", {"float32": "single"}, f"{{}}['float32'] must be one of {FORMATS}, got 'single'"),
        )
    },
    "scalars of no rule": ({"rule_scalars": {"SGD": {}}}, "each key of rule_scalars must be a rule such as "),
    "an unknown format of a rule's scalars": (
        {"rule_scalars": {refimpl.SGD: {"float32": "single"}}}, f"['float32'] must be one of {FORMATS}, got 'single'"
    ),
    "one flushed dtype, no set": ({"flush_to_zero": "float32"}, "flush_to_zero must be a set of dtypes, got 'float32'"),
    "flushing by a truth value": ({"flush_to_zero": True}, "flush_to_zero must be a set of dtypes, got True"),
    "an unknown flushed dtype": (
        {"flush_to_zero": {"single"}}, f"each of flush_to_zero must be one of {FORMATS}, got 'single'"
    ),
}  # fmt: skip


@pytest.fixture
def declared(monkeypatch):
    """Loads somebody's subject that declares what it is given, and correctly all else."""

    def load_with(**declarations):
        module = ModuleType("somebodys")
        module.Mine = type("Mine", (Own,), declarations)
        monkeypatch.setitem(sys.modules, "somebodys", module)
        return load("somebodys:Mine")

    return load_with


@pytest.mark.parametrize(("declarations", "message"), MEANINGLESS.values(), ids=MEANINGLESS)
def test_what_has_no_meaning_is_refused_with_what_is_allowed(declared, declarations, message):
    with pytest.raises(ValueError) as refused:
        declared(**declarations)
    assert str(refused.value).startswith("subject 'somebodys:Mine': ")
    assert message in str(refused.value)


def test_a_subject_without_a_name_is_told_so(monkeypatch):
    module = ModuleType("somebodys")
    module.Nameless = type("Nameless", (Subject,), {})
    monkeypatch.setitem(sys.modules, "somebodys", module)
    with pytest.raises(ValueError, match="name must be a text that is not empty, got None"):
        load("somebodys:Nameless")


MEANINGFUL = {
    "nothing more": {},
    "a capability by another": {"variants": {"optimizer": ["plain", "other"]}},
    # Nesterov's momentum needs momentum > 0, which the cases choose.
    "a field that only others make possible": {"conventions": {refimpl.SGD: {"nesterov": True, "dampening": 0}}},
    "a rule with a rule in it": {"conventions": {refimpl.WarmUp: {"clock": "after"}}},
    "formats of a base class": {"dtypes": ("float32",), "scalars": {"float32": "float32", "float64": "float32"}},
    "narrow formats": {"dtypes": ("bfloat16", "float16"), "powers": {"float16": "float32"}, "rates": {}},
    "its own functions": {"profiles": {"cpu": "numpy", "abacus": {"float32": {"sqrt": 1, "exp": np.float32(2.5)}}}},
}  # fmt: skip


@pytest.mark.parametrize("declarations", MEANINGFUL.values(), ids=MEANINGFUL)
def test_what_has_a_meaning_is_accepted(declared, declarations):
    assert issubclass(declared(**declarations), Own)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_subjects_and_what_derives_from_them_are_accepted(name, monkeypatch):
    module = ModuleType("somebodys")
    module.Changed = type("Changed", (load(name),), {})
    monkeypatch.setitem(sys.modules, "somebodys", module)
    assert load("somebodys:Changed").name == name


def test_bounds_take_the_errors_that_a_subject_declares_of_its_functions(declared):
    def bound(**declarations):
        subject = declared(**declarations)("plain", "float32", "cpu")
        return np.sqrt(RunningError.exact(np.float32([2.0, 3.0, 5.0]), subject.target)).bound

    def own(ulp):
        return {"profiles": {"cpu": {"float32": {"sqrt": ulp}}}}

    assert np.array_equal(bound(), bound(profiles={"cpu": "numpy"}))
    assert np.array_equal(bound(), bound(**own(0.5)))  # NumPy's square root is correctly rounded
    assert (bound(**own(4.0)) > bound(**own(2.0))).all() and (bound(**own(2.0)) > bound()).all()


def test_the_command_names_subject_and_declaration_and_leaves_no_report(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from conformance import Subject\n\n\nclass Mine(Subject):\n    name = 'mine'\n    dtypes = ('fp32',)\n"
    )
    status, output = ended("run", "--workers=0", "--subject=mine:Mine", folder=tmp_path, path=[tmp_path])
    assert status == 2 and "Traceback" not in output
    assert f"subject 'mine:Mine': each of dtypes must be one of {FORMATS}, got 'fp32'" in " ".join(output.split())
    assert not list(tmp_path.rglob("*.json"))
