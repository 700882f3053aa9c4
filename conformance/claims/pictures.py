"""The pictures of the ledger: each drawn from the numbers that its cases compare on the reference."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from conformance.comparison import Observation
from conformance.worked import work

STYLE = {
    "svg.hashsalt": "refimpl",  # the same picture at every run
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Picture:
    """A drawing of what its cases compare; `draw` takes the figure and their observations."""

    title: str
    caption: str
    cases: tuple[str, ...]
    draw: Callable[[Figure, list[Observation]], None]

    def svg(self) -> str:
        """The drawing as an SVG element."""
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(9, 3.6), layout="constrained")
            FigureCanvasSVG(figure)
            self.draw(figure, [seen for case in self.cases for seen in work(case).observations])
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


def series(observations: Iterable[Observation], what: str, by: str, **where: Any) -> tuple[np.ndarray, np.ndarray]:
    """The place (`by`) and the norm of what was found, of the observations of `what` made `where` it says."""
    chosen = [
        seen for seen in observations if seen.what == what and all(seen.where.get(k) == v for k, v in where.items())
    ]
    return np.array([seen.where[by] for seen in chosen]), np.array([np.linalg.norm(seen.found) for seen in chosen])


PICTURES: tuple[Picture, ...] = ()
