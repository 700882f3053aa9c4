"""The pictures of the catalogue: each drawn from the numbers that its cases compare on the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from conformance.judging.comparison import Observation
from conformance.report import drawing
from conformance.running.trace import run_case


@dataclass(frozen=True)
class Picture:
    """A drawing of what its cases compare; `draw` takes the figure and their observations."""

    title: str
    caption: str
    cases: tuple[str, ...]
    draw: Callable[[Figure, list[Observation]], None]

    def svg(self) -> str:
        """The drawing as an SVG element."""
        seen = [observation for case in self.cases for observation in run_case(case).observations]
        file = drawing.svg(lambda figure: self.draw(figure, seen), 9, 3.6)
        return file[file.index("<svg") :]


def numbers(
    observations: Iterable[Observation], what: str, by: str, side: str = "found", **where: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The places (`by`) and the numbers found (or expected) there, of observations of `what` made `where` it says."""
    chosen = [
        seen for seen in observations if seen.what == what and all(seen.where.get(k) == v for k, v in where.items())
    ]
    return np.array([seen.where[by] for seen in chosen]), np.array([getattr(seen, side).item() for seen in chosen])


def values(observations: Iterable[Observation], name: str) -> list[Any]:
    """The different values of `where[name]`, in order."""
    return list(dict.fromkeys(seen.where[name] for seen in observations if name in seen.where))


# --- gradients against depth ----------------------------------------------------------------------------------------

_UPPER = "log10 of the gradient norm, and the product of largest singular values"
_LOWER = "log10 of the product of smallest singular values, and the gradient norm"
_EIGENVALUES = "log10 of the gradient norm, beyond the product of eigenvalues"


def _depth(figure: Figure, seen: list[Observation]) -> None:
    families = values(seen, "family")
    for axes, family in zip(figure.subplots(1, len(families)), families, strict=True):
        upper, lower = (
            numbers(seen, what, "above", side, family=family)
            for what, side in ((_UPPER, "expected"), (_LOWER, "found"))
        )
        axes.fill_between(*upper, lower[1], color="C0", alpha=0.15, lw=0, label="certified: singular values")
        norms = [o for o in seen if o.what == "bias gradient" and o.where["family"] == family and np.any(o.found)]
        above = [o.where["above"] for o in norms]
        axes.plot(above, [np.log10(np.linalg.norm(o.found)) for o in norms], color="C0", label="gradient")
        eigenvalues = numbers(seen, _EIGENVALUES, "above", "expected", family=family)
        if eigenvalues[0].size:
            axes.plot(*eigenvalues, color="C3", ls="--", label="product of eigenvalues")
        # The lines, not the certified range, which may be many decades wider.
        shown = np.concatenate([line.get_ydata() for line in axes.lines])
        margin = 0.15 * np.ptp(shown)
        axes.set_ylim(shown.min() - margin, shown.max() + margin)
        axes.set_title(family)
        axes.set_xlabel("layers above")
    figure.axes[0].set_ylabel("log10 of the gradient norm")
    figure.legend(*figure.axes[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)


# --- mean field -----------------------------------------------------------------------------------------------------


def _chi(figure: Figure, seen: list[Observation]) -> None:
    axes = figure.subplots()
    bias_variance = max(values(seen, "bias_variance"))
    for color, activation in enumerate(values([o for o in seen if o.what == "chi"], "activation")):
        axes.plot(*numbers(seen, "chi", "weight_variance", activation=activation), f"C{color}.-", label=activation)
        critical = {"activation": activation, "bias_variance": bias_variance}
        _, at = numbers(seen, "critical weight variance", "bias_variance", **critical)
        axes.plot(at, np.ones_like(at), f"C{color}o", ms=8, mfc="none")
    axes.set_title(f"bias variance {bias_variance:g}")
    axes.axhline(1.0, color="0.4", lw=1)
    axes.set_xscale("log")
    axes.set_xlabel("weight variance times fan-in")
    axes.set_ylabel("chi, the factor of the\nsquared gradient per layer")
    axes.legend()


# --- Adam -----------------------------------------------------------------------------------------------------------


def _correction(figure: Figure, seen: list[Observation]) -> None:
    axes = figure.subplots()
    for what, color in (("step with correction", "C0"), ("step without correction", "C3")):
        axes.plot(*numbers(seen, what, "step"), color, label=what)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step, under a constant gradient")
    axes.set_ylabel("learning rates moved")
    axes.legend()


def _longest(figure: Figure, seen: list[Observation]) -> None:
    (beta1,), panels = values(seen, "beta1"), values(seen, "beta2")
    for axes, beta2 in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.plot(
            *numbers(seen, "longest step", "step", "expected", beta2=beta2), "C0", lw=4, alpha=0.3, label="tight bound"
        )
        axes.plot(*numbers(seen, "longest step", "step", beta2=beta2), "C0", lw=1, label="extremal gradients")
        stated = numbers(seen, "longest step over the stated bound", "step", "expected", beta2=beta2)[1]
        axes.axhline(stated[0], color="C3", ls="--", label="the paper's bound")
        axes.set_xscale("log")
        axes.set_title(f"beta1 {beta1:g}, beta2 {beta2:g}")
        axes.set_xlabel("step")
    figure.axes[0].set_ylabel("learning rates moved")
    figure.axes[0].legend()


# --- clipping and initializers --------------------------------------------------------------------------------------


def _projection(figure: Figure, seen: list[Observation]) -> None:
    norms = values(seen, "max_norm")
    angle = np.linspace(0, 2 * np.pi, 200)
    for axes, max_norm in zip(figure.subplots(1, len(norms), sharey=True), norms, strict=True):
        axes.plot(max_norm * np.cos(angle), max_norm * np.sin(angle), color="0.4", lw=1)
        for observation in seen:
            if observation.where["max_norm"] == max_norm and observation.where["epsilon"] == 0:
                start, end = np.array(observation.where["point"]), observation.found
                axes.plot(*np.stack([start, end]).T, "C0-", lw=1, alpha=0.6)
                axes.plot(*start, "C0o", mfc="none", ms=5)
                axes.plot(*end, "C0o", ms=5)
        axes.set_aspect("equal")
        axes.set_title(f"largest norm {max_norm:g}")


def _densities(figure: Figure, seen: list[Observation]) -> None:
    names = values(seen, "initializer")
    for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
        at, found = numbers(seen, "share of entries below", "z", initializer=name)
        _, expected = numbers(seen, "share of entries below", "z", "expected", initializer=name)
        _, error = numbers(seen, "share of entries below", "z", "bound", initializer=name)
        entries = f"{np.max(expected * (1 - expected) / error**2):,.0f} entries"  # binomial
        middles = (at[1:] + at[:-1]) / 2
        axes.bar(middles, np.diff(found) / np.diff(at), np.diff(at), color="C0", alpha=0.35, label=entries)
        axes.step(middles, np.diff(expected) / np.diff(at), "C3", where="mid", label="distribution")
        axes.set_title(name)
        axes.set_xlabel("standard deviations")
    figure.axes[0].set_ylabel("density")
    figure.axes[0].legend()


PICTURES = (
    Picture(
        "Gradients against depth",
        "Singular values certify decay and growth on both sides; eigenvalues do not. A repeated matrix with "
        "eigenvalues below 1 first makes the gradient larger; different matrices of this kind make it explode.",
        ("depth.gradients_stay_between_singular_value_bounds",),
        _depth,
    ),
    Picture(
        "Where gradients neither vanish nor explode",
        "chi at the fixed point of infinitely wide networks with biases; circles mark the critical points.",
        ("mean_field.chi_against_weight_variance", "mean_field.critical_weight_variance"),
        _chi,
    ),
    Picture(
        "Adam with and without bias correction",
        "Uncorrected, Adam at its default decays starts with steps that are too long, not too short.",
        ("adam.distance_without_correction",),
        _correction,
    ),
    Picture(
        "The longest step of Adam",
        "Gradients that grow by beta2 / beta1 at each step attain the tight bound at every step, and pass the paper's.",
        ("adam.longest_steps_of_usual_decays",),
        _longest,
    ),
    Picture(
        "Clipping by norm is the projection on a ball",
        "Open circles are gradients, full ones what clipping makes of them.",
        ("clipping.projection",),
        _projection,
    ),
    Picture(
        "Initializers against their distributions",
        "Shares of entries between grid points, per standard deviation sqrt(scale / fan).",
        ("initializers.distribution_function",),
        _densities,
    ),
)
