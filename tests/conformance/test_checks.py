"""One-line checks: right implementations pass and say what was compared, wrong ones are told what is wrong."""

import functools

import hypothesis
import numpy as np
import pytest

import conformance
import refimpl
from conformance import adapters, checks
from conformance.adapters.arguments import arguments_of
from tests.conformance.own_subject import Own

torch = pytest.importorskip("torch")


def momentum(parameter, gradient, state, step, *, learning_rate, momentum):
    velocity = gradient if state is None else momentum * state + gradient
    return parameter - learning_rate * velocity, velocity


def dampened(parameter, gradient, state, step, *, learning_rate, momentum):
    velocity = gradient if state is None else momentum * state + (1 - momentum) * gradient
    return parameter - learning_rate * velocity / 2, velocity


def late(parameter, gradient, state, step, *, learning_rate, momentum):
    """Right for the steps that identification takes, and wrong afterwards."""
    velocity = gradient if state is None else momentum * state + gradient * (1 if step < 9 else 2)
    return parameter - learning_rate * velocity, velocity


def test_a_right_function_conforms_and_its_conventions_are_named():
    checked = conformance.check_optimizer(momentum, refimpl.SGD)
    assert checked.elements > 1000
    assert checked.cases > 5
    assert 0 < checked.worst <= 1
    assert checked.subject.conventions[refimpl.SGD]["first_velocity"] == "gradient"
    assert "momentum conforms to SGD(" in str(checked)


def test_a_wrong_function_is_told_the_nearest_conventions_and_the_first_difference():
    with pytest.raises(adapters.FollowsNothing, match=r"(?s)dampened follows SGD under no.*nearest.*step 1"):
        conformance.check_optimizer(dampened, refimpl.SGD)


def test_what_identification_does_not_see_the_cases_see():
    with pytest.raises(conformance.Nonconformance, match=r"(?s)late is not SGD\(.*expected.*bound") as caught:
        conformance.check_optimizer(late, refimpl.SGD)
    assert {"optimizers.program[SGD]"} <= {failure.case for failure in caught.value.failures}


def test_a_class_of_pytorch_conforms_with_its_own_names_of_arguments():
    checked = conformance.check_optimizer(torch.optim.Adadelta, refimpl.Adadelta)
    assert checked.subject.arguments.names["decay"] == "rho"


def test_a_partial_is_called_with_what_it_fixes():
    subject = adapters.torch_optimizer(functools.partial(torch.optim.Adam, amsgrad=True), refimpl.AMSGrad)
    assert subject.name == "Adam(amsgrad=True)"
    assert subject.conventions[refimpl.AMSGrad]["maximum"] == "raw"


def test_a_transformation_of_optax_conforms():
    optax = pytest.importorskip("optax")
    checked = conformance.check_optimizer(optax.sign_sgd, refimpl.SignDescent)
    assert checked.subject.conventions[refimpl.SignDescent]["momentum"] == 0.0


@pytest.mark.parametrize(
    ("check", "implementation", "rule"),
    [
        (conformance.check_activation, torch.nn.functional.silu, refimpl.SiLU),
        (conformance.check_activation, torch.nn.LeakyReLU, refimpl.LeakyReLU),
        (conformance.check_loss, torch.nn.MSELoss, refimpl.MeanSquaredError),
    ],
    ids=["function", "module", "loss"],
)
def test_what_pytorch_differentiates_conforms(check, implementation, rule):
    assert check(implementation, rule).elements > 0


def test_a_wrong_derivative_is_found():
    class Straight(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return torch.tanh(x)

        @staticmethod
        def backward(context, cotangent):
            return cotangent

    with pytest.raises(AssertionError, match=r"derivative|cotangent|gradient"):
        conformance.check_activation(adapters.torch_function(Straight.apply, refimpl.Tanh), refimpl.Tanh)


def clip(gradients, *, max_norm):
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    return [gradient * min(1.0, max_norm / (norm + 1e-6)) for gradient in gradients]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_hyperparameters_that_a_function_has_built_in_are_given():
    assert conformance.check_clipping(clip, refimpl.ClipByGlobalNorm, epsilon=1e-6).cases > 1
    with pytest.raises(adapters.FollowsNothing):
        conformance.check_clipping(clip, refimpl.ClipByGlobalNorm)


def test_a_schedule_and_an_initializer_conform():
    def rate(step, *, initial, decay, decay_steps):
        return initial * decay ** (step / decay_steps)

    def draw(shape, seed, *, low, high):
        return np.random.default_rng(seed).uniform(low, high, shape)

    assert conformance.check_schedule(rate, refimpl.Exponential).elements > 0
    assert conformance.check_initializer(draw, refimpl.Uniform).elements > 0


def test_an_argument_that_the_rule_does_not_have_is_refused():
    def step(parameter, gradient, state, step, *, learning_rate, strength):
        return parameter, state

    with pytest.raises(ValueError, match=r"step needs strength, which SGD does not have: its fields are .*Rename"):
        conformance.check_optimizer(step, refimpl.SGD)
    with pytest.raises(ValueError, match=r"SGD has no field strength: it has "):
        conformance.check_optimizer(torch.optim.SGD, refimpl.SGD, strength=1.0)


def test_entries_of_a_tuple_are_put_together():
    arguments = arguments_of(torch.optim.Adam, refimpl.Adam, 1)
    assert arguments.of(refimpl.Adam(0.5, 0.25, 0.75))["betas"] == (0.25, 0.75)


def test_a_check_leaves_hypothesis_as_it_was():
    before = hypothesis.settings.default
    conformance.check_activation(torch.nn.Tanh, refimpl.Tanh)
    assert hypothesis.settings.default is before


def test_a_subject_that_shares_its_saved_state_is_told_so():
    with pytest.raises(conformance.Nonconformance) as caught:
        checks.check(Own, refimpl.Adam)
    assert {failure.case for failure in caught.value.failures} == {"optimizers.nothing_is_shared[Adam]"}
