"""How far ranks are from uniform: one panel a quantity, with the simultaneous band."""

from typing import Any, Protocol

import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.show.figures.canvas import BLUE, ORANGE, cut
from ilhte_bayes.show.figures.drawing import (
    QUIET,
    Axis,
    Backend,
    Band,
    Drawing,
    Line,
    Look,
    Mark,
    Panel,
    Rule,
    Size,
    draw,
)

_ACROSS = 4


class Found(Protocol):
    """What `il.calibrate` gave."""

    @property
    def n(self) -> int:
        """Number of data sets."""

    def uniformity(self, prob: float) -> pd.DataFrame:
        """Whether each quantity is inside the band."""

    def curves(self, prob: float) -> dict[str, pd.DataFrame]:
        """Lines and band of each quantity."""


def calibration(
    found: Found,
    *,
    prob: float = 0.99,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw the difference between the ranks' distribution and the uniform one.

    Parameters
    ----------
    found : Calibration
        What `il.calibrate` gave.
    prob : float
        Of the band: all of a line is inside with this probability if all is well.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel, a panel for each quantity; `.figure` holds them all.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.simulate(il.Trial(persons=30, items=4), seed=1).table
    >>> model = il.il_hte(trial, priors={"beta": il.priors.Normal(0, 1)})
    >>> found = il.calibrate(model, n=2, draws=60, kept=9)  # 200 data sets say something
    >>> ax = il.plot.calibration(found)
    """
    inside = found.uniformity(prob)["inside"]
    curves = found.curves(prob)
    across = min(_ACROSS, len(curves))
    down = -(-len(curves) // across)
    band = f"{100 * prob:.3g} % band if all is well"
    panels = tuple(
        Panel(
            tuple(_marks(own, band, f"{found.n} data sets" if inside[name] else "outside",
                         Look(BLUE if inside[name] else ORANGE))),
            Axis("", (0.0, 1.0), ((0.0, "0"), (0.5, "0.5"), (1.0, "1"))),
            Axis(grid=True),
            cut(name, 28),
        )
        for name, own in curves.items()
    )  # fmt: skip
    drawing = Drawing(
        panels,
        (2.3 * across + 0.5, 1.75 * down + 0.7),
        across,
        x_label="Rank of the truth among posterior draws (0: below all, 1: above all)",
        y_label="Share of ranks up to here, minus the share expected",
        shared=True,
        legend_columns=3,
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


def _marks(own: pd.DataFrame, band: str, words: str, look: Look) -> list[Mark]:
    at = own["at"].to_numpy()
    edges = own["lower"].to_numpy(), own["upper"].to_numpy()
    return [
        Band(at, *edges, QUIET, words=band, shade=0.18),
        Rule(0.0, "y"),
        Line(at, own["away"].to_numpy(), look, words=words),
    ]
