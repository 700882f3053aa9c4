"""What else people check such code with: comparison at default tolerances, gradient checks, goldens, convergence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache, partial
from inspect import isabstract, isclass
from typing import Any

import jax.test_util
import numpy as np
import torch

import refimpl
from conformance.comparison import Comparison, Observation
from conformance.strategies.batches import targets
from conformance.subjects.reference import Reference
from conformance.subjects.subject import Subject
from conformance.worked import function_of, work
from refimpl.spec import Spec
from refimpl.trees import leaves, rebuilt


class DoesNotApply(Exception):
    """Raised by a method that has nothing to check on code of this kind."""


def alarms(method: Callable[[Subject, str], None], subject: Subject, case: str) -> bool | None:
    """Whether the method finds a mistake in the subject, where it checks what the case is about; None: not applicable.

    An error that the subject raises while it is checked is found as well.
    """
    try:
        method(subject, case)
    except DoesNotApply:
        return None
    except Exception:
        return True
    return False


# --- comparison on the inputs of the case, with the reference's values ------------------------------------------------


class Recording(Comparison):
    """Writes every comparison down, and raises at none."""

    def _fail(self, *facts: Any) -> None:
        pass

    def _relate(self, *facts: Any) -> None:
        pass

    def estimate(self, *facts: Any, **where: Any) -> None:
        pass


@lru_cache(maxsize=1)
def _recorded(subject: Subject, case: str) -> list[Observation]:
    return work(case, subject, comparison=Recording).observations


def assert_close(subject: Subject, case: str, dtype: Any) -> None:
    """torch.testing.assert_close, with the tolerances it has for the dtype, on every element that has a bound."""
    observations = _recorded(subject, case)
    if not observations:
        raise DoesNotApply
    for seen in observations:
        claimed = np.isfinite(seen.bound)  # of the others not even the reference knows a value
        pair = (torch.from_numpy(np.atleast_1d(x)[np.atleast_1d(claimed)]) for x in (seen.found, seen.expected))
        torch.testing.assert_close(*(x.to(dtype) for x in pair))


# --- finite differences of the subject's own forward ------------------------------------------------------------------


@dataclass(frozen=True)
class Differentiable:
    """A function of one float64 array, the product of a cotangent with its derivative, and where they are checked."""

    value: Callable[[np.ndarray], np.ndarray]
    pullback: Callable[[np.ndarray, np.ndarray], np.ndarray]
    at: np.ndarray


class _Function(torch.autograd.Function):
    """A Differentiable as PyTorch sees code with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: Any, function: Differentiable) -> Any:
        ctx.save_for_backward(x)
        ctx.function = function
        return torch.from_numpy(np.array(function.value(x.detach().numpy())))

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        return torch.from_numpy(np.array(ctx.function.pullback(x.detach().numpy(), cotangent.numpy()))), None


def gradcheck(subject: Subject, case: str) -> None:
    """torch.autograd.gradcheck with its defaults."""
    for function in _differentiable(subject, case):
        at = torch.from_numpy(function.at).requires_grad_()
        torch.autograd.gradcheck(partial(_applied, function), (at,))


def _applied(function: Differentiable, x: Any) -> Any:
    return _Function.apply(x, function)


def check_grads(subject: Subject, case: str) -> None:
    """jax.test_util.check_vjp with its defaults: what check_grads calls in reverse mode at first order."""
    for function in _differentiable(subject, case):
        # The function is bound as an argument: a closure would see the loop's next one.
        def with_pullback(x: np.ndarray, function: Differentiable = function) -> tuple[np.ndarray, Callable]:
            return function.value(x), lambda cotangent: (function.pullback(x, cotangent),)

        jax.test_util.check_vjp(function.value, with_pullback, (function.at,))


def _differentiable(subject: Subject, case: str) -> list[Differentiable]:
    """Everything of the kind the case is about, at arguments of order 1 away from kinks."""
    make = _DIFFERENTIABLE.get(_capability(case))
    if make is None:
        raise DoesNotApply
    return list(make(subject))


def _activations(subject: Subject) -> Iterator[Differentiable]:
    x = np.random.default_rng(1).standard_normal((2, 5))
    for spec in _specs(refimpl.Activation):
        yield Differentiable(
            lambda x, spec=spec: subject.activation(spec, x, np.zeros_like(x))[0],
            lambda x, cotangent, spec=spec: subject.activation(spec, x, cotangent)[1],
            x,
        )


def _losses(subject: Subject) -> Iterator[Differentiable]:
    generator = np.random.default_rng(2)
    for spec in _specs(refimpl.Loss):
        probability = isinstance(spec, refimpl.BinaryCrossEntropy)
        x = generator.uniform(0.1, 0.9, (2, 3)) if probability else generator.standard_normal((2, 3))
        target = targets(generator, spec, x.shape, "float64")
        yield Differentiable(
            lambda x, spec=spec, target=target: subject.loss(spec, x, target)[0],
            lambda x, cotangent, spec=spec, target=target: cotangent * subject.loss(spec, x, target)[1],
            x,
        )


def _networks(subject: Subject) -> Iterator[Differentiable]:
    """The objective as a function of all parameters."""
    for network, parameters, x, y in _small_networks():
        shapes = [np.shape(leaf) for _, leaf in leaves(parameters)]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

        def evaluated(
            flat: np.ndarray, network=network, parameters=parameters, x=x, y=y, shapes=shapes, ends=ends
        ) -> tuple[np.ndarray, Any]:
            parts = np.split(flat, ends)
            tree = rebuilt(parameters, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
            return subject.network(network, tree, x, y)

        yield Differentiable(
            lambda flat, evaluated=evaluated: evaluated(flat)[0],
            lambda flat, cotangent, evaluated=evaluated: cotangent * _flat(evaluated(flat)[1]),
            _flat(parameters),
        )


_DIFFERENTIABLE = {"activation": _activations, "loss": _losses, "network": _networks}


# --- goldens ----------------------------------------------------------------------------------------------------------

GOLDEN_UNIT = 1e-4  # goldens of four decimals, and what unit tests with such goldens allow, absolute and relative


def goldens(subject: Subject, case: str) -> None:
    """Values rounded to four decimals, as in Keras's unit tests: positive gradients, default hyperparameters."""
    if _capability(case) not in _GOLDEN:
        raise DoesNotApply
    golden = _golden_values(_capability(case))
    for expected, found in zip(golden, _GOLDEN[_capability(case)](subject), strict=True):
        assert (np.abs(found - expected) <= GOLDEN_UNIT * (1 + np.abs(expected))).all()


@cache
def _golden_values(capability: str) -> list[np.ndarray]:
    return [np.round(value, 4) for value in _GOLDEN[capability](Reference("numpy", "float64", "cpu"))]


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
            yield subject.schedule(spec, 21)


def _activation_goldens(subject: Subject) -> Iterator[np.ndarray]:
    x, cotangent = np.array([[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]]), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    for spec in _specs(refimpl.Activation):
        yield from subject.activation(spec, x, cotangent)


def _loss_goldens(subject: Subject) -> Iterator[np.ndarray]:
    x, labels = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]), np.array([1, 2])
    for spec in _specs(refimpl.Loss):
        yield from subject.loss(spec, x, labels if getattr(spec, "labels", "") == "index" else np.eye(3)[labels])


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


def convergence(subject: Subject, case: str) -> None:
    """A quadratic of two parameters loses 99 % of its value within 10 000 steps at a learning rate of 0.1."""
    descend = {"optimizer": _optimized, "clip": _clipped}.get(_capability(case))
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

    return (path(spec) for rule in _rules(refimpl.Optimizer) for spec in _specs(rule, learning_rate=0.1))


def _clipped(subject: Subject) -> Iterator[Iterator[np.ndarray]]:
    def path(spec: Any) -> Iterator[np.ndarray]:
        x = START
        while np.isfinite(x).all():
            x = x - 0.1 * subject.clip(spec, CURVATURES * x)
            yield x

    return (path(spec) for spec in _specs(refimpl.Clipping))


# --- what is checked --------------------------------------------------------------------------------------------------


def _capability(case: str) -> str:
    return function_of(case.partition("[")[0]).case.capability


def _rules(kind: type[Spec]) -> list[type[Spec]]:
    """The rules of a kind: the kind itself where it is one."""
    found = (rule for rule in vars(refimpl).values() if isclass(rule) and issubclass(rule, kind))
    return [rule for rule in found if not isabstract(rule)]


def _specs(kind: type[Spec], **values: Any) -> Iterator[Any]:
    """The rules of a kind under every combination of conventions, with these values and defaults for the others."""
    for rule in _rules(kind):
        names = rule.conventions()
        for chosen in itertools.product(*names.values()):
            try:
                yield rule(**dict(zip(names, chosen, strict=True)), **values)
            except ValueError:
                pass  # conventions that have no meaning together, or not at these values


def _small_networks() -> Iterator[tuple[refimpl.Network, list[dict], np.ndarray, np.ndarray]]:
    """Networks of a hidden layer of tanh with a batch: dense ones, penalised, with a residual block, normalized."""
    generator = np.random.default_rng(3)
    inputs, width, outputs, rows = 2, 3, 2, 5

    def dense(spec: Any, n: int, m: int) -> dict:
        entries = {"weight": generator.standard_normal((n, m) if spec.layout == "input_output" else (m, n))}
        return entries | {"bias": generator.standard_normal(m)} if spec.bias else entries

    def normalized() -> dict:
        return {"scale": generator.uniform(0.5, 2, width), "shift": generator.standard_normal(width)}

    plain, statistics = refimpl.Dense(), (generator.standard_normal(width), generator.uniform(0.5, 2, width))
    branch = refimpl.Residual([refimpl.Tanh(), plain], 0.5)
    middles: list[tuple[Any, Callable[[], dict]]] = [
        (branch, lambda: {"branch": [{}, dense(plain, width, width)]}),
        (refimpl.BatchNormalization(), normalized),
        (refimpl.BatchNormalizationInference(*statistics), normalized),
    ]
    stacks = [(spec, None, None) for spec in _specs(refimpl.Dense)]
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


METHODS: Mapping[str, Callable[[Subject, str], None]] = {
    "assert_close, float32": partial(assert_close, dtype=torch.float32),
    "assert_close, float64": partial(assert_close, dtype=torch.float64),
    "gradcheck": gradcheck,
    "check_grads": check_grads,
    "goldens": goldens,
    "convergence": convergence,
}
