"""What more persons buy: standard error and power of the average effect, and where both end."""

from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.fits.intervals import Z
from ilhte_bayes.show.figures.canvas import BLUE, GREY, ORANGE
from ilhte_bayes.show.figures.drawing import (
    Axis,
    Backend,
    Drawing,
    Line,
    Look,
    Mark,
    Panel,
    Points,
    Rule,
    Size,
    draw,
)

_LOOKS = (
    Look(BLUE, "o", "-"), Look(ORANGE, "s", "-"), Look("#009E73", "^", "-"),
    Look("#CC79A7", "D", "-"), Look("#E69F00", "v", "-"), Look("#56B4E9", "o", "-"),
)  # fmt: skip
_PANELS = (
    ("se", "SE of the average effect (logits)"),
    ("power", "Power: average effect"),
    ("power_items", "Power: effects differ"),
)


class Found(Protocol):
    """What `il.power` gave."""

    @property
    def frame(self) -> pd.DataFrame:
        """Numbers by design."""

    def curves(self) -> pd.DataFrame:
        """Closed forms along persons."""

    def lines(self) -> dict[str, list[int]]:
        """Designs of each curve."""


def power(
    found: Found,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw standard error and power against the number of persons, with the floor of the items.

    Parameters
    ----------
    found : Power
        What `il.power` gave.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds all three. Points: simulation, with 95 % Monte Carlo
        intervals. Curves: closed forms. Dashed lines: where the standard error ends, whatever the
        number of persons; sigma_zeta / sqrt(items), and clusters where these are treated.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> plan = il.Trial(persons=60, items=6, effect=0.6)
    >>> found = il.power(plan, persons=[60, 120], n=4, engine="laplace", workers=1, progress=False)
    >>> ax = il.plot.power(found)
    """
    curves, lines = found.curves(), found.lines()
    largest = max(found.frame["persons"].max(), curves["persons"].max())
    panels = tuple(
        Panel(
            tuple(_marks(found, curves, lines, name)),
            Axis("Persons", (0.0, 1.02 * float(largest))),
            Axis("", (0.0, None if name == "se" else 1.02), grid=True),
            label,
        )
        for name, label in _PANELS
    )
    drawing = Drawing(panels, (9.6, 3.4), 3, legend_columns=min(4, len(lines) + 1))
    return draw(drawing, ax=ax, backend=backend, size=size)


def _marks(
    found: Found, curves: pd.DataFrame, lines: dict[str, list[int]], name: str
) -> list[Mark]:
    marks: list[Mark] = []
    for number, (words, designs) in enumerate(lines.items()):
        look = _LOOKS[number % len(_LOOKS)]
        own = curves[curves["curve"] == number]
        marks.append(Line(own["persons"].to_numpy(), own[name].to_numpy(), look, words=words))
        rows = found.frame.iloc[designs]
        value = rows[name].to_numpy(float)
        half = Z * rows[f"{name}_mc"].to_numpy(float)
        top = np.inf if name == "se" else 1.0
        marks.append(
            Points(
                rows["persons"].to_numpy(float),
                value,
                look,
                y_interval=(np.maximum(value - half, 0.0), np.minimum(value + half, top)),
                names=tuple(f"{words}, {n:,} persons" for n in rows["persons"]),
                words=words,
            )
        )
        if name == "se":
            floor = float(own["floor"].iloc[0])
            marks.append(Rule(floor, "y", Look(look.colour, dash="--"), width=1.0))
    if name == "se":  # stands for all in the legend
        marks.append(
            Line(np.zeros(0), np.zeros(0), Look(GREY, dash="--"), words="floor", width=1.0)
        )
    else:
        marks.append(Rule(0.8, "y", Look(GREY, dash=":")))
    return marks
