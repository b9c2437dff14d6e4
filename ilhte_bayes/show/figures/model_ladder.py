"""A model-building sequence: how estimates move from model to model, and what BIC says."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.estimands.ladder import Ladder
from ilhte_bayes.fits.intervals import normal_interval
from ilhte_bayes.show.figures.canvas import cut
from ilhte_bayes.show.figures.drawing import (
    AVERAGE,
    Axis,
    Backend,
    Drawing,
    Line,
    Panel,
    Points,
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.words import term_words

MOST_PANELS = 11  # of estimates; one more is BIC's


def model_ladder(
    steps: Ladder,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw every estimate of a sequence of models, model by model, and BIC.

    Parameters
    ----------
    steps : Ladder
        What `il.ladder` gave.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds them all. Coefficients but intercept and thresholds
        (logits), SDs between levels (logits), up to eleven, with 95 % intervals, Wald, those of
        SDs made on the log scale; last BIC, how far above the best model's (no interval: it is a
        number of this table alone).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> steps = il.ladder(["use ~ 1 + (1 | district)", "use ~ age + (1 | district)"],
    ...     il.load_dataset("contraception"))
    >>> ax = il.plot.model_ladder(steps)
    """
    names = list(steps.criteria.index)
    panels = [*_coefficients(steps, names), *_spreads(steps, names)][:MOST_PANELS]
    panels.append(_bic(steps, names))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    drawing = Drawing(tuple(panels), (0.6 + 2.3 * columns, 0.7 + 1.9 * rows), columns)
    return draw(drawing, ax=ax, backend=backend, size=size)


def _coefficients(steps: Ladder, names: list[str]) -> list[Panel]:
    out = []
    for (part, _, term), row in steps.frame.iterrows():
        if part != "fixed" or term == "Intercept" or "|" in term:
            continue
        table = row.unstack("quantity").reindex(names)
        middle, se = table["estimate"].to_numpy(), table["se"].to_numpy()
        out.append(_panel(term_words(term), names, middle, normal_interval(middle, se)))
    return out


def _spreads(steps: Ladder, names: list[str]) -> list[Panel]:
    out = []
    for (part, group, column), row in steps.frame.iterrows():
        if part != "variance":
            continue
        table = row.unstack("quantity").reindex(names)
        variance, se = table["estimate"].to_numpy(), table["se"].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.exp(normal_interval(np.zeros_like(se), se / variance / 2.0)[1])
        sd = np.sqrt(variance)
        what = "" if column == "Intercept" else f", {term_words(column)}"
        out.append(_panel(f"SD over {group}{what}", names, sd, (sd / away, sd * away)))
    return out


def _panel(
    title: str, names: list[str], middle: np.ndarray, interval: tuple[np.ndarray, np.ndarray]
) -> Panel:
    at = np.flatnonzero(~np.isnan(middle))
    low, high = (np.where(np.isnan(end), middle, end)[at] for end in interval)
    points = Points(
        at.astype(float),
        middle[at],
        y_interval=(low, high),
        names=tuple(names[k] for k in at),
        words="estimate, 95 % interval",
    )
    return Panel(
        (Rule(0.0, "y"), points), _models(names), Axis("Logits", grid=True), cut(title, 30)
    )


def _bic(steps: Ladder, names: list[str]) -> Panel:
    above = (steps.criteria["bic"] - steps.criteria["bic"].min()).to_numpy()
    at = np.arange(len(names), dtype=float)
    best = int(np.argmin(above))
    words = f"BIC above the best's, {cut(names[best], 16)}"
    marks = (
        Line(at, above, AVERAGE, words),
        Points(at, above, AVERAGE, names=tuple(names), words=words),
    )
    return Panel(marks, _models(names), Axis("BIC", grid=True), "BIC above the best's")


def _models(names: list[str]) -> Axis:
    """Models along x: their names if short, else their numbers."""
    short = [name.removeprefix("Model ") for name in names]
    room = math.floor(22 / len(names))
    labels = short if max(map(len, short)) <= room else [str(k + 1) for k in range(len(names))]
    return Axis("Model", (-0.5, len(names) - 0.5), tuple(enumerate(labels)))
