"""Networks: the loss and all gradients of small networks, end to end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.known_values import summed
from conformance.running.case import case
from conformance.strategies.hyperparameters import combinations
from conformance.strategies.networks import networks
from conformance.strategies.trees import in_format
from conformance.subjects import Unsupported
from refimpl.arithmetic import RunningError
from refimpl.layers import BatchNormalization, BatchNormalizationInference, Dense, Residual
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.regularization import L1, L2
from refimpl.trees import map_leaves

BLOCKS = (Residual, BatchNormalization, BatchNormalizationInference)


@case(
    statement="Loss and gradients of a dense network with unlike widths are those of backpropagation.",
    source="Rumelhart, Hinton & Williams 1986, equations 4-7; Goodfellow, Bengio & Courville 2016, algorithm 6.4",
    kind="property",
    catches="transposed weights, a derivative at the wrong argument, a bias summed over the wrong axis, a lost penalty",
    capability="network",
)
@given(data=st.data())
def test_gradients(subject, compare, data):
    check_gradients(subject, compare, data.draw(networks(subject), label="network"))


@case(
    statement="So they are with residual blocks, and with batch normalization in training and in inference.",
    source="He, Zhang, Ren & Sun 2016, equation 1; Ioffe & Szegedy 2015, algorithms 1 and 2",
    kind="property",
    catches="a branch without its scale; a lost skip connection; an unbiased variance of the batch; mean or variance "
    "taken as constants, or over the wrong axes; running statistics that are differentiated",
    capability="network",
)
@given(data=st.data())
def test_gradients_with_blocks(subject, compare, data):
    offered = [rule for rule in BLOCKS if rule in subject.conventions]
    if not offered:
        raise Unsupported(f"{subject.name} declares no {', '.join(rule.__name__ for rule in BLOCKS)}")
    rule = data.draw(st.sampled_from(offered), label="block")
    check_gradients(subject, compare, data.draw(networks(subject, rule), label="network"))


def check_gradients(subject, compare, drawn) -> None:
    """Checks the subject's loss and gradients of a drawn network against their bounds."""
    network, parameters, x, y = drawn
    sent = y if y.dtype.kind == "i" else y.astype(subject.array_dtype)
    compare.example(network=network, batch=x.shape)
    loss, gradients = subject.network(
        network, in_format(parameters, subject.array_dtype), x.astype(subject.array_dtype), sent
    )
    certified = map_leaves(lambda leaf: RunningError.exact(leaf, subject.target), parameters)
    expected_loss, expected = network.gradients(certified, RunningError.exact(x, subject.target), y)
    compare.within(loss, expected_loss, "loss")
    compare.tree(gradients, expected, "gradients")


# Both weights, of any layout, and biases; their signs; what all entries add up to in magnitude, and squared.
ENTRIES = [
    {"weight": np.array([[2.0, -3.0], [0.0, 1.0]]), "bias": np.array([-1.0, 4.0])},
    {"weight": np.array([[-2.0, 5.0], [1.0, 0.0]]), "bias": np.array([0.0, -6.0])},
]
SIGNS = [
    {"weight": np.array([[1.0, -1.0], [0.0, 1.0]]), "bias": np.array([-1.0, 1.0])},
    {"weight": np.array([[-1.0, 1.0], [1.0, 0.0]]), "bias": np.array([0.0, -1.0])},
]
MAGNITUDES, SQUARES = 25.0, 97.0
STRENGTH = 0.125


@pytest.mark.parametrize("rule", [L1, L2], ids=lambda rule: rule.__name__)
@case(
    statement="A penalty adds to the loss what all entries add up to, and to the gradient of each entry what it alone "
    "adds: its sign for magnitudes, itself or twice itself for squares; 0 where an entry is 0, or the side declared.",
    source="the definitions in refimpl.regularization; small whole numbers, so that nothing rounds",
    kind="exact",
    catches="a penalty on weights or on one layer alone; a factor 2; a mean for a sum; another derivative at 0",
    capability="network",
)
def test_penalty(subject, compare, rule):
    layers = [subject.spec(Dense, bias=True)] * 2
    loss = summed(subject, MeanSquaredError)  # or a mean of eight
    x = np.array([[1.0, -2.0], [3.0, 1.0], [0.0, 2.0], [-1.0, 1.0]])
    target = np.array([[1.0, 0.0], [2.0, -1.0], [3.0, 5.0], [4.0, -3.0]])
    sent = [in_format(tree, subject.array_dtype) for tree in (ENTRIES, x, target)]
    plain, plain_gradients = subject.network(Network(layers, loss), *sent)
    for fields in combinations(rule, subject.fixed(rule), {"strength": [STRENGTH]}):
        penalty = rule(**fields)
        if rule is L1:
            value, at_zero = MAGNITUDES, penalty.derivative_at_zero
            slopes = map_leaves(lambda s, at_zero=at_zero: np.where(s == 0, at_zero, s), SIGNS)
        else:
            value, factor = (SQUARES / 2, 1) if penalty.half else (SQUARES, 2)
            slopes = map_leaves(lambda w, factor=factor: factor * w, ENTRIES)
        compare.example(penalty=penalty)
        objective, gradients = subject.network(Network(layers, loss, penalty), *sent)
        compare.equal(objective, plain + STRENGTH * value, "objective", penalty=penalty)
        expected = map_leaves(lambda g, s: np.asarray(g, dtype=np.float64) + STRENGTH * s, plain_gradients, slopes)
        for layer, (found, wanted) in enumerate(zip(gradients, expected, strict=True)):
            for name, array in wanted.items():
                compare.equal(found[name], array, f"gradient of {name}", layer=layer, penalty=penalty)
