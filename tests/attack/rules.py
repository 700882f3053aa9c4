"""Whole rules of the reference: their specs under all conventions, their inputs, and what they return."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from inspect import isabstract, isclass
from typing import Any

import numpy as np

from refimpl import activations, averaging, clipping, layers, losses, optimizers, regularization, schedules
from refimpl.arithmetic import Format
from refimpl.network import Network
from refimpl.trees import leaves
from tests.attack.operands import numbers
from tests.attack.rounding import nearest

Draw = Callable[[Format, int, np.random.Generator], list[np.ndarray]]


@dataclass(frozen=True)
class Rule:
    """draw: makes the arguments of `formula` for a format and a number of elements. formula: returns a tree of results.

    elementwise: each element of a result depends on one element of the arguments, and its decisions are improved alone.
    """

    name: str
    formula: Callable[..., Any]
    draw: Draw
    elementwise: bool = True


def variants(kind: type, /, **given: Any) -> Iterator[Any]:
    """The specs of a rule under all valid combinations of its conventions."""
    names = list(kind.conventions())
    known = {f.name for f in fields(kind)}
    plain = {name: value for name, value in given.items() if name in known}
    for values in itertools.product(*kind.conventions().values()):
        try:
            yield kind(**(plain | dict(zip(names, values, strict=True))))
        except ValueError:
            continue


def rules_of(package: Any, kind: type) -> list[type]:
    """The concrete rules of a kind that a package exports."""
    exported = [getattr(package, name) for name in package.__all__]
    return [rule for rule in exported if isclass(rule) and issubclass(rule, kind) and not isabstract(rule)]


# --- inputs --------------------------------------------------------------------------------------------------------


def moderate(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Numbers of order one, some of them on a grid, some zeros, and some small numbers."""
    x = rng.standard_normal(shape)
    kinds = [x, x, rng.integers(-8, 9, shape) / 4, x * np.exp2(rng.integers(-10, 3, shape)), np.zeros(shape)]
    return nearest(np.choose(rng.integers(len(kinds), size=shape), kinds), format_)


def mixed(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Mostly moderate numbers, and some of every kind that a format has."""
    return np.where(rng.integers(4, size=shape) > 0, moderate(format_, shape, rng), numbers(format_, shape, rng))


def arguments(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Arguments of activations, some of them very large, and some next to where exponentials overflow and underflow."""
    x = mixed(format_, shape, rng)
    far = rng.uniform(-130, 130, shape) * np.exp2(rng.integers(-2, 2, shape))
    very_far = -np.exp2(rng.uniform(5, format_.max_exponent, shape)) * rng.choice([-1, 1, 1], shape)
    return nearest(np.choose(rng.integers(4, size=shape), [x, x, far, very_far]), format_)


def _several(count: int, kind: Callable = mixed) -> Draw:
    return lambda format_, size, rng: [kind(format_, (size,), rng) for _ in range(count)]


def _rows(count: int, classes: int, kind: Callable = mixed) -> Draw:
    return lambda format_, size, rng: [kind(format_, (size // classes, classes), rng) for _ in range(count)]


def _columns(count: int, rows: int, kind: Callable = moderate) -> Draw:
    return lambda format_, size, rng: [kind(format_, (rows, size // rows), rng) for _ in range(count)]


def _few(count: int, length: int, kind: Callable = moderate) -> Draw:
    return lambda format_, size, rng: [kind(format_, (length,), rng) for _ in range(count)]


def _shapes(*shapes: tuple[int, ...]) -> Draw:
    return lambda format_, size, rng: [moderate(format_, shape, rng) for shape in shapes]


# --- optimizers ----------------------------------------------------------------------------------------------------

STEPS = 3
_NUMBERS: tuple[dict[str, float], ...] = (
    {"learning_rate": 0.1, "weight_decay": 0.03, "momentum": 0.9, "epsilon": 1e-3, "dampening": 0.3},
    {"learning_rate": 0.0123, "weight_decay": 0.7, "momentum": 0.6, "beta1": 0.5, "beta2": 0.9, "decay": 0.5},
)


def _stepping(spec: Any, steps: int = STEPS) -> Callable[..., Any]:
    def formula(parameters: Any, *gradients: Any) -> Any:
        state, results = spec.init(parameters), []
        for gradient in gradients[:steps]:
            parameters, state = spec.step(parameters, gradient, state)
            results.append([parameters, *(state[slot] for slot in spec.slots())])
        return results

    return formula


def _optimizers() -> Iterator[Rule]:
    for rule in rules_of(optimizers, optimizers.Optimizer):
        for chosen in _NUMBERS:
            specs = list(variants(rule, **chosen))
            if "nesterov" in rule.conventions():
                specs += list(variants(rule, **(chosen | {"dampening": 0.0})))
            if "momentum" in {f.name for f in fields(rule)}:
                specs += list(variants(rule, **(chosen | {"momentum": 0.0})))
            for spec in dict.fromkeys(specs):
                draw = _several(1 + STEPS) if rule.elementwise else _few(1 + STEPS, 9)
                yield Rule(rule.__name__, _stepping(spec), draw, elementwise=rule.elementwise)
    for inner in (optimizers.SGD(learning_rate=0.1, momentum=0.9), optimizers.Adam(learning_rate=0.1)):
        for spec in variants(optimizers.GradientAccumulation, rule=inner, every=STEPS):
            yield Rule("GradientAccumulation", _stepping(spec), _several(1 + STEPS))
    for decay in (0.9, 0.5):
        for spec in variants(averaging.ParameterAverage, decay=decay):
            yield Rule("ParameterAverage", _averaging(spec), _several(1 + STEPS))


def _averaging(spec: Any) -> Callable[..., Any]:
    def formula(average: Any, *parameters: Any) -> Any:
        state, results = spec.init(average), []
        for parameter in parameters:
            average, state = spec.step(average, parameter, state)
            results.append(average)
        return results

    return formula


# --- activations, losses, clipping, penalties ----------------------------------------------------------------------


def _activations() -> Iterator[Rule]:
    for rule in rules_of(activations, activations.Elementwise):
        for spec in itertools.chain(variants(rule, alpha=1.3, slope=0.3, threshold=0.7)):
            yield Rule(rule.__name__, spec.forward, _several(1, arguments))
            yield Rule(f"{rule.__name__}, backward", spec.backward, _several(2, arguments))
            yield Rule(f"{rule.__name__}, backward", spec.derivative, _several(1, arguments))
    for rule in rules_of(activations, activations.AlongAxis):
        yield Rule(rule.__name__, rule().forward, _rows(1, 4, arguments))
        yield Rule(f"{rule.__name__}, backward", rule().backward, _rows(2, 4, arguments))


def _unit_interval(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    x = np.choose(
        rng.integers(4, size=shape),
        [rng.uniform(0, 1, shape), np.exp2(rng.uniform(-20, 0, shape)), 1 - np.exp2(rng.uniform(-9, 0, shape)),
         rng.integers(0, 2, shape).astype(float)],
    )  # fmt: skip
    return np.clip(nearest(x, format_), 0, 1)


def _with_targets(prediction: Callable, target: Callable, shape: Callable[[int], tuple[int, ...]]) -> Draw:
    return lambda format_, size, rng: [f(format_, shape(size), rng) for f in (prediction, target)]


def _signs(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], shape)


def _logarithms(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return -np.abs(arguments(format_, shape, rng))


# What a loss takes as prediction and target; None: one integer for each row.
_LOSS_INPUTS: dict[str, tuple[Callable, Callable | None]] = {
    "BinaryCrossEntropy": (_unit_interval, _unit_interval),
    "BinaryCrossEntropyWithLogits": (arguments, _unit_interval),
    "Hinge": (mixed, _signs),
    "KLDivergence": (_logarithms, _unit_interval),
    "NegativeLogLikelihood": (_logarithms, None),
    "SoftmaxCrossEntropy": (arguments, _unit_interval),
}
_WEIGHTS = (0.3, 1.7, 0.9, 2.1)
_CLASSES = len(_WEIGHTS)


def _losses() -> Iterator[Rule]:
    for rule in rules_of(losses, losses.Loss):
        prediction, target = _LOSS_INPUTS.get(rule.__name__, (mixed, mixed))
        known = {f.name for f in fields(rule)}
        for weights in (None, _WEIGHTS):
            if weights and not known & {"class_weights", "positive_weights"}:
                continue
            for smoothing in (0.0, 0.1) if "label_smoothing" in known else (0.0,):
                given = {"class_weights": weights, "positive_weights": weights, "label_smoothing": smoothing}
                for spec in variants(rule, **given, delta=0.7, beta=0.6):
                    yield from _loss(rule, spec, prediction, target)


def _loss(rule: type, spec: Any, prediction: Callable, target: Callable | None) -> Iterator[Rule]:
    indices = target is None or getattr(spec, "labels", "") == "index"
    kind = target
    if getattr(spec, "target_as", "") == "logarithm":
        kind = _logarithms

    def of(method: Callable, rows: int | None) -> tuple[Callable, Draw]:
        def shape(size: int) -> tuple[int, ...]:
            return (rows or max(1, size // _CLASSES), _CLASSES)

        if indices:
            labels = np.arange(10**6) * 7 % 5 % _CLASSES
            draw = lambda format_, size, rng: [prediction(format_, shape(size), rng)]  # noqa: E731
            return lambda p: method(p, labels[: p.shape[0]]), draw
        return method, _with_targets(prediction, kind, shape)  # type: ignore[arg-type]

    yield Rule(rule.__name__, *of(spec.value, 3), elementwise=False)
    yield Rule(f"{rule.__name__}, gradient", *of(spec.gradient, None))


def _clipping() -> Iterator[Rule]:
    for rule in (clipping.ClipByGlobalNorm, clipping.ClipByNorm):
        for order in (2.0, 1.0, 3.0, float("inf")):
            for spec in variants(rule, max_norm=0.7, epsilon=1e-6, order=order):
                yield Rule(rule.__name__, lambda a, b, spec=spec: spec.apply([a, b]), _few(2, 6), elementwise=False)
    for spec in variants(clipping.AdaptiveClipping, clipping=0.1, epsilon=1e-3):
        yield Rule("AdaptiveClipping", spec.apply, _columns(2, 5, moderate))
    for limit in (0.7, 1 + 2.0**-8 + 2.0**-30):
        yield Rule("ClipByValue", clipping.ClipByValue(limit).apply, _several(1))
        yield Rule("WeightClipping", clipping.WeightClipping(limit).apply, _several(1))
    yield Rule("global_norm", lambda a, b: clipping.global_norm([a, b]), _few(2, 6, mixed), elementwise=False)
    for rule in rules_of(regularization, regularization.Penalty) if hasattr(regularization, "__all__") else (
        regularization.L1, regularization.L2,
    ):  # fmt: skip
        for spec in variants(rule, strength=0.03):
            yield Rule(rule.__name__, spec.value, _few(1, 9, mixed), elementwise=False)
            yield Rule(f"{rule.__name__}, gradient", spec.gradient, _several(1))


# --- schedules -----------------------------------------------------------------------------------------------------


def _schedules() -> Iterator[Rule]:
    given: dict[str, dict[str, Any]] = {
        "WarmUp": {"schedule": schedules.Cosine(0.3, 0.01, 9), "steps": 5, "start": 0.02},
        "Sequential": {"schedules": (schedules.Linear(0.1, 0.3, 6), schedules.Exponential(0.3)), "boundaries": (7,)},
        "PiecewiseConstant": {"boundaries": (3, 8), "factors": (0.3, 0.7)},
        "CosineRestarts": {"period": 4, "growth": 2, "factor": 0.7, "floor": 0.01},
        "InverseTime": {"decay": 0.3, "decay_steps": 2},
        "StepDecay": {"every": 3, "factor": 0.3},
        "Exponential": {"decay": 0.9},
        "Polynomial": {"steps": 11, "power": 1.7},
        "Linear": {"steps": 11, "start": 0.3, "end": 0.02},
        "Cosine": {"steps": 11, "floor": 0.02},
        "OneCycle": {"steps": 20},
    }
    for rule in rules_of(schedules, schedules.Schedule):
        for spec in variants(rule, **given.get(rule.__name__, {})):
            steps = np.arange(19)
            yield Rule(
                rule.__name__,
                lambda like, spec=spec, steps=steps: spec.rate(steps, like),
                _few(1, 1),
                elementwise=False,
            )


# --- layers --------------------------------------------------------------------------------------------------------


def _layers() -> Iterator[Rule]:
    for spec in variants(layers.Dense):

        def dense(x: Any, w: Any, b: Any, g: Any, spec: Any = spec) -> Any:
            weight = w if spec.layout == "input_output" else w.T
            parameters = {"weight": weight} | ({"bias": b[0]} if spec.bias else {})
            return [spec.forward(parameters, x), *spec.backward(parameters, x, g)]

        yield Rule("Dense", dense, _shapes((8, 5), (5, 7), (1, 7), (8, 7)), elementwise=False)

    def columns(rows: int) -> Draw:
        def draw(format_: Format, size: int, rng: np.random.Generator) -> list[np.ndarray]:
            shapes = [(rows, size // rows)] * 2 + [(size // rows,)] * 2
            return [moderate(format_, s, rng) for s in shapes]

        return draw

    for spec in (layers.BatchNormalization(epsilon=1e-3), layers.BatchNormalization(epsilon=0.3)):
        yield Rule("BatchNormalization", lambda x, g, a, b, s=spec: s.forward({"scale": a, "shift": b}, x), columns(4))
        yield Rule(
            "BatchNormalization, backward",
            lambda x, g, a, b, s=spec: s.backward({"scale": a, "shift": b}, x, g), columns(4),
        )  # fmt: skip

    def inference(x: Any, g: Any, a: Any, b: Any) -> Any:
        count = x.shape[1]
        statistics = np.linspace(-1, 2, count), np.linspace(0.1, 3, count)
        spec = layers.BatchNormalizationInference(*map(tuple, statistics), epsilon=1e-3)
        return [spec.forward({"scale": a, "shift": b}, x), *spec.backward({"scale": a, "shift": b}, x, g)]

    yield Rule("BatchNormalizationInference", inference, columns(4))
    for spec in variants(layers.RunningStatistics, momentum=0.9):
        yield Rule(
            "RunningStatistics", lambda x, g, a, b, s=spec: s.update({"mean": a, "variance": abs(b)}, x), columns(4)
        )
    yield Rule(
        "PReLU",
        lambda x, g, a, b: [layers.PReLU().forward({"slope": a}, x), *layers.PReLU().backward({"slope": a}, x, g)],
        columns(5),
    )
    yield from _networks()


def _networks() -> Iterator[Rule]:
    residual = layers.Residual([layers.Dense(), activations.Tanh(), layers.Dense(bias=False)], scale=0.3)

    def block(x: Any, g: Any, w: Any, v: Any, b: Any) -> Any:
        parameters = {"branch": [{"weight": w, "bias": b[0]}, {}, {"weight": v}]}
        return [residual.forward(parameters, x), *residual.backward(parameters, x, g)]

    yield Rule("Residual", block, _shapes((4, 3), (4, 3), (3, 5), (5, 3), (1, 5)), elementwise=False)
    network = Network([layers.Dense(), activations.GELU(), layers.Dense(bias=False)], loss=losses.MeanSquaredError())

    def trained(x: Any, y: Any, w: Any, v: Any, b: Any) -> Any:
        return network.gradients([{"weight": w, "bias": b[0]}, {}, {"weight": v}], x, y)

    yield Rule("Network", trained, _shapes((4, 3), (4, 2), (3, 5), (5, 2), (1, 5)), elementwise=False)


def rules() -> list[Rule]:
    return [*_optimizers(), *_activations(), *_losses(), *_clipping(), *_schedules(), *_layers()]


def results(tree: Any) -> Sequence[Any]:
    """The arrays of a result."""
    return [leaf for _, leaf in leaves(tree)]
