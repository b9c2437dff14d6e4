"""How much the test tells about ability, along ability, in both arms."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.figures import curves
from ilhte_bayes.show.figures.canvas import chosen_contrast
from ilhte_bayes.show.figures.drawing import (
    REFERENCE,
    TREATED,
    Axis,
    Backend,
    Band,
    Drawing,
    Line,
    Panel,
    Size,
    draw,
)
from ilhte_bayes.show.figures.item_curves import sd_rules


def information(
    fit: Fit,
    *,
    contrast: str | None = None,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw the information of all items together against ability, in both arms.

    Parameters
    ----------
    fit : Fit
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        Fisher information of one answer to every item, 1 / logits squared: an ability known from
        these answers alone has a standard error of 1 / sqrt(information). Bands are 95 %, from
        draws.

    Raises
    ------
    NotAvailable
        For multinomial answers, and for slopes that differ by threshold.

    Notes
    -----
    Sum over items of a^2 sum_k P_k'^2 / P_k, with a the discrimination, P_k the probability of
    category k and P_k' its derivative by the logit; a^2 P (1 - P) for binary answers (Samejima
    1969, Psychometrika Monograph 17).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> ax = il.plot.information(fit)
    """
    curves.require_curves(fit, "information curves")
    chosen = chosen_contrast(fit, contrast)
    logits = curves.item_logits(fit, chosen)
    ability, sd = curves.ability_range(fit)
    marks = sd_rules(sd)
    names = curves.arm_names(fit, chosen)
    for draws, look, arm in zip(logits.arms, (REFERENCE, TREATED), names, strict=True):
        total = np.zeros((len(draws), ability.size))
        for item in range(len(logits.items)):
            total += curves.information(*logits.of(draws, item), ability, steps=logits.steps)
        lower, middle, upper = curves.band(total)
        words = f"{arm}, 95 % band"
        marks += [Band(ability, lower, upper, look, words), Line(ability, middle, look, words)]
    n = len(logits.items)
    x = Axis(
        f"Ability (logits from the average; dotted at ±1 and ±2 SD of {sd:.2f})",
        (ability[0], ability[-1]),
    )
    y = Axis(f"Information of the {n} items (1 / logits²)", (0.0, None), grid=True)
    drawing = Drawing((Panel(tuple(marks), x, y),), (5.4, 3.6), legend_columns=2)
    return draw(drawing, ax=ax, backend=backend, size=size)
