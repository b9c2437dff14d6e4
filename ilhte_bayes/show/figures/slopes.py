"""Slope of each predictor at each threshold of an ordinal response, against the one slope."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.show.figures.canvas import cut
from ilhte_bayes.show.figures.drawing import (
    Axis,
    Backend,
    Drawing,
    Look,
    Mark,
    Panel,
    Points,
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.words import term_words

if TYPE_CHECKING:
    from ilhte_bayes.checks.equal_slopes import EqualSlopes

_WIDTH, _HEIGHT = 2.6, 2.6  # inches of a panel
_COLUMNS = 3
_BAR = Look("#000000", "_")


def slopes(
    found: "EqualSlopes",
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw the slope of each term by threshold, with 95 % intervals, against the common one.

    Parameters
    ----------
    found : EqualSlopes
        What `il.equal_slopes` gave.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel, a panel for each term; `.figure` holds them all. Points: slopes of its own
        at each threshold, in logits. Grey line and band: the common slope with its 95 % interval. Bars
        (maximum likelihood): slopes shrunken towards their mean as far as chance explains their
        differences.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> wine = il.load_dataset("wine")
    >>> wine["rating"] = wine["rating"].clip(2, 4)
    >>> model = il.Model("rating ~ contact + (1 | judge)", wine, family="cumulative")
    >>> ax = il.plot.slopes(il.equal_slopes(il.laplace(model)))
    """
    terms = list(dict.fromkeys(found.slopes.index.get_level_values("term")))
    columns = min(len(terms), _COLUMNS)
    rows = -(-len(terms) // columns)
    panels = tuple(_panel(found.slopes.loc[term], term_words(str(term))) for term in terms)
    drawing = Drawing(
        panels,
        (max(4.2, _WIDTH * columns + 0.4), _HEIGHT * rows + 0.5),
        columns,
        x_label="Threshold between categories",
        y_label="Slope (logits)",
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


def _panel(own: pd.DataFrame, title: str) -> Panel:
    low, high = own["common_lower"].iloc[0], own["common_upper"].iloc[0]
    names = tuple(cut(name, 14) for name in own.index)
    at = np.arange(len(own))
    common = own["common"].iloc[0]
    words = "the same at all, 95 % interval"
    marks: list[Mark] = [
        Rule(common, "y", interval=(low, high), words=words, width=1.2),
        Points(
            at,
            own["estimate"].to_numpy(),
            y_interval=(own["lower"].to_numpy(), own["upper"].to_numpy()),
            names=names,
            words="a slope at each threshold, 95 % intervals",
        ),
    ]
    if "shrunken" in own:
        words = "shrunken towards their mean"
        marks.append(
            Points(at, own["shrunken"].to_numpy(), _BAR, names=names, words=words, size=11)
        )
    x = Axis("", (-0.5, len(own) - 0.5), tuple(enumerate(names)))
    return Panel(tuple(marks), x, Axis(grid=True), cut(title, 26))
