"""Fixtures that several tests of the suite share."""

import pytest
from hypothesis import settings

from conformance.strategies.draws import load_profile


@pytest.fixture
def drawn_as_the_suite_draws():
    """Hypothesis draws as in a run of the suite; after the test as before it."""
    settings.register_profile("in force before", settings.default)
    load_profile()
    yield
    settings.load_profile("in force before")
