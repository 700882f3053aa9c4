"""A small attack that reaches no ratio above 1, and each outcome that once left its bound, with its numbers."""

from functools import partial

import numpy as np
import pytest

import refimpl
from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, RunningError, Target, erfc
from tests.attack import digits, modular, parts, whole
from tests.attack.adversary import Adversary
from tests.attack.choices import Choices
from tests.attack.comparison import error_over_bound
from tests.attack.machine import Machine
from tests.attack.operations import OPERATIONS
from tests.attack.orders import library_orders
from tests.attack.record import Record
from tests.attack.targets import TARGETS, target

DECISIONS = 24  # sets of decisions of an adversary, on given numbers


def worst(formula, against, *data, decisions=DECISIONS):
    """The largest ratio that an adversary reaches with data of the format: leaning up, down, or at random."""
    with np.errstate(all="ignore"):
        expected = formula(*(RunningError.exact(x, against) for x in data))
        found = 0.0
        for seed in range(decisions):
            machine = Machine(against, Choices(seed, (-1, 1, None)[seed % 3]))
            with library_orders():
                result = formula(*(Adversary(np.asarray(x, np.float64), machine) for x in data))
            ratio = error_over_bound(expected, result.value)
            found = max(found, float(np.max(np.nan_to_num(ratio, nan=0.0))))
    return found


def test_no_operation_leaves_its_bound_in_a_small_attack():
    record = Record()
    for i, (name, operation) in enumerate(OPERATIONS.items()):
        group, targets = list(TARGETS.items())[i % len(TARGETS)]
        against = targets[i % len(targets)]
        modular.attack(name, operation, against, group, 256, i, record, corners=1, leans=(1 - i % 2 * 2, None))
    assert not record.beyond()
    assert set(record.entries) == set(OPERATIONS) and record.compared > 50_000


def test_no_rule_leaves_its_bound_in_a_small_attack():
    record = Record()
    for i, variants in enumerate(parts.rules_by_name().values()):
        group, targets = list(TARGETS.items())[i % len(TARGETS)]
        for rule in {rule.name: rule for rule in variants}.values():
            whole.attack(rule, targets[i % len(targets)], group, 24, i, record, leans=())
    assert not record.beyond()


def test_the_exact_result_lies_within_the_bound():
    record = Record()
    for i, (name, operation) in enumerate(OPERATIONS.items()):
        group, against = list({digits.GROUP: digits.FLOAT64_TARGET, "bfloat16": TARGETS["bfloat16"][0]}.items())[i % 2]
        digits.attack(name, operation, against, group, 4, i, record)
    assert not record.beyond()


# --- what once left its bound ---

FLUSHED = {format_: target(format_, flush_to_zero=True) for format_ in (FLOAT32, FLOAT16, BFLOAT16)}


@pytest.mark.parametrize(
    ("formula", "format_", "at"),
    [
        (np.tanh, FLOAT32, "0x1.000004p-126"),
        (np.log1p, FLOAT32, "0x1.000002p-126"),
        (np.sin, FLOAT32, "0x1.000002p-126"),
        (np.expm1, FLOAT32, "0x1.000002p-126"),
        (np.exp, FLOAT16, "-0x1.368p+3"),
        (lambda x: x**7, FLOAT16, "0x1p-2"),
        (lambda x: x**20, BFLOAT16, "0x1.ap-7"),
        (lambda x: x**-2, BFLOAT16, "0x1p63"),
        (erfc, FLOAT16, "0x1.6acp+1"),
    ],
)
def test_an_error_of_its_own_may_carry_a_function_below_the_smallest_normal_number(formula, format_, at):
    assert worst(formula, FLUSHED[format_], [float.fromhex(at)]) <= 1


@pytest.mark.parametrize("divisor", [41.0, 47.0, 55.0, 83.0])
def test_a_quotient_that_a_reciprocal_carries_below_the_smallest_normal_number_may_be_flushed(divisor):
    against = target(FLOAT32, flush_to_zero=True, divide=1.478)
    assert worst(lambda x: x / divisor, against, [divisor * FLOAT32.smallest_normal]) <= 1


def test_a_result_just_below_the_smallest_normal_number_may_be_flushed_before_it_is_rounded():
    below, above = ((1 + sign * 2.0**-30) * 2.0**-511 for sign in (-1, 1))
    product = RunningError.exact([below], target(FLOAT64, flush_to_zero=True)) * above
    assert product.within([0.0]).all()
    sine = Target(FLOAT32, flush_to_zero=True, functions={"float32": {"sin": 0.5}})
    assert np.sin(RunningError.exact([2.0**-126], sine)).within([0.0]).all()


@pytest.mark.parametrize(
    ("activation", "error_of_gate"),
    [
        (refimpl.GELU(), 2.0**-24),
        (refimpl.GELU(approximation="tanh"), 2.0**-24),
        (refimpl.Mish(), 2.0**-149),
        (refimpl.SiLU(), 2.0**-149),
    ],
    ids=["GELU", "GELU with tanh", "Mish", "SiLU"],
)
@pytest.mark.parametrize("x", [-(2.0**100), -float.fromhex("0x1.388p13")])
def test_a_gate_that_is_nearly_zero_is_multiplied_by_all_of_its_argument(activation, error_of_gate, x):
    certified = activation.forward(RunningError.exact([x], target(FLOAT32)))
    assert certified.within([x * error_of_gate]).all()
    assert worst(activation.forward, target(FLOAT32), [x]) <= 1


@pytest.mark.parametrize(("format_", "ulp"), [(BFLOAT16, 2.0**-8), (FLOAT16, 2.0**-11)], ids=["bfloat16", "float16"])
@pytest.mark.parametrize(
    "formula",
    [
        lambda x, limit: refimpl.ClipByValue(limit).apply(x),
        lambda x, limit: refimpl.Adagrad(initial_accumulator=limit).init(x)["accumulator"],
        lambda x, limit: x.constant(np.full(x.shape, limit)),
        lambda x, limit: x * x.hyperparameter(limit),
    ],
    ids=["limit", "accumulator", "data", "hyperparameter"],
)
def test_a_number_next_to_a_tie_may_be_rounded_through_float32(format_, ulp, formula):
    assert worst(partial(formula, limit=1 + ulp + 2.0**-30), target(format_), [5.0]) <= 1


@pytest.mark.parametrize(
    ("format_", "factors"),
    [
        (FLOAT32, ("0x1.23ac88p15", "-0x1.000004p4", "0x1.c160dcp108", "0x1p-1")),
        (FLOAT16, ("0x1.78p4", "0x1.7bcp8", "0x1.d5cp2", "0x1p-1")),
        (BFLOAT16, ("0x1.32p63", "0x1.bcp0", "0x1.ecp63", "0x1p-1")),
    ],
)
def test_a_partial_product_may_leave_the_range_by_its_rounding(format_, factors):
    data = [[float.fromhex(x)] for x in factors]
    assert worst(lambda *x: refimpl.arithmetic.product(*x), target(format_), *data, decisions=5 * DECISIONS) <= 1


@pytest.mark.parametrize(("format_", "narrower"), [(FLOAT32, FLOAT16), (FLOAT32, BFLOAT16), (FLOAT16, BFLOAT16)])
def test_an_accumulator_that_cannot_hold_the_format_is_refused(format_, narrower):
    with pytest.raises(ValueError, match="accumulator"):
        target(format_, accumulator=narrower)


def test_an_exponent_that_rounding_makes_even_keeps_no_sign():
    assert worst(lambda x: x ** x.hyperparameter(257.0), target(BFLOAT16), [-1.0]) <= 1


def test_the_largest_number_rounded_to_an_input_of_a_product_is_infinite():
    against = target(FLOAT32, matmul_input_roundoff=refimpl.arithmetic.TF32_INPUT_ROUNDOFF)
    assert worst(lambda x, y: x @ y, against, [[FLOAT32.largest]], [[2.0**-100]]) <= 1


def test_hyperparameters_in_the_format_of_the_arrays_may_be_flushed():
    against = target(FLOAT32, scalars=FLOAT32, flush_to_zero=True)
    assert worst(OPERATIONS["tiny hyperparameters"].formula, against, [1.0]) <= 1


def test_an_average_that_a_rounded_difference_moves_onto_its_new_value_has_no_certain_sign():
    formula = OPERATIONS["root of a moving average, 0"].formula
    assert worst(formula, target(BFLOAT16), [float.fromhex("0x1.4ap0")], [0.0]) <= 1


def test_an_average_whose_digits_are_kept_may_turn_negative_where_its_difference_is_rounded_to_a_subnormal_number():
    record = Record()
    name, against = "moving average, 0.1", TARGETS["float16"][0]
    modular.attack(name, OPERATIONS[name], against, "float16", 2**11, 1, record, corners=4)
    assert not record.beyond()


# --- the attack finds what it is for ---


def with_smaller_bound(rule, share):
    def smaller(*operands, **options):
        found = rule(*operands, **options)
        return RunningError(found.value, share * found.bound, found.target, found.nonnegative, found.undecided)

    return smaller


@pytest.mark.parametrize(
    ("ufunc", "name"), [(np.add, "add"), (np.multiply, "multiply, add"), (np.sqrt, "sqrt"), (np.exp, "exp")]
)
def test_a_bound_one_percent_too_small_is_found(ufunc, name, monkeypatch):
    record = Record()
    monkeypatch.setitem(RunningError.ufuncs, ufunc, with_smaller_bound(RunningError.ufuncs[ufunc], 0.99))
    modular.attack(name, OPERATIONS[name], TARGETS["float32"][0], "float32", 2**10, 1, record)
    assert record.beyond()


def test_a_sign_that_is_not_kept_is_found():
    kept = RunningError(np.array([1e-3]), np.array([1.0]), target(FLOAT32), nonnegative=True)
    assert error_over_bound(kept, np.array([-1e-4])) == np.inf
    assert error_over_bound(kept, np.array([1e-4])) < 1


def test_a_number_in_range_where_all_are_claimed_beyond_is_found():
    beyond = RunningError.exact([FLOAT32.largest], target(FLOAT32)) * 2.0
    assert error_over_bound(beyond, np.array([np.inf])) == 0
    assert error_over_bound(beyond, np.array([1.0])) == np.inf


def test_a_reciprocal_may_be_as_wrong_as_a_division_is_declared_to_be():
    record = Record()
    for format_ in ("float32", "float16", "bfloat16"):
        modular.attack("quotient", OPERATIONS["quotient"], TARGETS[format_][1], format_, 2**11, 1, record, corners=1)
    assert not record.beyond()


@pytest.mark.parametrize("terms", [2, 5])
@pytest.mark.parametrize("group", ["float32", "float16", "bfloat16"])
def test_addends_of_more_digits_may_be_truncated_among_subnormal_numbers(group, terms):
    record, name = Record(), f"sum of {terms}"
    for against in (against for against in TARGETS[group] if against.truncating_accumulator):
        modular.attack(name, OPERATIONS[name], against, group, 2**12, 4, record)
    assert record.compared and not record.beyond()
