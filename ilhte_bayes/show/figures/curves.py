"""What curves by item are made of: each item's logits in two arms, and probabilities along ability."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ilhte_bayes.errors import NotAvailable
from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.items import changes_by_item, effects_at_zero
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.estimands.thresholds import thresholds_by_item
from ilhte_bayes.families.categories import shares
from ilhte_bayes.fits.draw_tables import flat, no_draws
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.formulas.contrasts import Contrast, fixed_in_arm, group_in_arm
from ilhte_bayes.show.figures.canvas import cut
from ilhte_bayes.show.words import contrast_arms

_BAND = [TAILS[0], 0.5, TAILS[1]]


@dataclass(frozen=True, slots=True)
class ItemLogits:
    """Draws of items' logits for persons of average ability, in two arms."""

    items: list
    reference: np.ndarray  # (draw, item)
    treated: np.ndarray  # (draw, item)
    slope: np.ndarray  # (draw, item) discriminations
    cuts: np.ndarray  # (draw, item, cut) thresholds; one of 0 for binary answers
    steps: bool  # whether they are those of adjacent categories
    change: np.ndarray  # (item,) average effect over draws, or easiness where all are equal
    too_narrow: bool  # whether the spread of effects is estimated at 0

    @property
    def arms(self) -> tuple[np.ndarray, np.ndarray]:
        """Both arms' logits, the reference first."""
        return self.reference, self.treated

    def of(self, level: np.ndarray, item: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(draw,) level and slope, (draw, cut) thresholds of one item."""
        return level[:, item], self.slope[:, item], self.cuts[:, item]


def require_curves(fit: Fit, what: str) -> None:
    """Refuse models whose items have no curve along one ability.

    Raises
    ------
    NotAvailable
    """
    if fit.model.family.nominal:
        raise NotAvailable(
            f"{what} show a probability or an expected score, and multinomial answers have no "
            "score. Compare the response with a value, 'resp == 2 ~ ...', and fit "
            "family='bernoulli'."
        )
    if fit.model.design.has_own_slopes:
        raise NotAvailable(
            f"{what} of models whose slopes differ by threshold are not there. Fit the model "
            "with the same slopes at every threshold."
        )


def item_logits(fit: Fit, contrast: Contrast) -> ItemLogits:
    """Draws of every item's logits, covariates at the average of its answers, clusters at 0."""
    name = require_group(fit, "item")
    if name in fit.draws["posterior"].attrs.get("left_out", ()):
        raise no_draws(name)
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
    return ItemLogits(list(group.labels), reference, treated, slope, cuts, steps, change, zero)


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


def ability_range(fit: Fit) -> tuple[np.ndarray, float]:
    """Places between -2.6 and 2.6 SDs of ability within an arm, in logits, and that SD."""
    sd = float(np.median(ability_sd(fit, parameter_draws(fit))))
    return np.linspace(-2.6 * sd, 2.6 * sd, 121), sd


def arm_names(fit: Fit, contrast: Contrast) -> tuple[str, str]:
    """Both arms, in words, the reference first."""
    reference, treated = contrast_arms(fit.model, contrast)
    return cut(reference), cut(treated)


def chances(
    level: np.ndarray, slope: np.ndarray, cuts: np.ndarray, ability: np.ndarray, *, steps: bool
) -> np.ndarray:
    """(draw, ability, category) probabilities of one item's categories."""
    places = level[:, None] + np.outer(slope, ability)
    each = places[:, :, None] - cuts[:, None, :]
    if steps:
        flattened = np.cumsum(each.reshape(-1, cuts.shape[1]), axis=1)
        return shares(flattened).reshape(*places.shape, -1)
    at_least = expit(each)
    ends = np.ones((*places.shape, 1)), np.zeros((*places.shape, 1))
    return -np.diff(np.concatenate([ends[0], at_least, ends[1]], axis=2), axis=2)


def information(
    level: np.ndarray, slope: np.ndarray, cuts: np.ndarray, ability: np.ndarray, *, steps: bool
) -> np.ndarray:
    """(draw, ability) Fisher information of one item's answer about ability."""
    chance = chances(level, slope, cuts, ability, steps=steps)
    if steps:
        score = np.arange(chance.shape[2])
        own = chance @ score**2 - (chance @ score) ** 2
    else:
        above = 1.0 - np.cumsum(chance, axis=2)[:, :, :-1]  # P(Y > k)
        rise = above * (1.0 - above)
        edges = np.zeros((*above.shape[:2], 1))
        change = -np.diff(np.concatenate([edges, rise, edges], axis=2), axis=2)
        own = (change**2 / np.maximum(chance, 1e-300)).sum(axis=2)
    return np.asarray(own * slope[:, None] ** 2)


def score_band(
    level: np.ndarray, slope: np.ndarray, cuts: np.ndarray, ability: np.ndarray, *, steps: bool
) -> np.ndarray:
    """(3, ability) probability, or expected score: 95 % band and median over draws."""
    if cuts.shape[1] > 1:
        chance = chances(level, slope, cuts, ability, steps=steps)
        return band(chance @ np.arange(chance.shape[2]))
    level = level - cuts[:, 0]
    if (slope == 1.0).all():
        return np.asarray(expit(ability + np.quantile(level, _BAND)[:, None]))
    return np.asarray(expit(np.quantile(level + np.outer(ability, slope), _BAND, axis=1)))


def band(draws: np.ndarray) -> np.ndarray:
    """Lower limit (95 %), median and upper limit over the first axis."""
    return np.asarray(np.quantile(draws, _BAND, axis=0))


def spread_out(change: np.ndarray, most: int) -> np.ndarray:
    """Positions of up to so many items from the largest effect to the smallest, evenly between."""
    order = np.argsort(-change, kind="stable")
    if order.size <= most:
        return order
    return order[np.round(np.linspace(0, order.size - 1, most)).astype(int)]
