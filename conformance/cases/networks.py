"""Networks: the loss and all gradients of small dense networks, end to end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.strategies.networks import networks
from conformance.strategies.trees import in_format
from refimpl.arithmetic import RunningError
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
    network, parameters, x, y = data.draw(networks(subject), label="network")
    sent = y if y.dtype.kind == "i" else y.astype(subject.array_dtype)
    compare.example(network=network, batch=x.shape)
    loss, gradients = subject.network(
        network, in_format(parameters, subject.array_dtype), x.astype(subject.array_dtype), sent
    )
    certified = map_leaves(lambda leaf: RunningError.exact(leaf, subject.target), parameters)
    expected_loss, expected = network.gradients(certified, RunningError.exact(x, subject.target), y)
    compare.within(loss, expected_loss, "loss")
    compare.tree(gradients, expected, "gradients")
