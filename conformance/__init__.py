"""The conformance suite: it checks implementations of gradient training against the reference in `refimpl`.

`cli` is the command. `subjects` are the implementations, `cases` what must hold of them, `strategies` their inputs.
`running` runs cases, `judging` compares and decides, `trajectories` follows whole runs, `known_values` has what cases
of known values share, `profiles` the accuracy of elementary functions, and `report` writes and shows the result. The
features on top are `claims`, `conventions`, `faults` and `identification`. `checks`, `items` and `adapters` bring the
cases into anybody's own tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.checks import Checked as Checked
    from conformance.checks import Nonconformance as Nonconformance
    from conformance.checks import check_activation as check_activation
    from conformance.checks import check_clipping as check_clipping
    from conformance.checks import check_initializer as check_initializer
    from conformance.checks import check_loss as check_loss
    from conformance.checks import check_optimizer as check_optimizer
    from conformance.checks import check_schedule as check_schedule
    from conformance.identification import identify as identify
    from conformance.items import parametrize as parametrize
    from conformance.running.case import case as case
    from conformance.subjects import NoDevice as NoDevice
    from conformance.subjects import OptimizerRun as OptimizerRun
    from conformance.subjects import Subject as Subject
    from conformance.subjects import Unsupported as Unsupported

# Where each public name is: it is imported at its first use, so that `import conformance` costs nothing.
_CHECKS = ("activation", "clipping", "initializer", "loss", "optimizer", "schedule")
_HOMES = {
    "case": "running.case",
    "identify": "identification",
    "parametrize": "items",
    **dict.fromkeys(("NoDevice", "OptimizerRun", "Subject", "Unsupported"), "subjects"),
    **dict.fromkeys(("Checked", "Nonconformance", *(f"check_{kind}" for kind in _CHECKS)), "checks"),
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
