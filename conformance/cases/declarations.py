"""Declarations: each rule of a subject follows the conventions that it declares, and no others."""

import pytest

from conformance.identification import identifiable, task_of
from conformance.identification.declared import prove
from conformance.running.case import case
from refimpl.activations import Activation
from refimpl.clipping import AdaptiveClipping, Clipping
from refimpl.initializers import Initializer, Sparse
from refimpl.losses import Loss
from refimpl.optimizers import Optimizer
from refimpl.schedules import Schedule

STATEMENT = "With every hyperparameter at work, {} as declared, and under no other combination of conventions."
SOURCE = "the meanings of conventions in {}"
CATCHES = "a declaration that is wrong, or that nothing depends on; a default that a new release changes"


def each(*kinds):
    """The rules of these kinds that have conventions; where a sparse initializer is zero is drawn, and shows none."""
    rules = [r for r in identifiable().values() if issubclass(r, kinds) and r.conventions() and r is not Sparse]
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: rule.__name__)


@case(
    statement=STATEMENT.format("an optimizer's run is"),
    source=SOURCE.format("refimpl.optimizers"),
    kind="property",
    catches=CATCHES,
    capability="optimizer",
    in_one_variant=True,
)
@each(Optimizer)
def test_optimizer(subject, compare, rule):
    prove(task_of(rule), subject, compare, rule)


@case(
    statement=STATEMENT.format("gradients are clipped"),
    source=SOURCE.format("refimpl.clipping"),
    kind="property",
    catches=CATCHES,
    capability="clip",
    in_one_variant=True,
)
@each(Clipping, AdaptiveClipping)
def test_clipping(subject, compare, rule):
    prove(task_of(rule), subject, compare, rule)


@case(
    statement=STATEMENT.format("the rates of a schedule are"),
    source=SOURCE.format("refimpl.schedules"),
    kind="property",
    catches=CATCHES,
    capability="schedule",
    in_one_variant=True,
)
@each(Schedule)
def test_schedule(subject, compare, rule):
    prove(task_of(rule), subject, compare, rule)


@case(
    statement=STATEMENT.format("an activation and its derivative, also at kinks, are"),
    source=SOURCE.format("refimpl.activations"),
    kind="property",
    catches=CATCHES,
    capability="activation",
    in_one_variant=True,
)
@each(Activation)
def test_activation(subject, compare, rule):
    prove(task_of(rule), subject, compare, rule)


@case(
    statement=STATEMENT.format("a loss and its gradient are"),
    source=SOURCE.format("refimpl.losses"),
    kind="property",
    catches=CATCHES,
    capability="loss",
    in_one_variant=True,
)
@each(Loss)
def test_loss(subject, compare, rule):
    prove(task_of(rule), subject, compare, rule)


@case(
    statement=STATEMENT.format("the distribution of an initializer's entries, or the place of its zeros, is"),
    source=SOURCE.format("refimpl.initializers") + "; the inequality of Massart 1990",
    kind="statistical",
    catches=CATCHES,
    capability="initializer",
    in_one_variant=True,
)
@each(Initializer)
def test_initializer(subject, compare, rule):
    prove(task_of(rule), subject, compare, rule)
