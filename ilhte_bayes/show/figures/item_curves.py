"""Item characteristic curves by arm: probability of the answer, or expected score, by ability."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.figures.canvas import chosen_contrast, cut
from ilhte_bayes.show.figures.curves import (
    ItemLogits,
    ability_range,
    arm_names,
    item_logits,
    require_curves,
    score_band,
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
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.words import answer_words

MOST_PANELS = 12
_SDS = (-2, -1, 1, 2)


def item_curves(
    fit: Fit,
    *,
    contrast: str | None = None,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw the probability of the answer against ability, in both arms, item by item.

    Of ordinal answers the expected score, categories counting 0, 1, ..., K - 1.

    Up to 12 items: those with the largest and the smallest effect, and others evenly between.

    Parameters
    ----------
    fit : Fit
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes whose place the panels take; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The first panel; `.figure` holds them all. Each shows two curves with 95 % bands from
        draws, for persons whose covariates and clusters are average; ability is the deviation
        from that, in logits, dotted at 1 and 2 SDs either way.

    Raises
    ------
    NotAvailable
        For multinomial answers, which have no score.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> ax = il.plot.item_curves(fit)
    """
    require_curves(fit, "item curves")
    chosen = chosen_contrast(fit, contrast)
    logits = item_logits(fit, chosen)
    ability, sd = ability_range(fit)
    arms = [f"{arm}, 95 % band" for arm in arm_names(fit, chosen)]
    arms[1] += " (too narrow: SD of effects at 0)" if logits.too_narrow else ""
    shown = spread_out(logits.change, MOST_PANELS)
    columns = panel_columns(len(shown))
    rows = -(-len(shown) // columns)
    kind = "Expected score of" if fit.model.family.ordinal else "Probability of"
    drawing = Drawing(
        tuple(_panel(logits, int(item), ability, sd, arms) for item in shown),
        (0.9 + 1.55 * columns, 1.1 + 1.3 * rows),
        columns,
        x_label=f"Ability (logits from the average; dotted at ±1 and ±2 SD of {sd:.2f})",
        y_label=f"{kind} {cut(answer_words(fit.model))}",
        shared=True,
        legend_columns=2,
    )
    return draw(drawing, ax=ax, backend=backend, size=size)


def panel_columns(n: int) -> int:
    """Columns of a figure of n small panels."""
    return 2 if n in (2, 4) else min(3, n)


def sd_rules(sd: float) -> list[Mark]:
    """Dotted lines at 1 and 2 SDs of ability either way."""
    dotted = Look(QUIET.colour, dash=":")
    return [Rule(k * sd, look=dotted, width=0.6) for k in _SDS]


def _panel(logits: ItemLogits, item: int, ability: np.ndarray, sd: float, arms: list[str]) -> Panel:
    marks = sd_rules(sd)
    for draws, look, words in zip(logits.arms, (REFERENCE, TREATED), arms, strict=True):
        lower, middle, upper = score_band(*logits.of(draws, item), ability, steps=logits.steps)
        marks += [Band(ability, lower, upper, look, words), Line(ability, middle, look, words)]
    top = logits.cuts.shape[2]
    ticks: tuple[tuple[float, str], ...] = ((0.0, "0"), (0.5, ".5"), (1.0, "1"))
    if top > 1:
        places = np.unique(np.linspace(0, top, min(top, 4) + 1).round())
        ticks = tuple((float(at), f"{at:.0f}") for at in places)
    x = Axis(limits=(ability[0], ability[-1]))
    y = Axis(limits=(-0.02 * top, 1.02 * top), ticks=ticks)
    return Panel(tuple(marks), x, y, cut(logits.items[item], 20))
