"""Libraries stay within the bound where decay takes nearly all of a parameter, and beyond that of the factor alone."""

import numpy as np
import pytest

from conformance import subjects
from conformance.judging.comparison import Comparison, Mismatch
from conformance.strategies.gradients import gradient_history, parameters
from conformance.strategies.programs import Program
from conformance.trajectories.program import follow_program
from refimpl import SGD, AdamW, Lion
from refimpl.arithmetic import RunningError, decayed_parameter, fused_decay

FORMATS = ("float32", "float64")
DRIVEN = (
    *(("torch", variant, AdamW) for variant in ("for-loop", "foreach", "fused")),
    *(("jax", variant, rule) for variant in ("jit", "eager") for rule in (AdamW, Lion)),
    *(("keras", "eager", rule) for rule in (SGD, AdamW, Lion)),
)
LIBRARIES = {"torch": "torch", "jax": "optax", "keras": "keras"}


def worst(library, variant, rule, dtype, share, seed):
    """The largest error over bound in six steps that each keep 1 - share of the parameter."""
    pytest.importorskip(LIBRARIES[library], reason=f"{LIBRARIES[library]} is not installed")
    subject = subjects.load(library)(variant, dtype)
    spec = subject.spec(rule, learning_rate=0.9, weight_decay=share / 0.9, weight_decay_kind="decoupled")
    generator = np.random.default_rng(seed)
    history = gradient_history(generator, 6, 99, dtype)
    compare = Comparison(dtype)
    start = parameters(generator, 99, dtype)
    follow_program(subject, compare, Program((spec,) * 6, frozenset()), start, history)
    assert compare.tally.comparisons >= 6 * 99 and compare.tally.masked == 0
    return compare.tally.worst_error_over_bound


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(("library", "variant", "rule"), DRIVEN)
def test_a_right_library_stays_within_the_bound(library, variant, rule, dtype):
    for seed, share in enumerate((0.2, 0.8, 0.99, 1.0, 1.1, 1.7)):
        assert worst(library, variant, rule, dtype, share, seed) <= 1


@pytest.mark.parametrize("rule", [AdamW, Lion], ids=lambda rule: rule.__name__)
def test_optax_leaves_the_bound_of_a_factor_alone(rule, monkeypatch):
    """In float32, where hyperparameters are float64; the factor of float64 arrays is itself off by as much."""
    factor_alone = {decayed_parameter: lambda p, a, b: p * (1 - a * b), fused_decay: lambda updated, *others: updated}
    monkeypatch.setattr(RunningError, "functions", RunningError.functions | factor_alone)
    with pytest.raises(Mismatch):
        worst("jax", "jit", rule, "float32", share=0.99, seed=100)
