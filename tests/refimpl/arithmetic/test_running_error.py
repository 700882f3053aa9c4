"""Bounds hold for every correct evaluation and for the exact result, are sharp, and a bound too small is caught."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, RunningError, Target, averages, erf, erfc, running_error
from refimpl.arithmetic.multiprecision import Multiprecision
from refimpl.arithmetic.special import erf_ufunc, erfc_ufunc, rsqrt_ufunc
from tests.refimpl.arithmetic.programs import (
    OPERATIONS,
    TARGETS,
    certified,
    error_over_bound,
    exact_error_over_bound,
    inputs,
    simulated,
    target,
)
from tests.refimpl.precision import ulps

EVALUATIONS = 4  # of each program by a machine; the exact one comes to them

PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.tuples(*[st.integers(0, 5)] * 3)), min_size=1, max_size=8
)
SEEDS = st.integers(0, 2**31)


def violation(program, target, seed, tally, exact=True):
    """What leaves its bound first: instruction, element and figures; None where nothing does."""
    arrays = inputs(target, seed)
    expected = certified(program, target, arrays)
    evaluations = {
        f"machine {k}": simulated(program, target, arrays, seed + k) for k in range(EVALUATIONS if target.format else 0)
    }
    ratios = {
        name: [error_over_bound(e, r) for e, r in zip(expected, results, strict=True)]
        for name, results in evaluations.items()
    }
    if exact:
        ratios["exact"] = exact_error_over_bound(program, expected, arrays)
    for index, (instruction, twin) in enumerate(zip(program, expected, strict=True)):
        for name, by_instruction in ratios.items():
            ratio = by_instruction[index]
            tally["elements"] += ratio.size
            tally["compared"] += int(np.count_nonzero(~np.isnan(ratio)))
            if (ratio > 1).any():
                lane = int(np.nanargmax(ratio))
                found = evaluations[name][index][lane] if name in evaluations else "50 digits"
                return (
                    f"{instruction} at {index} of {program}, {name}, lane {lane}: {found} is {ratio[lane]} bounds "
                    f"from {twin.value[lane]} +- {twin.bound[lane]}"
                )
    return None


def test_no_evaluation_and_no_exact_result_leaves_its_bound():
    tally = Counter()

    @settings(max_examples=900)
    @given(program=PROGRAMS, name=st.sampled_from(sorted(TARGETS)), seed=SEEDS)
    def check(program, name, seed):
        assert violation(program, TARGETS[name], seed, tally) is None

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
    rsqrt_ufunc: "rsqrt",
    np.exp: "exp",
    np.expm1: "expm1",
    np.log: "log",
    np.log1p: "log1p",
    np.tanh: "tanh",
    erf_ufunc: "erf",
    erfc_ufunc: "erfc",
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
}


def too_small(rule):
    def planted(*operands, **options):
        result = rule(*operands, **options)
        return RunningError(
            result.value, PLANTED * result.bound, result.target, result.nonnegative, result.undecided
        )

    return planted


def is_caught(operation, examples=60):
    """Whether the property test's check objects to the operation, or to it after a rounded product."""
    for seed in range(examples):
        for program in ([(operation, (0, 1, 2))], [("multiply", (1, 2, 0)), (operation, (0, 1, 2))]):
            for format_ in ("float16", "bfloat16", "float32"):
                if violation(program, TARGETS[format_], seed, Counter(), exact=False):
                    return True
    return False


@pytest.mark.parametrize("rule", RULES, ids=RULES.values())
def test_a_rule_with_a_bound_30_percent_too_small_is_caught(rule, monkeypatch):
    operation = RULES[rule]
    rules = RunningError.ufuncs if rule in RunningError.ufuncs else RunningError.functions
    assert not is_caught(operation, examples=5)
    monkeypatch.setitem(rules, rule, too_small(rules[rule]))
    assert is_caught(operation)


def test_a_moving_average_with_a_bound_30_percent_too_small_is_caught(monkeypatch):
    monkeypatch.setattr(averages, "_running_error", too_small(averages._running_error))
    assert is_caught("moving average, 0.999")


def test_a_unit_roundoff_30_percent_too_small_is_caught():
    def caught(format_):
        return [violation([("add", (0, 1, 2))], target(format_), seed, Counter(), exact=False) for seed in range(20)]

    planted = Target(FLOAT32).format
    assert not any(caught(planted))
    planted = type(planted)(*(getattr(planted, name) for name in ("name", "precision", "min_exponent", "max_exponent")))
    object.__setattr__(planted, "unit_roundoff", PLANTED * planted.unit_roundoff)
    assert any(caught(planted))
