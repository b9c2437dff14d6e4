"""Slope of each predictor at each threshold of an ordinal response, against the one slope."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.show.figures.canvas import BLUE, GREY, new_panels, quiet

if TYPE_CHECKING:
    from ilhte_bayes.checks.equal_slopes import EqualSlopes

_WIDTH, _HEIGHT = 3.2, 3.2  # inches of a panel
_COLUMNS = 3


def slopes(found: "EqualSlopes", *, ax: Axes | None = None) -> list[Axes]:
    """Draw the slope of each term by threshold, with 95 % intervals.

    Parameters
    ----------
    found : EqualSlopes
        What `il.equal_slopes` gave.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.

    Returns
    -------
    list of matplotlib.axes.Axes
        A panel for each term. Points: slopes of its own at each threshold, in logits. Grey line
        and band: the common slope with its 95 % interval. Bars (maximum likelihood): slopes
        shrunken towards their mean as far as chance explains their differences.
    """
    terms = list(dict.fromkeys(found.slopes.index.get_level_values("term")))
    columns = min(len(terms), _COLUMNS)
    rows = -(-len(terms) // columns)
    host, panels = new_panels(ax, rows, columns, (_WIDTH * columns + 0.4, _HEIGHT * rows + 0.3))
    for panel, term in zip(panels, terms, strict=False):
        own = found.slopes.loc[term]
        at = np.arange(len(own))
        low, high = own["common_lower"].iloc[0], own["common_upper"].iloc[0]
        panel.axhspan(low, high, color=GREY, alpha=0.18, linewidth=0)
        panel.axhline(own["common"].iloc[0], color=GREY, linewidth=1.0)
        panel.errorbar(
            at,
            own["estimate"],
            yerr=[own["estimate"] - own["lower"], own["upper"] - own["estimate"]],
            fmt="o",
            color=BLUE,
            markersize=5,
            linewidth=1.4,
        )
        if "shrunken" in own:
            panel.plot(at, own["shrunken"], "_", color="black", markersize=11, markeredgewidth=1.6)
        panel.set_xticks(at, own.index)
        panel.set_xlim(-0.5, len(own) - 0.5)
        panel.set_title(term, fontsize="medium", loc="left")
        panel.set_xlabel("threshold")
        quiet(panel, "y")
    for panel in panels[len(terms) :]:
        panel.set_visible(False)
    for panel in panels[::columns]:
        panel.set_ylabel("slope (logits)")
    bars = " Bars: shrunken towards their mean." if "shrunken" in found.slopes else ""
    host.suptitle(
        f"Points: a slope at each threshold.{bars} Grey: the same slope at all. 95 % intervals.",
        fontsize="small",
    )
    return panels[: len(terms)]
