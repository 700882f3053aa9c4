"""Residual blocks and batch normalization as subjects drive them: exact values, what is refused, and sharp bounds."""

import numpy as np
import pytest

from conformance import subjects
from conformance.comparison import Comparison
from conformance.subjects import NotOffered
from refimpl.activations import LeakyReLU, Tanh
from refimpl.arithmetic import RunningError
from refimpl.layers import BatchNormalization, BatchNormalizationInference, Dense, Residual, RunningStatistics
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.trees import map_leaves


def every(name):
    return [(name, variant) for variant in subjects.load(name).variants["network"]]


@pytest.fixture(params=[*every("torch"), *every("jax")], ids="-".join)
def subject(request):
    name, variant = request.param
    pytest.importorskip(name, reason=f"{name} is not installed")
    return subjects.load(name)(variant, "float32")


def test_the_running_variance_of_1_to_4_is_the_published_one(subject):
    """From 1: unbiased 1 + (5/3 - 1)/4 and biased 1 + (5/4 - 1)/4 at a momentum of 3/4."""
    before = {"mean": np.zeros(1, np.float32), "variance": np.ones(1, np.float32)}
    x = np.arange(1, 5, dtype=np.float32)[:, None]
    for variance, expected in (("unbiased", 7 / 6), ("biased", 1.0625)):
        if subject.fixed(RunningStatistics).get("variance", variance) != variance:
            with pytest.raises(NotOffered, match=variance):
                subject.running_statistics(RunningStatistics(0.75, variance), before, x)
            continue
        found = subject.running_statistics(RunningStatistics(0.75, variance), before, x)
        assert found["mean"].tolist() == [0.625]
        assert found["variance"] == np.float32(expected)
        assert (before["mean"], before["variance"]) == (0, 1)


def gradients_of(subject, *layers_and_parameters, x=((1.0, 3.0), (3.0, -1.0), (1.0, -1.0), (3.0, 3.0))):
    layers, parameters = zip(*layers_and_parameters, strict=True)
    network = Network(layers, MeanSquaredError("sum"))
    parameters = map_leaves(np.float32, list(parameters))
    return subject.network(network, parameters, np.asarray(x, np.float32), np.zeros((4, 2), np.float32))


def test_leading_axes_are_one_batch_in_a_subject(subject):
    entries = {"scale": np.array([2.0, 4.0]), "shift": np.array([0.5, -1.0])}
    x = np.array([[[1.0, 3.0], [3.0, -1.0]], [[1.0, -1.0], [3.0, 3.0]]], np.float32)
    for layer in (BatchNormalization(3.0), BatchNormalizationInference([2.0, 1.0], [1.0, 4.0], 0.0)):
        flat, flat_gradients = gradients_of(subject, (layer, entries))
        network, parameters = Network([layer], MeanSquaredError("sum")), [map_leaves(np.float32, entries)]
        value, gradients = subject.network(network, parameters, x, np.zeros((2, 2, 2), np.float32))
        assert value == flat
        for name, gradient in gradients[0].items():
            np.testing.assert_array_equal(gradient, flat_gradients[0][name])


def test_a_branch_is_offered_only_with_all_its_layers(subject):
    ours = subject.fixed(LeakyReLU)["derivative_at_zero"]
    other = next(value for value in LeakyReLU.conventions()["derivative_at_zero"] if value != ours)
    gradients_of(subject, (Residual([LeakyReLU(derivative_at_zero=ours)]), {"branch": [{}]}))
    with pytest.raises(NotOffered, match="derivative_at_zero"):
        gradients_of(subject, (Residual([Residual([LeakyReLU(derivative_at_zero=other)])]), {"branch": [{}]}))


def test_epsilon_0_in_training_is_not_offered_by_torch_alone(subject):
    entries = {"scale": np.ones(2), "shift": np.zeros(2)}
    if subject.name == "torch":
        with pytest.raises(NotOffered, match="eps=0"):
            gradients_of(subject, (BatchNormalization(0.0), entries))
    else:
        value, _ = gradients_of(subject, (BatchNormalization(0.0), entries))
        assert value == 8  # every entry is 1 or -1


def test_bounds_of_normalized_gradients_are_sharp(subject):
    """The worst error of a drawn residual network with batch normalization, as a fraction of its bound."""
    generator = np.random.default_rng(3)

    def array(*shape):
        return generator.normal(size=shape).astype(np.float32)

    def normalization():
        return {"scale": array(5), "shift": array(5)}

    branch = [BatchNormalization(1e-3), Tanh(), Dense()]
    network = Network([BatchNormalization(), Residual(branch, 0.5)], MeanSquaredError())
    worst = {}
    for _ in range(5):
        parameters = [normalization(), {"branch": [normalization(), {}, {"weight": array(5, 5), "bias": array(5)}]}]
        x, target = array(8, 5), array(8, 5)
        sent, sent_x, sent_target = map_leaves(
            lambda a: RunningError.exact(a, subject.target), [parameters, x, target]
        )
        found = subject.network(network, parameters, x, target)
        expected = network.gradients(sent, sent_x, sent_target)
        for of_found, of_expected, what in zip(found, expected, ("loss", "gradients"), strict=True):
            comparison = Comparison(subject.dtype)
            comparison.tree(of_found, of_expected, what)
            worst[what] = max(worst.get(what, 0), comparison.tally.worst_error_over_bound)
    assert min(worst.values()) > 1 / 1000 and comparison.tally.masked == 0, worst
    print(worst)
