"""Drawings: what is put on a figure, as the text of an SVG file that is the same at every run."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib
from matplotlib.figure import Figure

STYLE = {
    "svg.hashsalt": "refimpl",  # otherwise identifiers are drawn at random
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def svg(draw: Callable[[Figure], None], width: float, height: float) -> str:
    """The SVG file of what `draw` puts on a figure of this width and height, in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
