"""The Keras subject as an adapter: what it offers, what comes back and what it leaves alone, with exact numbers."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.cli import main
from conformance.subjects import DEFAULT, SHIPPED, Unsupported
from conformance.subjects.keras import Keras
from conformance.subjects.keras.backend import choose
from conformance.subjects.keras.process import Process
from refimpl.activations import LeakyReLU, Softmax, Tanh
from refimpl.arithmetic import FLOAT32, FLOAT64
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from refimpl.losses import MeanSquaredError, SoftmaxCrossEntropy
from refimpl.optimizers import LAMB, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, AMSGrad, Lion, NAdam, RAdam, RMSprop
from refimpl.schedules import Cosine, Exponential, Linear, PiecewiseConstant, StepDecay
from refimpl.trees import map_leaves
from tests.conformance.bits import bits, check_form, tree

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'refimpl[keras]'")
pytest.importorskip("h5py", reason="Keras is not installed: pip install 'refimpl[keras]'")
choose("jax")
keras = sys.modules["keras"]

DECAY = {"learning_rate": 0.1, "weight_decay": 0.01, "weight_decay_kind": "decoupled"}
INSIDE = {"epsilon_placement": "inside"}
HAT = {"epsilon_placement": "uncorrected"}
NORM = {"norm_range": "powers", "within": "rescaled"}
# One spec per rule with every slot, and hyperparameters other than the defaults.
SPECS = [
    SGD(momentum=0.8, nesterov=True, rate="inside", **DECAY),
    Adagrad(initial_accumulator=0.2, **INSIDE, **DECAY),
    RMSprop(decay=0.8, momentum=0.7, centered=True, rate="inside", **INSIDE, **DECAY),
    Adadelta(decay=0.8, **DECAY),
    Adam(beta1=0.8, beta2=0.95, **HAT, **DECAY),
    AdamW(beta1=0.8, beta2=0.95, **HAT, **DECAY),
    AMSGrad(beta1=0.8, beta2=0.95, **HAT, **DECAY),
    Adamax(beta1=0.8, beta2=0.95, epsilon_placement="outside", **DECAY),
    NAdam(beta1=0.8, beta2=0.95, momentum_decay=1.0, **DECAY),
    Lion(beta1=0.8, beta2=0.95, **DECAY),
    LAMB(beta1=0.8, beta2=0.95, **DECAY),
]
by_rule = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def subject(dtype):
    return Keras("jit", dtype)


# --- optimizers ---------------------------------------------------------------------------------------------------


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
def test_a_restored_run_continues_bit_by_bit_and_nothing_given_is_aliased(subject, spec):
    parameters = tree(subject.dtype, 0)
    run, other = subject.optimizer(spec, parameters), subject.optimizer(spec, tree(subject.dtype, 9))
    run.step(tree(subject.dtype, 1))
    after, saved = bits(run.parameters()), run.save()
    for handed in (parameters, run.parameters(), *run.state().values()):
        map_leaves(lambda leaf: leaf.fill(np.nan), handed)
    assert bits(run.parameters()) == after
    other.step(tree(subject.dtype, 8))
    other.restore(saved)
    for each in (run, other):
        each.step(tree(subject.dtype, 2))
    assert bits(other.parameters()) == bits(run.parameters()) and bits(other.state()) == bits(run.state())


@by_rule
def test_other_rates_and_penalties_compile_nothing(subject, spec, caplog):
    gradients = tree(subject.dtype, 1)
    subject.optimizer(spec, gradients).step(gradients)
    run = subject.optimizer(spec, gradients)
    with jax.log_compiles():
        run.change(replace(spec, learning_rate=0.03, weight_decay=0.005))
        run.step(gradients)
    assert not [record for record in caplog.records if "ompiling" in record.getMessage()]


def test_slots_are_the_quantities_of_the_rule(subject):
    """Whole numbers and powers of two: nothing is rounded."""
    g = np.array([8.0, -4.0, 0.0, 16.0], dtype=subject.dtype)

    def after_two_steps(spec):
        run = subject.optimizer(spec, np.zeros_like(g))
        run.step(g)
        run.step(-g / 2)
        return {"parameters": run.parameters()} | run.state()

    plain = {"weight_decay_kind": "decoupled"}
    actual = after_two_steps(SGD(learning_rate=0.5, momentum=0.5, rate="inside", **plain))
    assert np.array_equal(actual["velocity"], 0 * g) and np.array_equal(actual["parameters"], -0.5 * g)
    actual = after_two_steps(Adagrad(initial_accumulator=1.0, **INSIDE, **plain))
    assert np.array_equal(actual["accumulator"], 1 + g**2 + g**2 / 4)
    actual = after_two_steps(AMSGrad(beta1=0.5, beta2=0.75, **HAT, **plain))
    assert np.array_equal(actual["first_moment"], 0 * g)
    assert np.array_equal(actual["second_moment"], g**2 / 4)
    assert np.array_equal(actual["largest_second_moment"], g**2 / 4)
    actual = after_two_steps(Adamax(beta1=0.5, beta2=0.25, epsilon_placement="outside", **plain))
    assert np.array_equal(actual["infinity_norm"], np.abs(g) / 2)


def test_a_velocity_has_the_sign_of_the_gradients(subject):
    run = subject.optimizer(SPECS[0], np.zeros(3, dtype=subject.dtype))
    run.step(np.array([3.0, -2.0, 0.0], dtype=subject.dtype))
    assert np.array_equal(np.sign(run.state()["velocity"]), [1, -1, 0])


def test_float64_is_computed_in_float64():
    spec = SGD(learning_rate=1.0, rate="inside", weight_decay_kind="decoupled")
    run = Keras("jit", "float64").optimizer(spec, np.ones(3))
    run.step(np.full(3, 2.0**-40))
    assert np.array_equal(run.parameters(), np.full(3, 1 - 2.0**-40))


@pytest.mark.parametrize(("spec", "scalars"), [(SPECS[4], FLOAT64), (SPECS[8], FLOAT32), (SPECS[9], FLOAT32)])
def test_rules_that_make_arrays_of_their_decays_have_scalars_of_float32(spec, scalars):
    """1 - beta in float32 is off by more than a rounding of itself: Keras's Lion keeps (1 - beta2) * g."""
    assert Keras("jit", "float32").target_of(spec).scalars is scalars
    assert Keras("jit", "float64").target_of(spec).scalars is FLOAT64


def test_lion_forms_one_minus_beta_in_float32():
    spec = Lion(beta2=0.99, weight_decay_kind="decoupled")
    run = Keras("jit").optimizer(spec, np.zeros(1, np.float32))
    run.step(np.ones(1, np.float32))
    assert run.state()["first_moment"] == 1 - np.float32(0.99) != np.float32(1 - 0.99)


# --- the other capabilities ---------------------------------------------------------------------------------------


def test_clipping_uses_the_limit_it_is_given(dtype):
    subject = Keras("eager", dtype)
    gradients = {"b": np.full(3, 2.0, dtype=dtype), "a": np.array(-2.0, dtype=dtype)}  # norm 4
    before = bits(gradients)
    for spec in (ClipByGlobalNorm(2.0, **NORM, non_finite_norm="spreads"), ClipByValue(1.0)):
        actual = subject.clip(spec, gradients)
        check_form(subject, actual, gradients)
        assert list(actual) == ["b", "a"]
        assert np.array_equal(actual["b"], np.ones(3)) and np.array_equal(actual["a"], -1.0)
    actual = subject.clip(ClipByNorm(1.0, **NORM), gradients)
    assert np.array_equal(actual["a"], -1.0) and 0.5 < actual["b"][0] < 0.75  # 1 / sqrt(3)
    assert bits(gradients) == before


@pytest.mark.parametrize(
    ("spec", "rates"),
    [
        (Linear(start=1.0, end=0.0, steps=4), [1, 0.75, 0.5, 0.25, 0, 0, 0]),
        (Exponential(initial=2.0, decay=0.5, decay_steps=2, staircase=True), [2, 2, 1, 1, 0.5, 0.5, 0.25]),
        (StepDecay(initial=4.0, factor=0.5, every=4), [4, 4, 4, 4, 2, 2, 2]),
        (PiecewiseConstant(8.0, (2, 4), (0.5, 0.25), "after"), [8, 8, 8, 4, 4, 1, 1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rates_begin_at_step_zero(subject, spec, rates):
    actual = subject.schedule(spec, 7)
    assert str(actual.dtype) == subject.dtype and np.array_equal(actual, rates)


@pytest.mark.parametrize(
    "spec",
    [
        Uniform(low=0.25, high=0.5),
        Normal(mean=1.0, standard_deviation=0.5),
        TruncatedNormal(standard_deviation=0.5),
        VarianceScaling(2.0, "fan_out", "truncated_normal"),
        Orthogonal(gain=2.0),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_a_draw_depends_on_the_seed_alone(dtype, spec):
    subject = Keras("eager", dtype)
    first, again, other = (subject.initializer(spec, (5, 3), seed) for seed in (1, 1, 2))
    assert first.shape == (5, 3) and str(first.dtype) == subject.dtype
    assert bits(first) == bits(again) != bits(other)


def test_an_activation_is_pulled_back_with_the_cotangent(subject):
    x, cotangent = np.array([[-2.0, 0.0, 4.0]], subject.dtype), np.array([[3.0, 5.0, 7.0]], subject.dtype)
    value, x_cotangent = subject.activation(LeakyReLU(0.25, "one"), x, cotangent)
    assert np.array_equal(value, [[-0.5, 0.0, 4.0]]) and np.array_equal(x_cotangent, [[0.75, 5.0, 7.0]])
    value, _ = subject.activation(Softmax(axis=0), np.zeros((2, 4), subject.dtype), np.zeros((2, 4), subject.dtype))
    assert np.array_equal(value, np.full((2, 4), 0.5))


def test_losses_are_reduced_as_required():
    subject, prediction = Keras("eager"), np.array([[1.0, 2.0], [4.0, 8.0]], np.float32)
    value, gradient = subject.loss(MeanSquaredError("mean"), prediction, np.zeros((2, 2), np.float32))
    check_form(subject, value, np.zeros(()))
    assert value == 85 / 4 and np.array_equal(gradient, prediction / 2)
    logits, labels = np.zeros((3, 2), np.float32), np.array([0, 1, 0])
    for spec, target in (("index", labels), ("one_hot", np.eye(2, dtype=np.float32)[labels])):
        value, gradient = subject.loss(SoftmaxCrossEntropy("sum", labels=spec, weighted_mean="rows"), logits, target)
        assert np.array_equal(gradient, [[-0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]])
        assert round(float(value), 4) == 2.0794  # 3 log 2


# --- what is unsupported, and what is left alone ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "spec", "reason"),
    [
        ("optimizer", RAdam(), "keras declares no conventions for RAdam"),
        ("optimizer", Adam(), r"no Adam\(weight_decay_kind='coupled'\)"),
        ("clip", WeightClipping(), "declares no conventions for WeightClipping"),
        ("clip", ClipByNorm(0.0, **NORM), "does not clip where the norm is limited to 0"),
        ("loss", MeanSquaredError("sum"), r"no MeanSquaredError\(reduction='sum'\)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_keras_does_not_have_is_unsupported_and_says_why(capability, spec, reason):
    x = np.ones((2, 2), np.float32)
    with pytest.raises(Unsupported, match=reason):
        getattr(Keras("eager"), capability)(spec, *{"loss": (x, x)}.get(capability, ({"w": x},)))


def test_what_keras_computes_in_float32_is_unsupported_in_float64():
    from conformance.subjects.keras.library import Library

    subject, x = Keras("jit", "float64"), np.ones((2, 2))
    for capability, spec, rest in (("activation", Tanh(), (x, x)), ("schedule", Cosine(), (3,))):
        with pytest.raises(Unsupported, match="in float32 in every format"):
            getattr(subject, capability)(spec, *rest)
    with Library("jit", "float64", "cpu").arithmetic():
        assert keras.backend.result_type("float64", float) == "float32"


@pytest.mark.parametrize("switched_on", [False, True], ids=["x64 off", "x64 on"])
def test_settings_of_the_process_stay_what_they_are(subject, switched_on):
    with jax.enable_x64(switched_on):
        before = jax.config.jax_enable_x64, keras.config.floatx(), os.environ.get("KERAS_BACKEND")
        x = np.ones(3, dtype=subject.dtype)
        subject.smoke()
        run = subject.optimizer(SPECS[4], x)
        run.step(x)
        check_form(subject, run.parameters(), x)
        with pytest.raises((TypeError, ValueError)):
            subject.activation(LeakyReLU(0.25, "one"), x, np.ones((2, 2), dtype=subject.dtype))
        assert (jax.config.jax_enable_x64, keras.config.floatx(), os.environ.get("KERAS_BACKEND")) == before


def test_keras_runs_on_request_alone(capsys):
    assert "keras" in SHIPPED and "keras" not in DEFAULT
    assert main(["subjects"]) == 0
    assert f"keras {keras.__version__}" in capsys.readouterr().out


@pytest.mark.parametrize("required", ["torch", None])
def test_the_backend_is_jax_whatever_the_environment_requires(required):
    program = (
        "import os; from conformance.subjects.keras import Keras; Keras.version(); import keras;"
        "print(keras.config.backend(), os.environ.get('KERAS_BACKEND'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"KERAS_BACKEND": required} if required else {}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert run.stdout.split() == ["jax", str(required)], run.stderr


def test_another_backend_in_the_process_is_refused():
    program = (
        "import sys; from types import SimpleNamespace as Some; from conformance.subjects.keras import Keras;"
        "sys.modules['keras'] = Some(config=Some(backend=lambda: 'torch')); Keras.version()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "Keras is loaded in this process already, with the backend torch" in run.stderr


def answer(question, *arguments):
    """The answer of a process of its own, here on JAX, so that it needs no TensorFlow."""
    return Process("jax").ask(("eager", "float32", "cpu"), question, *arguments)


def test_a_process_of_its_own_answers_as_this_one_does():
    given = [np.array([3.0, -2.0], np.float32)]
    assert bits(answer("clip", ClipByValue(1.0), given)) == bits([np.array([1.0, -1.0], np.float32)])


def test_what_a_process_of_its_own_raises_is_raised_here_and_it_continues():
    process, settings = Process("jax"), ("eager", "float32", "cpu")
    with pytest.raises(AttributeError, match="nonsense"):
        process.ask(settings, "nonsense")
    assert process.ask(settings, "returned", np.float32([2.0])) == 2.0


def test_a_process_that_ends_says_how_and_the_next_question_starts_another():
    process, settings = Process("jax"), ("eager", "float32", "cpu")
    process.ask(settings, "returned", np.float32([2.0]))
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"ended with signal 9 \(SIGKILL\), asked for returned"):
        process.ask(settings, "returned", np.float32([2.0]))
    assert process.ask(settings, "returned", np.float32([2.0])) == 2.0


def test_a_process_that_cannot_start_shows_its_last_words():
    with pytest.raises(RuntimeError, match=r"ended with status 1(.|\n)*abacus"):
        Process("abacus").ask(("eager", "float32", "cpu"), "returned", np.float32([2.0]))


def test_a_process_ends_with_the_one_that_asks_it():
    program = (
        "import numpy as np; from conformance.subjects.keras.process import Process; p = Process('jax');"
        "p.ask(('eager', 'float32', 'cpu'), 'returned', np.float32([2.0])); print(p._process.pid, flush=True);"
        "import os; os._exit(1)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid, limit = int(run.stdout), time.monotonic() + 20
    while alive(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_importing_the_subject_loads_neither_jax_nor_keras():
    program = "import sys, conformance.subjects.keras; print(*{'jax', 'keras'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("", "")
