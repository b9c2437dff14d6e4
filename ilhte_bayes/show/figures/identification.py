"""Identification: what items alone would make of M_B, and how far easiness spreads by arm."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ilhte_bayes.show.figures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    legend_of_panels,
    new_panels,
    plain,
    quiet,
)
from ilhte_bayes.show.words import number, range_of

if TYPE_CHECKING:
    from ilhte_bayes.sensitivity.identification import Identification

_LABELS = {"M_B": "same effect on\nall items (M_B)", "M_C": "an effect for\neach item (M_C)"}


def identification(found: "Identification", *, ax: Axes | None = None) -> list[Axes]:
    """Draw whether items alone would have made an interaction of treatment and covariate.

    Parameters
    ----------
    found : Identification
        From `il.identification`.
    ax : matplotlib.axes.Axes, optional
        Axes made by `figure.subplots(...)`, whose place the three panels take; a new figure
        otherwise.

    Returns
    -------
    list of matplotlib.axes.Axes
        Left: M_B's interaction in tables in which only items differ, and in this one. Middle: the
        interaction with and without effects by item, 95 % intervals. Right: SD of easiness in the
        second arm over that in the first; at 1 M_B is not misled.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> found = il.identification(il.load_dataset("mathexam"), "cov_tests", replicates=20)
    >>> panels = il.plot.identification(found)
    """
    host, axes = new_panels(ax, 1, 3, (10.4, 3.6), width_ratios=[1.35, 1, 1])
    handles, labels = _histogram(axes[0], found)
    legend_of_panels(host, handles, labels)
    _interactions(axes[1], found)
    _ratios(axes[2], found)
    return axes


def _histogram(ax: Axes, found: "Identification") -> tuple[list[Artist], list[str]]:
    pure = found.pure
    bins = min(30, max(8, int(np.sqrt(pure.simulated.size) * 1.5)))
    ax.hist(pure.simulated, bins=bins, color="0.78", edgecolor="white", linewidth=0.5)
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle=":")
    ax.axvline(pure.mean, color=GREY, linewidth=1.4, linestyle="--")
    ax.axvline(pure.observed, color=ORANGE, linewidth=2.0)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel(f"{_axis(found)},\nM_B (logits per unit)")
    ax.set_ylabel("Simulated tables")
    quiet(ax, grid="y")
    handles = [
        Patch(color="0.78"),
        Line2D([], [], color=GREY, linestyle="--"),
        Line2D([], [], color=ORANGE, linewidth=2),
    ]
    shown = f"M_B in this table, p {_p(pure.p)}"
    return handles, ["M_B in simulated tables where only items differ", "their mean", shown]


def _p(p: float) -> str:
    return "< 0.001" if p < 0.0005 else f"= {p:.3f}"


def _axis(found: "Identification") -> str:
    return f"Treatment × {plain(found.covariate, 20)}"


def _interactions(ax: Axes, found: "Identification") -> None:
    rows = [found.beta_3.loc[name] for name in _LABELS]
    for k, (row, colour) in enumerate(zip(rows, (ORANGE, BLUE), strict=True)):
        _interval(ax, -k, row["estimate"], row["lower"], row["upper"], colour)
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_yticks([0, -1], list(_LABELS.values()))
    ax.set_ylim(-1.6, 0.6)
    ax.locator_params(axis="x", nbins=3)
    ax.set_xlabel(f"{_axis(found)}\n(logits per unit, 95 %)")
    quiet(ax)


def _ratios(ax: Axes, found: "Identification") -> None:
    table = found.easiness.loc["M_A"]
    ratio, modes = table.loc["sd_ratio"], float(table.loc["sd_ratio_modes", "estimate"])
    _interval(ax, 0, ratio["estimate"], ratio["lower"], ratio["upper"], BLUE)
    ax.plot([modes], [-1], "D", color=BLUE, markerfacecolor="white", markersize=6)
    ax.axvline(1.0, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_yticks([0, -1], ["model (M_A)", "modes (IRW)"])
    ax.set_ylim(-1.6, 0.6)
    ax.set_xlabel(f"Ratio of SDs of easiness,\n{plain(found.contrast, 30)}")
    rho = table.loc["rho"]
    text = f"rho {number(rho['estimate'])}"
    if rho["lower"] == rho["lower"]:
        text += f" ({range_of(rho['lower'], rho['upper'])})"
    ax.set_title(text, fontsize="small", color=GREY)
    quiet(ax)


def _interval(ax: Axes, y: float, estimate: float, lower: float, upper: float, colour: str) -> None:
    """A point with its interval; the point alone, open, where there is none."""
    known = lower == lower
    if known:
        ax.hlines(y, lower, upper, color=colour, linewidth=2)
    face = colour if known else "white"
    ax.plot([estimate], [y], "o", color=colour, markerfacecolor=face, markersize=7)
