"""One-line checks: an implementation against a rule of the reference, in anybody's own test.

    conformance.check_optimizer(torch.optim.AdamW, refimpl.AdamW)

Each check makes a subject of the implementation (see `conformance.adapters`), and runs the cases of the suite on it
with the bounds that `conformance run` has. It returns what was compared, and raises one error that says what is wrong.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from conformance import adapters
from conformance.judging.comparison import Mismatch
from conformance.judging.verdict import CONFORMS, DIVERGES, FAILS, UNSUPPORTED
from conformance.running.single import Outcome, singles
from conformance.subjects import Subject
from refimpl.spec import Spec

SHOWN = 3  # failures in full; of the others the ids


@dataclass(frozen=True)
class Failure:
    """A case that failed: its id, the format, what must hold, and what was found instead."""

    case: str
    dtype: str
    statement: str
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """The failure that an outcome tells."""
        single, raised = outcome.single, outcome.raised
        if isinstance(raised, Mismatch):
            facts = {"what": raised.what} | raised.facts
        else:
            facts = {"what": outcome.verdict.reason}
        return cls(single.case, single.dtype, single.described.statement, facts)

    def __str__(self) -> str:
        width = max(len(name) for name in self.facts)
        facts = [f"{name:<{width}}  {value}" for name, value in self.facts.items()]
        return "\n  ".join([f"{self.case}, {self.dtype}: {self.statement}", *facts])


class Nonconformance(AssertionError):
    """An implementation that does not do what its rule says; `failures` has every case that shows it."""

    def __init__(self, subject: type[Subject], rule: type[Spec], failures: Sequence[Failure]) -> None:
        self.failures = tuple(failures)
        shown = "\n\n".join(map(str, self.failures[:SHOWN]))
        others = [failure.case for failure in self.failures[SHOWN:]]
        more = f"\n\n{len(others)} more fail: {', '.join(dict.fromkeys(others))}" if others else ""
        super().__init__(f"{subject.name} is not {_under(rule, subject)}\n\n{shown}{more}")


@dataclass(frozen=True)
class Checked:
    """What a check compared.

    subject: the class that the cases ran on; its `conventions` are what was given or identified. cases: how many
    compared something. elements: how many numbers they compared. worst: the largest error as a fraction of its bound.
    unsupported: why other cases of this capability did not run, and how many.
    """

    subject: type[Subject]
    rule: type[Spec]
    cases: int
    elements: int
    worst: float
    unsupported: Mapping[str, int]

    def __str__(self) -> str:
        return (
            f"{self.subject.name} conforms to {_under(self.rule, self.subject)}: {self.elements:,} elements in "
            f"{self.cases} cases, the worst error {self.worst:.2f} of its bound"
        )


def check_optimizer(optimizer: Callable[..., Any], rule: type[Spec], **given: Any) -> Checked:
    """Checks an optimizer: a class of torch.optim.Optimizer or keras.optimizers.Optimizer, a function that makes an
    `optax.GradientTransformation`, or step(parameter, gradient, state, step, **hyperparameters) -> (parameter, state)
    of NumPy arrays.

    rule: such as refimpl.AdamW. given: conventions and hyperparameters that the implementation fixes; conventions that
    are not given are identified. Raises Nonconformance, `adapters.FollowsNothing`, or ValueError for arguments that do
    not fit the rule.
    """
    return check(_optimizer(optimizer, rule, given), rule)


def check_clipping(clip: Callable[..., Any], rule: type[Spec], **given: Any) -> Checked:
    """Checks clip(gradients, **hyperparameters) -> gradients, lists of NumPy arrays. As `check_optimizer`."""
    return check(adapters.from_function(clip, rule, **given), rule)


def check_schedule(rate: Callable[..., Any], rule: type[Spec], **given: Any) -> Checked:
    """Checks rate(step, **hyperparameters) -> float for step 0, 1, ... As `check_optimizer`."""
    return check(adapters.from_function(rate, rule, **given), rule)


def check_initializer(draw: Callable[..., Any], rule: type[Spec], **given: Any) -> Checked:
    """Checks draw(shape, seed, **hyperparameters) -> array. As `check_optimizer`."""
    return check(adapters.from_function(draw, rule, **given), rule)


def check_activation(activation: Callable[..., Any], rule: type[Spec], **given: Any) -> Checked:
    """Checks a function of a tensor or JAX array, a class of torch.nn.Module, or activation(x, **hyperparameters) ->
    (y, derivative) of NumPy arrays. As `check_optimizer`."""
    return check(_differentiable(activation, rule, given), rule)


def check_loss(loss: Callable[..., Any], rule: type[Spec], **given: Any) -> Checked:
    """Checks a function of tensors or JAX arrays, a class of torch.nn.Module, or loss(prediction, target,
    **hyperparameters) -> (value, gradient) of NumPy arrays. As `check_optimizer`."""
    return check(_differentiable(loss, rule, given), rule)


def check(subject: type[Subject], rule: type[Spec]) -> Checked:
    """Runs every case of the suite that is for `rule` on the subject, in each of its formats and variants.

    Raises Nonconformance, and ValueError where no case compared anything.
    """
    outcomes = [single.run() for single in singles(subject, rule)]
    failures = [Failure.of(outcome) for outcome in outcomes if outcome.verdict.name == FAILS]
    if failures:
        raise Nonconformance(subject, rule, failures)
    compared = [outcome for outcome in outcomes if outcome.verdict.name in (CONFORMS, DIVERGES)]
    reasons = Counter(outcome.verdict.reason for outcome in outcomes if outcome.verdict.name == UNSUPPORTED)
    if not compared:
        raise ValueError(f"{subject.name}: no case compared anything: {'; '.join(reasons) or 'there is none'}")
    return Checked(
        subject,
        rule,
        len({outcome.single.case for outcome in compared}),
        sum(outcome.tally.comparisons for outcome in compared),
        max(outcome.tally.worst_error_over_bound for outcome in compared),
        dict(reasons),
    )


def _optimizer(optimizer: Callable[..., Any], rule: type[Spec], given: dict[str, Any]) -> type[Subject]:
    class_ = getattr(optimizer, "func", optimizer)  # of functools.partial
    if inspect.isclass(class_):
        libraries = {base.__module__.partition(".")[0] for base in class_.__mro__}
        if "torch" in libraries:
            return adapters.torch_optimizer(optimizer, rule, **given)
        if "keras" in libraries:
            return adapters.keras_optimizer(optimizer, rule, **given)
    parameters = _parameters(class_)
    if parameters[:2] == ["parameter", "gradient"] or (len(parameters) >= 4 and parameters[3] == "step"):
        return adapters.from_function(optimizer, rule, **given)
    return adapters.optax_transformation(optimizer, rule, **given)


def _differentiable(function: Callable[..., Any], rule: type[Spec], given: dict[str, Any]) -> type[Subject]:
    class_ = getattr(function, "func", function)
    if inspect.isclass(class_):
        return adapters.torch_module(function, rule, **given)
    library = (getattr(class_, "__module__", "") or "").partition(".")[0]
    if library == "torch":
        return adapters.torch_function(function, rule, **given)
    if library == "jax":
        return adapters.jax_function(function, rule, **given)
    return adapters.from_function(function, rule, **given)


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        return []


def _under(rule: type[Spec], subject: type[Subject]) -> str:
    """The rule with the fields that the subject fixes, as a call."""
    fixed = ", ".join(f"{name}={value!r}" for name, value in subject.conventions[rule].items())
    return f"{rule.__name__}({fixed})"
