"""What else people check such code with: comparison at default tolerances, gradient checks, goldens, convergence."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache, partial
from inspect import isabstract, isclass
from pathlib import Path
from typing import Any

import jax.test_util
import numpy as np
import torch

import refimpl
from conformance.faults import Fault
from conformance.faults.syntax import ROOT, function_around
from conformance.judging.comparison import Comparison, Observation
from conformance.running.trace import UnknownCase, function_of, run_case
from conformance.strategies.batches import targets
from conformance.strategies.hyperparameters import combinations
from conformance.strategies.schedules import steps_that_have_rates
from conformance.subjects.reference import Reference
from conformance.subjects.subject import THEOREM, Subject
from refimpl.spec import Spec
from refimpl.trees import leaves, rebuilt

# Checks a subject on what a fault is in; raises at a mistake, and DoesNotApply where it has nothing to check.
Method = Callable[[Subject, Fault], None]


# The same for methods that run all that is of one kind, a capability such as "optimizer", whatever the cases are.
OfKind = Callable[[Subject, str], None]


class DoesNotApply(Exception):
    """Raised by a method that has nothing to check on code of this kind."""


def alarms(method: Method, subject: Subject, fault: Fault) -> bool | None:
    """Whether the method finds a mistake in the subject, by the cases of the fault; None: not applicable.

    An error that the subject raises while it is checked is found as well. Raises UnknownCase for a case that there is
    not: that is no finding.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # wrong code overflows, and failing examples are long to write out
            method(subject, fault)
    except DoesNotApply:
        return None
    except UnknownCase:
        raise
    except Exception:
        return True
    return False


def kind_of(fault: Fault) -> str:
    """What the fault is in: the capability that its first case requires, unless it is a theorem. Raises UnknownCase."""
    capabilities = (function_of(case.partition("[")[0]).case.capability for case in fault.cases)
    return next((capability for capability in capabilities if capability != THEOREM), THEOREM)


# --- comparison on the inputs of the cases, with the reference's values -----------------------------------------------


class Recording(Comparison):
    """Writes every comparison down, and raises at none."""

    def _fail(self, *facts: Any) -> None:
        pass

    def _relate(self, *facts: Any) -> None:
        pass

    def estimate(self, *facts: Any, **where: Any) -> None:
        pass


@lru_cache(maxsize=4)  # for both formats
def _recorded(subject: Subject, case: str) -> list[Observation]:
    return run_case(case, subject, comparison=Recording).observations


def assert_close(subject: Subject, fault: Fault, dtype: Any) -> None:
    """torch.testing.assert_close, with the tolerances it has for the dtype, on every element that has a bound."""
    applies = False
    for seen in itertools.chain.from_iterable(_recorded(subject, case) for case in fault.cases):
        applies = True
        claimed = np.isfinite(seen.bound)  # of the others not even the reference knows a value
        pair = (torch.from_numpy(np.atleast_1d(x)[np.atleast_1d(claimed)]) for x in (seen.found, seen.expected))
        torch.testing.assert_close(*(x.to(dtype) for x in pair))
    if not applies:
        raise DoesNotApply


# --- finite differences of the subject's own forward ------------------------------------------------------------------


@dataclass(frozen=True)
class Differentiable:
    """evaluate: an array and a cotangent of the result -> the result, and the cotangent of the array. at: where it is
    checked. shape: of the result."""

    evaluate: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    at: np.ndarray
    shape: tuple[int, ...] = ()

    def value(self, x: np.ndarray) -> np.ndarray:
        return np.array(self.evaluate(x, np.zeros(self.shape))[0])

    def pullback(self, x: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        return np.array(self.evaluate(x, cotangent)[1])

    def value_and_pullback(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
        return self.value(x), lambda cotangent: (self.pullback(x, cotangent),)


class _Function(torch.autograd.Function):
    """A Differentiable as PyTorch sees code with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: Any, function: Differentiable) -> Any:
        ctx.save_for_backward(x)
        ctx.function = function
        return torch.from_numpy(function.value(x.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        return torch.from_numpy(ctx.function.pullback(x.detach().numpy(), cotangent.numpy())), None


def gradcheck(subject: Subject, kind: str) -> None:
    """torch.autograd.gradcheck with its defaults."""
    for function in _differentiable(subject, kind):
        torch.autograd.gradcheck(_Function.apply, (torch.from_numpy(function.at).requires_grad_(), function))


def check_grads(subject: Subject, kind: str) -> None:
    """jax.test_util.check_vjp with its defaults: what check_grads calls in reverse mode at first order."""
    for function in _differentiable(subject, kind):
        jax.test_util.check_vjp(function.value, function.value_and_pullback, (function.at,))


def _differentiable(subject: Subject, kind: str) -> Iterator[Differentiable]:
    """Everything of the kind, at arguments of order 1 away from kinks."""
    make = _DIFFERENTIABLE.get(kind)
    if make is None:
        raise DoesNotApply
    return make(subject)


def _activations(subject: Subject) -> Iterator[Differentiable]:
    x = np.random.default_rng(1).standard_normal((2, 3))
    for spec in _specs(refimpl.Activation):
        yield Differentiable(partial(subject.activation, spec), x, x.shape)


def _losses(subject: Subject) -> Iterator[Differentiable]:
    generator = np.random.default_rng(2)
    for spec in _specs(refimpl.Loss):
        probability = isinstance(spec, refimpl.BinaryCrossEntropy)
        x = generator.uniform(0.1, 0.9, (2, 3)) if probability else generator.standard_normal((2, 3))
        yield Differentiable(_loss_of(subject, spec, targets(generator, spec, x.shape, "float64")), x)


def _loss_of(subject: Subject, spec: Any, target: np.ndarray) -> Callable:
    def evaluate(prediction: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = subject.loss(spec, prediction, target)
        return value, cotangent * gradient

    return evaluate


def _networks(subject: Subject) -> Iterator[Differentiable]:
    for network, parameters, x, y in _small_networks():
        yield Differentiable(_objective_of(subject, network, parameters, x, y), _flat(parameters))


def _objective_of(
    subject: Subject, network: refimpl.Network, parameters: list[dict], x: np.ndarray, y: np.ndarray
) -> Callable:
    """The objective as a function of all parameters in one vector."""
    shapes = [np.shape(leaf) for _, leaf in leaves(parameters)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def evaluate(flat: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = zip(np.split(flat, ends), shapes, strict=True)
        tree = rebuilt(parameters, [part.reshape(shape) for part, shape in parts])
        objective, gradients = subject.network(network, tree, x, y)
        return objective, cotangent * _flat(gradients)

    return evaluate


_DIFFERENTIABLE = {"activation": _activations, "loss": _losses, "network": _networks}


# --- goldens ----------------------------------------------------------------------------------------------------------

GOLDEN_UNIT = 1e-4  # goldens of four decimals, and what unit tests with such goldens allow, absolute and relative


def goldens(subject: Subject, kind: str) -> None:
    """Values rounded to four decimals, as in Keras's unit tests: positive gradients, default hyperparameters."""
    if kind not in _GOLDEN:
        raise DoesNotApply
    for expected, found in zip(_golden_values(kind), _GOLDEN[kind](subject), strict=True):
        assert (np.abs(found - expected) <= GOLDEN_UNIT * (1 + np.abs(expected))).all()


@cache
def _golden_values(kind: str) -> list[np.ndarray]:
    return [np.round(value, 4) for value in _GOLDEN[kind](Reference("numpy", "float64", "cpu"))]


def _optimizer_goldens(subject: Subject) -> Iterator[np.ndarray]:
    """The three tests of keras/src/optimizers/adam_test.py: one step, weight decay alone, five steps."""
    rising = np.arange(1, 11) / 10
    for rule in _rules(refimpl.Optimizer):
        for spec in _specs(rule, learning_rate=0.5):
            yield from _path(subject, spec, np.array([1.0, 2.0, 3.0, 4.0]), [np.array([1.0, 6.0, 7.0, 2.0])])
        for spec in _specs(rule, learning_rate=1.0, weight_decay=0.004):
            yield from _path(subject, spec, np.array(2.0), [np.array(0.0)])
        for spec in _specs(rule, learning_rate=0.1):
            yield from _path(subject, spec, np.ones(10), [np.full(10, 0.01), *[rising] * 4])


def _path(subject: Subject, spec: Any, start: np.ndarray, gradients: list[np.ndarray]) -> Iterator[np.ndarray]:
    run = subject.optimizer(spec, start)
    for gradient in gradients:
        run.step(gradient)
        yield np.array(run.parameters())


def _clipping_goldens(subject: Subject) -> Iterator[np.ndarray]:
    for spec in _specs(refimpl.Clipping):
        yield _flat(subject.clip(spec, [np.array([100.0, 100.0]), np.array([[50.0, 100.0]])]))
        yield _flat(subject.clip(spec, [np.array([0.1, 0.2])]))


def _schedule_goldens(subject: Subject) -> Iterator[np.ndarray]:
    for rule in _rules(refimpl.Schedule):
        ten_steps = {f.name: 10 for f in fields(rule) if f.name in ("steps", "decay_steps", "every")}
        for spec in _specs(rule, **ten_steps):
            yield subject.schedule(spec, steps_that_have_rates(spec, 21))


def _activation_goldens(subject: Subject) -> Iterator[np.ndarray]:
    x, cotangent = np.array([[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]]), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    for spec in _specs(refimpl.Activation):
        yield from subject.activation(spec, x, cotangent)


def _loss_goldens(subject: Subject) -> Iterator[np.ndarray]:
    x, generator = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]), np.random.default_rng(4)
    for spec in _specs(refimpl.Loss):
        yield from subject.loss(spec, x, targets(generator, spec, x.shape, "float64"))


def _network_goldens(subject: Subject) -> Iterator[np.ndarray]:
    for network, parameters, x, y in _small_networks():
        objective, gradients = subject.network(network, parameters, x, y)
        yield objective
        yield _flat(gradients)


_GOLDEN: Mapping[str, Callable[[Subject], Iterator[np.ndarray]]] = {
    "optimizer": _optimizer_goldens,
    "clip": _clipping_goldens,
    "schedule": _schedule_goldens,
    "activation": _activation_goldens,
    "loss": _loss_goldens,
    "network": _network_goldens,
}


# --- convergence ------------------------------------------------------------------------------------------------------

CURVATURES, START = np.array([1.0, 3.0]), np.array([1.5, -2.0])
STEPS, SHARE = 10_000, 1e-2  # of the loss at the start


def convergence(subject: Subject, kind: str) -> None:
    """A quadratic of two parameters loses 99 % of its value within 10 000 steps at a learning rate of 0.1."""
    descend = {"optimizer": _optimized, "clip": _clipped}.get(kind)
    if descend is None:
        raise DoesNotApply
    for path in descend(subject):
        assert any(_loss(x) < SHARE * _loss(START) for x in itertools.islice(path, STEPS))


def _loss(x: np.ndarray) -> float:
    return float(np.sum(CURVATURES * x**2)) / 2


def _optimized(subject: Subject) -> Iterator[Iterator[np.ndarray]]:
    def path(spec: Any) -> Iterator[np.ndarray]:
        run = subject.optimizer(spec, START)
        while np.isfinite(x := np.asarray(run.parameters())).all():
            run.step(CURVATURES * x)
            yield np.asarray(run.parameters())

    def specs(rule: type[Spec]) -> Iterator[Any]:
        kind = rule().weight_decay_kind  # type: ignore[attr-defined]  # without a penalty they are all alike
        return _specs(rule, learning_rate=0.1, maximize=False, weight_decay_kind=kind)

    return (path(spec) for rule in _rules(refimpl.Optimizer) for spec in specs(rule))


def _clipped(subject: Subject) -> Iterator[Iterator[np.ndarray]]:
    def path(spec: Any) -> Iterator[np.ndarray]:
        x = START
        while np.isfinite(x).all():
            x = x - 0.1 * subject.clip(spec, CURVATURES * x)
            yield x

    return (path(spec) for spec in _specs(refimpl.Clipping))


# --- what is checked --------------------------------------------------------------------------------------------------


def _rules(kind: type[Spec]) -> list[type[Spec]]:
    """The rules of a kind: the kind itself where it is one."""
    public = (getattr(refimpl, name) for name in refimpl.__all__)
    found = (rule for rule in public if isclass(rule) and issubclass(rule, kind))
    return [rule for rule in found if not isabstract(rule)]


def _specs(kind: type[Spec], **values: Any) -> Iterator[Any]:
    """The rules of a kind under every combination of conventions, with these values and defaults for the others."""
    for rule in _rules(kind):
        for chosen in combinations(rule, values, {f.name: [f.default] for f in fields(rule)}):
            try:
                spec = rule(**chosen)
            except ValueError:
                continue  # conventions that have no meaning together, or not at these values
            yield spec


def _small_networks() -> Iterator[tuple[refimpl.Network, list[dict], np.ndarray, np.ndarray]]:
    """Networks of a hidden layer of tanh with a batch: dense ones, penalised, with a residual block, normalized."""
    generator = np.random.default_rng(3)
    inputs, width, outputs, rows = 2, 3, 2, 5

    def dense(spec: Any, n: int, m: int) -> dict:
        entries = {"weight": generator.standard_normal((n, m) if spec.layout == "input_output" else (m, n))}
        return entries | {"bias": generator.standard_normal(m)} if spec.bias else entries

    def normalized() -> dict:
        return {"scale": generator.uniform(0.5, 2, width), "shift": generator.standard_normal(width)}

    plain = refimpl.Dense()
    statistics = generator.standard_normal(width).tolist(), generator.uniform(0.5, 2, width).tolist()
    branch = refimpl.Residual([refimpl.Tanh(), plain], 0.5)
    middles: list[tuple[Any, Callable[[], dict]]] = [
        (branch, lambda: {"branch": [{}, dense(plain, width, width)]}),
        (refimpl.BatchNormalization(), normalized),
        (refimpl.BatchNormalizationInference(*statistics), normalized),
    ]
    stacks: list[tuple[Any, Any, Any]] = [(spec, None, None) for spec in _specs(refimpl.Dense)]
    stacks += [(plain, None, penalty) for penalty in _specs(refimpl.Penalty)]
    stacks += [(plain, middle, None) for middle in middles]
    for spec, middle, penalty in stacks:
        layers, parameters = [spec], [dense(spec, inputs, width)]
        if middle is not None:
            layers.append(middle[0])
            parameters.append(middle[1]())
        network = refimpl.Network([*layers, refimpl.Tanh(), spec], refimpl.MeanSquaredError(), penalty)
        parameters += [{}, dense(spec, width, outputs)]
        yield network, parameters, generator.standard_normal((rows, inputs)), generator.standard_normal((rows, outputs))


def _flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for _, leaf in leaves(tree)])


def _by_kind(method: OfKind) -> Method:
    return lambda subject, fault: method(subject, kind_of(fault))


OF_KINDS: Mapping[str, OfKind] = {
    "gradcheck": gradcheck,
    "check_grads": check_grads,
    "goldens": goldens,
    "convergence": convergence,
}
METHODS: Mapping[str, Method] = {
    "assert_close, float32": partial(assert_close, dtype=torch.float32),
    "assert_close, float64": partial(assert_close, dtype=torch.float64),
} | {name: _by_kind(method) for name, method in OF_KINDS.items()}


# --- what of the reference a method runs ------------------------------------------------------------------------------


def calls(name: str, fault: Fault) -> bool:
    """Whether the method calls the function that the fault changes, when it judges the right reference.

    Of a change outside of functions, such as a default: whether it calls any function of that file. True of methods
    that go by the cases of the fault, as they were chosen for it.
    """
    if name not in OF_KINDS:
        return True
    called = _called(name, kind_of(fault))
    function = function_around(fault.match())
    if function is None:
        return any(file == fault.file for file, _ in called)
    begin = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    return (fault.file, begin) in called


@cache
def _called(name: str, kind: str) -> frozenset[tuple[str, int]]:
    """File and first line of every function of this project that the method calls on faults of the kind."""
    called = set()

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    sys.setprofile(watch)
    try:
        OF_KINDS[name](Reference("numpy", "float64", "cpu"), kind)
    except DoesNotApply:
        return frozenset()
    finally:
        sys.setprofile(None)
    paths = ((Path(file).resolve(), line) for file, line in called)
    return frozenset((path.relative_to(ROOT).as_posix(), line) for path, line in paths if path.is_relative_to(ROOT))
