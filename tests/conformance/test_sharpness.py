"""The bounds are sharp: a real library comes close to them over a long run, and a tighter arithmetic is exceeded."""

import dataclasses

import numpy as np
import pytest

from conformance import subjects
from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.gradients import gradient_history, parameters
from conformance.strategies.programs import Program
from conformance.trajectories.program import follow_program
from refimpl import Adam

STEPS, ELEMENTS = 300, 256


def torch_adam(change=lambda subject: None):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    subject = subjects.load("torch")("for-loop", "float32")
    change(subject)
    generator = np.random.default_rng(4)
    history = gradient_history(generator, STEPS, ELEMENTS, "float32")
    compare = Comparison("float32")
    program = Program((Adam(learning_rate=1e-3),) * STEPS, frozenset())
    follow_program(subject, compare, program, parameters(generator, ELEMENTS, "float32"), history)
    return compare.tally


def test_worst_error_of_pytorchs_float32_adam_is_above_nine_tenths_of_the_bound():
    tally = torch_adam()
    assert 0.9 < tally.worst_error_over_bound <= 1
    assert tally.comparisons == STEPS * ELEMENTS * 3 and tally.masked == 0


def test_a_target_with_half_the_unit_roundoff_is_exceeded(monkeypatch):
    def sharper(subject):
        target = subject.target_of(Adam())
        one_bit_more = dataclasses.replace(target.format, precision=target.format.precision + 1)
        sharp = dataclasses.replace(target, format=one_bit_more)
        monkeypatch.setattr(type(subject), "target_of", lambda subject, spec: sharp)

    with pytest.raises(Mismatch):
        torch_adam(sharper)
