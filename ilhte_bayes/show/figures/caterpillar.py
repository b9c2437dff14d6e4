"""Random effects of one group, level by level, in order, each with its interval."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.persons import persons
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import TAILS, normal_interval
from ilhte_bayes.show.figures.canvas import LONGEST, cut
from ilhte_bayes.show.figures.drawing import (
    Axis,
    Backend,
    Drawing,
    Panel,
    Points,
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.words import count_of, term_words, unit_word

MOST_NAMES = 45  # more levels than this stand without names


def caterpillar(
    fit: Fit,
    group: str,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw every level's random effects with 95 % intervals, ordered by the first of them.

    Parameters
    ----------
    fit : Fit
    group : str
        Any group of the model: schools, persons, items; by the innermost id too.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel, a panel for each random column; `.figure` holds them all.

    Raises
    ------
    ModelError
        If the model has no such group, or the spread of its effects is estimated at 0.

    Notes
    -----
    Effects are shrunk towards 0, the more the less a level's own answers say. Intervals of single
    levels that overlap do not say that two levels are alike.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> table = il.load_dataset("contraception")
    >>> fit = il.laplace(il.Model("use ~ age + urban + (urban | district)", table))
    >>> ax = il.plot.caterpillar(fit, "district")
    """
    own = fit.model.design.group(group)
    table = _table(fit, own.name)
    if float(np.nanmax(table["se"].to_numpy())) <= 0.0:
        raise ModelError(
            f"the SD of {own.name} is estimated at 0, so all its effects are 0 without intervals. "
            "Use objective='map' or il.sample(model)."
        )
    columns = list(dict.fromkeys(table.index.get_level_values("term")))
    first = table.xs(columns[0], level="term")["estimate"].sort_values()
    named = len(first) <= MOST_NAMES
    ticks = tuple((k, cut(name)) for k, name in enumerate(first.index)) if named else ()
    unit = unit_word(fit.model, own)
    panels = [
        _panel(table.xs(column, level="term"), first.index, ticks, str(column), unit)
        for column in columns
    ]
    longest = min(LONGEST, max(len(name) for _, name in ticks)) if ticks else 0
    width = 3.3 * len(panels) + 1.4 + 0.07 * longest
    height = max(2.6, 1.4 + 0.24 * len(first)) if named else 4.4
    what = f"{count_of(len(first), unit)}, ordered by {_words(str(columns[0]))}"
    drawing = Drawing(
        tuple(panels), (width, height), len(panels), y_label=what, shared=False, legend_columns=1
    )
    if len(panels) == 1:
        only = panels[0]
        y = Axis(what, only.y.limits, only.y.ticks)
        drawing = Drawing((Panel(only.marks, only.x, y),), (width, height))
    return draw(drawing, ax=ax, backend=backend, size=size)


def _table(fit: Fit, name: str) -> pd.DataFrame:
    """Random effects with their 95 % intervals."""
    table = fit.random_effects(name)
    if fit.sampled and f"re_{name}" in fit.tree["posterior"]:
        low, high = np.quantile(flat(fit.tree, f"re_{name}"), TAILS, axis=0)
        return table.assign(lower=low.ravel(), upper=high.ravel())
    if fit.sampled:
        own = persons(fit, name).frame
        return table.assign(
            lower=own["deviation_lower"].to_numpy(), upper=own["deviation_upper"].to_numpy()
        )
    low, high = normal_interval(table["estimate"].to_numpy(), table["se"].to_numpy())
    return table.assign(lower=low, upper=high)


def _panel(
    own: pd.DataFrame, order: pd.Index, ticks: tuple[tuple[float, str], ...], column: str, unit: str
) -> Panel:
    own = own.reindex(order)
    interval = (own["lower"].to_numpy(), own["upper"].to_numpy())
    points = Points(
        own["estimate"].to_numpy(),
        np.arange(len(own)),
        x_interval=interval,
        names=tuple(f"{unit} {name}" for name in order),
        words="each with its 95 % interval",
        size=5.0 if ticks else 2.0,
    )
    words = _words(column)
    label = f"{words[0].upper()}{words[1:]} (logits from the average)"
    reach = (-0.7, len(own) - 0.3)
    return Panel((Rule(0.0), points), Axis(label, grid=True), Axis("", reach, ticks))


def _words(column: str) -> str:
    return "level" if column == "Intercept" else f"slope of {cut(term_words(column), 24)}"
