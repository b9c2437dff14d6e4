"""Draws of an effect on four targets: these items, their population, a new item, a new test.

In logits of the answers, and on ability; they differ only where discriminations multiply the effect.
"""

from typing import NamedTuple

import numpy as np

from ilhte_bayes.estimands.distribution import SEED, NormalDistribution
from ilhte_bayes.estimands.item_sample import (
    ItemSample,
    effect_variance,
    feature_effects,
    features_differ,
)
from ilhte_bayes.estimands.items import ItemWeights, effects_before_loading, effects_distribution
from ilhte_bayes.estimands.parameters import ParameterDraws, mean_discrimination
from ilhte_bayes.estimands.t_parts import in_order_of, lengthening_beside
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit


def target_names(n_items: int, k: int) -> tuple[str, str, str, str]:
    """These items, the population, a new item, a new test, as the card calls them."""
    return f"these {n_items} items", "item population", "one new item", f"a new {k}-item test"


class Row(NamedTuple):
    """Draws of an effect, about which a normal deviate is averaged over, and its estimate."""

    values: np.ndarray  # (draw,)
    middle: float
    sd: np.ndarray | float = 0.0  # (draw,) of the deviate


def target_rows(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int, sample: ItemSample
) -> tuple[dict[str, Row], dict[str, Row]]:
    """The effect on each target: in logits of the answers, and on ability."""
    here, beyond = own_estimates(fit, name, weights)
    if fit.model.discrimination == "loaded":
        found = _loaded(fit, name, weights, draws, k)
    else:
        make = _sampled if fit.sampled else _maximised
        found = (make(fit, name, weights, draws, k, sample),) * 2
    names = target_names(len(weights.fixed), k)
    rows = [
        {
            target: Row(values, here if target == names[0] else beyond, sd)
            for target, (values, sd) in zip(names, each, strict=True)
        }
        for each in found
    ]
    return rows[0], rows[1]


_Pairs = list[tuple[np.ndarray, np.ndarray | float]]  # draws and SD of each target


def _maximised(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int, sample: ItemSample
) -> _Pairs:
    """Parts by t: the average with its degrees of freedom, what is new in an item with its own."""
    here, beyond = own_estimates(fit, name, weights)
    drawn = mean_over_items(fit, name, weights, draws)
    these = in_order_of(drawn, here, se_of_mean(fit, name, weights), sample.df_these)
    average = draws.beta @ weights.fixed.mean(axis=0)
    population = in_order_of(average, beyond, sample.se, sample.df)
    spread = np.sqrt(np.maximum(effect_variance(draws, name, weights), 0.0))
    if fit.objective == "ml":  # t knows what the SD's uncertainty does
        spread = item_sds(population, beyond, sample)
    pairs: _Pairs = [(these, 0.0), (population, 0.0)]
    for items in (1, k):
        pairs.append((population + of_features(draws, weights, items), spread / np.sqrt(items)))
    return pairs


def item_sds(population: np.ndarray, centre: float, sample: ItemSample) -> np.ndarray:
    """(draw,) SD of what is new in an item, as long as ML leaves possible."""
    t = np.zeros(len(population))
    if sample.se > 0.0:
        t = np.nan_to_num((population - centre) / sample.se)
    df = np.inf if sample.clusters else sample.df
    return np.nan_to_num(sample.sd) * lengthening_beside(t, df, sample.df_items, SEED + 7)


def _sampled(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int, sample: ItemSample
) -> _Pairs:
    """Each draw with a new item, and a new test, of its own."""
    rng = np.random.default_rng(SEED + 1)
    population = draws.beta @ weights.fixed.mean(axis=0)
    spread = np.sqrt(np.maximum(effect_variance(draws, name, weights), 0.0))
    pairs: _Pairs = [(mean_over_items(fit, name, weights, draws), 0.0), (population, 0.0)]
    for items in (1, k):
        new = population + spread / np.sqrt(items) * rng.standard_normal(population.size)
        pairs.append((new + of_features(draws, weights, items), 0.0))
    return pairs


def _loaded(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int
) -> tuple[_Pairs, _Pairs]:
    """Where discriminations multiply the effect: in logits, and on ability."""
    rng = np.random.default_rng(SEED + 1)
    population = draws.beta @ weights.fixed.mean(axis=0)
    spread = np.sqrt(np.maximum(effect_variance(draws, name, weights), 0.0))
    logits = [
        mean_over_items(fit, name, weights, draws),
        population * mean_discrimination(fit),
    ]
    ability = [effects_before_loading(fit, name, weights).mean(axis=1), population]
    sd = flat(fit.tree, "sd_discrimination")
    for items in (1, k):
        on_logits, on_ability = np.zeros(population.size), np.zeros(population.size)
        for each in range(items):
            effect = population + spread * rng.standard_normal(population.size)
            effect += of_features(draws, weights, 1, each)
            on_ability += effect / items
            on_logits += np.exp(sd * rng.standard_normal(population.size)) * effect / items
        logits.append(on_logits)
        ability.append(on_ability)
    return [(values, 0.0) for values in logits], [(values, 0.0) for values in ability]


def of_features(draws: ParameterDraws, weights: ItemWeights, k: int, number: int = 0) -> np.ndarray:
    """(draw,) what k new items' features make of their mean effect, around the average.

    Each has the features of one of the items asked, drawn with replacement.
    """
    if not features_differ(weights):
        return np.zeros(len(draws.beta))
    effects = feature_effects(draws, weights)
    rng = np.random.default_rng([SEED, k, number])
    drawn = rng.multinomial(k, np.full(effects.shape[1], 1.0 / effects.shape[1]), len(effects))
    return np.asarray((drawn / k * effects).sum(axis=1))


def own_estimates(fit: Fit, name: str, weights: ItemWeights) -> tuple[float, float]:
    """The fit's own estimates for these items and for their population, in logits."""
    these = float(effects_distribution(fit, name, weights).mean.mean())
    if fit.model.discrimination == "loaded":
        population = flat(fit.tree, "beta") @ weights.fixed.mean(axis=0) * mean_discrimination(fit)
        return these, float(population.mean())
    beta = fit.coefficients["estimate"].to_numpy()
    return these, float(weights.fixed.mean(axis=0) @ beta)


def se_of_mean(fit: Fit, name: str, weights: ItemWeights) -> float:
    """Standard error of the mean effect over these items, of a maximised fit."""
    distribution = effects_distribution(fit, name, weights)
    assert isinstance(distribution, NormalDistribution)
    return float(np.sqrt(max(float(np.mean(distribution.covariance)), 0.0)))


def mean_over_items(fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws) -> np.ndarray:
    """Draws of the mean effect over these items, along with the parameters' draws."""
    distribution = effects_distribution(fit, name, weights)
    if fit.sampled:
        return np.asarray(distribution.draws().mean(axis=1))
    assert isinstance(distribution, NormalDistribution)
    assert draws.moved is not None
    by_psi = fit.mode[f"re_{name}_by_psi"].to_numpy()
    slope = np.einsum("pic,ic->ip", by_psi, weights.random).mean(axis=0)
    slope[: weights.fixed.shape[1]] += weights.fixed.mean(axis=0)
    total = float(np.mean(distribution.covariance))
    given = max(total - float(slope @ fit.mode["psi_cov"].to_numpy() @ slope), 0.0)
    noise = np.random.default_rng(SEED + 2).standard_normal(len(draws.moved))
    return np.asarray(distribution.mean.mean() + draws.moved @ slope + np.sqrt(given) * noise)
