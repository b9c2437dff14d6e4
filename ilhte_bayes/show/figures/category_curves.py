"""Probability of every category of an ordinal answer along ability, by arm, item by item."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.figures.canvas import chosen_contrast, cut
from ilhte_bayes.show.figures.curves import (
    ItemLogits,
    ability_range,
    arm_names,
    band,
    chances,
    item_logits,
    require_curves,
    spread_out,
)
from ilhte_bayes.show.figures.drawing import (
    QUIET,
    REFERENCE,
    TREATED,
    Axis,
    Backend,
    Band,
    Drawing,
    Line,
    Look,
    Mark,
    Panel,
    Size,
    draw,
)
from ilhte_bayes.show.figures.item_curves import panel_columns
from ilhte_bayes.show.words import answer_words

MOST_PANELS = 6
# from dark to light (viridis), so that categories keep their order in grey
_DARK_TO_LIGHT = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#d2b800")


def category_curves(
    fit: Fit,
    *,
    contrast: str | None = None,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw the probability of every category against ability, in both arms, item by item.

    Up to 6 items: those with the largest and the smallest effect, and others evenly between.

    Parameters
    ----------
    fit : Fit
        Of ordinal answers.
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds them all. Colour: category, dark to light. Dashed: the
        reference arm; solid: the other. Bands are 95 %, from draws, for persons whose covariates
        and clusters are average.

    Raises
    ------
    ModelError
        For binary answers.
    NotAvailable
        For multinomial answers, and for slopes that differ by threshold.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine").query("study == 'AGES'")
    >>> fit = il.laplace(il.il_hte(trial, family="cumulative"), objective="map")
    >>> ax = il.plot.category_curves(fit)
    >>> ax.figure.savefig("categories.png")  # doctest: +SKIP
    """
    require_curves(fit, "category curves")
    if not fit.model.family.ordinal:
        raise ModelError(
            "binary answers have one probability: il.plot.item_curves(fit) shows it. Category "
            "curves are of family='cumulative' or 'adjacent'."
        )
    chosen = chosen_contrast(fit, contrast)
    logits = item_logits(fit, chosen)
    ability, sd = ability_range(fit)
    shown = spread_out(logits.change, MOST_PANELS)
    columns = panel_columns(len(shown))
    rows = -(-len(shown) // columns)
    levels = fit.model.responses.response_coding.levels
    panels = [_panel(logits, int(item), ability, levels) for item in shown]
    arms = [f"{arm}, 95 % bands" for arm in arm_names(fit, chosen)]
    panels[0] = Panel(
        (*_arm_keys(arms), *panels[0].marks), panels[0].x, panels[0].y, panels[0].title
    )
    answer = cut(answer_words(fit.model))
    drawing = Drawing(
        tuple(panels),
        (0.9 + 1.9 * columns, 1.4 + 1.6 * rows),
        columns,
        x_label=f"Ability (logits from the average; its SD is {sd:.2f})",
        y_label=f"Probability of each category of {answer}",
        shared=True,
        legend_columns=max(2, min(3, columns)),
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


def _arm_keys(arms: list[str]) -> list[Mark]:
    """What the legend says of dashes: lines without length."""
    nothing = np.zeros(0)
    return [
        Line(nothing, nothing, Look(QUIET.colour, dash=look.dash), arm)
        for look, arm in zip((REFERENCE, TREATED), arms, strict=True)
    ]


def _panel(
    logits: ItemLogits, item: int, ability: np.ndarray, levels: tuple[str, ...]
) -> Panel:  # fmt: skip
    marks: list[Mark] = []
    for draws, arm in zip(logits.arms, (REFERENCE, TREATED), strict=True):
        chance = chances(*logits.of(draws, item), ability, steps=logits.steps)
        for k, level in enumerate(levels):
            at = round(k * (len(_DARK_TO_LIGHT) - 1) / (len(levels) - 1))
            look = Look(_DARK_TO_LIGHT[at], dash=arm.dash)
            lower, middle, upper = band(chance[:, :, k])
            words = cut(level, 20) if arm is TREATED else ""
            marks.append(Band(ability, lower, upper, look, shade=0.13))
            marks.append(Line(ability, middle, look, words))
    x = Axis(limits=(ability[0], ability[-1]))
    y = Axis(limits=(-0.02, 1.02), ticks=((0.0, "0"), (0.5, ".5"), (1.0, "1")))
    return Panel(tuple(marks), x, y, cut(logits.items[item], 20))
