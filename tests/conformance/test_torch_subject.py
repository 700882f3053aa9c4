"""PyTorch as a subject: the adapter's own work, on small inputs whose results are exact or certified."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from conformance.judging.comparison import Comparison
from conformance.subjects import Unsupported, load
from refimpl.activations import ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Softmax, Softplus, Tanh
from refimpl.arithmetic import RunningError
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.initializers import Dirac, Normal, Orthogonal, Sparse, TruncatedNormal, Uniform, VarianceScaling
from refimpl.layers import Dense
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, AMSGrad, NAdam, RAdam, RMSprop, Rprop
from refimpl.regularization import L1, L2
from refimpl.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    Linear,
    OneCycle,
    Sequential,
    StepDecay,
    WarmUp,
)
from refimpl.trees import leaves, map_leaves
from tests.conformance.bits import same, tree

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'refimpl[torch]'")

Torch = load("torch")

RULES = [
    SGD(0.25, momentum=0.75, dampening=0.25, weight_decay=0.03),
    SGD(0.25, momentum=0.75, nesterov=True),
    Adagrad(0.25, learning_rate_decay=0.1, initial_accumulator=0.2),
    RMSprop(0.25, decay=0.7, epsilon=1e-3, momentum=0.6, centered=True),
    Adam(0.25, 0.6, 0.9, weight_decay=0.03),
    AdamW(0.25, 0.6, 0.9),
    AMSGrad(0.25, 0.6, 0.9, weight_decay=0.03, weight_decay_kind="decoupled", maximize=True),
    RAdam(0.25, 0.6, 0.9, threshold=5.0, epsilon_placement="uncorrected"),
    Adamax(0.25, 0.6, 0.9),
    Adadelta(0.25, 0.6, 1e-3),
    Rprop(0.25, 1.3, 0.4),
]


def certified(subject: Any, value: Any) -> Any:
    return map_leaves(lambda array: RunningError.exact(array, subject.target), value)


def within(subject: Any, actual: Any, expected: Any) -> None:
    """Holds each leaf against its bound."""
    expected = dict(leaves(expected))
    for path, leaf in leaves(actual):
        Comparison(subject.dtype).within(leaf, expected.pop(path), path)
    assert not expected


def optimizers(dtypes: tuple[str, ...] = Torch.dtypes) -> list[Any]:
    """Every rule in every format and variant that has it."""
    return [
        pytest.param(Torch(variant, dtype), spec, id=f"{dtype}-{variant}-{type(spec).__name__}{number}")
        for dtype in dtypes
        for variant in Torch.variants["optimizer"]
        for number, spec in enumerate(RULES)
        if variant != "fused" or isinstance(spec, (SGD, Adagrad, Adam))
    ]


# --- the adapter ---


def test_importing_the_subject_imports_no_framework():
    program = "import sys, conformance.subjects.torch; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_version_is_that_of_torch():
    assert torch.__version__ in Torch.version()


def test_the_version_says_what_to_install_where_torch_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'refimpl\[torch\]'"):
        Torch.version()


def test_the_cpu_comes_first():
    assert Torch.devices()[0] == "cpu"


@pytest.mark.parametrize("dtype", Torch.dtypes)
@pytest.mark.parametrize("variant", sorted({v for variants in Torch.variants.values() for v in variants}))
def test_smoke(variant, dtype):
    Torch(variant, dtype).smoke()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16], ids=lambda d: d.__name__)
def test_arrays_of_every_format_and_layout_come_back_bit_for_bit(dtype):
    from conformance.subjects.torch.tensors import to_numpy, to_torch

    values = np.array([[0.0, -0.0, 1.5], [np.inf, -np.inf, np.nan], [3e-5, -6e4, 1e-7]]).astype(dtype)
    for array in (values, values.T, values[::-1, ::2], values[0, 2], values[1:1], np.asfortranarray(values)):
        array = np.asarray(array)
        there = to_torch(array, "cpu")
        back = to_numpy(there)
        assert (tuple(there.shape), there.dtype) == (array.shape, getattr(torch, array.dtype.name))
        assert same(back, array)
        there.zero_()
        assert same(back, array)


def test_no_array_shares_memory_with_a_tensor():
    from conformance.subjects.torch.tensors import to_numpy, to_torch

    for dtype in (np.float64, np.float32):
        array = np.arange(6.0, dtype=dtype).reshape(2, 3)
        there = to_torch(array, "cpu")
        there += 1
        assert array[0, 0] == 0
        back = to_numpy(there)
        there += 1
        assert back[0, 0] == 1


# --- optimizers ---


@pytest.mark.parametrize(("subject", "spec"), optimizers())
def test_a_run_follows_its_rule_within_the_bound(subject, spec):
    start = tree(subject.dtype)
    run, parameters = subject.optimizer(spec, start), certified(subject, start)
    state = spec.init(parameters)
    assert same(run.parameters(), start)
    for seed in range(3):
        gradients = tree(subject.dtype, seed)
        run.step(gradients)
        parameters, state = spec.step(parameters, certified(subject, gradients), state)
        within(subject, run.parameters(), parameters)
        actual = run.state()
        assert set(actual) == set(spec.slots())
        for slot in actual:
            within(subject, actual[slot], state[slot])


@pytest.mark.parametrize(("subject", "spec"), optimizers(("float64",)))
def test_a_run_and_its_inputs_do_not_alias(subject, spec):
    start, gradients = tree(subject.dtype), tree(subject.dtype, 1)
    given = map_leaves(np.copy, start)
    run, untouched = subject.optimizer(spec, given), subject.optimizer(spec, start)
    run.step(gradients)
    assert same(given, start)
    assert same(gradients, tree(subject.dtype, 1))
    for _, leaf in [*leaves(given), *leaves(run.parameters()), *leaves(list(run.state().values()))]:
        leaf[...] = 99
    untouched.step(gradients)
    assert same((run.parameters(), run.state()), (untouched.parameters(), untouched.state()))


@pytest.mark.parametrize(("subject", "spec"), optimizers())
def test_a_restored_run_continues_bit_for_bit(subject, spec):
    run = subject.optimizer(spec, tree(subject.dtype))
    for seed in (1, 2):
        run.step(tree(subject.dtype, seed))
    saved = run.save()
    at_save = run.parameters(), run.state()

    def rest(continued: Any) -> tuple[Any, Any]:
        for seed in (3, 4):
            continued.step(tree(subject.dtype, seed))
        return continued.parameters(), continued.state()

    expected = rest(run)
    for _ in range(2):  # twice: continuing must not change what was saved
        fresh = subject.optimizer(spec, tree(subject.dtype, 9))
        fresh.restore(saved)
        assert same((fresh.parameters(), fresh.state()), at_save)
        assert same(rest(fresh), expected)
    run.restore(saved)
    assert same(rest(run), expected)


# Rprop's learning rate is the size of its first steps alone.
@pytest.mark.parametrize(
    ("subject", "spec"), [p for p in optimizers(("float32",)) if not isinstance(p.values[1], Rprop)]
)
def test_changed_hyperparameters_take_effect_and_survive_a_restart(subject, spec):
    run = subject.optimizer(spec, tree(subject.dtype))
    run.step(tree(subject.dtype, 1))
    moved = run.parameters()
    run.change(replace(spec, learning_rate=0.0))
    run.step(tree(subject.dtype, 2))
    assert same(run.parameters(), moved)
    saved = run.save()
    fresh = subject.optimizer(spec, tree(subject.dtype))
    fresh.restore(saved)
    fresh.step(tree(subject.dtype, 3))
    assert same(fresh.parameters(), moved)


def test_the_product_of_nadam_is_shown_for_each_element_and_only_for_float32():
    for dtype, shown in (("float32", 0.5), ("float64", None)):
        run = Torch("foreach", dtype).optimizer(NAdam(beta1=1 - 2.0**-30, momentum_decay=0.0), np.zeros((2, 3), dtype))
        run.step(np.ones((2, 3), dtype))
        actual = run.state().get("momentum_product")
        assert actual is shown or (actual.dtype == dtype and (actual == np.full((2, 3), shown)).all())


@pytest.mark.parametrize("spec", [Adam(0.1), SGD(0.1)], ids=["other rule", "other slots"])
def test_a_run_cannot_change_to_a_spec_of_other_slots(spec):
    run = Torch("foreach").optimizer(SGD(0.1, momentum=0.5), tree("float32"))
    with pytest.raises(Unsupported, match="does not fit"):
        run.change(spec)


def test_gradients_are_matched_by_key_and_not_by_order():
    run = Torch("for-loop", "float64").optimizer(SGD(1.0), {"a": np.zeros(2), "b": np.zeros(2)})
    run.step({"b": np.array([3.0, 4.0]), "a": np.array([1.0, 2.0])})
    assert same(run.parameters(), {"a": np.array([-1.0, -2.0]), "b": np.array([-3.0, -4.0])})


# --- what is unsupported ---


@pytest.mark.parametrize(
    ("variant", "ask", "reason"),
    [
        ("fused", lambda s: s.optimizer(RMSprop(), tree("float32")), "no fused implementation of RMSprop"),
        ("jit", lambda s: s.optimizer(SGD(), tree("float32")), "variants for-loop, foreach, fused, not in 'jit'"),
        ("foreach", lambda s: s.optimizer(Adam(epsilon_placement="inside"), tree("float32")), "always 'outside'"),
        ("foreach", lambda s: s.clip(ClipByGlobalNorm(1.0), tree("float32")), "epsilon is always 1e-06"),
        ("foreach", lambda s: s.clip(WeightClipping(), tree("float32")), "no foreach implementation of clamp"),
        ("lr_scheduler", lambda s: s.schedule(InverseTime(), 3), "declares no conventions for InverseTime"),
        ("lr_scheduler", lambda s: s.schedule(Cosine(after_end="rises"), 3), "evaluation is always 'recursive'"),
        ("lr_scheduler", lambda s: s.schedule(warm_up(Constant(0.2), start=0.3), 3), "a factor in"),
        ("lr_scheduler", lambda s: s.schedule(warm_up(warm_up(Constant(0.2))), 3), "cannot follow a SequentialLR"),
        ("lr_scheduler", lambda s: s.schedule(warm_up(Cosine()), 3), "after_end is always 'rises'"),
        ("lr_scheduler", lambda s: s.schedule(OneCycle(steps=20), 21), "rates for 20 steps, not for 21"),
        ("lr_scheduler", lambda s: s.schedule(OneCycle(steps=20, phases=3, fallen=0.7), 20), "fallen = 0.6, not 0.7"),
        ("lr_scheduler", lambda s: s.schedule(after(Constant(0.2)), 3), "one rate to begin with, 0.3; Constant"),
        ("lr_scheduler", lambda s: s.schedule(after(after(Constant(0.3))), 3), "does not lead into a Sequential"),
        ("lr_scheduler", lambda s: s.schedule(after(OneCycle(0.3)), 3), "does not lead into a OneCycle"),
        ("init", lambda s: s.initializer(scaling("truncated_normal"), (3, 5), 0), "distribution is always"),
        ("init", lambda s: s.initializer(replace(scaling("normal"), groups=3), (6, 5), 0), "groups is always 1"),
        ("init", lambda s: s.initializer(Dirac(groups=3, layout="output_input"), (6, 5), 0), "eye_ has no groups"),
        ("init", lambda s: s.initializer(scaling("normal", scale=3.0), (3, 5), 0), "scales of at most 2 for fan_in"),
        ("init", lambda s: s.initializer(Orthogonal(), (3, 5), 0), "layout is always 'output_input'"),
        ("func", lambda s: s.activation(Softplus(), np.zeros(2), np.ones(2)), "threshold is always 20.0"),
        ("func", lambda s: s.loss(BinaryCrossEntropy(), np.ones(2), np.ones(2)), "logarithm is always 'clamped'"),
        ("func", lambda s: gradients_of(s, Network([Dense(), ReLU(1.0)], MeanSquaredError())), r"always \(0.0, 0.5\)"),
        ("func", lambda s: gradients_of(s, Network([Dense()], MeanSquaredError(), L1(0.1, 1.0))), "always 0.0"),
        ("for-loop", lambda s: gradients_of(s, Network([Dense()], MeanSquaredError())), "variants autograd, func"),
    ],
)
def test_what_torch_does_not_have_is_refused_with_a_reason(variant, ask, reason):
    with pytest.raises(Unsupported, match=reason):
        ask(Torch(variant))


def after(schedule: Any) -> Sequential:
    return Sequential((Constant(0.3), schedule), (3,))


def warm_up(schedule: Any, start: float = 0.1) -> WarmUp:
    return WarmUp(schedule, 3, start, evaluation="recursive")


def scaling(distribution: str, scale: float = 2.0) -> VarianceScaling:
    return VarianceScaling(scale, "fan_in", distribution, layout="output_input")


def gradients_of(subject: Any, network: Network) -> Any:
    parameters = [{"weight": np.ones((3, 2)), "bias": np.ones(2)}] + [{} for _ in network.layers[1:]]
    return subject.network(network, parameters, np.ones((5, 3)), np.ones((5, 2)))


# --- clipping ---


@pytest.mark.parametrize("dtype", Torch.dtypes)
@pytest.mark.parametrize("variant", Torch.variants["clip"])
@pytest.mark.parametrize(
    "spec",
    [
        *(Torch().spec(ClipByGlobalNorm, max_norm=limit) for limit in (1.3, 1e3)),
        *(Torch().spec(ClipByGlobalNorm, max_norm=1.3, order=order) for order in (1.0, 3.0)),
        Torch().spec(ClipByNorm, max_norm=0.7),
        ClipByValue(0.4),
    ],
    ids=str,
)
def test_clipping_is_within_the_bound_and_leaves_its_input_alone(spec, variant, dtype):
    subject, gradients = Torch(variant, dtype), tree(dtype)
    actual = subject.clip(spec, gradients)
    assert same(gradients, tree(dtype))
    within(subject, actual, spec.apply(certified(subject, gradients)))


def test_weights_are_clipped_exactly():
    actual = Torch("for-loop", "float64").clip(WeightClipping(0.5), np.array([-3.0, 0.25, 0.5, 7.0]))
    assert same(actual, np.array([-0.5, 0.25, 0.5, 0.5]))


# --- schedules and initializers ---


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Constant(0.3), [0.3] * 7),
        (Linear(0.25, 1.0, 3, evaluation="recursive"), [0.25, 0.5, 0.75, 1, 1, 1, 1]),
        (Linear(1.0, 0.5, 2, evaluation="recursive"), [1, 0.75, 0.5, 0.5, 0.5, 0.5, 0.5]),
        (Exponential(3.0, 0.5, evaluation="recursive"), [3, 1.5, 0.75, 0.375, 0.1875, 0.09375, 0.046875]),
        (Exponential(3.0, 0.5, 3, True, evaluation="recursive"), [3, 3, 3, 1.5, 1.5, 1.5, 0.75]),
        (StepDecay(3.0, 0.25, 2, evaluation="recursive"), [3, 3, 0.75, 0.75, 0.1875, 0.1875, 0.046875]),
        (warm_up(StepDecay(1.0, 0.5, 2, evaluation="recursive"), 0.25), [0.25, 0.5, 0.75, 1, 1, 0.5, 0.5]),
    ],
    ids=str,
)
def test_rates_that_binary_numbers_hold_are_exact(spec, expected):
    actual = Torch("lr_scheduler").schedule(spec, 7)
    assert same(actual, np.array(expected))


def test_a_cosine_ends_at_its_floor_and_rises_again():
    spec = Cosine(0.5, 0.125, 4, after_end="rises", evaluation="recursive")
    rates = Torch("lr_scheduler").schedule(spec, 10)
    assert (rates[0], rates[4]) == (0.5, 0.125)
    assert (np.diff(rates[:5]) < 0).all() and (np.diff(rates[4:9]) > 0).all() and rates[9] < rates[8]


def test_no_steps_are_no_rates():
    assert Torch("lr_scheduler").schedule(Constant(0.3), 0).shape == (0,)


@pytest.mark.parametrize("dtype", Torch.dtypes)
@pytest.mark.parametrize(
    "spec",
    [
        Uniform(-0.25, 0.75),
        Normal(3.0, 0.01),
        TruncatedNormal(0.5, 0.2, 0.4, 0.7, "absolute"),
        scaling("uniform"),
        scaling("normal"),
        VarianceScaling(5.0, "fan_avg", "uniform", layout="output_input"),
        VarianceScaling(0.5, "fan_out", "uniform", layout="output_input"),
    ],
    ids=str,
)
def test_draws_depend_on_the_seed_alone_and_follow_the_distribution(spec, dtype):
    subject, shape = Torch("init", dtype), (70, 5, 3)
    actual = subject.initializer(spec, shape, 11)
    assert actual.shape == shape and actual.dtype == dtype
    torch.rand(1)  # the global generator has no part in it
    assert same(subject.initializer(spec, shape, 11), actual)
    assert not same(subject.initializer(spec, shape, 12), actual)
    expected = spec.entry_distribution(shape)
    # Kolmogorov-Smirnov, DKW inequality at a false-alarm rate of 1e-9: it finds a wrong fan, mode or scale.
    ranks = expected.cdf(np.sort(actual.astype(np.float64), axis=None))
    levels = np.arange(actual.size + 1) / actual.size
    distance = max(np.max(ranks - levels[:-1]), np.max(levels[1:] - ranks))
    Comparison(dtype).at_most(distance, np.sqrt(np.log(2e9) / (2 * actual.size)), "distribution function")


@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 2)], ids=str)
def test_an_orthogonal_draw_has_orthogonal_vectors_of_norm_gain(shape):
    actual = Torch("init", "float64").initializer(Orthogonal(3.0, "output_input"), shape, 11).reshape(shape[0], -1)
    gram = actual @ actual.T if shape[0] < actual.shape[1] else actual.T @ actual
    assert np.array_equal(np.rint(gram), 9 * np.eye(min(actual.shape)))


def test_sparse_places_zeros_by_the_global_generator_and_the_adapter_by_the_seed():
    """torch 2.13: sparse_ ignores its generator there. When it no longer does, the adapter need not seed another."""
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    drawn = [torch.nn.init.sparse_(torch.empty(9, 40), 0.5, generator=generator) for generator in generators]
    assert not torch.equal(drawn[0] == 0, drawn[1] == 0)
    before = torch.random.get_rng_state()
    spec = Sparse(0.5, zeros_of="input", layout="output_input")
    first, again, other = (Torch("init").initializer(spec, (9, 40), seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first == 0, other == 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_scalar_and_an_empty_array_can_be_drawn():
    for shape in ((), (0, 3)):
        assert Torch("init").initializer(Uniform(), shape, 0).shape == shape


# --- derivatives ---

derivatives = pytest.mark.parametrize(
    "subject", [Torch(v, d) for v in Torch.variants["network"] for d in Torch.dtypes], ids=str
)


@derivatives
@pytest.mark.parametrize(
    "spec", [ReLU(), LeakyReLU(0.3), Tanh(), ELU(1.3), Softplus(20.0), Softmax(0), LogSoftmax(-1)], ids=str
)
def test_an_activation_and_its_cotangent_are_within_the_bound(subject, spec):
    x, cotangent = tree(subject.dtype)["w"], tree(subject.dtype, 1)["w"]
    before = x.copy(), cotangent.copy()
    value, x_cotangent = subject.activation(spec, x, cotangent)
    assert same((x, cotangent), before)
    at_x, at_cotangent = certified(subject, x), certified(subject, cotangent)
    within(subject, (value, x_cotangent), (spec.forward(at_x), spec.backward(at_x, at_cotangent)))


@derivatives
@pytest.mark.parametrize(
    ("spec", "slope"),
    [(ReLU(), 0), (LeakyReLU(0.25), 0.25), (ELU(3.0), 3), (GELU(), 0.5), (GELU("tanh"), 0.5)],
    ids=str,
)
def test_at_zero_the_derivative_is_what_is_declared(subject, spec, slope):
    for shape in ((), (3,)):
        zero = np.zeros(shape, subject.dtype)
        value, x_cotangent = subject.activation(spec, zero, np.full_like(zero, 2))
        assert same((value, x_cotangent), (zero, np.full_like(zero, 2 * slope)))


@derivatives
def test_empty_arrays_have_empty_activations(subject):
    empty = np.zeros((0, 3), subject.dtype)
    assert same(subject.activation(Tanh(), empty, empty), (empty, empty))


@derivatives
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 7)], ids=str)
def test_a_loss_and_its_gradient_are_within_the_bound(subject, reduction, shape):
    generator = np.random.default_rng(3)
    logits = generator.normal(size=shape).astype(subject.dtype)
    shares = generator.uniform(0.1, 0.9, size=shape).astype(subject.dtype)
    target = generator.uniform(size=shape).astype(subject.dtype)
    labels = generator.integers(0, 7, size=shape[:-1])
    for spec, prediction, wanted in (
        (MeanSquaredError(reduction), logits, target),
        (BinaryCrossEntropy(reduction, "clamped"), shares, target),
        (BinaryCrossEntropyWithLogits(reduction), logits, target),
        (SoftmaxCrossEntropy(reduction), logits, target),
        (SoftmaxCrossEntropy(reduction, "index"), logits, np.asarray(labels)),
    ):
        before = prediction.copy(), wanted.copy()
        actual = subject.loss(spec, prediction, wanted)
        assert same((prediction, wanted), before)
        at, expected = certified(subject, prediction), wanted
        if wanted.dtype.kind == "f":
            expected = certified(subject, wanted)
        within(subject, actual, (spec.value(at, expected), spec.gradient(at, expected)))


@derivatives
@pytest.mark.parametrize("layout", ["input_output", "output_input"])
@pytest.mark.parametrize("penalty", [None, L1(0.03), L2(0.02), L2(0.02, half=False)], ids=str)
def test_a_network_and_its_gradients_are_within_the_bound(subject, layout, penalty):
    generator = np.random.default_rng(5)

    def array(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(subject.dtype)

    def weight(inputs: int, outputs: int) -> np.ndarray:
        return array(inputs, outputs) if layout == "input_output" else array(outputs, inputs)

    dense, plain = Dense(layout), Dense(layout, bias=False)
    network = Network([dense, Tanh(), plain, LeakyReLU(0.2), dense], SoftmaxCrossEntropy("mean", "index"), penalty)
    parameters = [{"weight": weight(5, 3), "bias": array(3)}, {}, {"weight": weight(3, 2)}, {}]
    parameters.append({"bias": array(7), "weight": weight(2, 7)})
    x, labels = array(4, 5), generator.integers(0, 7, size=4)
    before = map_leaves(np.copy, parameters)
    objective, gradients = subject.network(network, parameters, x, labels)
    assert same(parameters, before)
    assert [list(layer) for layer in gradients] == [list(layer) for layer in parameters]
    expected = network.gradients(certified(subject, parameters), certified(subject, x), labels)
    within(subject, (objective, gradients), expected)


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_a_network_leaves_the_settings_of_torch_as_they_were(precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        cudnn = torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32
        gradients_of(Torch("autograd", "float64"), Network([Dense()], MeanSquaredError()))
        with pytest.raises(RuntimeError):  # targets of another format, deep within the call
            network = Network([Dense()], BinaryCrossEntropy("mean", "clamped"))
            parameters = [{"weight": np.ones((3, 2)), "bias": np.ones(2)}]
            Torch("autograd", "float64").network(network, parameters, np.ones((5, 3)), np.ones((5, 2), np.float32))
        assert torch.get_float32_matmul_precision() == precision
        assert (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32) == cudnn
    finally:
        torch.set_float32_matmul_precision(before)
