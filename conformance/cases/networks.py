"""Networks: the loss and all gradients of small networks, end to end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.strategies.networks import networks
from conformance.strategies.trees import in_format
from refimpl.arithmetic import RunningError
from refimpl.layers import BatchNormalization, BatchNormalizationInference, Residual
from refimpl.trees import map_leaves


@case(
    statement="Loss and gradients of a dense network with unlike widths are those of backpropagation.",
    source="Rumelhart, Hinton & Williams 1986, equations 4-7; Goodfellow, Bengio & Courville 2016, algorithm 6.4",
    kind="property",
    catches="transposed weights, a derivative at the wrong argument, a bias summed over the wrong axis, a lost penalty",
    capability="network",
)
@given(data=st.data())
def test_gradients(subject, compare, data):
    hold_gradients(subject, compare, data.draw(networks(subject), label="network"))


@pytest.mark.parametrize("rule", [Residual, BatchNormalization, BatchNormalizationInference])
@case(
    statement="So they are with residual blocks, and with batch normalization in training and in inference.",
    source="He, Zhang, Ren & Sun 2016, equation 1; Ioffe & Szegedy 2015, algorithms 1 and 2",
    kind="property",
    catches="a branch without its scale; a lost skip connection; an unbiased variance of the batch; mean or variance "
    "taken as constants, or over the wrong axes; running statistics that are differentiated",
    capability="network",
)
@given(data=st.data())
def test_gradients_with(rule, subject, compare, data):
    hold_gradients(subject, compare, data.draw(networks(subject, rule), label="network"))


def hold_gradients(subject, compare, drawn) -> None:
    """Holds the subject's loss and gradients of a drawn network against their bounds."""
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
