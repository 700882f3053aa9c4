"""Tables of the shipped subjects: a row is what is called, fixed, refused and shown, and one row is enough."""

import inspect
import re
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

import refimpl
from conformance import Subject, Unsupported
from conformance.subjects import SHIPPED, load
from conformance.subjects.table import Row, fixed, floor_over_peak, scalars, slot_of, table

LIBRARIES = [name for name in SHIPPED if name != "refimpl"]
ROWS = [pytest.param(row, id=f"{name}-{row.rule.__name__}") for name in LIBRARIES for row in load(name).table.values()]


def example(lr, betas=(0.5, 0.75), *, epsilon=2.0, centered=3.0):
    """A library's function, which returns what it is given."""
    return {"lr": lr, "betas": betas, "epsilon": epsilon, "centered": centered}


PATH = "conformance.conventions.HERE.example"


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """The function where a row finds it."""
    monkeypatch.setattr("conformance.conventions.HERE", SimpleNamespace(example=example), raising=False)


# --- what a row makes of a library's function ---


def test_defaults_are_read_from_the_function_by_the_names_of_the_fields():
    row = Row(refimpl.Adam, PATH, arguments={"learning_rate": "lr", "beta1": "betas"}, constants={"centered": True})
    assert row.defaults == {
        "learning_rate": ("lr", inspect.Parameter.empty), "beta1": ("betas", (0.5, 0.75)), "epsilon": ("epsilon", 2.0),
    }  # fmt: skip
    entries = Row(refimpl.Adam, PATH, arguments={"beta1": "betas[0]", "beta2": "betas[1]", "epsilon": None})
    assert entries.defaults == {"beta1": ("betas[0]", 0.5), "beta2": ("betas[1]", 0.75)}
    assert Row(refimpl.SGD, PATH, arguments={"learning_rate": "lr[0]"}).defaults == {
        "learning_rate": ("lr[0]", inspect.Parameter.empty)
    }


def test_a_call_has_the_fields_by_the_names_of_the_library():
    row = Row(
        refimpl.Adam, PATH, arguments={"learning_rate": "lr", "beta1": "betas[0]", "beta2": "betas[1]"},
        constants={"centered": True},
    )  # fmt: skip
    spec = refimpl.Adam(0.25, 0.5, 0.75, epsilon=1e-3)
    assert row.keywords(spec) == {"lr": 0.25, "betas": (0.5, 0.75), "epsilon": 1e-3, "centered": True}
    assert row.call(spec) == row.keywords(spec)
    assert row.call(spec, epsilon=7.0) == row.keywords(spec) | {"epsilon": 7.0}


def test_entries_stand_in_the_order_of_the_argument_not_of_the_fields():
    row = Row(refimpl.Adam, PATH, arguments={"beta1": "betas[1]", "beta2": "betas[0]", "epsilon": None})
    assert row.keywords(refimpl.Adam(beta1=0.5, beta2=0.75)) == {"betas": (0.75, 0.5)}


def test_positional_arguments_come_first():
    row = Row(refimpl.Adam, PATH, arguments={"epsilon": None})
    assert row.call(refimpl.Adam(), 0.125)["lr"] == 0.125


def test_a_value_that_differs_is_that_of_the_library_and_others_stay():
    row = Row(refimpl.SGD, PATH, arguments={"momentum": "lr"}, values={"momentum": {0.0: None}})
    assert row.keywords(refimpl.SGD(momentum=0.0)) == {"lr": None}
    assert row.keywords(refimpl.SGD(momentum=0.5)) == {"lr": 0.5}


def test_a_value_may_be_a_function_of_the_rule_whose_docstring_is_its_relation():
    row = Row(refimpl.Cosine, PATH, arguments={"floor": "epsilon"}, values={"floor": floor_over_peak})
    assert row.keywords(refimpl.Cosine(peak=0.5, floor=0.125)) == {"epsilon": 0.25}
    assert row.relation("floor") == "floor / peak"


def test_a_relation_has_the_values_that_differ_and_the_words_of_the_row():
    row = Row(
        refimpl.Adam, PATH, values={"epsilon_placement": {"inside": True, "outside": False}},
        relations={"epsilon_placement": "another function for 'uncorrected'", "beta1": "1 - beta1"},
    )  # fmt: skip
    words = "`True` for 'inside', `False` for 'outside'; another function for 'uncorrected'"
    assert row.relation("epsilon_placement") == words
    assert (row.relation("beta1"), row.relation("beta2")) == ("1 - beta1", "")


def test_a_signature_shows_the_arguments_that_make_the_function_the_rule():
    assert Row(refimpl.Adam, PATH).signature() == PATH
    assert (
        Row(refimpl.Adam, PATH, constants={"lr": 1.0, "centered": True}).signature() == f"{PATH}(lr=1.0, centered=True)"
    )


def test_a_slot_has_the_name_and_sign_of_the_library_also_within_an_accumulation():
    rows = table(
        Row(refimpl.SGD, slots={"velocity": "-trace"}), Row(refimpl.Adam, slots={"first_moment": "mu"}),
        Row(refimpl.GradientAccumulation, slots={"accumulated": "sum"}),
    )  # fmt: skip
    assert slot_of(rows, refimpl.SGD(momentum=0.5), "velocity") == ("trace", -1)
    accumulation = refimpl.GradientAccumulation(refimpl.Adam(), 2)
    assert slot_of(rows, accumulation, "first_moment") == ("mu", 1)
    assert slot_of(rows, accumulation, "accumulated") == ("sum", 1)


@pytest.mark.parametrize("named", ["fixed", "arguments", "values", "relations"])
def test_a_field_that_the_rule_does_not_have_is_refused(named):
    with pytest.raises(ValueError, match="Adam has no field lr, only learning_rate, weight_decay"):
        Row(refimpl.Adam, PATH, **{named: {"lr": "rate"}})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row(refimpl.Adam, "conformance.conventions.no"), "Adam: the library has no conformance.conventions.no"),
        (Row(refimpl.Adam, PATH, arguments={"beta1": "b1"}), f"Adam: {PATH} has no b1, only lr, betas"),
        (Row(refimpl.Adam, PATH, constants={"amsgrad": True}), f"Adam: {PATH} has no amsgrad, only lr, betas"),
    ],
)  # fmt: skip
def test_a_function_or_argument_that_the_library_does_not_have_is_refused(row, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        row.keywords(refimpl.Adam())


# --- what a subject declares by its table ---


def test_conventions_and_scalars_are_those_of_the_rows():
    rows = table(Row(refimpl.SGD, fixed={"rate": "inside"}, scalars={"float32": "float32"}), Row(refimpl.Adam))
    assert fixed(rows) == {refimpl.SGD: {"rate": "inside"}, refimpl.Adam: {}}
    assert scalars(rows) == {refimpl.SGD: {"float32": "float32"}}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_shipped_subject_declares_what_its_table_says(name):
    subject = load(name)
    assert list(subject.conventions.items()) == [(rule, row.fixed) for rule, row in subject.table.items()]
    assert subject.rule_scalars == scalars(subject.table)


class Limited(Subject):
    name = "limited"
    variants = {"optimizer": ("loop", "fused")}
    table = table(
        Row(refimpl.SGD, variants=("loop",), reason="nobody wrote a kernel"),
        Row(refimpl.Adam, dtypes=("float32",), reason="it computes in float32"),
        Row(refimpl.Lion, variants=(), reason="it is wrong"),
        Row(refimpl.Adagrad),
    )
    conventions = fixed(table)


def test_a_rule_is_refused_in_other_variants_and_formats_than_its_row_has():
    for variant, dtype, spec in (
        ("loop", "float64", refimpl.SGD()),
        ("fused", "float32", refimpl.Adam()),
        ("fused", "float64", refimpl.Adagrad()),
    ):
        Limited(variant, dtype).offered("optimizer", spec)
    for variant, dtype, spec, reason in (
        ("fused", "float32", refimpl.SGD(), "limited has no SGD in fused: nobody wrote a kernel"),
        ("loop", "float64", refimpl.Adam(), "limited has no Adam in float64: it computes in float32"),
        ("loop", "float32", refimpl.Lion(), "limited has no Lion in loop: it is wrong"),
    ):
        with pytest.raises(Unsupported, match=reason):
            Limited(variant, dtype).offered("optimizer", spec)


# --- the tables that are shipped ---


@pytest.mark.parametrize("row", ROWS)
def test_values_that_differ_are_values_of_the_field(row):
    declared = row.rule.__dataclass_fields__
    for name, change in row.values.items():
        for value in () if callable(change) else change:
            assert row.rule.accepted(declared[name], value) == value


@pytest.mark.parametrize("row", [p for p in ROWS if p.values[0].slots])
def test_every_slot_of_a_row_is_one_of_its_rule(row):
    others = {"momentum": 0.5, "centered": True, "start": "corrected"}
    spec = row.rule(**{name: value for name, value in others.items() if name in row.rule.__dataclass_fields__})
    assert set(row.slots) <= set(spec.slots())


@pytest.mark.parametrize("name", ["torch", "jax", "keras"])
def test_every_function_and_argument_is_in_the_library_as_it_is_installed(name):
    subject = load(name)
    try:
        subject.version()
    except ImportError as problem:
        pytest.skip(str(problem))
    for row in subject.table.values():
        named = {field for field, argument in row.arguments.items() if argument}
        assert not row.function or named <= set(row.defaults), row.function


@dataclass(frozen=True)
class Another(refimpl.Softsign):
    """A rule that no table has yet."""


@pytest.mark.parametrize(
    ("name", "variant", "function"), [("torch", "func", "torch.nn.Softsign"), ("jax", "eager", "jax.nn.soft_sign")]
)
def test_one_row_adds_an_activation_to_a_library(name, variant, function, monkeypatch):
    pytest.importorskip(name)
    shipped = load(name)
    monkeypatch.setitem(shipped.table, Another, Row(Another, function))
    subject = type("More", (shipped,), {"conventions": fixed(shipped.table)})(variant, "float64")
    value, cotangent = subject.activation(Another(), np.array([1.0, -3.0]), np.array([4.0, 16.0]))
    assert (value.tolist(), cotangent.tolist()) == ([0.5, -0.75], [1.0, 1.0])
