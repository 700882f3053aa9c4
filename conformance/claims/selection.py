"""A plugin of pytest that selects cases by the catalogue of claims: those of claims alone, or all others."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.claims import catalogue
from conformance.running.chosen import base_id

# Options of `conformance.running.runner` that load this plugin and make the choice.
ONLY_CLAIMS = ("-p", __name__, "--claims=only")
WITHOUT_CLAIMS = ("-p", __name__, "--claims=without")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--claims", choices=("only", "without"), help="only the cases of the claims, or all others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    of_claims = {case for claim in catalogue() for case in claim.cases}
    only = config.getoption("--claims") == "only"
    selected = [item for item in items if (base_id(item) in of_claims) == only]
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = selected
