"""Specs: what a field accepts and becomes, what is refused and how, and the fields in each arithmetic."""

import ast
import dataclasses
import math
import pickle
from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import ml_dtypes
import numpy as np
import pytest

import refimpl
from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import Multiprecision
from refimpl.spec import Spec, convention, hyperparameter, several, whole

PLACEMENTS = {"outside": "added to the root", "inside": "under the root"}


@dataclass(frozen=True)
class Rule(Spec):
    rate: float = hyperparameter(0.5, above=0, at_most=2)
    steps: int = whole(3, at_least=1)
    placement: str = convention(PLACEMENTS)
    centered: bool = convention({False: "raw", True: "centered"})
    at_kink: float | None = convention({0.25: "a quarter", None: "undefined"})

    def check(self) -> None:
        if self.centered and self.steps == 1:
            self.refuse("centered", self.centered, "False unless steps > 1")


@dataclass(frozen=True)
class Ranges(Spec):
    real: float = hyperparameter(0.0)
    nonnegative: float = hyperparameter(0.0, at_least=0)
    positive: float = hyperparameter(1.0, above=0)
    decay: float = hyperparameter(0.9, at_least=0, below=1)
    share: float = hyperparameter(0.3, at_least=0, at_most=1)


# --- what a field becomes --------------------------------------------------------------------------------------------


def test_defaults_are_the_declared_ones_and_the_first_of_each_convention():
    assert dataclasses.astuple(Rule()) == (0.5, 3, "outside", False, 0.25)


@pytest.mark.parametrize(
    "value",
    [1, 0.75, np.float64(0.75), np.float32(0.7), np.float16(0.7), ml_dtypes.bfloat16(0.7), np.int8(2), np.array(0.7)]
    + [np.array(1), Fraction(3, 4)],
    ids=repr,
)
def test_a_real_number_of_any_type_becomes_the_float_of_the_same_value(value):
    rate = Rule(value).rate
    assert type(rate) is float
    assert rate == value


@pytest.mark.parametrize("value", [7, np.int64(7), np.uint8(7), np.array(7)], ids=repr)
def test_an_integer_of_any_type_becomes_an_int(value):
    steps = Rule(steps=value).steps
    assert type(steps) is int
    assert steps == 7


def test_conventions_are_listed_with_their_meanings():
    assert Rule.conventions() == {
        "placement": PLACEMENTS,
        "centered": {False: "raw", True: "centered"},
        "at_kink": {0.25: "a quarter", None: "undefined"},
    }
    with pytest.raises(TypeError):
        Rule.conventions()["placement"]["nowhere"] = "changed for everybody"


def test_a_spec_is_a_value():
    spec = Rule(0.75, 2, "inside", True, None)
    assert spec == Rule(Fraction(3, 4), np.int32(2), "inside", True, None)
    assert hash(spec) == hash(Rule(0.75, 2, "inside", True, None))
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert dataclasses.replace(spec, rate=1) == Rule(1.0, 2, "inside", True, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.rate = 1.0


def test_a_replaced_field_is_checked_too():
    with pytest.raises(ValueError, match="rate"):
        dataclasses.replace(Rule(), rate=3)


def test_a_rule_that_lacks_its_formula_cannot_be_made():
    @dataclass(frozen=True)
    class Unfinished(Spec):
        @abstractmethod
        def formula(self):
            """To be given."""

    with pytest.raises(TypeError, match="formula"):
        Unfinished()


# --- ranges ----------------------------------------------------------------------------------------------------------


INSIDE = {
    "real": [-1e300, 0, 1e300, 5e-324],
    "nonnegative": [0, -0.0, 5e-324],
    "positive": [5e-324, 1e300],
    "decay": [0, math.nextafter(1, 0)],
    "share": [0, 1],
}
OUTSIDE = {
    "real": [math.inf, -math.inf, math.nan, 10**400, -(10**400)],
    "nonnegative": [-5e-324, math.inf, math.nan],
    "positive": [0, -0.0, math.inf, math.nan],
    "decay": [-5e-324, 1, math.nan, 1 - Fraction(1, 10**30)],  # the last is 1 as a float
    "share": [-5e-324, math.nextafter(1, 2), math.nan],
}
INTERVAL = {
    "real": "(-inf, inf)",
    "nonnegative": "[0, inf)",
    "positive": "(0, inf)",
    "decay": "[0, 1)",
    "share": "[0, 1]",
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in INSIDE.items() for value in values])
def test_a_number_in_the_range_is_accepted(name, value):
    assert getattr(Ranges(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OUTSIDE.items() for value in values])
def test_a_number_outside_the_range_is_refused_by_name_range_and_value(name, value):
    with pytest.raises(ValueError) as refusal:
        Ranges(**{name: value})
    assert str(refusal.value) == f"Ranges: {name} must be a finite number in {INTERVAL[name]}, got {value!r}"


@pytest.mark.parametrize(
    "value",
    [
        "0.1",
        None,
        True,
        np.True_,
        1j,
        np.complex64(1),
        [0.1],
        np.array([0.1]),
        np.array("a"),
        {},
        np.array(None),
        object,
    ],
    ids=repr,
)
def test_what_is_not_a_real_number_is_refused_by_type(value):
    with pytest.raises(TypeError) as refusal:
        Rule(value)
    assert str(refusal.value) == f"Rule: rate must be a finite number in (0, 2], got {value!r}"


@pytest.mark.parametrize("value", ["3", None, True, np.True_, 3.0, np.float64(3), 1j, [3], np.array([3])], ids=repr)
def test_what_is_not_an_integer_is_refused_by_type(value):
    with pytest.raises(TypeError) as refusal:
        Rule(steps=value)
    assert str(refusal.value) == f"Rule: steps must be an integer >= 1, at most 2**53, got {value!r}"


OUT_OF_RANGE = [0, -5, np.int64(0), -(10**400), 2**53 + 1, 10**19, 10**400]


@pytest.mark.parametrize("value", OUT_OF_RANGE, ids=lambda value: f"{value!r:.9}")
def test_an_integer_below_the_least_or_beyond_exact_counts_is_refused(value):
    with pytest.raises(ValueError) as refusal:
        Rule(steps=value)
    assert str(refusal.value) == f"Rule: steps must be an integer >= 1, at most 2**53, got {value!r}"


def test_the_largest_count_is_the_last_whole_number_that_float64_tells_from_the_next():
    largest = Rule(steps=2**53).steps
    assert float(largest - 1) != float(largest) == float(largest + 1)


@dataclass(frozen=True)
class Several(Spec):
    factors: tuple[float, ...] = several((0.5, 0.25), above=0)
    weights: tuple[float, ...] | None = several(None, at_least=0)


def test_a_tuple_of_real_numbers_of_any_type_becomes_floats_and_none_stays_where_it_is_the_default():
    found = Several((1, Fraction(1, 2), np.float32(0.7)), None)
    assert found == Several((1.0, 0.5, float(np.float32(0.7))))
    assert all(type(factor) is float for factor in found.factors)
    assert Several(weights=(0, 2)).weights == (0.0, 2.0)
    assert Several(weights=()).weights == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [("factors", value) for value in ([0.5], 0.5, None, (0.5, 0.0), (0.5, math.inf), (math.nan,), (True,), ("1",))]
    + [("weights", value) for value in ((-5e-324,), (1.0, 10**400), np.array([1.0]), (None,))],
    ids=lambda value: f"{value!r:.20}",
)
def test_a_tuple_with_a_number_outside_its_range_is_refused_by_name_range_and_value(name, value):
    allowed = {"factors": "a tuple of", "weights": "None, or a tuple of"}[name]
    interval = {"factors": "(0, inf)", "weights": "[0, inf)"}[name]
    with pytest.raises(ValueError) as refusal:
        Several(**{name: value})
    assert str(refusal.value) == f"Several: {name} must be {allowed} finite numbers in {interval}, got {value!r}"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("placement", "somewhere", "'outside', 'inside'"),
        ("placement", None, "'outside', 'inside'"),
        ("placement", ["outside"], "'outside', 'inside'"),
        ("placement", np.array(["outside", "inside"]), "'outside', 'inside'"),
        ("centered", 1, "False, True"),
        ("centered", 0.0, "False, True"),
        ("centered", "True", "False, True"),
        ("at_kink", 0.5, "0.25, None"),
        ("at_kink", math.nan, "0.25, None"),
    ],
)
def test_an_unknown_value_of_a_convention_is_refused_with_the_known_ones(name, value, allowed):
    with pytest.raises(ValueError) as refusal:
        Rule(**{name: value})
    assert str(refusal.value) == f"Rule: {name} must be one of {allowed}, got {value!r}"


def test_a_combination_without_meaning_is_refused():
    with pytest.raises(ValueError) as refusal:
        Rule(steps=1, centered=True)
    assert str(refusal.value) == "Rule: centered must be False unless steps > 1, got True"


# --- the fields in each arithmetic -----------------------------------------------------------------------------------


def test_for_plain_arrays_the_rule_is_itself():
    spec = Rule()
    assert spec.in_arithmetic_of(np.zeros(3)) is spec


def test_for_duck_arrays_the_real_fields_alone_are_numbers_of_their_arithmetic():
    spec = Rule(0.1, 4, "inside", True, 0.25)
    for like in (Multiprecision(np.zeros(3)), RunningError.exact(np.zeros(3), Target(FLOAT32))):
        converted = spec.in_arithmetic_of(like)
        assert type(converted.rate) is type(like)
        assert float(converted.rate.value) == 0.1
        assert (converted.steps, converted.placement, converted.centered, converted.at_kink) == (
            4,
            "inside",
            True,
            0.25,
        )


def test_a_hyperparameter_is_bounded_in_the_format_that_scalars_are_computed_in():
    spec, data = Rule(0.1), np.zeros(3)
    in_float64 = spec.in_arithmetic_of(RunningError.exact(data, Target(FLOAT32)))
    in_float32 = spec.in_arithmetic_of(RunningError.exact(data, Target(FLOAT32, scalars=FLOAT32)))
    assert in_float64.rate.bound == 0
    assert in_float32.rate.bound == abs(float(np.float32(0.1)) - 0.1)


def test_a_rule_in_another_arithmetic_takes_decisions_on_what_was_declared():
    spec = Rule(0.1)
    converted = spec.in_arithmetic_of(RunningError.exact(np.zeros(3), Target(FLOAT32)))
    assert spec.declared is spec
    assert converted.declared is spec
    with pytest.raises(TypeError):
        bool(converted.rate > 0)


def operands_of_declared_rules(source):
    """The names taken of `declared` anywhere but in a comparison."""
    tree = ast.parse(source)
    compared = {
        id(node)
        for comparison in ast.walk(tree)
        if isinstance(comparison, ast.Compare)
        for node in (comparison.left, *comparison.comparators)
    }
    return [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "declared"
        and id(node) not in compared
    ]


def test_no_formula_takes_an_operand_of_the_declared_rule():
    assert operands_of_declared_rules("x = self.declared.rate * y if self.declared.decay > 0 else y") == ["rate"]
    for path in Path(refimpl.__file__).parent.rglob("*.py"):
        assert not operands_of_declared_rules(path.read_text(encoding="utf-8")), path


# --- annotations of conventions ---------------------------------------------------------------------------------------

RULES = [
    rule for rule in map(refimpl.__getattr__, refimpl.__all__) if isinstance(rule, type) and issubclass(rule, Spec)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_literal_annotation_has_the_values_of_its_convention(rule):
    hints = get_type_hints(rule)
    for name, values in rule.conventions().items():
        if get_origin(hints[name]) is Literal:
            assert set(get_args(hints[name])) == set(values), name
