"""What a running-error array claims: nothing without proof, what NaN and infinity mean, undecided branches as sets."""

import numpy as np
import pytest

from refimpl.arithmetic import (
    BFLOAT16,
    FLOAT32,
    FLOAT64,
    RunningError,
    Target,
    constant,
    covering,
    erf,
    erfc,
    moving_average,
    pi,
    quotient,
    rsqrt,
)
from tests.attack.targets import target

T = target(FLOAT32)
FLUSHED = target(FLOAT32, flush_to_zero=True)
U = FLOAT32.unit_roundoff
LARGEST, TINY = FLOAT32.largest, FLOAT32.smallest_normal


def exact(*values, target=T):
    return RunningError.exact(values, target)


def uncertain(*pairs, nonnegative=False):
    """An array given by (value, bound)."""
    values, bounds = np.array(pairs, dtype=np.float64).T
    return RunningError(values, bounds, T, nonnegative)


# --- data ---


def test_data_of_the_format_are_exact():
    x = exact(0.0, 0.1, -7.5, 1e-45, target=target(FLOAT64))
    assert x.bound.tolist() == [0.0] * 4
    assert exact(0.5, 2.0**-149, LARGEST).bound.tolist() == [0.0] * 3


def test_data_between_numbers_of_the_format_are_bounded_by_their_rounding():
    x = exact(0.1, 2.0**-150, 1 + U)
    assert x.bound.tolist() == [abs(float(np.float32(0.1)) - 0.1), 2.0**-150, U]


def test_data_beyond_the_range_infinities_and_nan_are_unclaimed():
    x = exact(1e39, -np.inf, np.nan)
    assert np.array_equal(x.value, [np.inf, -np.inf, np.nan], equal_nan=True)
    assert x.bound.tolist() == [np.inf] * 3


def test_data_below_the_smallest_normal_number_may_be_flushed():
    x = exact(TINY, TINY / 2, -TINY / 4, target=FLUSHED)
    assert x.bound.tolist() == [0.0, TINY / 2, TINY / 4]


@pytest.mark.parametrize("data", [np.array([3, -2]), np.array([True, False]), np.float32([0.1, 3]), [1, 2.5]])
def test_data_of_any_real_type_are_taken_exactly(data):
    x = RunningError.exact(data, target(FLOAT64))
    assert x.value.dtype == np.float64
    assert np.array_equal(x.value, np.asarray(data))
    assert not x.bound.any()


def test_data_are_copied():
    data = np.ones(3)
    x = RunningError.exact(data, T)
    data[0] = 7
    assert x.value.tolist() == [1.0] * 3


# --- no claim: NaN ---


@pytest.mark.parametrize(
    ("rule", "operand"),
    [
        (lambda x: 1 / x, (0.0, 0.0)),
        (lambda x: 1 / x, (1.0, 1.0)),
        (lambda x: np.reciprocal(x), (-0.5, 0.75)),
        (lambda x: x**-2, (0.5, 0.75)),
        (lambda x: 0.0 / x, (0.0, 0.0)),
        (np.sqrt, (-1.0, 0.0)),
        (np.sqrt, (1e-3, 2e-3)),
        (lambda x: x**0.5, (1e-3, 2e-3)),
        (lambda x: x**1.5, (-1e-3, 0.0)),
        (lambda x: x**1.5, (1e-3, 2e-3)),
        (lambda x: x**-0.3, (0.0, 0.0)),
        (np.log, (0.0, 0.0)),
        (np.log, (-1.0, 0.0)),
        (np.log, (1.0, 1.0)),
        (np.log1p, (-1.0, 0.0)),
        (np.log1p, (-0.5, 0.5)),
        (rsqrt, (0.0, 0.0)),
        (rsqrt, (0.5, 0.5)),
    ],
)
def test_where_the_domain_may_be_left_there_is_no_claim(rule, operand):
    result = rule(uncertain((2.0, 1e-3), operand))
    assert np.isfinite(result.bound[0])
    assert np.isnan(result.bound[1])


@pytest.mark.parametrize("pole", [lambda x: TINY / x, lambda x: quotient(TINY, x), np.log, rsqrt, lambda x: x**-0.3])
@pytest.mark.parametrize("below", [lambda x: x / 4, lambda x: (x / 1.5) * 0.9, lambda x: x * 2.0**-40])
def test_a_number_that_is_flushed_onto_a_pole_leaves_the_range(pole, below):
    """As JAX on CPU has it, where the exact result is a finite number."""
    with np.errstate(divide="ignore"):
        at_zero = pole(np.zeros(1))
    assert pole(below(exact(TINY, target=FLUSHED))).within(at_zero).all()
    assert not pole(below(exact(TINY))).within(np.array([np.nan])).any()


@pytest.mark.parametrize("pole", [lambda x: 1 / x, np.log])
def test_a_zero_that_flushing_does_not_make_is_no_excuse(pole):
    cancelled = RunningError(np.array([1.0]), np.array([1.5]), FLUSHED)
    assert not pole(cancelled).within(np.array([np.inf])).any()


@pytest.mark.parametrize("exponent", [1.0, 2.0, 0.5, -1.0, 3.0])
def test_a_hyperparameter_to_the_power_of_an_array_is_of_the_format_of_the_array(exponent):
    against = target(BFLOAT16)
    found = exact(1.0, target=against).hyperparameter(0.9) ** RunningError.exact(exponent, against)
    assert found.within(BFLOAT16.round(BFLOAT16.round(0.9) ** exponent))


def test_a_power_of_one_half_is_as_far_off_as_any_power():
    x = exact(2.0, 3.0)
    assert np.all((x**0.5).bound > np.sqrt(x).bound)


RULES = {
    "add": lambda x: x + 1,
    "subtract": lambda x: 2 - x,
    "multiply": lambda x: 0 * x,
    "numerator": lambda x: x / 3,
    "denominator": lambda x: 1 / x,
    "square": lambda x: x**2,
    "power": lambda x: x**3,
    "sqrt": np.sqrt,
    "rsqrt": rsqrt,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": erf,
    "erfc": erfc,
    "sin": np.sin,
    "cos": np.cos,
    "negative": lambda x: -x,
    "absolute": abs,
    "sign": np.sign,
    "maximum": lambda x: np.maximum(x, 0.5),
    "minimum": lambda x: np.minimum(0.5, x),
    "clip": lambda x: np.clip(x, -1, 1),
    "sum": lambda x: np.sum(x.reshape(-1, 1), axis=1),
    "sum with others": lambda x: np.sum(np.stack([x, np.ones(len(x))]), axis=0),
    "mean": lambda x: np.mean(np.stack([x, x]), axis=0),
    "largest": lambda x: np.max(np.stack([x, np.ones(len(x))]), axis=0),
    "smallest": lambda x: np.min(np.stack([np.ones(len(x)), x]), axis=0),
    "matmul": lambda x: (x.reshape(-1, 1) @ np.ones((1, 2)))[:, 0],
    "moving average": lambda x: moving_average(x, 1.0, x.hyperparameter(0.9)),
    "moving average of it": lambda x: moving_average(np.zeros_like(x), x, x.hyperparameter(0.0)),
    "covering": lambda x: covering(x - x, (lambda x: 0 * x,), x),
    "hull": lambda x: constant(np.ones(len(x)), x).hull(x),
    "moved": lambda x: x.reshape(1, -1).T.reshape(-1),
}
NONNEGATIVE_RULES = {"absolute", "square"}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("nonnegative", [False, True])
def test_an_operand_without_claim_leaves_the_result_without(name, nonnegative):
    x = uncertain((1.5, 1e-3), (1.5, np.nan), (1.5, 0.0), nonnegative=nonnegative)
    result = RULES[name](x)
    assert np.isnan(result.bound).tolist() == [False, True, False]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_an_operand_that_may_have_left_the_range_leaves_the_result_open(name, nonnegative, value):
    """Whatever the rule: in the target it may have become a NaN."""
    x = uncertain((1.5, 1e-3), (value, np.inf), (1.5, 0.0), nonnegative=nonnegative)
    result = RULES[name](x)
    claimed_zero = name == "denominator" and nonnegative and value == np.inf  # tested below
    assert np.isinf(result.bound).tolist() == [False, not claimed_zero, False]


@pytest.mark.parametrize("name", RULES)
def test_an_open_result_has_no_finite_value_that_a_later_rule_could_use(name):
    result = RULES[name](uncertain((1.5, 1e-3), (np.nan, np.inf), (1.5, 0.0)))
    assert np.isnan(result.value).tolist() == [False, True, False]


@pytest.mark.parametrize("open_first", [False, True])
@pytest.mark.parametrize(
    "rule",
    [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, lambda a, b: a.hull(b)]
    + [lambda a, b: np.where(a > b, a, b), lambda a, b: np.sum(np.stack([a, b]), axis=0)]
    + [lambda a, b: np.max(np.stack([a, b]), axis=0), lambda a, b: a.reshape(1, 1) @ b.reshape(1, 1)],
)
def test_a_range_that_was_left_outweighs_a_missing_claim(rule, open_first):
    left, unclaimed = uncertain((np.nan, np.inf)), uncertain((1.5, np.nan))
    result = rule(left, unclaimed) if open_first else rule(unclaimed, left)
    assert np.isposinf(result.bound).all()


def test_what_is_surely_not_selected_does_not_matter():
    x, y = uncertain((1.5, 1e-3), (1.5, 1e-3)), uncertain((1.5, np.nan), (np.nan, np.inf))
    assert np.where(x > 1, x, y).bound.tolist() == x.bound.tolist()
    assert np.where(np.array([True, True]), x, y).bound.tolist() == x.bound.tolist()
    assert np.where(exact(1.0, -1.0) > 0, 1.0, np.log(exact(-1.0, -2.0))).bound[0] == 0


# --- range ---


@pytest.mark.parametrize(
    "rule",
    [
        lambda x: x + x,
        lambda x: -x - x,
        lambda x: x * 2,
        lambda x: x**2,
        lambda x: x**3,
        lambda x: x / 0.5,
        lambda x: np.exp(x / 1e30),
        lambda x: np.sum(np.stack([x, x, -x]), axis=0),  # in some order it overflows on the way
        lambda x: np.mean(np.stack([x, x]), axis=0),
        lambda x: np.stack([x, x], axis=1)[:, None] @ np.ones((2, 1)),
        lambda x: moving_average(x, -x, x.hyperparameter(0.5)),  # the difference of the two overflows
    ],
)
def test_results_that_may_leave_the_range_are_open(rule):
    assert np.isinf(rule(exact(LARGEST)).bound).all()
    assert np.isfinite(rule(exact(1.5)).bound).all()


def test_correct_rounding_stays_in_range_up_to_the_largest_number():
    assert (exact(LARGEST) * 1).bound[0] < np.inf
    assert (exact(LARGEST) + 0).bound[0] < np.inf
    assert np.isinf((exact(LARGEST) * (1 + U)).bound[0])


@pytest.mark.parametrize(("ulp", "open_"), [(0.5, False), (2.0, True)])
def test_a_function_may_leave_the_range_by_its_own_error(ulp, open_):
    argument = np.log([LARGEST * (1 - U)])
    x = RunningError(argument, np.zeros(1), Target(FLOAT32, functions={"float32": {"exp": ulp}}))
    assert np.isinf(np.exp(x).bound).all() == open_


def test_one_over_an_overflowed_sum_of_positive_terms_is_nearly_zero():
    """So that a sigmoid is checked far out: a NaN there is an error of the subject."""
    x = exact(-1000.0, -100.0, -89.0, 0.0, 1000.0)
    sigmoid = 1 / (1 + np.exp(-x))
    assert np.isfinite(sigmoid.bound).all()
    assert sigmoid.within([0.0, 3.78e-44, 2.2e-39, 0.5, 1.0]).all()
    assert not sigmoid.within([1e-38, 1e-38, 1e-38, 0.6, 0.9]).any()
    assert not sigmoid.within(np.full(5, np.nan)).any()
    uncertain_argument = 1 / (1 + np.exp(uncertain((1000.0, 1.0), (95.0, 10.0))))
    assert np.isfinite(uncertain_argument.bound).tolist() == [True, False]


@pytest.mark.parametrize(
    "denominator",
    [
        lambda x: np.exp(x) * np.exp(-x),  # infinity times zero
        lambda x: np.exp(x) / np.exp(x),
        lambda x: np.exp(x) - 1,
        lambda x: np.exp(np.exp(x) - np.exp(x)),
        lambda x: np.sqrt(np.exp(x)),
        lambda x: moving_average(np.exp(x), 1.0, x.hyperparameter(0.5)),
    ],
)
def test_one_over_what_may_be_nan_is_open(denominator):
    assert np.isinf((1 / (1 + denominator(exact(1000.0)))).bound).all()


# --- membership ---


def test_within_follows_the_three_kinds_of_bound():
    x = RunningError(np.array([1.0, 1.0, 1.0, np.inf, np.nan]), np.array([0.0, 0.5, np.nan, np.nan, np.inf]), T)
    assert x.within([1.0, 1.5, 7.0, np.inf, np.nan]).tolist() == [True] * 5
    assert x.within([1.1, 1.6, np.inf, np.nan, np.inf]).tolist() == [False, False, False, True, True]
    assert x.within([np.nan] * 5).tolist() == [False, False, False, True, True]
    assert x.within([np.inf] * 5).tolist() == [False, False, False, True, True]


# --- comparisons, and what depends on them ---


def test_a_comparison_is_undecided_where_the_intervals_touch():
    x = uncertain((1.0, 0.25), (1.0, 0.25), (1.0, 0.25), (1.0, 0.0), (1.0, np.nan), (np.nan, np.inf))
    y = uncertain((1.5, 0.25), (1.5, 0.125), (0.5, 0.125), (1.0, 0.0), (9.0, 0.0), (9.0, 0.0))
    for outcome in (x < y, x <= y, x > y, x >= y, x == y, x != y):
        assert outcome.undecided.tolist() == [True, False, False, False, True, True]
    assert (x < y).value[:4].tolist() == [True, True, False, False]
    assert (x <= y).value[:4].tolist() == [True, True, False, True]
    assert (x == y).value[:4].tolist() == [False, False, False, True]


def test_an_exact_comparison_is_decided_even_between_equals():
    assert not (exact(0.0, 1.0, -1.0) == 0).undecided.any()
    assert (exact(0.1) == 0.1).undecided.all()  # the format rounds both
    assert (exact(TINY / 2, target=FLUSHED) == 0).undecided.all()


def test_undecided_outcomes_combine_as_in_three_valued_logic():
    certain_true, certain_false = exact(1.0) > 0, exact(-1.0) > 0
    unsure = uncertain((0.0, 1.0)) > 0
    assert not (unsure & certain_false).undecided.any()
    assert (unsure & certain_true).undecided.all()
    assert not (unsure | certain_true).undecided.any()
    assert (unsure | certain_false).undecided.all()
    assert (~unsure).undecided.all()
    assert (~unsure).value.tolist() == [True]
    assert (unsure & np.array([True])).undecided.all()
    assert not (np.array([False]) & unsure).undecided.any()
    assert (np.array([True]) | unsure).value.all()


def test_where_undecided_both_branches_are_allowed_and_counted():
    condition = uncertain((0.0, 1.0), (2.0, 1.0), (-2.0, 1.0)) > 0
    chosen = np.where(condition, exact(5.0, 5.0, 5.0), exact(-1.0, -1.0, -1.0))
    assert chosen.undecided.tolist() == [True, False, False]
    assert chosen.within([5.0, 5.0, -1.0]).all()
    assert chosen.within([-1.0, 5.0, -1.0]).all()
    assert not chosen.within([5.1, -1.0, 5.0])[1:].any()
    assert chosen.bound[1:].tolist() == [0.0, 0.0]


def test_a_gate_selects_plain_numbers():
    gate = np.where(uncertain((0.0, 1.0), (2.0, 1.0), (-2.0, 1.0)) > 0, 1.0, 0.0)
    assert isinstance(gate, RunningError)
    assert gate.value.tolist() == [0.0, 1.0, 0.0]
    assert gate.undecided.tolist() == [True, False, False]
    assert gate.within([1.0, 1.0, 0.0]).all()
    array = np.where(exact(1.0, -1.0) > 0, np.array([3.0, 3.0]), 0.1)
    assert array.within([3.0, float(np.float32(0.1))]).all()


def test_undecided_elements_stay_marked_through_every_kind_of_rule():
    x = np.where(uncertain((0.0, 1.0), (2.0, 1.0)) > 0, exact(2.0, 2.0), exact(1.0, 1.0))
    for rule in (lambda x: x + 1, lambda x: -x, np.exp, np.sign, lambda x: x**3, lambda x: np.maximum(x, 0), abs):
        assert rule(x).undecided.tolist() == [True, False]
    assert moving_average(x, 1.0, x.hyperparameter(0.9)).undecided.tolist() == [True, False]
    assert x[::-1].undecided.tolist() == [False, True]
    assert np.stack([exact(1.0, 1.0), x]).undecided.tolist() == [[False, False], [True, False]]
    assert (x.reshape(1, 2) + exact(1.0, 1.0).reshape(2, 1)).undecided.tolist() == [[True, False]] * 2
    assert x.sum().undecided
    assert np.max(x).undecided
    assert (x.reshape(2, 1) @ exact(1.0, 1.0).reshape(1, 2)).undecided.tolist() == [[True, True], [False, False]]
    assert np.where(exact(1.0, 1.0) > 0, exact(1.0, 1.0), x).undecided.tolist() == [False, False]
    assert exact(1.0, 2.0).sum().undecided is None


def test_the_sign_of_what_may_be_zero_is_a_set():
    x = uncertain((0.5, 1.0), (0.0, 1.0), (2.0, 1.0), (0.0, 0.0), (-3.0, 0.0))
    sign = np.sign(x)
    assert sign.undecided.tolist() == [True, True, False, False, False]
    for allowed in (-1.0, 0.0, 1.0):
        assert sign.within(np.full(5, allowed)).tolist() == [True, True, allowed == 1, allowed == 0, allowed == -1]


def test_the_sign_of_a_flushed_number_may_be_zero():
    assert np.sign(exact(TINY / 2, target=FLUSHED)).within([0.0]).all()
    assert not np.sign(exact(TINY / 2)).within([0.0]).any()


def test_an_outcome_is_no_condition_for_if():
    with pytest.raises(TypeError, match=r"select with numpy\.where"):
        bool(exact(1.0) > 0)
    with pytest.raises(TypeError, match=r"no rule for numpy\.sum on the outcome"):
        np.sum(exact(1.0) > 0)


# --- signs that rounding keeps ---


def test_a_root_of_what_cannot_be_negative_is_claimed_at_zero():
    x = exact(1e-3, -2e-3, 0.0)
    assert np.isfinite(np.sqrt(x**2).bound).all()
    assert np.isfinite(np.sqrt(moving_average(np.zeros_like(x), x * x, x.hyperparameter(0.9))).bound).all()
    assert np.isfinite(np.sqrt(np.maximum(x, 0.0)).bound).all()
    assert np.isfinite(np.sqrt(abs(x)).bound).all()
    assert np.isfinite(np.sqrt((x**2).reshape(1, 3) @ (x**2).reshape(3, 1)).bound).all()
    assert np.isfinite(np.sqrt(np.sum(np.exp(x) + x**2)).bound).all()
    assert np.isfinite((np.where(x > 0, x**2, abs(x)) ** 1.5).bound).all()


@pytest.mark.parametrize(
    "rule",
    [
        lambda x: x**2 - 1e-6,
        lambda x: -abs(x),
        lambda x: np.minimum(abs(x), x),
        lambda x: np.where(x > 0, x, x),
        lambda x: moving_average(x, x**2, x.hyperparameter(0.9)),
        lambda x: np.concatenate([x**2, x])[2:],
        lambda x: x**3,
        lambda x: x * abs(x),
    ],
)
def test_nothing_else_counts_as_nonnegative(rule):
    assert not rule(exact(1e-3, -1e-3)).nonnegative


@pytest.mark.parametrize(("decay", "keeps"), [(0.9, True), (0.5, True), (0.4, False), (0.0, False)])
def test_a_moving_average_keeps_its_sign_unless_a_rounding_may_cost_all_of_the_old_average(decay, keeps):
    x = exact(1e-3, 0.0, target=target(BFLOAT16))
    average = moving_average(x * x, np.zeros_like(x), x.hyperparameter(decay))
    assert average.nonnegative == keeps


def test_an_exponent_that_its_format_rounds_has_no_parity():
    x = RunningError.exact([-1.0, 1.0], target(BFLOAT16))
    power = x ** x.hyperparameter(257.0)  # 256 in bfloat16, where -1 becomes 1
    assert np.isnan(power.bound).tolist() == [True, False]
    assert np.isfinite((x ** x.hyperparameter(3.0)).bound).all()


# --- shapes ---

SHAPES = [((), ()), ((), (3,)), ((3,), ()), ((2, 1), (3,)), ((0,), (1,)), ((0, 3), (3,)), ((2, 1, 3), (4, 1))]


@pytest.mark.parametrize(("first", "second"), SHAPES)
def test_value_bound_and_undecided_have_the_broadcast_shape(first, second):
    rng = np.random.default_rng(3)
    x, y = (np.where(RunningError.exact(rng.standard_normal(s), T) * 0.1 > 0, 2.0, 0.5) for s in (first, second))
    shape = np.broadcast_shapes(first, second)
    results = [rule(x, y) for rule in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power)]
    results += [np.where(x > y, x, y), moving_average(x, y, x.hyperparameter(0.9)), np.where(x > y, 1.0, 0.0)]
    results += [np.where(np.zeros(shape) > 1, x, y)]
    for result in results:
        assert result.shape == np.shape(result.bound) == shape
        assert result.undecided is None or result.undecided.shape == shape


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3)])
def test_unary_rules_keep_the_shape(shape):
    x = RunningError.exact(np.full(shape, 0.75), T)
    for name in (
        "add",
        "square",
        "power",
        "sqrt",
        "exp",
        "erf",
        "cos",
        "sign",
        "absolute",
        "maximum",
        "clip",
        "negative",
    ):
        result = RULES[name](x)
        assert result.shape == np.shape(result.bound) == shape


def test_reductions_of_empty_arrays():
    empty = RunningError.exact(np.zeros((2, 0)), T)
    assert empty.sum(axis=1).value.tolist() == empty.sum(axis=1).bound.tolist() == [0.0, 0.0]
    assert (empty @ np.zeros((0, 3))).value.tolist() == [[0.0] * 3] * 2
    assert np.isnan(empty.mean(axis=1).bound).all()
    assert empty.sum(axis=0).shape == (0,)
    with pytest.raises(ValueError, match="zero-size"):
        empty.max(axis=1)


@pytest.mark.parametrize(
    ("first", "second", "shape"), [((3,), (3,), ()), ((2, 3), (3,), (2,)), ((5, 2, 3), (3, 4), (5, 2, 4))]
)
def test_products_of_matrices_have_the_shape_of_numpy(first, second, shape):
    x, y = RunningError.exact(np.full(first, 0.1), T), RunningError.exact(np.full(second, np.nan), T)
    result = x @ y
    assert result.shape == np.shape(result.bound) == shape
    assert np.isinf(result.bound).all()


# --- targets that meet ---


def test_a_hyperparameter_is_rounded_once_and_to_nearest():
    x = exact(1.0)
    product = x * x.hyperparameter(0.1)
    off = abs(float(np.float32(0.1)) - 0.1)
    assert off <= product.bound[0] - U * 2.0**-4 < 1.001 * off
    assert product.target is T


def test_an_array_decides_over_a_hyperparameter_and_the_coarser_of_two_arrays():
    half, single = RunningError.exact([1.0], target(BFLOAT16)), exact(0.1)
    assert (half.hyperparameter(0.1) * half).target is half.target
    assert (single * half).target is half.target
    assert np.stack([half.hyperparameter(0.1).reshape(1), half]).target is half.target
    assert np.stack([half.hyperparameter(0.1).reshape(1), half]).bound[0, 0] > 0
    assert (half.hyperparameter(0.1) + half.hyperparameter(0.2)).target.format is FLOAT64


@pytest.mark.parametrize(("arrays", "scalars"), [(FLOAT64, FLOAT32), (FLOAT32, FLOAT64), (FLOAT64, FLOAT64)])
def test_an_array_filled_with_a_hyperparameter_has_its_precision_and_no_other_rounding(arrays, scalars):
    like = RunningError.exact([[1.0, -2.0]], Target(arrays, scalars=scalars))
    filled = np.full_like(like, 0.1)
    error = abs(min(arrays, scalars, key=lambda format_: format_.precision).round(0.1) - 0.1)
    assert filled.target is like.target and filled.nonnegative
    assert np.array_equal(filled.value, [[0.1, 0.1]]) and np.array_equal(filled.bound, [[error, error]])


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_power_of_a_hyperparameter_is_in_the_format_of_powers_from_the_first_step_on(step):
    t = target(FLOAT32, powers=FLOAT32)
    h = RunningError.exact([1.0], t).hyperparameter(0.999)
    assert (1 - h**step).within(1 - np.float64(np.float32(0.999) ** np.float32(step)))
    assert (h**step).bound > 1e-9 > (exact(1.0).hyperparameter(0.999) ** step).bound


def test_a_hyperparameter_below_the_smallest_normal_number_may_be_flushed():
    x = RunningError.exact([0.0], target(FLOAT32, scalars=FLOAT32, flush_to_zero=True))
    assert (x + x.hyperparameter(1e-40)).within([0.0]).all()


def test_hyperparameter_arithmetic_in_float32_may_be_flushed_as_arrays_are():
    x = RunningError.exact([1.0], target(FLOAT32, scalars=FLOAT32, flush_to_zero=True))
    small, smaller, large = (x.hyperparameter(value) for value in (1e-25, 1e-15, 1e20))
    assert ((small * smaller) * large * x).within([0.0]).all()


def test_pi_is_bounded_by_its_rounding():
    assert abs(float(np.float32(np.pi)) - np.pi) <= pi(exact(1.0)).bound <= U * 4
    assert pi(RunningError.exact([1.0], target(FLOAT64))).bound > 0


# --- refusals ---


def test_what_has_no_rule_says_so():
    x = exact(1.0)
    for use in (lambda: np.arctan(x), lambda: np.cumsum(x), lambda: np.multiply.accumulate(x), lambda: np.fft.fft(x)):
        with pytest.raises(TypeError, match="RunningError has no rule for numpy"):
            use()


def test_arrays_are_never_written_to():
    x, plain = exact(1.0), np.ones(1)
    with pytest.raises(TypeError, match="immutable"):
        x += 1
    with pytest.raises(TypeError, match="immutable"):
        plain += x
    with pytest.raises(TypeError):
        x[0] = 1
