"""The pictures of the catalogue: their numbers are those that the cases compare, and every run draws the same file."""

import re

import numpy as np
import pytest

from conformance.claims.pictures import PICTURES, numbers, values
from conformance.judging.comparison import Observation
from conformance.report import drawing

pytestmark = pytest.mark.usefixtures("drawn_as_the_suite_draws")


def seen(found, **where):
    found = np.asarray(found)
    return Observation("length", where, "=", found, 2 * found, np.zeros(found.shape))


def test_numbers_are_found_by_place_and_keep_their_sign():
    observations = [seen([-3.0], step=1, beta=5), seen(7.0, step=2, beta=5), seen(11.0, step=1, beta=6)]
    at, found = numbers(observations, "length", "step", beta=5)
    _, expected = numbers(observations, "length", "step", "expected", beta=5)
    assert (at.tolist(), found.tolist(), expected.tolist()) == ([1, 2], [-3, 7], [-6, 14])
    assert values(observations, "beta") == [5, 6]


def test_a_vector_is_no_number_to_draw():
    with pytest.raises(ValueError, match="size 1"):
        numbers([seen([3.0, 4.0], step=1)], "length", "step")


LABELS = {
    "Gradients against depth": ["decay", "growth", "transient", "different matrices"],
    "Where gradients neither vanish nor explode": ["bias variance 0.05", "tanh", "sigmoid"],
    "Adam with and without bias correction": ["step with correction", "step without correction"],
    "The longest step of Adam": ["beta1 0.9, beta2 0.999", "beta1 0.9, beta2 0.99"],
    "Clipping by norm is the projection on a ball": ["largest norm 1", "largest norm 0.375"],
    "Initializers against their distributions": ["150,000 entries", "glorot_uniform", "he_truncated_normal"],
}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.title)
def test_a_picture_is_labelled_by_what_its_cases_compared(picture):
    svg = picture.svg()
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert set(LABELS[picture.title]) <= set(re.findall(r">([^<>]+)</text>", svg))


def test_a_drawing_is_the_same_at_every_run_and_of_its_size():
    first, second = (drawing.svg(lambda figure: figure.subplots().plot([1, 3, 2]), 5, 3) for _ in range(2))
    assert first == second
    assert first.startswith("<?xml") and 'viewBox="0 0 360 216"' in first  # 72 points to the inch
