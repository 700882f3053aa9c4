"""Known values keep to the certified bound of their rule, and bounds about them cover what the rule allows."""

import numpy as np
import pytest

from conformance.judging.comparison import Mismatch
from conformance.known_values import supported_values, with_bound_of
from conformance.strategies.hyperparameters import all_terms_active
from conformance.subjects import Subject, Unsupported
from conformance.subjects.reference import Reference
from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.clipping import ClipByGlobalNorm
from refimpl.optimizers import SGD, Adam

TARGET = Target(FLOAT32)


def certified(values, bounds):
    return RunningError(np.array(values), np.array(bounds), TARGET)


def test_everything_the_rule_allows_is_allowed_about_the_known_value():
    rule = certified([1.0, -2.0], [0.25, 0.5])
    shifted = with_bound_of([1.125, -2.5], rule)
    assert shifted.value.tolist() == [1.125, -2.5]
    for end in (rule.value - rule.bound, rule.value + rule.bound):
        assert shifted.within(end).all()
    assert not shifted.within(shifted.value + 2 * rule.bound + 0.125).any()


def test_one_known_number_stands_for_all_elements():
    assert with_bound_of(3.0, certified([3.0, 3.0], [0.0, 0.0])).value.tolist() == [3.0, 3.0]


def test_a_known_value_outside_the_bound_is_refused():
    with pytest.raises(Mismatch, match="does not compute the known value"):
        with_bound_of([1.5, -2.0], certified([1.0, -2.0], [0.25, 0.5]))


def test_nothing_is_claimed_where_the_rule_claims_nothing():
    assert np.isinf(with_bound_of([1.0], certified([np.nan], [np.inf])).bound).all()


class Bare(Subject):
    name = "bare"


class Fixed(Subject):
    name = "fixed"
    conventions = {ClipByGlobalNorm: {"epsilon": 1e-6}}


def test_a_subject_is_asked_for_the_value_it_fixes():
    assert list(supported_values(Fixed(), ClipByGlobalNorm, "epsilon", (0.0, 0.5))) == [1e-6]


def test_a_subject_that_leaves_the_choice_is_asked_for_all_values():
    assert list(supported_values(Reference(), ClipByGlobalNorm, "epsilon", (0.0, 0.5))) == [0.0, 0.5]
    assert list(supported_values(Fixed(), ClipByGlobalNorm, "max_norm", (1.0, 2.0))) == [1.0, 2.0]


def test_a_subject_without_the_rule_does_not_offer_it():
    with pytest.raises(Unsupported, match="bare declares no conventions for ClipByGlobalNorm"):
        supported_values(Bare(), ClipByGlobalNorm, "epsilon", (0.0,))


def test_a_subject_may_have_some_values_of_a_convention_the_usual_one_first():
    class Declares(Subject):
        name = "declares"
        variants = {"optimizer": ("",)}
        conventions = {Adam: {"weight_decay_kind": ("decoupled", "coupled")}}

    subject = Declares()
    assert subject.spec(Adam) == Adam(weight_decay_kind="decoupled")
    assert subject.spec(Adam, weight_decay_kind="coupled") == Adam(weight_decay_kind="coupled")
    subject.offered("optimizer", Adam(weight_decay_kind="coupled"))
    for refused in (
        lambda: subject.spec(Adam, weight_decay_kind="unscaled"),
        lambda: subject.offered("optimizer", Adam(weight_decay_kind="unscaled")),
    ):
        with pytest.raises(Unsupported, match="weight_decay_kind='unscaled'"):
            refused()
    kinds = {spec.weight_decay_kind for spec in all_terms_active(Adam, subject.fixed(Adam))}
    assert kinds == {"decoupled", "coupled"}


def test_a_spec_has_what_the_subject_fixes_and_what_a_case_requires():
    class Declares(Reference):
        conventions = {SGD: {"rate": "inside", "momentum": 0.5}}

    expected = SGD(learning_rate=3.0, momentum=0.5, rate="inside")
    assert Declares().spec(SGD, learning_rate=3.0) == Declares().spec(SGD, learning_rate=3.0, momentum=0.5) == expected
    with pytest.raises(Unsupported, match=r"SGD\(rate='outside'\): rate is always 'inside'"):
        Declares().spec(SGD, rate="outside")
