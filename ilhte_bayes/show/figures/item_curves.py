"""Item characteristic curves by arm: probability of the answer, or expected score, by ability."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.special import expit

from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.items import changes_by_item, effects_at_zero
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.estimands.thresholds import thresholds_by_item
from ilhte_bayes.families.categories import shares
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.contrasts import Contrast, fixed_in_arm, group_in_arm
from ilhte_bayes.show.figures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    chosen_contrast,
    legend_of_panels,
    new_panels,
    plain,
)
from ilhte_bayes.show.words import answer_words, contrast_arms

MOST_PANELS = 12
_SDS = (-2, -1, 1, 2)


def item_curves(fit: Fit, *, contrast: str | None = None, ax: Axes | None = None) -> Axes:
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

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; `.figure` holds them all. Each shows two curves with 95 % bands from
        draws, for persons whose covariates and clusters are average; ability is the deviation
        from that, in logits, dotted at 1 and 2 SDs either way.

    Raises
    ------
    NotAvailable
        For multinomial answers, which have no score.
    """
    if fit.model.family.nominal:
        raise NotAvailable(
            "item curves show a probability or an expected score, and multinomial answers have no "
            "score. Compare the response with a value, 'resp == 2 ~ ...', and fit "
            "family='bernoulli'."
        )
    if fit.model.design.has_own_slopes:
        raise NotAvailable(
            "item curves of models whose slopes differ by threshold are not there. Fit the model "
            "with the same slopes at every threshold."
        )
    chosen = chosen_contrast(fit, contrast)
    logits = _logits(fit, chosen)
    sd = float(np.median(ability_sd(fit, parameter_draws(fit))))
    shown = _spread_out(logits.change)
    columns = 2 if len(shown) in (2, 4) else min(3, len(shown))
    rows = -(-len(shown) // columns)
    size = (0.9 + 1.55 * columns, 1.1 + 1.3 * rows)
    host, panels = new_panels(ax, rows, columns, size, sharex=True, sharey=True)
    ability = np.linspace(-2.6 * sd, 2.6 * sd, 121)
    for panel, item in zip(panels, shown, strict=False):
        _panel(panel, logits, int(item), ability, sd)
    for empty in panels[len(shown) :]:
        empty.remove()
    for panel in panels[max(0, len(shown) - columns) : len(shown)]:
        panel.tick_params(labelbottom=True)
    label = f"Ability (logits from the average; dotted at ±1 and ±2 SD of {sd:.2f})"
    host.supxlabel(label, fontsize="medium")
    kind = "Expected score of" if fit.model.family.ordinal else "Probability of"
    host.supylabel(f"{kind} {plain(answer_words(fit.model))}", fontsize="medium")
    handles = [
        (Patch(color=colour, alpha=0.2, linewidth=0), Line2D([], [], color=colour))
        for colour in (ORANGE, BLUE)
    ]
    arms = [f"{plain(arm)}, 95 % band" for arm in contrast_arms(fit.model, chosen)]
    arms[1] += " (too narrow: SD of effects at 0)" if logits.too_narrow else ""
    legend_of_panels(host, handles, arms)
    return panels[0]


@dataclass(frozen=True, slots=True)
class _Logits:
    """Items' logits at average ability."""

    items: list
    reference: np.ndarray  # (draw, item)
    treated: np.ndarray  # (draw, item)
    slope: np.ndarray  # (draw, item) discriminations
    cuts: np.ndarray  # (draw, item, cut) thresholds; one of 0 for binary answers
    steps: bool  # whether they are those of adjacent categories
    change: np.ndarray  # (item,) average effect over draws, or easiness where all are equal
    too_narrow: bool  # whether the spread of effects is estimated at 0


def _logits(fit: Fit, contrast: Contrast) -> _Logits:
    name = require_group(fit, "item")
    if name in fit.draws["posterior"].attrs.get("left_out", ()):
        raise ModelError(f"the draws leave out the {name} effects, of which there are too many.")
    beta, effects = flat(fit.draws, "beta"), effect_draws(fit, name)
    weights = changes_by_item(fit, name, contrast)
    fixed, random = _columns_by_item(fit, name, contrast)

    def at(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.asarray(beta @ x.T + np.einsum("sic,ic->si", effects, z))

    reference, effect = at(fixed, random), at(weights.fixed, weights.random)
    slope = np.ones_like(reference)
    if fit.model.discrimination is not None:
        slope = flat(fit.draws, "discrimination")
    treated = reference + effect * (slope if fit.model.discrimination == "loaded" else 1.0)
    change = (treated - reference).mean(axis=0)
    if np.ptp(change) < 1e-9:
        change = reference.mean(axis=0)
    zero = effects_at_zero(fit, name, weights)
    group = fit.model.design.group(name)
    cuts = thresholds_by_item(group, fit.model.design.n_cuts, beta, effects)
    steps = bool(fit.model.design.n_categories)
    return _Logits(list(group.labels), reference, treated, slope, cuts, steps, change, zero)


def _columns_by_item(fit: Fit, name: str, contrast: Contrast) -> tuple[np.ndarray, np.ndarray]:
    """(item, column) fixed and random columns in the reference arm, averaged over answers."""
    model = fit.model
    design, group = model.design, model.design.group(name)
    patterns, treatment = model.responses.patterns, str(model.roles.treatment)
    answers = np.repeat(design.pattern, design.count)
    same = (model.formula, patterns, answers, treatment, contrast.from_arm)
    x, z = fixed_in_arm(*same, design.terms), group_in_arm(*same, group)
    total = np.bincount(group.level, weights=design.count, minlength=group.n_levels)

    def by_item(matrix: np.ndarray) -> np.ndarray:
        sums = [
            np.bincount(group.level, design.count * c[design.pattern], group.n_levels)
            for c in matrix.T
        ]
        return np.stack(sums, axis=1) / total[:, None]

    return by_item(x), by_item(z)


def _band(
    level: np.ndarray, slope: np.ndarray, cuts: np.ndarray, ability: np.ndarray, *, steps: bool
) -> np.ndarray:
    """(3, ability) probability, or expected score: 95 % band and median over draws."""
    tails = [0.025, 0.5, 0.975]
    if cuts.shape[1] > 1:
        places = level[:, None] + np.outer(slope, ability)
        if steps:
            each = (places[:, :, None] - cuts[:, None, :]).reshape(-1, cuts.shape[1])
            chance = shares(np.cumsum(each, axis=1))
            score = (chance @ np.arange(chance.shape[1])).reshape(places.shape)
        else:
            score = sum(expit(places - cut[:, None]) for cut in cuts.T)
        return np.asarray(np.quantile(score, tails, axis=0))
    level = level - cuts[:, 0]
    if (slope == 1.0).all():
        return np.asarray(expit(ability + np.quantile(level, tails)[:, None]))
    return np.asarray(expit(np.quantile(level + np.outer(ability, slope), tails, axis=1)))


def _spread_out(change: np.ndarray) -> np.ndarray:
    """Positions of up to 12 items from the largest effect to the smallest, evenly between."""
    order = np.argsort(-change, kind="stable")
    if order.size <= MOST_PANELS:
        return order
    return order[np.round(np.linspace(0, order.size - 1, MOST_PANELS)).astype(int)]


def _panel(panel: Axes, logits: _Logits, item: int, ability: np.ndarray, sd: float) -> None:
    for k in _SDS:
        panel.axvline(k * sd, color=GREY, linewidth=0.6, linestyle=":")
    for draws, colour in ((logits.reference, ORANGE), (logits.treated, BLUE)):
        own = (draws[:, item], logits.slope[:, item], logits.cuts[:, item])
        lower, middle, upper = _band(*own, ability, steps=logits.steps)
        panel.fill_between(ability, lower, upper, color=colour, alpha=0.2, linewidth=0)
        panel.plot(ability, middle, color=colour, linewidth=1.5)
    panel.set_title(plain(logits.items[item], 20), fontsize="small", pad=3)
    panel.set_xlim(ability[0], ability[-1])
    top = logits.cuts.shape[2]
    panel.set_ylim(-0.02 * top, 1.02 * top)
    if top == 1:
        panel.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    else:
        panel.set_yticks(np.unique(np.linspace(0, top, min(top, 4) + 1).round()))
    panel.tick_params(labelsize="small")
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
