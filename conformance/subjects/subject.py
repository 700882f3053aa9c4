"""The contract of a subject: what an implementation under test offers, declares and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from conformance import profiles
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.table import Table
from refimpl.activations import Activation
from refimpl.arithmetic import FORMATS, Target
from refimpl.averaging import ParameterAverage
from refimpl.clipping import AdaptiveClipping, Clipping
from refimpl.initializers import Initializer
from refimpl.layers import Activated, Layer, Residual, RunningStatistics
from refimpl.losses import Loss
from refimpl.network import Network
from refimpl.optimizers import GradientAccumulation, Optimizer
from refimpl.schedules import Schedule, WarmUp
from refimpl.spec import Spec
from refimpl.types import Shape, State, Tree, Value

Rule = TypeVar("Rule", bound=Spec)

ClippingRule: TypeAlias = Clipping | AdaptiveClipping
# A rule that takes steps, and keeps slots.
SteppedRule: TypeAlias = Optimizer | GradientAccumulation | ParameterAverage

# What a run saves of itself: in its own form, which only `restore` reads.
Saved: TypeAlias = Any

# A theorem is about mathematics, not about a library: it runs on the reference alone.
THEOREM = "theorem"
CAPABILITIES = ("optimizer", "clip", "schedule", "initializer", "activation", "loss", "network", THEOREM)


class Unsupported(Exception):
    """Raised by a subject that does not have what a case requires; the message says what it lacks."""


class NoDevice(Exception):
    """Raised when the device a case is to run on is not present."""


class Subject:
    """An implementation in one of its variants, formats and devices. NumPy arrays go in and come out.

    A method never changes an array that it was given or that it has returned: `conformance.running.aliasing_guard`
    checks every call of a case.

    Class attributes a subject declares:
        name: what it is called in messages; those of shipped subjects are taken.
        dtypes: names of the formats it computes in.
        variants: capability ("optimizer", "clip", "schedule", "initializer", "activation", "loss", "network") -> its
            variants, such as ("for-loop", "foreach"). A capability that is missing here is unsupported.
        conventions: rule -> the fields of its spec that this implementation fixes. A rule that is missing is not
            offered. A fixed field is a convention ("outside"), a tuple of those it has where it lacks others, the
            usual one first, or a hyperparameter it does not have (0.0).
        profiles: accuracy of its elementary functions by device: a name in `conformance.profiles`, or format ->
            function -> largest error in ulp, such as {"float32": {"sqrt": 0.5}, "float64": {"power": 1.0}}.
        scalars: dtype -> format in which it computes with hyperparameters (1 - beta1) before they meet an array.
            Missing: float64, as for Python's floats.
        rule_scalars: rule -> the `scalars` of its own, where it differs from the others.
        powers: dtype -> format of decay**step. Missing: that of `scalars`.
        rates: dtype -> format in which its schedules compute learning rates. Missing: float64.
        flush_to_zero: dtypes whose subnormal numbers it may replace by zero.
        table: rule -> what a library has of it. `conventions` and `rule_scalars` of the shipped subjects follow from
            their tables, and so does the porting table.

    They are checked when the subject is loaded (`conformance.subjects.declarations`). Its methods begin with `offered`,
    so that a case that requires something else counts as unsupported.
    """

    name: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Value]]] = {}
    profiles: ClassVar[Mapping[str, str | Mapping[str, Mapping[str, float]]]] = {"cpu": "numpy"}
    scalars: ClassVar[Mapping[str, str]] = {}
    rule_scalars: ClassVar[Mapping[type[Spec], Mapping[str, str]]] = {}
    powers: ClassVar[Mapping[str, str]] = {}
    rates: ClassVar[Mapping[str, str]] = {}
    flush_to_zero: ClassVar[frozenset[str]] = frozenset()
    table: ClassVar[Table] = {}

    def __init__(self, variant: str = "", dtype: str = "float32", device: str = "cpu") -> None:
        self.variant, self.dtype, self.device = variant, dtype, device

    def __repr__(self) -> str:
        return "-".join(part for part in (self.name, self.variant, self.dtype, self.device) if part)

    @classmethod
    def version(cls) -> str:
        """Version of the implementation. Raises ImportError, saying what to install, when it is not there."""
        return ""

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """The devices present, "cpu" first."""
        return ("cpu",)

    @classmethod
    def reproductions(cls) -> Mapping[str, Callable[[], Reproduction]]:
        """Entry of `conformance.judging.divergences.defects` -> the few lines that show the defect."""
        return {}

    @property
    def target(self) -> Target:
        """The arithmetic of this subject, for running-error bounds."""
        return _target(type(self), self.dtype, self.device)  # type: ignore[arg-type]  # classes do hash

    def target_of(self, spec: Spec | type[Spec]) -> Target:
        """The arithmetic of a run of this optimizer, or of all of a rule: `target`, but for what `rule_scalars` has."""
        rule = spec if isinstance(spec, type) else type(spec)
        return _target(type(self), self.dtype, self.device, rule)  # type: ignore[arg-type]  # classes do hash

    @property
    def rate_target(self) -> Target:
        """The arithmetic of this subject's schedules."""
        return _rate_target(type(self), self.dtype, self.device)  # type: ignore[arg-type]  # classes do hash

    @property
    def array_dtype(self) -> np.dtype:
        """The NumPy dtype of arrays that go in and come out."""
        return numpy_dtype(self.dtype)

    def smoke(self) -> None:
        """Raises when the adapter itself does not work, whatever its mathematics. Judged apart from conformance."""

    def fixed(self, rule: type[Spec]) -> Mapping[str, Value]:
        """The fields that this subject fixes for `rule`. Raises Unsupported."""
        if rule not in self.conventions:
            raise Unsupported(f"{self.name} declares no conventions for {rule.__name__}")
        return self.conventions[rule]

    def spec(self, rule: type[Rule], **required: Value) -> Rule:
        """The rule with the fields that this subject fixes, and those that a case requires. `maximize` is False unless
        the case requires it.

        Raises Unsupported where the two differ, or where the rule refuses them together.
        """
        fixed = self.fixed(rule)
        if "maximize" in rule.conventions():
            required = {"maximize": False} | required
        for name, value in required.items():
            if name in fixed and value not in values_of(fixed[name]):
                raise Unsupported(
                    f"{self.name} has no {rule.__name__}({name}={value!r}): {name} is always {fixed[name]!r}"
                )
        try:
            return rule(**{name: values_of(value)[0] for name, value in fixed.items()} | required)
        except ValueError as refused:
            rule(**required)  # what no subject could offer is the case's own mistake
            raise Unsupported(f"{self.name} fixes {dict(fixed)!r}, and {refused}") from refused

    def offered(self, capability: str, spec: Spec) -> None:
        """Raises Unsupported unless this variant has the capability and the rule, and `spec` the fixed fields."""
        if self.variant not in self.variants[capability]:
            supported = ", ".join(self.variants[capability])
            raise Unsupported(f"{self.name} offers {capability} in the variants {supported}, not in {self.variant!r}")
        rule = type(spec)
        for name, value in self.fixed(rule).items():
            if getattr(spec, name) not in values_of(value):
                required = f"{rule.__name__}({name}={getattr(spec, name)!r})"
                raise Unsupported(f"{self.name} has no {required}: {name} is always {value!r}")
        if rule in self.table:
            row = self.table[rule]
            for own, supported_by_row in ((self.variant, row.variants), (self.dtype, row.dtypes)):
                if supported_by_row is not None and own not in supported_by_row:
                    raise Unsupported(f"{self.name} has no {rule.__name__} in {own}: {row.reason}")

    def optimizer(self, spec: SteppedRule, parameters: Tree) -> OptimizerRun:
        """A run of the rule from `parameters` (a tree of arrays of this dtype), before its first step.

        The steps of an average of parameters (`refimpl.ParameterAverage`) take the parameters to average in place of
        gradients, and `parameters()` is the average.
        """
        raise Unsupported(f"{self.name} has no optimizers")

    def clip(self, spec: ClippingRule, gradients: Tree, parameters: Tree = None) -> Tree:
        """The clipped tree of gradients; parameters: a tree like it, for a rule that looks at them too."""
        raise Unsupported(f"{self.name} does not clip gradients")

    def schedule(self, spec: Schedule, steps: int) -> np.ndarray:
        """The learning rates of steps 0 .. steps - 1, shape (steps,), in the format declared in `rates`."""
        raise Unsupported(f"{self.name} has no schedules")

    def initializer(self, spec: Initializer, shape: Shape, seed: int) -> np.ndarray:
        """One draw of the given shape."""
        raise Unsupported(f"{self.name} has no initializers")

    def activation(self, spec: Activation, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The activation of `x`, and the cotangent of `x` for the given cotangent of the result."""
        raise Unsupported(f"{self.name} has no activations")

    def loss(self, spec: Loss, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss and its gradient with respect to `prediction`."""
        raise Unsupported(f"{self.name} has no losses")

    def network(self, network: Network, parameters: Tree, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Tree]:
        """The loss of a `refimpl.Network` on a batch, and its gradients in the structure of `parameters`."""
        raise Unsupported(f"{self.name} has no networks")

    def offered_network(self, network: Network) -> None:
        """Raises Unsupported unless `offered` accepts every part of the network."""
        for part in (*_parts(network.layers), network.loss, network.penalty):
            if part is not None:
                self.offered("network", part)

    def offered_schedule(self, schedule: Schedule) -> None:
        """Raises Unsupported unless `offered` accepts the schedule, and every one that it is made of."""
        self.offered("schedule", schedule)
        for part in (schedule.schedule,) if isinstance(schedule, WarmUp) else getattr(schedule, "schedules", ()):
            self.offered_schedule(part)

    def running_statistics(
        self, spec: RunningStatistics, statistics: dict[str, np.ndarray], x: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The running "mean" and "variance", given those before, after a batch `x`, shape (..., features)."""
        raise Unsupported(f"{self.name} has no running statistics")


class OptimizerRun(ABC):
    """One run of an optimizer: parameters and state that its steps change.

    Arrays that it was given or has returned are never changed afterwards: a step makes new ones, or works on copies;
    and it keeps no gradients, which are overwritten. It may keep the parameters that it begins with.
    """

    @abstractmethod
    def step(self, gradients: Tree) -> None:
        """One update with a tree of gradients like the parameters."""

    @abstractmethod
    def parameters(self) -> Tree:
        """The parameters now, as NumPy arrays of the subject's dtype, in the structure that the run began with."""

    def state(self) -> State:
        """Every slot that `spec.slots()` names -> a tree like the parameters; empty where they cannot be looked at."""
        return {}

    def change(self, spec: SteppedRule) -> None:
        """Continues with other hyperparameters of the same rule."""
        raise Unsupported(f"{type(self).__name__} cannot change hyperparameters during a run")

    def save(self) -> Saved:
        """All that `restore` needs to continue from here."""
        raise Unsupported(f"{type(self).__name__} cannot save its state")

    def restore(self, saved: Saved) -> None:
        """Goes back to what was saved, in this run or in a new one of the same rule and parameters."""
        raise Unsupported(f"{type(self).__name__} cannot restore a state")


def values_of(fixed: Value) -> tuple[Value, ...]:
    """The values of a fixed field that a subject has."""
    return fixed if isinstance(fixed, tuple) else (fixed,)


def _parts(layers: Iterable[Layer | Activation]) -> Iterator[Spec]:
    """Every layer, with the activations and the branches within."""
    for layer in layers:
        yield layer
        if isinstance(layer, Activated):
            yield layer.activation
        if isinstance(layer, Residual):
            yield from _parts(layer.layers)


def numpy_dtype(name: str) -> np.dtype:
    """The dtype of a format by name; bfloat16 is that of ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(name)


@cache
def _target(subject: Any, dtype: str, device: str, rule: Any = None) -> Target:
    if rule is not None and rule not in subject.rule_scalars:
        return _target(subject, dtype, device)
    return Target(
        FORMATS[dtype],
        scalars=FORMATS[subject.rule_scalars.get(rule, subject.scalars).get(dtype, "float64")],
        powers=FORMATS[subject.powers[dtype]] if dtype in subject.powers else None,
        flush_to_zero=dtype in subject.flush_to_zero,
        functions=_functions(subject, device),
    )


@cache
def _rate_target(subject: Any, dtype: str, device: str) -> Target:
    format_ = FORMATS[subject.rates.get(dtype, "float64")]
    flushes = format_.name in subject.flush_to_zero
    # A rate is hyperparameter arithmetic from end to end, but of arrays where subnormal numbers are flushed.
    return Target(format_, scalars=format_, scalar=True, flush_to_zero=flushes, functions=_functions(subject, device))


def _functions(subject: type[Subject], device: str) -> Mapping[str, Mapping[str, float]]:
    if device not in subject.profiles:
        raise NoDevice(f"{subject.name} declares no profile of elementary functions on {device}")
    declared = subject.profiles[device]
    return profiles.load(declared) if isinstance(declared, str) else declared
