"""Hypothesis runs the same examples each time; `--hypothesis-profile=default` draws new ones."""

from hypothesis import settings

settings.register_profile("refimpl", derandomize=True, deadline=None)
settings.load_profile("refimpl")
