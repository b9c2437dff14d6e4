"""Figures, with labels in words and uncertainty always shown (matplotlib)."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.estimands.items import item_effects as effects_of_items
from ilhte_bayes.fits.fit import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's palette stays distinct for colour-blind readers and in grey.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"


def item_effects(fit: Fit | ItemEffects, *, ax: "Axes | None" = None) -> "Axes":
    """Draw every item's effect with its 95 % interval, ordered, beside the average effect.

    Parameters
    ----------
    fit : Fit or ItemEffects
        With several arms, the first against the reference is drawn.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.

    Returns
    -------
    matplotlib.axes.Axes
    """
    effects = effects_of_items(fit) if isinstance(fit, Fit) else fit
    contrast = str(effects.average.index[0])
    average = effects.average.iloc[0]
    frame = effects.frame
    if frame.index.nlevels > 1:
        frame = frame.xs(contrast, level="contrast")
    frame = frame.sort_values("effect")
    ax = ax if ax is not None else _axes_for(len(frame), _longest(frame))
    places = range(len(frame))
    ax.axvspan(average["lower"], average["upper"], color=ORANGE, alpha=0.12, linewidth=0)
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.axvline(average["effect"], color=ORANGE, linewidth=1.5, linestyle="--")
    if frame["lower"].notna().all():
        ax.hlines(list(places), frame["lower"], frame["upper"], color=BLUE, linewidth=1.8)
    ax.plot(frame["effect"], list(places), "o", color=BLUE, markersize=5)
    ax.set_yticks(list(places), [str(item) for item in frame.index])
    ax.set_ylim(-0.7, len(frame) - 0.3)
    _label(ax, effects, contrast, average)
    return ax


def _label(ax: "Axes", effects: ItemEffects, contrast: str, average: pd.Series) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    noun = effects.noun
    ax.set_xlabel(f"{noun.capitalize()} of treatment, {contrast} (logits)")
    if noun == "difference":
        ax.set_xlabel(f"Difference between groups, {contrast} (logits)")
    ax.set_ylabel("Item")
    shown = effects.frame["lower"].notna().all()
    handles: list[Any] = [
        Line2D([], [], color=BLUE, marker="o", markersize=5, linewidth=1.8 if shown else 0),
        (
            Patch(color=ORANGE, alpha=0.12, linewidth=0),
            Line2D([], [], color=ORANGE, linestyle="--"),
        ),
    ]
    item = f"{noun} on the item" + (", 95 % interval" if shown else " (no interval at SD = 0)")
    ax.legend(
        handles,
        [item, f"average over items, {average['effect']:.2f}, 95 % interval"],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        frameon=False,
        fontsize="small",
        borderaxespad=0.4,
    )
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(axis="x", color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)


def _longest(frame: pd.DataFrame) -> int:
    return max(len(str(item)) for item in frame.index)


def _axes_for(n_items: int, longest: int) -> "Axes":
    """A figure that fits one item a line, whatever their number and the length of their names."""
    from matplotlib.figure import Figure

    width = 6.4 + 0.07 * max(0, longest - 8)
    figure = Figure(figsize=(width, max(2.6, 1.2 + 0.27 * n_items)), layout="constrained", dpi=120)
    return figure.subplots()
