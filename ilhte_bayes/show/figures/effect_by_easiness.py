"""Effect on each item against its easiness, and what their correlation implies."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.distribution import SampledDistribution
from ilhte_bayes.estimands.items import (
    ItemWeights,
    changes_by_item,
    effects_at_zero,
)
from ilhte_bayes.estimands.items import item_effects as effects_of_items
from ilhte_bayes.estimands.parameters import mean_discrimination, parameter_draws
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS, normal_interval
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.show.equal_effects import refuse_equal
from ilhte_bayes.show.figures.canvas import chosen_contrast, cut, effect_words
from ilhte_bayes.show.figures.drawing import (
    AVERAGE,
    QUIET,
    Axis,
    Backend,
    Band,
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
from ilhte_bayes.show.figures.labels import extremes
from ilhte_bayes.show.words import number, range_of, signed


def effect_by_easiness(
    fit: Fit,
    *,
    contrast: str | None = None,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw the effect on each item against the item's easiness, with 95 % intervals of both.

    Parameters
    ----------
    fit : Fit
        Of a model with random easiness and effects of items, `(treat | item)`.
    contrast : str, optional
        With several arms, the one to draw, `"drug v placebo"`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        Dashed grey: the average effect, beta. Line: beta + rho sigma_zeta / sigma_b b, what the
        fitted correlation rho implies of an item of easiness b, with its 95 % band.

    Raises
    ------
    ModelError
        If the model gives every item the same effect, or items no easiness.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]), objective="map")
    >>> ax = il.plot.effect_by_easiness(fit)
    """
    refuse_equal(fit)
    name = require_group(fit, "item")
    group = fit.model.design.group(name)
    if "Intercept" not in group.columns:
        raise ModelError(
            f"the model has no easiness of items to set effects against. Write "
            f"({fit.model.roles.treatment} | {name}), which implies an intercept for each item."
        )
    chosen = chosen_contrast(fit, contrast)
    effects = effects_of_items(fit)
    frame = effects.frame
    if frame.index.nlevels > 1:
        frame = frame.xs(chosen.label, level="contrast")
    easiness, low, high = _easiness(fit, group)
    effect = frame["effect"].to_numpy()
    relation = _relation(fit, group, changes_by_item(fit, name, chosen))
    lines, more = _relation_marks(relation, effects.average.loc[chosen.label], easiness)
    known = bool(frame["lower"].notna().all())
    picked = extremes(effect, easiness, each=(2, 1))
    items = Points(
        easiness,
        effect,
        x_interval=(low, high),
        y_interval=(frame["lower"].to_numpy(), frame["upper"].to_numpy()) if known else None,
        names=tuple(map(str, frame.index)),
        tags={at: cut(frame.index[at], 24) for at in picked},
        words="an item, 95 % intervals" if known else "an item (no interval at SD = 0)",
        faint=True,
    )
    words = "Easiness of the item (logits; 0 is the average item, right is easier)"
    x = Axis(words, grid=True, margin=0.08)  # room for names
    y = Axis(effect_words(effects.noun, chosen.label), grid=True, margin=0.08)
    drawing = Drawing((Panel((items, *lines), x, y),), (5.6, 4.8), legend_more=more)
    return draw(drawing, ax=ax, backend=backend, size=size)


def _easiness(fit: Fit, group: Group) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate and 95 % interval of each item's easiness."""
    at = group.columns.index("Intercept")
    if fit.sampled:
        drawn = SampledDistribution(flat(fit.tree, f"re_{group.name}")[:, :, at])
        return drawn.mean, *drawn.interval()
    table = fit.random_effects(group.name).xs("Intercept", level="term")
    middle = table["estimate"].to_numpy()
    return middle, *normal_interval(middle, table["se"].to_numpy())


@dataclass(frozen=True, slots=True)
class _Relation:
    """How effects follow easiness, in words and as draws of a line."""

    words: str
    average_draws: np.ndarray  # (draw,)
    slope: float | None  # None where there is no line to draw
    slope_draws: np.ndarray  # (draw,)


def _relation(fit: Fit, group: Group, weights: ItemWeights) -> _Relation:
    draws = parameter_draws(fit)
    fixed, random = weights.fixed.mean(axis=0), weights.random.mean(axis=0)
    intercept = group.columns.index("Intercept")
    covariance = draws.covariance[group.name]
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = covariance[:, intercept] @ random / covariance[:, intercept, intercept]
    words = _correlation_words(fit, group, weights)
    larger = mean_discrimination(fit)  # of items as they are, not of those with discrimination 1
    average_draws, slopes = draws.beta @ fixed * larger, slopes * larger
    if not words.startswith("correlation"):
        return _Relation(words, average_draws, None, slopes)
    if fit.sampled:
        slope = float(slopes.mean())
    else:
        sd = fit.mode[f"sd_{group.name}"].to_numpy()
        corr = np.nan_to_num(fit.mode[f"corr_{group.name}"].to_numpy())[intercept]
        slope = float(corr @ (sd * random) / sd[intercept])
    return _Relation(words, average_draws, slope, slopes)


def _correlation_words(fit: Fit, group: Group, weights: ItemWeights) -> str:
    random = weights.random.mean(axis=0)
    intercept = group.columns.index("Intercept")
    moving = np.flatnonzero(random)
    together = next(block for block in group.blocks if intercept in block)
    if not moving.size:
        return "effects differ with fixed columns alone: no correlation is estimated"
    if not set(moving.tolist()) & set(together):
        return "easiness and effect are uncorrelated by assumption ( || )"
    if effects_at_zero(fit, group.name, weights) or fit.sd(group.name)["Intercept"] == 0.0:
        return "equal by estimate (an SD is 0): no correlation, no line"
    middle, lower, upper = _correlation(fit, group, random, moving)
    if np.isnan(lower):
        return f"correlation {signed(middle)}, at the edge of its range: no interval"
    return f"correlation {signed(middle)}, 95 % interval {range_of(lower, upper)}"


def _correlation(
    fit: Fit, group: Group, random: np.ndarray, moving: np.ndarray
) -> tuple[float, float, float]:
    """Correlation of easiness and effect with its interval: the fit's own, if it is one number."""
    intercept = group.columns.index("Intercept")
    if moving.size == 1 and random[moving[0]] > 0:
        first, second = sorted((intercept, int(moving[0])))
        pair = f"corr[{group.columns[first]},{group.columns[second]}]"
        row = fit.variance_components.loc[(group.name, pair)]
        return float(row["estimate"]), float(row["lower"]), float(row["upper"])
    covariance = parameter_draws(fit).covariance[group.name]
    variance = np.einsum("dij,i,j->d", covariance, random, random)
    with np.errstate(divide="ignore", invalid="ignore"):
        corr = (covariance[:, intercept] @ random) / np.sqrt(
            variance * covariance[:, intercept, intercept]
        )
    lower, middle, upper = np.nanquantile(corr, [TAILS[0], 0.5, TAILS[1]])
    return float(middle), float(lower), float(upper)


def _relation_marks(
    relation: _Relation, average: pd.Series, easiness: np.ndarray
) -> tuple[list[Mark], tuple[str, ...]]:
    """Average and line, and what the legend says where there is no line."""
    middle, interval = average["effect"], range_of(average["lower"], average["upper"])
    words = f"average over items, {number(middle)}, 95 % interval {interval}"
    quiet = Look(QUIET.colour, dash="--")
    marks: list[Mark] = [
        Rule(0.0, "y"),
        Rule(middle, "y", look=quiet, words=words, width=1.3),
    ]
    if relation.slope is None:
        return marks, (relation.words,)
    margin = 0.06 * np.ptp(easiness)
    grid = np.linspace(easiness.min() - margin, easiness.max() + margin, 60)
    lines = relation.average_draws[:, None] + relation.slope_draws[:, None] * grid
    band, solid = np.nanquantile(lines, TAILS, axis=0), Look(AVERAGE.colour)
    marks += [
        Band(grid, band[0], band[1], solid, relation.words, shade=0.12),
        Line(grid, middle + relation.slope * grid, solid, relation.words, width=1.6),
    ]
    return marks, ()
