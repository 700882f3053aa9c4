"""Following a training run: where a wrong step shows, what becomes of hidden slots, and who cannot take part."""

import numpy as np
import pytest

from conformance.judging.comparison import Comparison, Mismatch
from conformance.subjects.reference import Reference, Run
from conformance.subjects.subject import Unsupported
from conformance.trajectories.training import Step, Training, certified, follow_training, largest_bound
from refimpl.layers import Dense
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.optimizers import Adam

X, Y = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 1.0]]), np.array([[2.0], [-1.0], [0.5]])
START = [{"weight": np.array([[0.75], [-0.25]]), "bias": np.array([0.125])}]
TRAINING = Training(Network([Dense()], MeanSquaredError()), START, [Step(Adam(learning_rate=0.05), X, Y)] * 5)


def reference_with(run):
    class Changed(Reference):
        def optimizer(self, spec, parameters):
            return run(spec, parameters)

    return Changed("numpy", "float64")


class SlipsAtStepThree(Run):
    """Off by a few thousand units in the last place, once."""

    def step(self, gradients):
        super().step(gradients)
        if self._state["step"] == 3:
            self._parameters = [{name: array * (1 + 1e-12) for name, array in self._parameters[0].items()}]


class HidesItsSlots(Run):
    def state(self):
        return {}


class LosesItsSlots(HidesItsSlots):
    def step(self, gradients):
        self._state |= self._spec.init(self._parameters) | {"step": self._state["step"]}
        super().step(gradients)


def test_a_wrong_step_fails_there_and_not_before():
    with pytest.raises(Mismatch) as caught:
        list(follow_training(reference_with(SlipsAtStepThree), Comparison("float64"), TRAINING))
    assert (caught.value.what, caught.value.facts["step"]) == ("parameters[0]['weight']", 3)


def test_slots_that_cannot_be_seen_are_those_of_the_rule():
    assert len(list(follow_training(reference_with(HidesItsSlots), Comparison("float64"), TRAINING))) == 5
    with pytest.raises(Mismatch) as caught:
        list(follow_training(reference_with(LosesItsSlots), Comparison("float64"), TRAINING))
    assert caught.value.facts["step"] == 2


def test_slots_that_can_be_seen_keep_the_bound_that_of_one_step():
    def last_bound(run):
        compare = Comparison("float64", journal=[])
        list(follow_training(reference_with(run), compare, TRAINING))
        return max(o.bound.max() for o in compare.journal if o.what.startswith("parameters") and o.where["step"] == 5)

    assert last_bound(Run) < last_bound(HidesItsSlots)


def test_the_bound_of_a_whole_run_covers_the_steps_before():
    bounds = [largest_bound(parameters) for parameters in certified(TRAINING, Reference("numpy", "float64").target)]
    assert bounds == sorted(bounds) and 0 < bounds[0] < bounds[-1] < 1e-12


def test_a_subject_without_optimizers_is_told_so():
    class NetworksOnly(Reference):
        variants = {"network": ("numpy",)}

    with pytest.raises(Unsupported, match="does not offer optimizer"):
        list(follow_training(NetworksOnly("numpy", "float64"), Comparison("float64"), TRAINING))


def test_a_subject_that_borrows_the_optimizers_of_another_variant_is_checked_at_its_arrays_there():
    class Overwrites(Run):
        def step(self, gradients):
            super().step(gradients)
            gradients[0]["weight"].fill(0.0)

    subject = reference_with(Overwrites)
    type(subject).variants = {"network": ("numpy",), "optimizer": ("other",)}
    with pytest.raises(Mismatch, match=r"step changes its argument gradients\[0\]\['weight'\]"):
        list(follow_training(subject, Comparison("float64"), TRAINING))
