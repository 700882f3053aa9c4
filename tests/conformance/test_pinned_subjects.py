"""A correct subject that fixes a convention, or has few rules, fails no case: each case requires what it needs."""

from collections.abc import Iterator
from functools import cache

import pytest

from conformance.judging.comparison import Comparison
from conformance.judging.verdict import CONFORMS, FAILS, UNSUPPORTED, Verdict, judge
from conformance.running.case import CASES, found
from conformance.running.trace import function_of, ids, run_case
from conformance.strategies.draws import load_profile
from conformance.subjects import Unsupported
from conformance.subjects.reference import Reference
from conformance.subjects.subject import CAPABILITIES as EVERY_CAPABILITY
from conformance.subjects.subject import THEOREM
from refimpl.layers import Dense, Residual
from refimpl.losses import Loss, MeanSquaredError
from refimpl.optimizers import SGD
from refimpl.schedules import Cosine, Sequential, WarmUp

# What takes long.
LONG = (
    "training.", "declarations.", "initializers.variance_scaling", "initializers.seeds", "depth.gradients_stay",
    "clipping.projection",
)  # fmt: skip
CAPABILITIES = tuple(capability for capability in EVERY_CAPABILITY if capability != THEOREM)


def known(capability: str) -> list[str]:
    """Cases of known values. The others draw under the conventions that there are."""
    return [
        one
        for name, described in found([CASES])
        if described.capability == capability and described.kind != "property"
        if not name.startswith(LONG) and not hasattr(function_of(name), "hypothesis")
        for one in ids(name)
    ]


def judged(one: str, subject: Reference) -> Verdict:
    """The verdict on a case with this subject."""
    made, raised = [Comparison(subject.dtype)], None

    def comparison(*arguments, **options):
        made.append(Comparison(*arguments, **options))
        return made[-1]

    try:
        run_case(one, subject, comparison=comparison)
    except Exception as problem:
        raised = problem
    return judge(raised, made[-1].tally)


@cache
def asked_for(one: str) -> frozenset[type]:
    """The rules whose conventions a case requires."""
    rules = set()

    class Asked(Reference):
        def fixed(self, rule):
            rules.add(rule)
            return super().fixed(rule)

    run_case(one, Asked("numpy", "float64", "cpu"))
    return frozenset(rules)


def with_conventions(conventions) -> Reference:
    """The reference, which declares these conventions."""
    return type("Declares", (Reference,), {"name": "bare", "conventions": conventions})("numpy", "float64", "cpu")


def pinned() -> Iterator[tuple[type, str, object, Reference]]:
    """A rule, its convention, a value other than the usual one, and a subject that has no other."""
    for rule in Reference.conventions:
        for name, values in rule.conventions().items():
            for value in list(values)[1:]:
                yield rule, name, value, with_conventions(Reference.conventions | {rule: {name: value}})


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_one_convention_that_is_fixed_makes_no_case_fail(capability):
    cases, alarms = known(capability), {}
    for rule, name, value, subject in pinned():
        for one in cases:
            if rule in asked_for(one) and (verdict := judged(one, subject)).name == FAILS:
                alarms[rule.__name__, name, value, one] = verdict.reason
    assert not alarms


@pytest.mark.parametrize("capability", ["loss", "network"])
def test_losses_that_take_means_alone_lose_no_case(capability):
    means = {rule: {"reduction": "mean"} for rule in Reference.conventions if issubclass(rule, Loss)}
    subject = with_conventions(Reference.conventions | means)
    assert {one: judged(one, subject).name for one in known(capability)} == dict.fromkeys(known(capability), CONFORMS)


@pytest.mark.usefixtures("drawn_as_the_suite_draws")
@pytest.mark.parametrize("rules", [(Dense, MeanSquaredError), (Dense, MeanSquaredError, Residual)])
def test_networks_of_a_subject_without_activations_are_linear(rules):
    load_profile(examples=1)
    one = "networks.gradients_with_blocks" if Residual in rules else "networks.gradients"
    assert judged(one, with_conventions({rule: {} for rule in rules})) == Verdict(CONFORMS)


@pytest.mark.usefixtures("drawn_as_the_suite_draws")
@pytest.mark.parametrize(
    ("one", "rule"),
    [
        ("networks.gradients", Dense),  # without a loss
        ("schedules.staircase_length", Cosine),
        *(
            (f"schedules.{name}[{rule.__name__}]", rule)
            for name in ("rates", "all_terms_active")
            for rule in (WarmUp, Sequential)
        ),
    ],
)
def test_what_is_made_of_others_that_a_subject_lacks_is_unsupported(one, rule):
    verdict = judged(one, with_conventions({rule: {}}))
    assert verdict.name == UNSUPPORTED and "bare declares no" in verdict.reason


def test_what_a_rule_refuses_beside_fixed_fields_is_unsupported_and_else_a_mistake_of_the_case():
    subject = with_conventions({SGD: {"nesterov": True}})
    assert subject.spec(SGD, momentum=0.5).nesterov
    with pytest.raises(Unsupported, match=r"bare fixes .*nesterov.*, and SGD: nesterov must be False"):
        subject.spec(SGD, momentum=0.0)
    with pytest.raises(ValueError, match="momentum must be"):
        subject.spec(SGD, momentum=2.0)
    with pytest.raises(ValueError, match="nesterov must be False"):
        with_conventions({SGD: {"rate": "outside"}}).spec(SGD, nesterov=True)


def test_a_case_has_descent_unless_it_requires_more():
    ascends = with_conventions({SGD: {"maximize": True}})
    assert ascends.spec(SGD, maximize=True).maximize
    with pytest.raises(Unsupported, match="maximize=False"):
        ascends.spec(SGD)
