"""The aliasing guard: whoever changes or keeps an array it was given or has returned fails, and nobody else."""

from functools import partial

import numpy as np
import pytest

from conformance import OptimizerRun
from conformance.judging.comparison import Mismatch
from conformance.running.aliasing_guard import guarded
from conformance.running.trace import run_case
from conformance.subjects.reference import Reference
from refimpl.activations import Identity, Tanh
from refimpl.clipping import AdaptiveClipping
from refimpl.layers import Dense, RunningStatistics
from refimpl.losses import MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.optimizers import SGD
from refimpl.trees import leaves

NETWORK = Network([Dense()], MeanSquaredError())
# What each capability is called with, and the paths of the arrays among its arguments.
CALLS = {
    "clip": (
        (AdaptiveClipping(0.25), {"a": np.array([3.0, -0.5])}, {"a": np.ones(2)}), ("gradients['a']", "parameters['a']")
    ),
    "activation": ((Tanh(), np.array([[2.0], [0.5]]), np.array([[1.0], [3.0]])), ("x", "cotangent")),
    "loss": ((MeanSquaredError(), np.array([2.0, 5.0]), np.array([1.0, 7.0])), ("prediction", "target")),
    "network": (
        (NETWORK, [{"weight": np.ones((2, 1)), "bias": np.ones(1)}], np.ones((3, 2)), np.zeros((3, 1))),
        ("parameters[0]['weight']", "parameters[0]['bias']", "x", "y"),
    ),
    "running_statistics": (
        (RunningStatistics(), {"mean": np.zeros(2), "variance": np.ones(2)}, np.array([[1.0, 2.0], [5.0, 3.0]])),
        ("statistics['mean']", "statistics['variance']", "x"),
    ),
    "optimizer": ((SGD(), {"a": np.ones(2), "b": [np.zeros(3)]}), ("parameters['a']", "parameters['b'][0]")),
}  # fmt: skip
PURE = [capability for capability in CALLS if capability != "optimizer"]


def each_argument(capabilities):
    arguments = [(capability, *argument) for capability in capabilities for argument in enumerate(CALLS[capability][1])]
    return pytest.mark.parametrize(("capability", "number", "path"), arguments)


def arrays_of(arguments):
    return [leaf for _, leaf in leaves(arguments) if isinstance(leaf, np.ndarray)]


def answering(capability, answer):
    """The reference, but for one capability: what `answer` makes of its method and the arguments."""

    def method(self, *arguments):
        return answer(partial(getattr(Reference, capability), self), *arguments)

    return guarded(type("Wrong", (Reference,), {capability: method})("numpy", "float64"))


@each_argument(CALLS)
def test_an_argument_that_is_overwritten_is_named(capability, number, path):
    def overwriting(right, *arguments):
        result = right(*arguments)
        arrays_of(arguments)[number][...] = 7.0
        return result

    arguments, _ = CALLS[capability]
    before = [array.copy() for array in arrays_of(arguments)]
    with pytest.raises(Mismatch, match="changes its argument") as caught:
        getattr(answering(capability, overwriting), capability)(*arguments)
    assert caught.value.what == f"{capability} changes its argument {path}"
    assert caught.value.facts["advice"].endswith("copy it, or make a new one")
    assert arguments[0] in caught.value.facts.values()
    assert all(map(np.array_equal, arrays_of(arguments), before))


@each_argument(PURE)
def test_an_argument_may_be_returned_but_not_changed_by_the_next_call(capability, number, path):
    given = []

    def writing(right, *arguments):
        given.append(arrays_of(arguments)[number])
        if len(given) == 3:
            given[1][...] = 7.0
        return given[-1]

    subject, (arguments, _) = answering(capability, writing), CALLS[capability]
    for _ in range(2):
        assert np.array_equal(getattr(subject, capability)(*arguments), arrays_of(arguments)[number])
    with pytest.raises(Mismatch, match=f"{capability} changes the ") as caught:
        getattr(subject, capability)(*arguments)
    assert caught.value.what in (
        f"{capability} changes the result {capability}()", f"{capability} changes the argument {path} of {capability}"
    )  # fmt: skip


@pytest.mark.parametrize("capability", PURE)
def test_a_call_that_changes_what_the_last_one_returned_is_caught_and_stays_so(capability):
    buffers = []

    def in_buffers(right, *arguments):
        results = arrays_of((right(*arguments),))
        for buffer, result in zip(buffers, results, strict=False):
            np.copyto(buffer, result + 1)
        buffers.extend(results)
        return tuple(buffers[: len(results)])

    subject = answering(capability, in_buffers)
    arguments, _ = CALLS[capability]
    getattr(subject, capability)(*arguments)
    for _ in range(2):
        with pytest.raises(Mismatch, match=rf"{capability} changes the result {capability}\(\)\[0\]:"):
            getattr(subject, capability)(*arguments)


class OnOneArray(OptimizerRun):
    """Descent that does right, unless told to do one thing wrong."""

    def __init__(self, wrong, parameters):
        self.wrong, self.last = wrong, np.zeros_like(parameters)
        self.weights = parameters.copy() if wrong == "parameters in place" else parameters

    def step(self, gradients):
        if self.wrong == "gradients in place":
            gradients *= 0.5
        if self.wrong in ("parameters in place", "start in place"):
            self.weights -= gradients
        else:
            self.weights = self.weights - gradients
        self.last = gradients if self.wrong == "gradients kept" else gradients.copy()

    def parameters(self):
        return self.weights.copy() if self.wrong == "start in place" else self.weights

    def state(self):
        return {"velocity": self.last}

    def save(self):
        return self.weights, self.last


WRONG_RUNS = {
    "gradients in place": "step changes its argument gradients",
    "parameters in place": r"step changes the result parameters\(\)",
    "start in place": "step changes the argument parameters of optimizer",
    "gradients kept": r"the result state\(\)\['velocity'\] shares memory with the argument gradients of step",
}


@pytest.mark.parametrize("last", ["step", "save"])
@pytest.mark.parametrize("wrong", [None, *WRONG_RUNS])
def test_a_run_that_changes_or_keeps_arrays_is_caught_and_no_other(wrong, last):
    subject = answering("optimizer", lambda _, spec, parameters: OnOneArray(wrong, parameters))

    def run():
        run = subject.optimizer(SGD(learning_rate=0.5), np.ones(2))
        assert np.array_equal(run.parameters(), [1.0, 1.0])
        run.step(np.array([1.0, -3.0]))
        assert np.array_equal(run.parameters(), [0.0, 4.0])
        assert np.array_equal(run.state()["velocity"], [1.0, -3.0])
        run.save() if last == "save" else run.step(np.array([1.0, -3.0]))

    if wrong is None:
        return run()
    with pytest.raises(Mismatch, match=WRONG_RUNS[wrong]) as caught:
        run()
    assert caught.value.facts["spec"] == SGD(learning_rate=0.5)


def test_right_calls_return_what_they_did_and_see_their_arguments():
    plain, lent = Reference("numpy", "float64"), guarded(Reference("numpy", "float64"))
    for capability, (arguments, _) in CALLS.items():
        found, expected = (getattr(subject, capability)(*arguments) for subject in (lent, plain))
        if capability == "optimizer":
            found, expected = found.parameters(), expected.parameters()
        assert all(map(np.array_equal, arrays_of((found,)), arrays_of((expected,)))), capability
    activation = lent.activation
    assert guarded(lent) is lent and lent.activation is activation


def test_arguments_may_be_read_only_one_array_twice_integers_named_or_no_arrays():
    subject, x = guarded(Reference("numpy", "float64")), np.array([2.0, -1.0])
    x.setflags(write=False)
    same = []

    def closing(right, spec, x, cotangent):
        same.append(x is cotangent)
        x.setflags(write=False)
        return right(spec, x, cotangent)

    assert np.array_equal(answering("activation", closing).activation(Identity(), x, cotangent=x)[0], x)
    assert same == [True]
    subject.loss(SoftmaxCrossEntropy(labels="index"), np.ones((1, 2)), np.array([1]))
    subject.network(network=NETWORK, parameters=CALLS["network"][0][1], x=np.ones((3, 2)), y=np.zeros((3, 1)))


class OnADevice:
    """An array that no NumPy function has a hold of."""

    def __array__(self, *arguments, **options):
        raise RuntimeError("on a device")


def test_arrays_of_other_libraries_are_passed_and_returned_as_they_are():
    array = OnADevice()
    subject = answering("activation", lambda right, spec, x, cotangent: (x, cotangent))
    assert subject.activation(Identity(), array, array) == (array, array)


def test_what_is_no_run_is_said_to_be_none():
    subject = guarded(type("Forgets", (Reference,), {"optimizer": lambda self, spec, parameters: None})())
    with pytest.raises(TypeError, match=r"optimizer\(\) must return an OptimizerRun, got NoneType"):
        subject.optimizer(SGD(), np.zeros(1))


def test_a_case_holds_the_subject_that_it_is_given():
    class Overwriting(Reference):
        def activation(self, spec, x, cotangent):
            value, of_x = super().activation(spec, x, cotangent)
            np.copyto(cotangent, of_x)
            return value, of_x

    with pytest.raises(Mismatch, match="activation changes its argument cotangent"):
        run_case("activations.kink[ReLU]", Overwriting("numpy", "float64"))
