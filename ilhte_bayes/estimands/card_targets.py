"""Draws of an effect on four targets: these items, their population, a new item, a new test.

In logits of the answers, and on ability; they differ only where discriminations multiply the effect.
"""

import numpy as np
from scipy.stats import chi2

from ilhte_bayes.estimands.distribution import SEED, NormalDistribution
from ilhte_bayes.estimands.item_sample import (
    ItemSample,
    effect_variance,
    feature_effects,
    features_differ,
)
from ilhte_bayes.estimands.items import ItemWeights, effects_before_loading, effects_distribution
from ilhte_bayes.estimands.parameters import ParameterDraws, mean_discrimination, parameters_at
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit


def target_names(n_items: int, k: int) -> tuple[str, str, str, str]:
    """These items, the population, a new item, a new test, as the card calls them."""
    return f"these {n_items} items", "item population", "one new item", f"a new {k}-item test"


def stretched(values: np.ndarray, centre: float | np.ndarray, df: float) -> np.ndarray:
    """Draws (draw, ...) of a t distribution from those of a normal one.

    Chi-squared variables are evenly spread over their quantiles, in one random order for every
    target: what targets have in common differs between them by their degrees of freedom alone.
    """
    if np.isinf(df):
        return values
    n = len(values)
    u = (np.random.default_rng(SEED + 7).permutation(n) + 0.5) / n
    longer = np.sqrt(df / chi2.ppf(u, df)).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(centre + (values - centre) * longer)


def target_draws(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int, sample: ItemSample
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draws of the effect on each target: in logits of the answers, and on ability."""
    rng = np.random.default_rng(SEED + 1)
    population = draws.beta @ weights.fixed.mean(axis=0)
    spread = np.sqrt(np.maximum(effect_variance(draws, name, weights), 0.0))
    these, average, new, test = target_names(len(weights.fixed), k)
    if fit.model.discrimination != "loaded":
        if fit.objective == "ml":  # t knows what the SD's uncertainty does
            at = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
            spread = np.sqrt(np.maximum(effect_variance(at, name, weights), 0.0))
        out = {
            these: mean_over_items(fit, name, weights, draws),
            average: population,
            new: population + spread * rng.standard_normal(population.size),
            test: population + spread / np.sqrt(k) * rng.standard_normal(population.size),
        }
        for target, items in ((new, 1), (test, k)):
            out[target] += of_features(draws, weights, items)
        here, beyond = own_estimates(fit, name, weights)
        for target, df in zip((these, average, new, test), sample.df, strict=True):
            out[target] = stretched(out[target], here if target == these else beyond, df)
        return out, out
    logits = {
        these: mean_over_items(fit, name, weights, draws),
        average: population * mean_discrimination(fit),
    }
    ability = {
        these: effects_before_loading(fit, name, weights).mean(axis=1),
        average: population,
    }
    sd = flat(fit.tree, "sd_discrimination")
    for target, items in ((new, 1), (test, k)):
        logits[target], ability[target] = np.zeros(population.size), np.zeros(population.size)
        for each in range(items):
            effect = population + spread * rng.standard_normal(population.size)
            effect += of_features(draws, weights, 1, each)
            ability[target] += effect / items
            logits[target] += np.exp(sd * rng.standard_normal(population.size)) * effect / items
    return logits, ability


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
