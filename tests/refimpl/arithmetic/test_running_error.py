"""Bounds hold for every correct evaluation and for the exact result, are sharp, and a bound too small is caught."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.arithmetic import FLOAT32, TF32_INPUT_ROUNDOFF, RunningError, erf, erfc, moving_average, rsqrt
from tests.attack.comparison import error_over_bound
from tests.attack.rounding import nearest
from tests.attack.targets import target
from tests.refimpl.arithmetic.programs import (
    OPERATIONS,
    TARGETS,
    certified,
    exact_error_over_bound,
    inputs,
    simulated,
    stagnating,
)

EVALUATIONS = 4  # of each program by a machine; the exact one comes to them

PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.tuples(*[st.integers(0, 5)] * 3)), min_size=1, max_size=8
)
SEEDS = st.integers(0, 2**31)


def violation(program, target, arrays, seed, tally, exact=True):
    """What leaves its bound first: instruction, element and figures; None where nothing does."""
    expected = certified(program, target, arrays)
    evaluations = {f"machine {k}": simulated(program, target, arrays, seed + k) for k in range(EVALUATIONS)}
    ratios = {
        name: [error_over_bound(e, r) for e, r in zip(expected, results, strict=True)]
        for name, results in evaluations.items()
    }
    if exact:
        ratios["exact"] = exact_error_over_bound(program, expected, arrays)
    for index, (instruction, claimed) in enumerate(zip(program, expected, strict=True)):
        for name, by_instruction in ratios.items():
            ratio = by_instruction[index]
            tally["elements"] += ratio.size
            tally["compared"] += int(np.count_nonzero(~np.isnan(ratio)))
            if (ratio > 1).any():
                element = int(np.nanargmax(ratio))
                found = evaluations[name][index][element] if name in evaluations else "50 digits"
                return (
                    f"{instruction} at {index} of {program}, {name}, element {element}: {found} is {ratio[element]} "
                    f"bounds from {claimed.value[element]} +- {claimed.bound[element]}"
                )
    return None


@pytest.mark.parametrize("name", TARGETS)
def test_no_operation_alone_leaves_its_bound(name):
    """Of exact operands, whose errors hide nothing."""
    t, tally = TARGETS[name], Counter()
    for seed, operation in enumerate(sorted(OPERATIONS)):
        assert violation([(operation, (0, 1, 2))], t, inputs(t, seed), seed, tally) is None


def test_no_evaluation_and_no_exact_result_leaves_its_bound():
    tally = Counter()

    @settings(max_examples=600)
    @given(program=PROGRAMS, name=st.sampled_from(sorted(TARGETS)), seed=SEEDS)
    def check(program, name, seed):
        assert violation(program, TARGETS[name], inputs(TARGETS[name], seed), seed, tally) is None

    check()
    print(f"\n{tally['compared']} of {tally['elements']} elements compared")
    assert tally["compared"] >= 300_000
    assert tally["compared"] >= 0.7 * tally["elements"]


# --- the same check finds a bound that is too small ---

PLANTED = 0.7  # of the true bound

# A rule's key in RunningError.ufuncs or .functions, the operation that uses it.
RULES = {
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
    np.power: "power 1.5",
    np.sqrt: "sqrt",
    rsqrt: "rsqrt",
    np.exp: "exp",
    np.expm1: "expm1",
    np.log: "log",
    np.log1p: "log1p",
    np.tanh: "tanh",
    erf: "erf",
    erfc: "erfc",
    np.sin: "sin",
    np.cos: "cos",
    np.absolute: "absolute",
    np.negative: "negative",
    np.maximum: "relu",
    np.minimum: "minimum",
    np.max: "largest",
    np.min: "smallest",
    np.where: "where between",
    np.sum: "sum",
    np.mean: "mean",
    np.matmul: "matmul",
    moving_average: "moving average, 0.999",
}


def too_small(rule):
    def planted(*operands, **options):
        result = rule(*operands, **options)
        return RunningError(result.value, PLANTED * result.bound, result.target, result.nonnegative, result.undecided)

    return planted


def is_caught(operation, examples=60):
    """Whether the property test's check objects to the operation, or to it after a rounded product."""
    programs = [(operation, (0, 1, 2))], [("multiply", (1, 2, 0)), (operation, (0, 1, 2))]
    for seed in range(examples):
        for name in ("float16", "bfloat16", "float32"):
            t = TARGETS[name]
            data = (inputs(t, seed), stagnating(t, 12), stagnating(t, 6))
            if any(violation(p, t, arrays, seed, Counter(), exact=False) for p in programs for arrays in data):
                return True
    return False


@pytest.mark.parametrize("rule", RULES, ids=RULES.values())
def test_a_rule_with_a_bound_30_percent_too_small_is_caught(rule, monkeypatch):
    operation = RULES[rule]
    rules = RunningError.ufuncs if rule in RunningError.ufuncs else RunningError.functions
    assert not is_caught(operation, examples=5)
    monkeypatch.setitem(rules, rule, too_small(rules[rule]))
    assert is_caught(operation)


def test_a_unit_roundoff_30_percent_too_small_is_caught():
    def caught(format_):
        t = target(format_)
        return [violation([("add", (0, 1, 2))], t, inputs(t, seed), seed, Counter(), exact=False) for seed in range(20)]

    planted = replace(FLOAT32)
    assert not any(caught(planted))
    object.__setattr__(planted, "unit_roundoff", PLANTED * planted.unit_roundoff)
    assert any(caught(planted))


# --- sharpness ---

# At least this much of the bound is reached, in each format, by exact operands. A bound on several forms, or with the
# roundings of hyperparameters in it, is reached less.
SHARPNESS = {
    **dict.fromkeys(["add", "subtract", "multiply", "divide", "reciprocal", "square", "multiply, add"], 0.97),
    **dict.fromkeys(["sqrt", "rsqrt", "exp", "expm1", "log", "log1p", "tanh", "erf", "erfc", "sin", "cos"], 0.97),
    **dict.fromkeys(["power 3", "power 1.5", "power -2", "sum"], 0.95),
    **dict.fromkeys(["sigmoid", "scaled by 0.1"], 0.85),
    **dict.fromkeys(["matmul", "corrected at step 7"], 0.8),
    **dict.fromkeys(["mean", "corrected at step 1", "evaluation orders"], 0.6),
    **dict.fromkeys(["moving average, 0.9", "moving average, 0.999"], 0.5),
}


def sharpness(operation, t):
    """The largest error over bound among results far above the smallest normal number."""
    program, largest = [(operation, (0, 1, 2))], 0.0
    for arrays in [inputs(t, seed) for seed in range(10)] + [stagnating(t, 12), stagnating(t, 6)]:
        expected = certified(program, t, arrays)[0]
        normal = np.isfinite(expected.bound) & (np.abs(expected.value) > 64 * t.format.smallest_normal)
        for seed in range(EVALUATIONS):
            ratio = error_over_bound(expected, simulated(program, t, arrays, seed)[0])
            largest = max(largest, float(ratio[normal].max(initial=0.0)))
    return largest


def test_bounds_are_sharp():
    for operation, least in SHARPNESS.items():
        reached = {name: sharpness(operation, TARGETS[name]) for name in ("float16", "bfloat16", "float32")}
        print(f"{operation:22}", *(f"{name} {ratio:.3f}" for name, ratio in reached.items()))
        assert least <= min(reached.values()) <= max(reached.values()) <= 1, operation


# --- what the bounds rest on ---


def test_an_element_has_the_bound_it_has_alone():
    """A failing element can be shown alone; square roots and quotients are correctly rounded wherever they stand."""
    names = [
        "add",
        "multiply",
        "divide",
        "sqrt",
        "maximum",
        "where greater",
        "sign",
        "moving average, 0.9",
        "reciprocal",
    ]
    for seed, name in enumerate(TARGETS):
        t, program = TARGETS[name], [(n, (0, 2, 3)) for n in names]
        arrays = inputs(t, seed)
        together = certified(program, t, arrays)
        for element in range(0, 36, 5):
            alone = certified(program, t, [x[element : element + 1] for x in arrays])
            for one, all_ in zip(alone, together, strict=True):
                if np.isfinite(all_.bound[element]):
                    assert (one.value[0], one.bound[0]) == (all_.value[element], all_.bound[element])


@pytest.mark.parametrize("function", [np.exp, np.sqrt, lambda x: x**1.5], ids=["exp", "sqrt", "power"])
def test_an_exact_element_beside_others_has_the_bound_of_an_exact_one(function):
    exact = RunningError.exact([0.7, 1.3, 2.1], TARGETS["float64"])
    uncertain = RunningError(exact.value, np.array([0.0, 1e-9, 0.0]), exact.target)
    assert function(uncertain).bound[::2].tolist() == function(exact).bound[::2].tolist()
    assert function(uncertain).bound[1] > function(exact).bound[1]


def test_a_product_of_exact_matrices_is_off_by_the_roundings_of_its_inputs():
    x, y = (np.random.default_rng(12).standard_normal(shape) for shape in ((3, 4), (4, 2)))
    t = TARGETS["float32 with TF32 matmul"]
    found = RunningError.exact(nearest(x, FLOAT32), t) @ RunningError.exact(nearest(y, FLOAT32), t)
    assert (found.bound <= 3 * TF32_INPUT_ROUNDOFF * (abs(x) @ abs(y))).all()


def test_inputs_cut_to_ten_bits_are_within_the_roundoff_of_tf32():
    cut = RunningError.exact([[1 + 2.0**-10 - 2.0**-23]], TARGETS["float32 with TF32 matmul"])
    assert (cut @ cut).within(np.ones((1, 1))).all()


def test_partial_sums_may_be_flushed_which_costs_two_normal_numbers_each():
    smallest, bounds = FLOAT32.smallest_normal, []
    for flush in (True, False):
        terms = RunningError.exact([1.5 * smallest, -smallest, 1e-36], target(FLOAT32, flush_to_zero=flush))
        bounds.append(np.sum(terms).bound)
    assert bounds[0] >= 0.5 * smallest  # the first two come to that
    assert bounds[0] - bounds[1] < 5 * smallest


def test_a_sum_of_many_terms_allows_for_the_rounding_of_its_own_bound():
    """n - 1 roundings of the target and of float64; then 2 u for each term and for about eight operations more."""
    n, u = 2**18, Fraction(1, 2**53)
    found = Fraction(float(np.sum(RunningError.exact(np.ones(n), TARGETS["float32 with TF32 matmul"])).bound))
    roundings = (n - 1) * (2 * Fraction(1, 2**24) + u) * n  # truncated ones
    assert 1 + 2 * n * u <= found / roundings <= 1 + 2 * (n + 16) * u


@pytest.mark.parametrize(("exponent", "same"), [(1.0, lambda x: x), (2.0, lambda x: x * x), (-1.0, lambda x: 1 / x)])
def test_a_power_that_has_a_rule_of_its_own_is_that_rule(exponent, same):
    x = RunningError.exact([0.3, 1.7, 2.5], TARGETS["float32"]) + 0.1
    power, expected = x**exponent, same(x)
    assert power.value.tolist() == expected.value.tolist()
    assert power.bound.tolist() == expected.bound.tolist()
