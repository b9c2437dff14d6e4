"""Identification: what items alone would make of M_B, and how far easiness spreads by arm."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.fits.intervals import p_words
from ilhte_bayes.show.figures.canvas import GREY, cut
from ilhte_bayes.show.figures.drawing import (
    QUIET,
    REFERENCE,
    TREATED,
    Axis,
    Backend,
    Band,
    Drawing,
    Look,
    Mark,
    Panel,
    Points,
    Rule,
    Size,
    draw,
    stairs,
)
from ilhte_bayes.show.words import number, range_of

if TYPE_CHECKING:
    from ilhte_bayes.sensitivity.identification import Identification

_LABELS = {"M_B": "same effect on\nall items (M_B)", "M_C": "an effect for\neach item (M_C)"}
_NOTHING = Look(GREY, dash=":")  # where there would be no effect
_MODES = Look(TREATED.colour, "D")
_ROWS = (-1.6, 0.6)  # of two estimates, the first on top


def identification(
    found: "Identification",
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw whether items alone would have made an interaction of treatment and covariate.

    Parameters
    ----------
    found : Identification
        From `il.identification`.
    ax : matplotlib.axes.Axes, optional
        Axes made by `figure.subplots(...)`, whose place the three panels take; a new figure
        otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds all three. Left: M_B's interaction in tables in which only
        items differ, and in this one. Middle: the interaction with and without effects by item,
        95 % intervals. Right: SD of easiness in the second arm over that in the first; at 1 M_B is
        not misled. Hollow points have no interval.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> found = il.identification(il.load_dataset("mathexam"), "cov_tests", n=20)
    >>> panels = il.plot.identification(found)
    """
    drawing = Drawing(
        (_simulated(found), _interactions(found), _ratios(found)),
        (10.4, 3.6),
        3,
        widths=(1.35, 1.0, 1.0),
        legend_columns=3,
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


def _simulated(found: "Identification") -> Panel:
    pure = found.pure
    bins = min(30, max(8, int(np.sqrt(pure.simulated.size) * 1.5)))
    counts, edges = np.histogram(pure.simulated, bins)
    x, high = stairs(edges, counts)
    words = "M_B in simulated tables where only items differ"
    marks: tuple[Mark, ...] = (
        Band(x, np.zeros(x.size), high, QUIET, words, shade=0.35),
        Rule(0.0, look=_NOTHING),
        Rule(pure.mean, look=Look(GREY, dash="--"), words="their mean", width=1.4),
        Rule(
            pure.observed,
            look=Look(REFERENCE.colour),
            words=f"M_B in this table, {p_words(pure.p)}",
            width=2.0,
        ),
    )
    label = f"{_interaction(found)},\nM_B (logits per unit)"
    return Panel(marks, Axis(label), Axis("Simulated tables", (0.0, None), grid=True))


def _interaction(found: "Identification") -> str:
    return f"Treatment × {cut(found.covariate, 20)}"


def _interactions(found: "Identification") -> Panel:
    rows = [
        _estimate(found.beta_3.loc[name], -k, look)
        for k, (name, look) in enumerate(zip(_LABELS, (REFERENCE, TREATED), strict=True))
    ]
    x = Axis(f"{_interaction(found)}\n(logits per unit, 95 %)", grid=True)
    y = Axis("", _ROWS, ((0.0, _LABELS["M_B"]), (-1.0, _LABELS["M_C"])))
    return Panel((Rule(0.0, look=_NOTHING), *rows), x, y)


def _ratios(found: "Identification") -> Panel:
    table = found.easiness.loc["M_A"]
    modes = table.loc[["sd_ratio_modes"], "estimate"].to_numpy(dtype=float)
    marks = (
        Rule(1.0, look=_NOTHING),
        _estimate(table.loc["sd_ratio"], 0.0, TREATED),
        Points(modes, np.array([-1.0]), _MODES, hollow=True, size=6.0),
    )
    rho = table.loc["rho"]
    text = f"rho {number(rho['estimate'])}"
    if rho["lower"] == rho["lower"]:
        text += f" ({range_of(rho['lower'], rho['upper'])})"
    x = Axis(f"Ratio of SDs of easiness,\n{cut(found.contrast, 30)}", grid=True)
    y = Axis("", _ROWS, ((0.0, "model (M_A)"), (-1.0, "modes (IRW)")))
    return Panel(marks, x, y, title=text)


def _estimate(row: pd.Series, y: float, look: Look) -> Points:
    """A point with its interval; the point alone, hollow, where there is none."""
    estimate, low, high = (np.array([float(row[key])]) for key in ("estimate", "lower", "upper"))
    known = bool(low == low)
    interval = (low, high) if known else None
    return Points(estimate, np.array([float(y)]), look, interval, size=7.0, hollow=not known)
