"""Operations: which arithmetic evaluates one, what its rule is given, and what stands for a rule that is missing."""

import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, RunningError, erf, moving_average
from refimpl.arithmetic.multiprecision import Multiprecision
from refimpl.arithmetic.operations import Operation
from tests.attack.targets import target

T = target(FLOAT32)


def doubled(rules=True):
    """An operation whose formula doubles; its rule returns the operands that it is given."""

    @Operation
    def double(x, *others):
        """Twice x."""
        return 2 * x

    if rules:
        double.rule_for(RunningError)(lambda x, *others: [x, *others])
    return double


@pytest.fixture(autouse=True)
def rules_are_restored(monkeypatch):
    monkeypatch.setattr(RunningError, "functions", dict(RunningError.functions))


def test_plain_arrays_and_arithmetics_without_a_rule_evaluate_the_formula():
    assert doubled()(np.array([1.5])).tolist() == [3.0]
    assert doubled()(Multiprecision(np.array([1.5]))).to_float64().tolist() == [3.0]
    assert doubled(rules=False)(RunningError.exact([1.5], T)).value.tolist() == [3.0]


def test_a_rule_is_given_arrays_of_its_arithmetic_alone():
    x = RunningError.exact([1.5], T)
    plain, first, array = doubled()(0.1, x, np.array([2.0]))
    assert first is x
    assert isinstance(plain, RunningError) and plain.bound > 0  # float32 rounds it
    assert isinstance(array, RunningError) and array.value.tolist() == [2.0]


def test_a_rule_of_one_arithmetic_is_none_of_another():
    operation = doubled()
    assert operation in RunningError.functions
    assert operation not in Multiprecision.functions


def test_an_operation_has_the_name_and_the_docstring_of_its_formula():
    assert moving_average.__name__ == "moving_average"
    assert doubled().__doc__ == "Twice x."


def test_an_elementary_function_without_a_rule_is_refused_by_name(monkeypatch):
    monkeypatch.delitem(RunningError.functions, erf)
    with pytest.raises(TypeError, match=r"RunningError has no rule for numpy\.erf"):
        erf(RunningError.exact([0.5], T))


def test_a_running_error_array_shows_its_bound():
    assert repr(RunningError.exact([0.5, 1e-46], T)) == (
        "RunningError(value=array([5.e-01, 1.e-46]), bound=array([0.e+00, 1.e-46]), format='float32')"
    )
