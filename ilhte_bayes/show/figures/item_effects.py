"""Every item's effect with its interval, in order, beside the average effect."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.estimands.items import item_effects as effects_of_items
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.equal_effects import refuse_equal
from ilhte_bayes.show.figures.canvas import LONGEST, chosen_label, cut, effect_words
from ilhte_bayes.show.figures.drawing import (
    AVERAGE,
    Axis,
    Backend,
    Drawing,
    Panel,
    Points,
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.words import number


def item_effects(
    fit: Fit | ItemEffects,
    *,
    contrast: str | None = None,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw every item's effect with its 95 % interval, ordered, beside the average effect.

    Parameters
    ----------
    fit : Fit or ItemEffects
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure

    Raises
    ------
    ModelError
        If the model gives every item the same effect.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> ax = il.plot.item_effects(fit)
    >>> ax.get_xlabel()
    'Effect of treatment, caffeine v placebo (logits)'
    """
    if isinstance(fit, Fit):
        refuse_equal(fit)
    effects = effects_of_items(fit) if isinstance(fit, Fit) else fit
    return draw(_drawing(effects, contrast), ax=ax, backend=backend, size=size)


def _drawing(effects: ItemEffects, contrast: str | None) -> Drawing:
    label = chosen_label(effects, contrast)
    average = effects.average.loc[label]
    frame = effects.frame
    if frame.index.nlevels > 1:
        frame = frame.xs(label, level="contrast")
    frame = frame.sort_values("effect")
    names = [cut(item) for item in frame.index]
    known = bool(frame["lower"].notna().all())
    interval = (frame["lower"].to_numpy(), frame["upper"].to_numpy()) if known else None
    shown = ", 95 % interval" if known else " (no interval at SD = 0)"
    mean = f"average over items, {number(average['effect'])}, 95 % interval"
    marks = (
        Points(
            frame["effect"].to_numpy(),
            pd.RangeIndex(len(frame)).to_numpy(),
            x_interval=interval,
            names=tuple(map(str, frame.index)),
            words=f"{effects.noun} on the item{shown}",
        ),
        Rule(0.0),
        Rule(
            average["effect"],
            look=AVERAGE,
            interval=(average["lower"], average["upper"]),
            words=mean,
            width=1.5,
        ),
    )
    longest = min(LONGEST, max(map(len, names)))
    x = Axis(effect_words(effects.noun, label), grid=True)
    y = Axis("Item", (-0.7, len(frame) - 0.3), tuple(enumerate(names)))
    # one item a line, whatever their number and the length of their names
    inches = (5.4 + 0.07 * max(0, longest - 8), max(2.6, 1.4 + 0.27 * len(frame)))
    return Drawing((Panel(marks, x, y),), inches)
