"""Outcomes of the adversary's machine against exact fractions: correctly rounded, admissible, and the worst of all."""

import math
from fractions import Fraction

import numpy as np
import pytest

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from tests.attack import rounding
from tests.attack.choices import Choices, climbed
from tests.attack.machine import Machine
from tests.attack.operands import numbers
from tests.attack.targets import ULPS, target

FORMATS = (FLOAT32, FLOAT16, BFLOAT16)

pytestmark = pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")


def rounded(exact, format_):
    """A fraction to nearest, ties to even, by integers."""
    if exact == 0:
        return Fraction(0)
    exponent = max(math.floor(math.log2(abs(exact))) + 2, format_.min_exponent)
    while abs(exact) < Fraction(2) ** exponent and exponent > format_.min_exponent:
        exponent -= 1
    unit = Fraction(2) ** (exponent - format_.precision + 1)
    return round(exact / unit) * unit


def drawn(format_, count, seed):
    rng = np.random.default_rng(seed)
    x = [numbers(format_, (4 * count,), rng) for _ in range(2)]
    moderate = (np.abs(x[0]) < 2.0**10) & (np.abs(x[1]) < 2.0**10) & (x[1] != 0)
    return [part[moderate][:count] for part in x]


@pytest.mark.parametrize("format_", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize(
    ("exact", "fraction"),
    [
        (rounding.two_sum, lambda a, b: a + b),
        (rounding.two_product, lambda a, b: a * b),
        (lambda a, b: rounding.plus(rounding.two_product(a, b), a), lambda a, b: a * b + a),
    ],
    ids=["sum", "product", "fused"],
)
def test_the_usual_outcome_is_the_exact_result_rounded_to_nearest_even(format_, exact, fraction):
    a, b = drawn(format_, 150, 3)
    found = rounding.nearest(rounding.to_odd(*exact(a, b)), format_)
    for x, y, result in zip(a.tolist(), b.tolist(), found.tolist(), strict=True):
        if math.isfinite(result):
            assert Fraction(result) == rounded(fraction(Fraction(x), Fraction(y)), format_)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda f: f.name)
def test_a_quotient_is_rounded_to_nearest(format_):
    a, b = drawn(format_, 150, 4)
    found = rounding.nearest(rounding.to_odd(*rounding.quotient(a, b)), format_)
    for x, y, result in zip(a.tolist(), b.tolist(), found.tolist(), strict=True):
        if math.isfinite(result):
            assert Fraction(result) == rounded(Fraction(x) / Fraction(y), format_)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda f: f.name)
def test_truncation_goes_to_the_next_number_towards_zero(format_):
    x = np.random.default_rng(5).standard_normal(300) * 2.0 ** np.arange(-150, 150)
    x = x[np.abs(x) < format_.largest]
    found = rounding.truncated(x, format_)
    unit = rounding.spacing(x, format_)
    assert (np.abs(found) <= np.abs(x)).all() and (np.abs(x) - np.abs(found) < unit).all()
    assert (rounding.nearest(found, format_) == found).all()


@pytest.mark.parametrize("format_", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("lean", [-1, 1])
def test_a_function_reaches_nearly_all_of_its_declared_error_and_no_more(format_, lean):
    x = numbers(format_, (2000,), np.random.default_rng(6))
    x = x[np.abs(x) < 4]
    machine = Machine(target(format_), Choices(0, lean))
    unit, errors = rounding.spacing(np.nextafter(np.exp(x), 0), format_), []
    for excess in (False, True):
        machine.excess = excess
        errors.append(lean * (machine.function("exp", np.exp, x) - np.exp(x)) / unit)
    assert np.max(errors) <= ULPS["exp"]
    assert np.max(errors) > 0.99 * ULPS["exp"] and np.max(errors, axis=0).min() > ULPS["exp"] - 0.6


def test_what_is_below_the_smallest_normal_number_before_or_after_rounding_may_be_zero():
    machine = Machine(target(FLOAT32, flush_to_zero=True), Choices(0, -1))
    tiny = FLOAT32.smallest_normal
    assert machine.multiply(np.array([tiny]), np.array([1 - 2.0**-24])) == 0  # its rounding is normal
    assert machine.add(np.array([1.5 * tiny]), np.array([-tiny])) == 0
    assert machine.read(np.array([tiny / 2])) in (0, tiny / 2)
    assert machine.multiply(np.array([tiny]), np.array([1.0])) == tiny


def test_half_formats_may_round_through_float32_or_keep_its_digits():
    x = np.array([1 + 2.0**-11 + 2.0**-30])
    lowest, largest = (Machine(target(FLOAT16), Choices(0, lean)).number(x)[0] for lean in (-1, 1))
    assert (lowest, largest) == (1.0, 1 + 2.0**-10)
    machine = Machine(target(BFLOAT16), Choices(0))
    machine.excess = True
    assert 1.0 + 2.0**-20 in np.concatenate(machine.outcomes(*rounding.identity(np.array([1.0 + 2.0**-20]))))


def test_sums_take_different_orders_and_a_wider_accumulator_too():
    terms = [np.array([x]) for x in (1.0, 2.0**-24, 2.0**-24, -1.0, 2.0**-30)]
    found = {float(Machine(target(FLOAT32), Choices(seed)).sum(terms)[0]) for seed in range(60)}
    assert min(found) <= 2.0**-30 and max(found) >= 2.0**-23 + 2.0**-30


def test_hyperparameters_are_computed_in_their_own_format():
    machine = Machine(target(BFLOAT16, scalars=FLOAT32, powers=FLOAT16), Choices(0))
    assert machine.scalars.format is FLOAT32 and machine.scalars.powers.format is FLOAT16
    assert Machine(target(FLOAT32), Choices(0)).scalars.number(0.1) == 0.1
    assert Machine(target(FLOAT32), Choices(0)).scalars.format is FLOAT64


def test_climbing_finds_the_directions_that_are_worst_for_each_element_by_itself():
    signs = np.array([1, -1, 1, 1, -1])

    def evaluate(choices):
        return sum(signs * np.minimum(choices.direction((5,)), 1) for _ in range(4)).astype(float)

    assert climbed(evaluate, seed=1, rounds=200, elementwise=True).tolist() == [4.0] * 5
    assert climbed(evaluate, seed=1, rounds=0, elementwise=True).min() < 4
