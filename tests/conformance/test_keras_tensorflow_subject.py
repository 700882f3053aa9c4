"""Keras on TensorFlow as an adapter: what comes back from its process, and what is said where it is not installed."""

import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from conformance.subjects import DEFAULT, Unsupported, load
from conformance.subjects.keras import with_tensorflow
from refimpl.activations import LeakyReLU
from refimpl.arithmetic import FLOAT32, FLOAT64
from refimpl.initializers import Normal
from refimpl.losses import MeanSquaredError
from refimpl.optimizers import SGD, Adam, Lion, RMSprop
from refimpl.schedules import Exponential
from tests.conformance.bits import bits, check_form, same, tree

KerasTensorFlow = load("keras-tensorflow")


@pytest.fixture(scope="module")
def installed():
    try:
        KerasTensorFlow.version()
    except ImportError as problem:
        pytest.skip(str(problem))


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=["eager", "graph", "jit"])
def subject(request, dtype, installed):
    return KerasTensorFlow(request.param, dtype)


def test_a_restored_run_continues_bit_by_bit_in_the_form_of_the_parameters(subject):
    parameters = tree(subject.dtype, 0)
    spec = subject.spec(Adam, learning_rate=0.1, beta1=0.8, weight_decay=0.01)
    run, other = subject.optimizer(spec, parameters), subject.optimizer(spec, tree(subject.dtype, 9))
    run.step(tree(subject.dtype, 1))
    saved = run.save()
    other.step(tree(subject.dtype, 8))
    other.restore(saved)
    for each in (run, other):
        each.step(tree(subject.dtype, 2))
        check_form(subject, each.parameters(), parameters)
    assert same(run.parameters(), other.parameters()) and same(run.state(), other.state())


def test_a_step_has_the_rate_that_it_was_changed_to(subject):
    run = subject.optimizer(subject.spec(SGD, learning_rate=0.5), np.zeros(3, subject.dtype))
    run.change(subject.spec(SGD, learning_rate=0.25))
    run.step(np.array([2.0, -4.0, 1.0], subject.dtype))
    assert np.array_equal(run.parameters(), [-0.5, 1.0, -0.25])


def test_a_penalty_is_one_of_the_format_of_the_run(subject):
    """Keras itself rounds a Python float to float32 first: keras-tensorflow-cast-float32."""
    run = subject.optimizer(subject.spec(SGD, learning_rate=1.0, weight_decay=0.1), np.ones(1, subject.dtype))
    run.step(np.zeros(1, subject.dtype))
    assert run.parameters() == 1 - subject.array_dtype.type(0.1)


@pytest.mark.parametrize(("rule", "scalars"), [(SGD, FLOAT32), (Lion, FLOAT32), (Adam, FLOAT64), (RMSprop, FLOAT64)])
def test_hyperparameters_that_keras_casts_have_the_precision_of_float32(rule, scalars):
    target = KerasTensorFlow("eager", "float64").target_of(rule())
    assert (target.scalars, target.powers, target.format) == (scalars, FLOAT32, FLOAT64)


def test_a_loss_has_the_format_of_the_run_whatever_ran_before(installed):
    for dtype in ("float32", "float64", "float32"):
        subject, x = KerasTensorFlow("eager", dtype), np.array([[1.0, 2.0], [4.0, 8.0]], dtype)
        value, gradient = subject.loss(subject.spec(MeanSquaredError), x, np.zeros((2, 2), dtype))
        assert (str(value.dtype), str(gradient.dtype)) == (dtype, dtype) and value == 85 / 4


def test_at_zero_the_derivative_is_the_slope(subject):
    x, cotangent = np.array([-2.0, 0.0, 4.0], subject.dtype), np.array([4.0, 8.0, 16.0], subject.dtype)
    value, x_cotangent = subject.activation(LeakyReLU(0.25, "slope"), x, cotangent)
    assert np.array_equal(value, [-0.5, 0.0, 4.0]) and np.array_equal(x_cotangent, [1.0, 2.0, 16.0])


def test_a_draw_depends_on_the_seed_alone(dtype, installed):
    subject = KerasTensorFlow("eager", dtype)
    first, again, other = (subject.initializer(Normal(1.0, 0.5), (5, 3), seed) for seed in (1, 1, 2))
    assert str(first.dtype) == dtype and bits(first) == bits(again) != bits(other)


def test_rates_are_of_float32_and_unsupported_in_float64(installed):
    spec = Exponential(initial=2.0, decay=0.5, decay_steps=2, staircase=True)
    actual = KerasTensorFlow("graph").schedule(spec, 5)
    assert same(actual, np.float32([2, 2, 1, 1, 0.5]))
    with pytest.raises(
        Unsupported, match="keras-tensorflow has no Exponential in float64: it is computed in float32 in every format"
    ):
        KerasTensorFlow("graph", "float64").schedule(spec, 5)


def test_this_process_imports_no_tensorflow(installed):
    KerasTensorFlow("eager").smoke()
    assert "tensorflow" not in sys.modules and "keras-tensorflow" not in DEFAULT


@pytest.mark.parametrize(("missing", "named"), [("keras", "Keras"), ("tensorflow", "TensorFlow")])
def test_the_version_says_what_to_install_where_it_is_missing(monkeypatch, missing, named):
    def version(name):
        if name.startswith(missing):
            raise PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(with_tensorflow, "version", version)
    with pytest.raises(ImportError, match=rf"{named} is not installed: pip install 'refimpl\[tensorflow\]'"):
        with_tensorflow._version.__wrapped__()
