"""No false alarms: correct implementations that are written another way conform, each in all that it offers.

A long run over other examples is one command for each line of RUNS, such as
`PYTHONPATH=tests/conformance conformance run --subject correct_implementations:Clipping --examples 200 --seed 1`.
"""

import importlib
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from conformance.judging.comparison import Comparison, Mismatch
from conformance.running.trace import run_case
from conformance.strategies.batches import predictions, targets
from conformance.strategies.gradients import gradient_history, parameters, representable
from conformance.strategies.hyperparameters import all_terms_active
from conformance.subjects import load
from refimpl import activations, clipping, layers, losses, optimizers, schedules
from refimpl.arithmetic import RunningError
from refimpl.network import Network
from refimpl.trees import leaves
from tests.conformance.command import HERE, ended

# Classes of correct_implementations, and the cases that they offer.
RUNS = {
    ("Optimizers", "Float32Optimizers", "NarrowOptimizers"): ("optimizers.program", "optimizers.sign_symmetry"),
    ("Clipping", "Activations", "OtherActivations", "Losses"): (
        "clipping.tree", "clipping.threshold", "clipping.not_a_number", "norms.order", "norms.shares", "norms.adaptive",
        "norms.units", "norms.smallest_divisor", "activations.elementwise", "activations.rows", "activations.kink",
        "losses.batch", "losses.class_weights", "losses.positive_weights",
    ),
    ("Networks", "Float32Networks", "OtherNetworks"): (
        "networks.gradients", "normalization.running_statistics",
    ),
    ("Schedules", "RecursiveSchedules"): (
        "schedules.rates", "schedules.all_terms_active", "schedules.staircase_length",
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        yield


@pytest.mark.parametrize("names", RUNS, ids="-".join)
def test_a_correct_implementation_written_another_way_conforms(tmp_path, names):
    chosen = [f"--subject=correct_implementations:{name}" for name in names] + [
        f"--case={case}" for case in RUNS[names]
    ]
    status, output = ended("run", "--workers=0", "--examples=2", *chosen, folder=tmp_path)
    assert status == 0, output
    results = json.loads((tmp_path / "build/report/report.json").read_text())["results"]
    for name in names:
        subject = load(f"correct_implementations:{name}")
        offered = [r for r in results if r["subject"].endswith(f":{name}") and r["verdict"] != "unsupported"]
        assert {r["verdict"] for r in offered} == {"conforms"}, name
        variants = {variant for every in subject.variants.values() for variant in every}
        assert {(r["variant"], r["dtype"]) for r in offered} == {(v, d) for v in variants for d in subject.dtypes}
        assert all(r["comparisons"] > 0 for r in offered)


# --- each is written differently: some bit of its results is another than that of the plain one ----------------------

# Whose steps have one size but for a sign, or one for each array: there is little to write otherwise.
SIGNED = {optimizers.Rprop, optimizers.SignDescent}
ONE_SIZE = SIGNED | {optimizers.Lion, optimizers.LARS}


def of_optimizers(subject):
    """Rule -> parameters after a few steps under each convention."""
    generator = np.random.default_rng(6)
    history = gradient_history(generator, 6, 500, subject.dtype).astype(subject.array_dtype)
    start = parameters(generator, 500, subject.dtype).astype(subject.array_dtype)
    found = {}
    for rule in (rule for rule in subject.conventions if issubclass(rule, optimizers.Optimizer)):
        found[rule] = []
        first = {name: next(iter(rule.conventions()[name])) for name in ("weight_decay_kind", "maximize")}
        for spec in all_terms_active(rule, first | {"centered": False} if rule is optimizers.RMSprop else first):
            run = subject.optimizer(spec, start)
            for gradient in history:
                run.step(gradient)
            found[rule].append(run.parameters())
    return found


def of_clipping(subject):
    generator = np.random.default_rng(7)
    trees = [[generator.standard_normal(size).astype(subject.array_dtype) for size in ((17, 3), 11)] for _ in range(40)]
    found = {}
    for rule in (clipping.ClipByGlobalNorm, clipping.ClipByNorm):
        specs = [rule(0.3, order=order, within=within) for order in (2.0, 3.0, 1.5) for within in ("kept", "rescaled")]
        for spec in specs:
            found[spec] = [leaf for tree in trees for leaf in subject.clip(spec, tree)]
    spec = clipping.AdaptiveClipping()
    return found | {spec: [leaf for tree in trees for leaf in subject.clip(spec, tree, tree)]}


def of_activations(subject):
    generator = np.random.default_rng(8)
    x, cotangent = (representable(generator.standard_normal((90, 7)) * 3, subject.dtype) for _ in range(2))
    rules = (
        activations.Sigmoid, activations.Tanh, activations.ELU, activations.Softplus, activations.SiLU,
        activations.GELU, activations.Softmax, activations.LogSoftmax, activations.HardSigmoid, activations.HardSwish,
        activations.Softsign, activations.SELU, activations.CELU, activations.LogSigmoid, activations.Mish,
    )  # fmt: skip
    arrays = [a.astype(subject.array_dtype) for a in (x, cotangent)]
    return {rule: subject.activation(replace(rule(), **{"alpha": 1.3} if rule is activations.ELU else {}), *arrays)
            for rule in rules}  # fmt: skip


def of_losses(subject):
    generator = np.random.default_rng(9)
    rules = (
        losses.MeanSquaredError, losses.BinaryCrossEntropy, losses.BinaryCrossEntropyWithLogits,
        losses.SoftmaxCrossEntropy, losses.NegativeLogLikelihood, losses.KLDivergence, losses.Huber, losses.SmoothL1,
        losses.Hinge,
    )  # fmt: skip
    found = {}
    for rule in rules:
        arrays = (draw(generator, rule(), (37, 5), subject.dtype) for draw in (predictions, targets))
        prediction, target = (a if a.dtype.kind == "i" else a.astype(subject.array_dtype) for a in arrays)
        found[rule] = subject.loss(rule(), prediction, target)
    return found


def of_networks(subject):
    generator = np.random.default_rng(10)

    def drawn(*shape):
        return generator.standard_normal(shape).astype(subject.array_dtype)

    def dense(inputs, outputs):
        return {"weight": drawn(inputs, outputs), "bias": drawn(outputs)}

    x, y, entries = drawn(8, 7), drawn(8, 3), [dense(7, 5), {}, dense(5, 3)]
    normal = {"scale": drawn(5), "shift": drawn(5)}
    given = layers.BatchNormalizationInference([0.3, -0.2, 1.5, 0.0, -0.7], [0.3, 1.7, 0.9, 0.1, 2.3])
    blocks = {
        layers.Activated: (activations.Tanh(), {}),
        layers.Residual: (layers.Residual([layers.Dense()], 0.7), {"branch": [dense(5, 5)]}),
        layers.BatchNormalization: (layers.BatchNormalization(), normal),
        layers.BatchNormalizationInference: (given, normal),
    }
    found = {}
    for rule, (block, entries[1]) in blocks.items():
        network = Network([layers.Dense(), block, layers.Dense()], losses.MeanSquaredError())
        value, gradients = subject.network(network, entries, x, y)
        found[rule] = [value, *(leaf for _, leaf in leaves(gradients))]
    running = subject.running_statistics(layers.RunningStatistics(), {"mean": drawn(7), "variance": drawn(7) ** 2}, x)
    return found | {layers.RunningStatistics: list(running.values())}


def of_schedules(subject):
    staircase = subject.conventions[schedules.Linear]["evaluation"] == "recursive"
    specs = (
        schedules.Linear(0.37, 0.02, 23), schedules.Exponential(0.37, 0.83, 5, staircase),
        schedules.StepDecay(0.37, 0.7, 3), schedules.InverseTime(0.37, 0.7, 3), schedules.Cosine(0.37, 0.01, 23),
        schedules.Polynomial(0.37, 0.0, 23, 3.0), schedules.CosineRestarts(0.37, 0.01, 23, 2, 0.7),
        schedules.PiecewiseConstant(0.37, (3, 7, 11, 15, 21), (0.7, 0.3, 1.7, 0.9, 0.6)), schedules.OneCycle(0.37, 41),
    )  # fmt: skip
    return {type(spec): [subject.schedule(spec, 40)] for spec in specs if type(spec) in subject.conventions}


# How results are made, class, variant, and the rules where that variant has nothing to write otherwise.
DIFFERENT = [
    (of_optimizers, "Optimizers", "differences", SIGNED | {optimizers.SGD, optimizers.Adagrad}),
    (of_optimizers, "Optimizers", "reciprocals", ONE_SIZE | {optimizers.SGD}),
    (of_optimizers, "Optimizers", "folded", SIGNED | {optimizers.SGD, optimizers.Adagrad, optimizers.RMSprop}),
    (
        of_optimizers, "Optimizers", "efficient",
        ONE_SIZE | {optimizers.SGD, optimizers.Adagrad, optimizers.RMSprop, optimizers.Adamax, optimizers.NAdam},
    ),
    (of_optimizers, "Float32Optimizers", "fused", ONE_SIZE),
    (of_optimizers, "Float32Optimizers", "wide", set()),
    (of_optimizers, "NarrowOptimizers", "plain", ONE_SIZE | {optimizers.SGD}),
    *((of_clipping, "Clipping", variant, set()) for variant in ("blocks", "scaled", "exact-sum", "reciprocal")),
    (of_activations, "OtherActivations", "other", set()),
    (of_losses, "Losses", "other", set()),
    *(
        (of_networks, name, variant, {layers.RunningStatistics})  # has no products of matrices
        for name, variants in {
            "Networks": ("reversed", "pairwise", "blocked", "bias-first"), "Float32Networks": ("fused", "wide"),
        }.items()
        for variant in variants
    ),
    (of_networks, "OtherNetworks", "reversed", set()),
    (of_schedules, "Schedules", "other", {schedules.StepDecay}),
    (of_schedules, "RecursiveSchedules", "other", {schedules.StepDecay, schedules.Cosine}),
]  # fmt: skip
PLAIN = {"NarrowOptimizers": "Optimizers", "OtherActivations": "Activations", "OtherNetworks": "Networks"}


@pytest.mark.parametrize(
    ("results", "name", "variant", "alike"), DIFFERENT, ids=lambda x: x if isinstance(x, str) else None
)
def test_a_variant_is_written_differently(results, name, variant, alike):
    """So its results differ from those of the plain one, in some bit of every rule that it writes otherwise."""
    found = results(load(f"correct_implementations:{name}")(variant, "float32"))
    plain = results(load(f"correct_implementations:{PLAIN.get(name, name)}")("plain", "float32"))
    same = {rule: all(np.array_equal(a, b) for a, b in zip(found[rule], plain[rule], strict=True)) for rule in found}
    assert {rule for rule in same if same[rule]} == alike


# --- what luck cannot show: bounds contain every order of operations --------------------------------------------------


# All but those that decide by a comparison, and those that measure whole arrays.
CONTINUOUS = (
    optimizers.SGD, optimizers.Adagrad, optimizers.RMSprop, optimizers.Adam, optimizers.AdamW, optimizers.AMSGrad,
    optimizers.NAdam, optimizers.Adamax, optimizers.Adadelta, optimizers.AdaBelief,
)  # fmt: skip
# Slots that are no averages of gradients, from such ones and from the gradient.
SLOTS = {
    **dict.fromkeys(
        ("second_moment", "accumulator", "largest_second_moment", "squared_steps"), lambda normal, g: (normal * g) ** 2
    ),
    "infinity_norm": lambda normal, g: np.abs(normal * g),
    "momentum_product": lambda normal, g: np.exp(-np.abs(normal)),
}


@pytest.mark.parametrize("rule", CONTINUOUS, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    ("name", "variant"),
    [
        *(("Optimizers", variant) for variant in ("plain", "differences", "reciprocals", "folded", "efficient")),
        *(("NarrowOptimizers", variant) for variant in ("plain", "differences", "folded")),
    ],
)
def test_the_bound_of_one_step_contains_that_of_any_other_order_of_operations(name, variant, rule):
    """The other writing, evaluated with its own running-error bound from the same state, stays in the reference's."""
    subject = load(f"correct_implementations:{name}")(variant, "float32")
    writing = importlib.import_module("correct_implementations.writings").WRITINGS[variant]
    generator = np.random.default_rng(12)

    def exact(array):
        return RunningError.exact(array, subject.target)

    for spec in all_terms_active(rule, {"centered": False} if rule is optimizers.RMSprop else {}):
        for step in (1, 3, 40):
            # Without underflow, where the bound of a whole average is sharper than that of its operations.
            gradient = representable(generator.standard_normal(300) * 10.0 ** generator.uniform(-4, 3, 300), "float32")
            parameter = parameters(generator, 300, "float32") * generator.integers(0, 2, 300)
            drawn = {slot: SLOTS.get(slot, np.multiply) for slot in spec.slots()}
            old = {
                slot: exact(representable(value(generator.standard_normal(300), gradient), "float32"))
                for slot, value in drawn.items()
            }
            expected, state = spec.step(exact(parameter), exact(gradient), {"step": step - 1, **old})
            h = SimpleNamespace(spec=spec, **vars(spec.hyperparameters(exact(parameter))))
            with np.errstate(all="ignore"):
                found, slots = writing.update(h, exact(parameter), exact(gradient), old, step)
            for other, reference in [(found, expected), *((slots[slot], state[slot]) for slot in old)]:
                claimed = np.isfinite(reference.bound)
                assert claimed.any()
                reach = np.abs(other.value - reference.value) + other.bound
                assert np.all(reach[claimed] <= reference.bound[claimed]), (spec, step)


# --- alarms that there were ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("RecursiveSchedules", schedules.Linear(0.027688326716935132, 0.0, 55, "recursive")),
        ("RecursiveSchedules", schedules.Linear(0.006912980598650757, 0.0, 52, "recursive")),
        ("Schedules", schedules.InverseTime(0.007644817531057244, 0.8017054048094949, 5)),
        ("Schedules", schedules.InverseTime(0.015811339481055158, 0.8726833324392691, 2, True)),
    ],
    ids=["equal-steps-55", "equal-steps-52", "reciprocal", "reciprocal-stairs"],
)
def test_schedules_that_were_called_wrong_conform(name, spec, dtype):
    subject, compare = load(f"correct_implementations:{name}")("other", dtype), Comparison(dtype)
    like = RunningError.exact(np.zeros(()), subject.rate_target)
    compare.within(subject.schedule(spec, 70), spec.rate(np.arange(70), like=like), "rates")
    assert compare.tally.comparisons == 70


def by_updates(net, rows):
    """Mean and biased variance in one pass (Welford 1962)."""
    mean, squares = np.zeros_like(rows[0]), np.zeros_like(rows[0])
    for number, row in enumerate(rows, 1):
        before = row - mean
        mean = mean + before / rows.dtype.type(number)
        squares = squares + before * (row - mean)
    return mean, squares / rows.dtype.type(len(rows))


def by_squares(net, rows):
    """Mean, and the mean of squares less its square, which cancels."""
    mean = np.mean(rows, axis=0)
    return mean, np.maximum(np.mean(rows * rows, axis=0) - mean * mean, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_variance_by_updates_conforms_and_one_by_squares_does_not(monkeypatch, dtype):
    subject, right = (
        load("correct_implementations:Networks")("plain", dtype),
        importlib.import_module("correct_implementations.networks"),
    )
    monkeypatch.setattr(right, "moments", by_updates)
    run_case("normalization.large_mean", subject)
    monkeypatch.setattr(right, "moments", by_squares)
    with pytest.raises(Mismatch, match="loss"):
        run_case("normalization.large_mean", subject)
