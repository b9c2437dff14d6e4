"""Every item's effect with its interval, in order, beside the average effect."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.estimands.items import item_effects as effects_of_items
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.equal_effects import refuse_equal
from ilhte_bayes.show.figures.canvas import (
    BLUE,
    GREY,
    LONGEST,
    ORANGE,
    chosen_label,
    effect_words,
    legend_above,
    new_axes,
    plain,
    quiet,
)
from ilhte_bayes.show.words import number


def item_effects(
    fit: Fit | ItemEffects, *, contrast: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw every item's effect with its 95 % interval, ordered, beside the average effect.

    Parameters
    ----------
    fit : Fit or ItemEffects
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If the model gives every item the same effect.
    """
    if isinstance(fit, Fit):
        refuse_equal(fit)
    effects = effects_of_items(fit) if isinstance(fit, Fit) else fit
    label = chosen_label(effects, contrast)
    average = effects.average.loc[label]
    frame = effects.frame
    if frame.index.nlevels > 1:
        frame = frame.xs(label, level="contrast")
    frame = frame.sort_values("effect")
    ax = ax if ax is not None else _axes_for(frame)
    places = list(range(len(frame)))
    ax.axvspan(average["lower"], average["upper"], color=ORANGE, alpha=0.12, linewidth=0)
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.axvline(average["effect"], color=ORANGE, linewidth=1.5, linestyle="--")
    known = bool(frame["lower"].notna().all())
    if known:
        ax.hlines(places, frame["lower"], frame["upper"], color=BLUE, linewidth=1.8)
    ax.plot(frame["effect"], places, "o", color=BLUE, markersize=5)
    ax.set_yticks(places, [plain(item) for item in frame.index])
    ax.set_ylim(-0.7, len(frame) - 0.3)
    ax.set_xlabel(effect_words(effects.noun, label))
    ax.set_ylabel("Item")
    _legend(ax, effects.noun, average, known=known)
    quiet(ax)
    return ax


def _legend(ax: Axes, noun: str, average: pd.Series, *, known: bool) -> None:
    item = f"{noun} on the item" + (", 95 % interval" if known else " (no interval at SD = 0)")
    band = (Patch(color=ORANGE, alpha=0.12, linewidth=0), Line2D([], [], color=ORANGE, ls="--"))
    dot = Line2D([], [], color=BLUE, marker="o", markersize=5, linewidth=1.8 if known else 0)
    mean = f"average over items, {number(average['effect'])}, 95 % interval"
    legend_above(ax, [dot, band], [item, mean], ncols=1)


def _axes_for(frame: pd.DataFrame) -> Axes:
    """One item a line, whatever their number and the length of their names."""
    longest = min(LONGEST, max(len(str(item)) for item in frame.index))
    return new_axes(5.4 + 0.07 * max(0, longest - 8), max(2.6, 1.4 + 0.27 * len(frame)))
