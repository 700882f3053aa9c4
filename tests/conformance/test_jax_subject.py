"""The JAX subject as an adapter: what it offers, what comes back and what it leaves alone, with exact numbers."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from conformance.subjects import Unsupported
from conformance.subjects.jax import Jax
from refimpl.activations import GELU, LeakyReLU, ReLU, Softmax, Softplus
from refimpl.arithmetic import RunningError
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from refimpl.layers import Dense
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.optimizers import SGD, Adagrad, Adam, Adamax, AdamW, AMSGrad, Lion, NAdam, RAdam, RMSprop
from refimpl.regularization import L1
from refimpl.schedules import Constant, Cosine, Exponential, InverseTime, Linear, StepDecay, WarmUp
from refimpl.trees import map_leaves
from tests.conformance.bits import bits, check_form, tree

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'refimpl[jax]'")
pytest.importorskip("optax", reason="optax is not installed: pip install 'refimpl[jax]'")

INSIDE = {"epsilon_placement": "inside", "rate": "inside"}
# One spec per rule with every slot, and hyperparameters other than the defaults.
SPECS = [
    SGD(learning_rate=0.1, momentum=0.8, weight_decay=0.01, nesterov=True),
    Adagrad(learning_rate=0.1, initial_accumulator=0.2, weight_decay=0.01, epsilon_placement="inside_where_positive"),
    RMSprop(learning_rate=0.1, decay=0.8, momentum=0.7, weight_decay=0.01, centered=True, **INSIDE),
    Adam(learning_rate=0.1, beta1=0.8, beta2=0.95, weight_decay=0.01),
    AdamW(learning_rate=0.1, beta1=0.8, beta2=0.95, weight_decay=0.02),
    AMSGrad(learning_rate=0.1, beta1=0.8, beta2=0.95, weight_decay=0.02, maximum="corrected"),
    NAdam(
        0.1,
        0.8,
        0.95,
        momentum_decay=0.0,
        momentum_schedule="constant",
        weight_decay=0.02,
        weight_decay_kind="decoupled",
    ),
    Adamax(learning_rate=0.1, beta1=0.8, beta2=0.95, weight_decay=0.02, weight_decay_kind="decoupled"),
    Lion(learning_rate=0.1, beta1=0.8, beta2=0.95, weight_decay=0.02),
]
by_rule = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)


@pytest.fixture(params=[("eager", "float32"), ("jit", "float64")], ids="-".join)
def subject(request):
    """Both variants and both formats; the other pairs are left to the cases, as JAX takes its time to compile."""
    return Jax(*request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


# --- optimizers ---------------------------------------------------------------------------------------------------


def test_radam_is_only_compiled():
    for dtype in ("float32", "float64"):
        Jax("jit", dtype).optimizer(RAdam(), np.ones(3, dtype))
        with pytest.raises(Unsupported, match="no RAdam in eager"):
            Jax("eager", dtype).optimizer(RAdam(), np.ones(3, dtype))


@by_rule
def test_parameters_and_slots_have_the_form_of_the_parameters(subject, spec):
    parameters = tree(subject.dtype, 0)
    run = subject.optimizer(spec, parameters)
    assert bits(run.parameters()) == bits(parameters)
    run.step(tree(subject.dtype, 1))
    check_form(subject, run.parameters(), parameters)
    assert list(run.state()) == list(spec.slots())
    for slot in run.state().values():
        check_form(subject, slot, parameters)


@by_rule
def test_a_restored_run_continues_bit_by_bit(subject, spec):
    run = subject.optimizer(spec, tree(subject.dtype, 0))
    for seed in (1, 2):
        run.step(tree(subject.dtype, seed))
    saved = run.save()
    other = subject.optimizer(spec, tree(subject.dtype, 9))
    other.step(tree(subject.dtype, 8))
    other.restore(saved)
    for seed in (3, 4):
        run.step(tree(subject.dtype, seed))
        other.step(tree(subject.dtype, seed))
    assert bits(other.parameters()) == bits(run.parameters())
    assert bits(other.state()) == bits(run.state())
    run.restore(saved)
    for seed in (3, 4):
        run.step(tree(subject.dtype, seed))
    assert bits(other.parameters()) == bits(run.parameters())


@by_rule
def test_nothing_given_is_aliased_or_changed(subject, spec):
    parameters, gradients = tree(subject.dtype, 0), tree(subject.dtype, 1)
    before = bits(parameters), bits(gradients)
    run = subject.optimizer(spec, parameters)
    run.step(gradients)
    assert (bits(parameters), bits(gradients)) == before
    after, saved = bits(run.parameters()), run.save()
    for handed in (parameters, gradients, run.parameters(), *run.state().values()):
        map_leaves(lambda leaf: leaf.fill(np.nan), handed)
    assert bits(run.parameters()) == after
    run.step(tree(subject.dtype, 2))
    run.restore(saved)
    assert bits(run.parameters()) == after


@pytest.mark.parametrize("spec", [s for s in SPECS if not isinstance(s, RMSprop)], ids=lambda spec: type(spec).__name__)
def test_a_learning_rate_of_zero_stops_the_parameters_and_not_the_state(subject, spec):
    """Not so RMSprop, whose velocity sums steps and continues."""
    run = subject.optimizer(spec, tree(subject.dtype, 0))
    run.step(tree(subject.dtype, 1))
    stopped, slots = run.parameters(), run.state()
    run.change(replace(spec, learning_rate=0.0))
    run.step(tree(subject.dtype, 2))
    assert bits(run.parameters()) == bits(stopped)
    assert all(bits(array) != bits(slots[slot]) for slot, array in run.state().items())


@by_rule
def test_other_rates_and_penalties_compile_nothing(dtype, spec, caplog):
    subject = Jax("jit", dtype)
    gradients = tree(subject.dtype, 1)
    subject.optimizer(spec, gradients).step(gradients)
    run = subject.optimizer(spec, gradients)
    with jax.log_compiles():
        run.change(replace(spec, learning_rate=0.03, weight_decay=0.005))
        run.step(gradients)
    assert not [record for record in caplog.records if "ompiling" in record.getMessage()]


def test_slots_are_the_quantities_of_the_rule(subject):
    """Whole numbers and powers of two: nothing is rounded."""
    gradient = np.array([8.0, -4.0, 0.0, 16.0], dtype=subject.dtype)
    start = np.zeros_like(gradient)

    def after_two_steps(spec):
        run = subject.optimizer(spec, start)
        run.step(gradient)
        run.step(-gradient / 2)
        return {"parameters": run.parameters()} | run.state()

    g, actual = gradient, after_two_steps(SGD(learning_rate=0.5, momentum=0.5))
    assert np.array_equal(actual["velocity"], 0 * g)
    assert np.array_equal(actual["parameters"], -0.5 * g)
    actual = after_two_steps(Adagrad(initial_accumulator=1.0, epsilon_placement="inside_where_positive"))
    assert np.array_equal(actual["accumulator"], 1 + g**2 + g**2 / 4)
    for rule in (Adam, AdamW):
        actual = after_two_steps(rule(beta1=0.5, beta2=0.75, weight_decay=0.0))
        assert np.array_equal(actual["first_moment"], 0 * g)
        assert np.array_equal(actual["second_moment"], 0.75 * g**2 / 4 + 0.25 * g**2 / 4)
    actual = after_two_steps(RMSprop(decay=0.5, momentum=0.5, centered=True, **INSIDE))
    assert np.array_equal(actual["mean"], 0 * g)
    assert np.array_equal(actual["second_moment"], g**2 / 4 + g**2 / 8)


def test_velocity_of_rmsprop_is_what_the_first_step_subtracts(subject):
    run = subject.optimizer(RMSprop(momentum=0.5, **INSIDE), np.zeros(5, dtype=subject.dtype))
    run.step(np.array([3.0, -2.0, 0.0, 1e-3, 7.0], dtype=subject.dtype))
    assert np.array_equal(run.state()["velocity"], -run.parameters())
    assert run.parameters()[0] < 0 < run.parameters()[1]


def test_float64_is_computed_in_float64():
    run = Jax("jit", "float64").optimizer(SGD(learning_rate=1.0), np.ones(3))
    run.step(np.full(3, 2.0**-40))
    assert np.array_equal(run.parameters(), np.full(3, 1 - 2.0**-40))


def test_a_change_that_needs_another_state_is_unsupported(subject):
    run = subject.optimizer(SGD(momentum=0.9), np.ones(3, dtype=subject.dtype))
    for other in (SGD(momentum=0.0), Adam()):
        with pytest.raises(Unsupported, match="does not fit"):
            run.change(other)


# --- the other capabilities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [Jax().spec(ClipByGlobalNorm, max_norm=0.25), ClipByValue(0.25), WeightClipping(0.25)])
def test_a_clipped_tree_has_the_form_of_the_tree(subject, spec):
    gradients = tree(subject.dtype, 0)
    before = bits(gradients)
    actual = subject.clip(spec, gradients)
    check_form(subject, actual, gradients)
    assert bits(actual) != bits(gradients) and bits(gradients) == before
    map_leaves(lambda leaf: leaf.fill(np.nan), actual)
    assert bits(gradients) == before


def test_clipping_uses_the_limit_it_is_given(subject):
    gradients = {"b": np.full(3, 2.0, dtype=subject.dtype), "a": np.array(-2.0, dtype=subject.dtype)}  # norm 4
    for spec in (Jax().spec(ClipByGlobalNorm, max_norm=2.0), ClipByValue(1.0), WeightClipping(1.0)):
        actual = subject.clip(spec, gradients)
        assert list(actual) == ["b", "a"]
        assert np.array_equal(actual["b"], np.ones(3)) and np.array_equal(actual["a"], -1.0)
    assert bits(subject.clip(Jax().spec(ClipByGlobalNorm, max_norm=8.0), gradients)) == bits(gradients)


@pytest.mark.parametrize(
    ("spec", "rates"),
    [
        (Constant(0.5), [0.5] * 7),
        (Linear(start=1.0, end=0.0, steps=4), [1, 0.75, 0.5, 0.25, 0, 0, 0]),
        (Exponential(initial=2.0, decay=0.5, decay_steps=1), [2, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
        (Exponential(initial=2.0, decay=0.5, decay_steps=2, staircase=True), [2, 2, 1, 1, 0.5, 0.5, 0.25]),
        (StepDecay(initial=4.0, factor=0.5, every=4), [4, 4, 4, 4, 2, 2, 2]),
        (WarmUp(Linear(start=1.0, end=0.0, steps=4), steps=2), [0, 0.5, 1, 0.75, 0.5, 0.25, 0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rates_begin_at_step_zero(subject, spec, rates):
    actual = subject.schedule(spec, 7)
    assert str(actual.dtype) == subject.dtype
    assert np.array_equal(actual, rates)


def test_a_cosine_falls_from_its_peak_to_its_floor_and_stays(subject):
    actual = subject.schedule(Cosine(peak=1.0, floor=0.25, steps=4), 7)
    assert actual[0] == 1 and np.array_equal(actual[4:], [0.25] * 3) and np.all(np.diff(actual[:5]) < 0)


def test_rates_below_the_smallest_normal_number_are_zero_and_within_the_bound_of_the_rates_target(subject):
    smallest = subject.rate_target.format.smallest_normal
    spec = StepDecay(initial=4 * smallest, factor=0.5, every=1)
    actual = subject.schedule(spec, 6)
    assert np.array_equal(actual, [4 * smallest, 2 * smallest, smallest, 0, 0, 0])
    certified = spec.rate(np.arange(6), like=RunningError.exact(np.zeros(()), subject.rate_target))
    assert np.all(certified.within(actual))
    assert not np.any(certified.within(actual - 2 * smallest))


@pytest.mark.parametrize(
    "spec",
    [
        Uniform(low=0.0, high=0.5),
        Normal(standard_deviation=0.5),
        TruncatedNormal(standard_deviation=0.5, lower=-1.0),
        VarianceScaling(2.0, "fan_out", "truncated_normal"),
        Orthogonal(gain=2.0),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_a_draw_depends_on_the_seed_alone(dtype, spec):
    subject = Jax("eager", dtype)
    first, again, other = (subject.initializer(spec, (5, 3), seed) for seed in (1, 1, 2))
    assert first.shape == (5, 3) and str(first.dtype) == subject.dtype
    assert bits(first) == bits(again) != bits(other)


@pytest.mark.parametrize("spec", [GELU(), GELU("tanh"), Softplus()], ids=str)
def test_an_activation_keeps_format_and_shape(subject, spec):
    x = np.ones((2, 3, 5), dtype=subject.dtype)
    for actual in subject.activation(spec, x, 2 * x):
        check_form(subject, actual, x)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)], ids=str)
def test_an_activation_keeps_0d_and_empty_shapes(subject, shape):
    x = np.ones(shape, dtype=subject.dtype)
    for actual in subject.activation(ReLU(), x, x):
        check_form(subject, actual, x)


def test_an_activation_is_pulled_back_with_the_cotangent(subject):
    x, cotangent = np.array([[-2.0, 0.0, 4.0]], subject.dtype), np.array([[3.0, 5.0, 7.0]], subject.dtype)
    value, x_cotangent = subject.activation(LeakyReLU(0.25, "one"), x, cotangent)
    assert np.array_equal(value, [[-0.5, 0.0, 4.0]]) and np.array_equal(x_cotangent, [[0.75, 5.0, 7.0]])


@pytest.mark.parametrize(("axis", "entries"), [(0, 2), (-1, 4)])
def test_softmax_is_along_the_required_axis(subject, axis, entries):
    x = np.zeros((2, 4), dtype=subject.dtype)
    value, x_cotangent = subject.activation(Softmax(axis=axis), x, x)
    assert np.array_equal(value, np.full((2, 4), 1 / entries)) and np.array_equal(x_cotangent, x)


def test_losses_are_reduced_as_required(subject):
    prediction, target = np.array([[1.0, 2.0], [4.0, 8.0]], subject.dtype), np.zeros((2, 2), subject.dtype)
    for reduction, terms in (("sum", 1), ("mean", 4)):
        value, gradient = subject.loss(MeanSquaredError(reduction), prediction, target)
        check_form(subject, value, np.zeros(()))
        assert value == 85 / terms and np.array_equal(gradient, 2 * prediction / terms)
        _, gradient = subject.loss(BinaryCrossEntropyWithLogits(reduction), target, np.eye(2, dtype=subject.dtype))
        assert np.array_equal(gradient, np.array([[-0.5, 0.5], [0.5, -0.5]]) / terms)


@pytest.mark.parametrize(
    "spec",
    [
        SoftmaxCrossEntropy("sum"),
        SoftmaxCrossEntropy("sum", "index"),
        SoftmaxCrossEntropy("sum", "index", "added_back"),
    ],
    ids=lambda spec: f"{spec.labels}-{spec.largest_logit}",
)
def test_labels_are_indices_or_weights(subject, spec):
    logits, labels = np.zeros((3, 2), subject.dtype), np.array([0, 1, 0])
    target = labels if spec.labels == "index" else np.eye(2, dtype=subject.dtype)[labels]
    value, gradient = subject.loss(spec, logits, target)
    assert np.array_equal(gradient, [[-0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]])
    assert value.shape == () and round(float(value), 4) == 2.0794  # 3 log 2


@pytest.mark.parametrize(("largest_logit", "lost"), [("subtracted", False), ("added_back", True)])
def test_a_common_shift_of_logits_matters_where_it_is_declared(subject, largest_logit, lost):
    """Next to 2**60 the logarithm of 2, a row's loss, is below half a unit in the last place."""
    logits = np.full((3, 2), 2.0**60, subject.dtype)
    value, _ = subject.loss(SoftmaxCrossEntropy("sum", "index", largest_logit), logits, np.array([0, 1, 0]))
    assert (value == 0) == lost


@pytest.mark.parametrize("layout", ["input_output", "output_input"])
def test_a_network_gives_loss_and_gradients_in_the_structure_of_its_parameters(subject, layout):
    """Whole numbers: nothing is rounded. The penalty adds 2 per zero weight, as JAX has |w|' = 1 at 0."""
    weight = np.array([[1.0, -2.0, 0.0], [3.0, 1.0, -1.0]], subject.dtype)
    bias = np.array([1.0, 0.0, -1.0], subject.dtype)
    network = Network([Dense(layout), ReLU()], MeanSquaredError("sum"), L1(2.0, derivative_at_zero=1.0))
    parameters = [{"weight": weight if layout == "input_output" else weight.T, "bias": bias}, {}]
    x, y = np.array([[2.0, 1.0]], subject.dtype), np.array([[5.0, 1.0, 1.0]], subject.dtype)
    value, actual = subject.network(network, parameters, x, y)
    check_form(subject, actual, parameters)
    assert value == (6 - 5) ** 2 + 1 + 1 + 2 * (8 + 2)  # outputs 6, -3 and -2
    weight_gradient = np.array([[4.0, 0, 0], [2.0, 0, 0]]) + 2 * np.array([[1, -1, 1], [1, 1, -1]])
    assert np.array_equal(actual[0]["weight"], weight_gradient if layout == "input_output" else weight_gradient.T)
    assert np.array_equal(actual[0]["bias"], [2 + 2, 2, -2])


# --- what is unsupported, and what is left alone ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "spec", "reason"),
    [
        ("optimizer", SGD(momentum=0.9, dampening=0.1), r"jax has no SGD\(dampening=0.1\): dampening is always 0.0"),
        ("optimizer", SGD(momentum=0.9, rate="inside"), r"no SGD\(rate='inside'\)"),
        ("optimizer", Adagrad(), r"no Adagrad\(epsilon_placement='outside'\)"),
        ("optimizer", RMSprop(), r"no RMSprop\(rate='outside'\)"),
        ("optimizer", Adam(epsilon_placement="uncorrected"), r"no Adam\(epsilon_placement='uncorrected'\)"),
        ("clip", ClipByGlobalNorm(epsilon=1e-6), r"no ClipByGlobalNorm\(epsilon=1e-06\)"),
        ("clip", ClipByNorm(order=3.0), r"no ClipByNorm\(order=3.0\)"),
        ("schedule", InverseTime(), "declares no conventions for InverseTime"),
        ("schedule", WarmUp(WarmUp(InverseTime())), "declares no conventions for InverseTime"),
        ("schedule", WarmUp(Cosine(after_end="rises")), r"no Cosine\(after_end='rises'\)"),
        ("initializer", Uniform(low=-1.0, high=1.0), r"no Uniform\(low=-1.0\)"),
        ("initializer", Normal(mean=1.0), r"no Normal\(mean=1.0\)"),
        ("initializer", VarianceScaling(truncation="uncorrected"), r"no VarianceScaling\(truncation='uncorrected'\)"),
        ("initializer", Orthogonal(layout="output_input"), r"no Orthogonal\(layout='output_input'\)"),
        ("activation", LeakyReLU(), r"no LeakyReLU\(derivative_at_zero='slope'\)"),
        ("activation", Softplus(20.0), r"no Softplus\(threshold=20.0\)"),
        ("loss", BinaryCrossEntropy(), "declares no conventions for BinaryCrossEntropy"),
        ("network", Network([Dense(), LeakyReLU()], MeanSquaredError()), r"no LeakyReLU"),
        ("network", Network([Dense()], BinaryCrossEntropy()), "no conventions for BinaryCrossEntropy"),
        ("network", Network([Dense()], MeanSquaredError(), L1()), r"no L1\(derivative_at_zero=0.0\)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_jax_does_not_have_is_unsupported_and_says_why(capability, spec, reason):
    x = np.ones((2, 2), np.float32)
    rest = {"schedule": (3,), "initializer": ((2, 2), 1), "activation": (x, x), "loss": (x, x), "network": ([], x, x)}
    with pytest.raises(Unsupported, match=reason):
        getattr(Jax("eager"), capability)(spec, *rest.get(capability, ({"w": x},)))


def test_an_unknown_variant_is_not_run_as_another():
    with pytest.raises(Unsupported, match="in the variants jit, eager, not in 'fused'"):
        Jax("fused").schedule(Constant(), 3)


@pytest.mark.parametrize("switched_on", [False, True], ids=["x64 off", "x64 on"])
def test_settings_of_the_process_stay_what_they_are(subject, switched_on):
    with jax.enable_x64(switched_on):
        before = jax.config.jax_enable_x64, jax.config.jax_default_device, jax.config.jax_default_matmul_precision
        x = np.ones(3, dtype=subject.dtype)
        subject.smoke()
        run = subject.optimizer(SPECS[3], x)
        run.step(x)
        run.restore(run.save())
        run.step(x)
        check_form(subject, run.parameters(), x)
        check_form(subject, subject.clip(ClipByValue(0.5), x), x)
        assert str(subject.schedule(Linear(), 3).dtype) == subject.dtype
        assert str(Jax("eager", subject.dtype).initializer(Normal(), (3,), 1).dtype) == subject.dtype
        with pytest.raises((TypeError, ValueError)):
            subject.activation(ReLU(), x, np.ones((2, 2), dtype=subject.dtype))
        after = jax.config.jax_enable_x64, jax.config.jax_default_device, jax.config.jax_default_matmul_precision
    assert after == before


def test_products_are_in_full_precision_forward_and_backward(subject):
    from conformance.subjects.jax.networks import value_and_gradients

    network = Network([Dense(bias=False), Dense(bias=False)], MeanSquaredError())
    weight = np.ones((2, 2), subject.dtype)
    with subject.arithmetic():
        function = jax.jit(value_and_gradients(network))
        program = function.lower([{"weight": weight}, {"weight": weight}], weight, weight).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert len(products) == 5
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


def test_the_smoke_check_passes(subject):
    subject.smoke()


def test_the_smoke_check_finds_an_arithmetic_that_is_not_switched_over(monkeypatch):
    monkeypatch.setattr(Jax, "arithmetic", lambda self: nullcontext())
    with pytest.raises(RuntimeError, match="float32"):
        Jax("eager", "float64").smoke()


def test_the_version_names_both_packages():
    assert Jax.version() == f"jax {jax.__version__}, optax {sys.modules['optax'].__version__}"
    assert Jax.devices()[0] == "cpu"


@pytest.mark.parametrize(("missing", "name"), [("jax", "JAX"), ("optax", "optax")])
def test_a_missing_package_is_named_with_its_remedy(missing, name, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"^{name} is not installed: pip install 'refimpl\[jax\]'$"):
        Jax.version()


def test_importing_the_subject_loads_neither_jax_nor_optax():
    program = "import sys, conformance.subjects.jax; print(*{'jax', 'jaxlib', 'optax'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("", "")
