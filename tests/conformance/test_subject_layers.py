"""Residual blocks and batch normalization as subjects drive them: exact values, what is refused, and sharp bounds."""

import numpy as np
import pytest

from conformance import subjects
from conformance.judging.comparison import Comparison
from conformance.subjects import Unsupported
from refimpl.activations import LeakyReLU, Tanh
from refimpl.arithmetic import RunningError
from refimpl.layers import BatchNormalization, Dense, Residual, RunningStatistics
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


def test_running_statistics_follow_the_declared_variance_and_momentum_exactly(subject):
    """A batch of 4, 0, 0, 0 has mean 1 and squared deviations of 12 in all; from 0 and 1 at a momentum of 3/4."""
    before = {"mean": np.zeros(1, np.float32), "variance": np.ones(1, np.float32)}
    x = np.array([[4], [0], [0], [0]], np.float32)
    for variance, expected in (("unbiased", 1.75), ("biased", 1.5)):
        if subject.fixed(RunningStatistics).get("variance", variance) != variance:
            with pytest.raises(Unsupported, match=variance):
                subject.running_statistics(RunningStatistics(0.75, variance), before, x)
            continue
        found = subject.running_statistics(RunningStatistics(0.75, variance), before, x)
        assert found["mean"].tolist() == [0.25]
        assert found["variance"].tolist() == [expected]
        assert (before["mean"], before["variance"]) == (0, 1)


def objective_of(subject, layer, parameters):
    """The sum of squares of what the layer makes of a small batch."""
    x = np.array([[1, 3], [3, -1], [1, -1], [3, 3]], np.float32)
    parameters = [map_leaves(np.float32, parameters)]
    return subject.network(Network([layer], MeanSquaredError("sum")), parameters, x, np.zeros_like(x))[0]


def test_a_branch_is_offered_only_with_all_its_layers(subject):
    ours = subject.fixed(LeakyReLU)["derivative_at_zero"]
    other = next(value for value in LeakyReLU.conventions()["derivative_at_zero"] if value != ours)
    dense, entries = Dense(bias=False), {"weight": np.eye(2)}

    def nested(convention):
        inner = Residual([LeakyReLU(0.5, derivative_at_zero=convention), dense])
        objective_of(subject, Residual([inner]), {"branch": [{"branch": [{}, entries]}]})

    nested(ours)
    with pytest.raises(Unsupported, match="derivative_at_zero"):
        nested(other)


def test_epsilon_0_in_training_is_unsupported_by_torch_alone(subject):
    entries = {"scale": np.ones(2), "shift": np.zeros(2)}
    if subject.name == "torch":
        with pytest.raises(Unsupported, match="eps=0"):
            objective_of(subject, BatchNormalization(epsilon=0.0), entries)
    else:
        assert objective_of(subject, BatchNormalization(epsilon=0.0), entries) == 8  # every entry is 1 or -1


def test_bounds_of_normalized_gradients_are_sharp(subject):
    """The worst error of a drawn residual network with batch normalization, as a fraction of its bound."""
    generator = np.random.default_rng(3)

    def array(*shape):
        return generator.normal(size=shape).astype(np.float32)

    def normalization():
        return {"scale": array(5), "shift": array(5)}

    branch = [BatchNormalization(epsilon=1e-3), Tanh(), Dense()]
    network = Network([BatchNormalization(), Residual(branch, 0.5)], MeanSquaredError())
    worst = {}
    for _ in range(5):
        parameters = [normalization(), {"branch": [normalization(), {}, {"weight": array(5, 5), "bias": array(5)}]}]
        x, target = array(8, 5), array(8, 5)
        sent, sent_x, sent_target = map_leaves(lambda a: RunningError.exact(a, subject.target), [parameters, x, target])
        found = subject.network(network, parameters, x, target)
        expected = network.gradients(sent, sent_x, sent_target)
        for of_found, of_expected, what in zip(found, expected, ("loss", "gradients"), strict=True):
            comparison = Comparison(subject.dtype)
            comparison.tree(of_found, of_expected, what)
            worst[what] = max(worst.get(what, 0), comparison.tally.worst_error_over_bound)
    assert min(worst.values()) > 1 / 1000 and comparison.tally.masked == 0, worst
