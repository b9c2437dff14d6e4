"""How far ranks are from uniform: one panel a quantity, with the simultaneous band."""

import numpy as np
from matplotlib.figure import Figure, SubFigure
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
from ilhte_bayes.studies import uniformity
from ilhte_bayes.studies.calibration import Calibration

_ACROSS = 4


def calibration_figure(calibration: Calibration, prob: float = 0.99) -> Figure | SubFigure:
    """Draw the difference between the ranks' distribution and the uniform one.

    Parameters
    ----------
    calibration : Calibration
    prob : float
        Of the band: all of a line is inside with this probability if all is well.

    Returns
    -------
    matplotlib.figure.Figure
    """
    table = calibration.uniformity(prob)
    kept = calibration.kept
    even = uniformity.expected(kept)
    lower, upper = uniformity.band(calibration.n, kept, prob)
    across = min(_ACROSS, len(table))
    down = -(-len(table) // across)
    size = (2.3 * across + 0.5, 1.75 * down + 0.7)
    host, panels = new_panels(None, down, across, size, sharex=True, sharey=True)
    edge = np.concatenate([[0.0], even, [1.0]])
    for ax, name in zip(panels, table.index, strict=False):
        ranks = calibration.ranks[name].to_numpy()
        away = np.concatenate([[0.0], uniformity.ecdf(ranks, kept) - even, [0.0]])
        below = np.concatenate([[0.0], lower - even, [0.0]])
        above = np.concatenate([[0.0], upper - even, [0.0]])
        inside = bool(table.loc[name, "inside"])
        ax.fill_between(edge, below, above, color=GREY, alpha=0.18, linewidth=0)
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.plot(edge, away, color=BLUE if inside else ORANGE, linewidth=1.5)
        ax.set_title(plain(name), fontsize="small", color="black" if inside else ORANGE)
        ax.set_xlim(0.0, 1.0)
        ax.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
        ax.tick_params(labelsize="small")
        quiet(ax, "y")
    for ax in panels[len(table) :]:
        ax.set_visible(False)
    host.supxlabel(
        "Rank of the truth among posterior draws (0: below all, 1: above all)", fontsize="medium"
    )
    host.supylabel("Share of ranks up to here, minus the share expected", fontsize="medium")
    legend = [Patch(color=GREY, alpha=0.18, linewidth=0), Line2D([], [], color=BLUE)]
    words = [f"{100 * prob:.3g} % band if all is well", f"{calibration.n} data sets"]
    if not table["inside"].all():
        legend.append(Line2D([], [], color=ORANGE))
        words.append("outside")
    legend_of_panels(host, legend, words)
    return host
