"""Draws of an effect on four targets: these items, their population, a new item, a new test.

In logits of the answers, and on ability; they differ only where discriminations multiply the effect.
"""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.estimands.distribution import SEED, NormalDistribution
from ilhte_bayes.estimands.items import ItemWeights, effects_before_loading, effects_distribution
from ilhte_bayes.estimands.parameters import ParameterDraws, mean_discrimination, parameters_at
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit

_AS_GOOD_AS_NORMAL = 500.0  # degrees of freedom: the interval is .2 % longer


def target_names(n_items: int, k: int) -> tuple[str, str, str, str]:
    """These items, the population, a new item, a new test, as the card calls them."""
    return f"these {n_items} items", "item population", "one new item", f"a new {k}-item test"


@dataclass(frozen=True, slots=True)
class ItemSample:
    """How far the sample of items limits what is known beyond these items."""

    share: float  # of the population target's squared standard error that comes from the items
    sd: float  # of effects over items; missing where the model has no such SD
    df: tuple[float, float, float]  # of t: population, new item, new test; inf for the normal


def item_sample(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int
) -> ItemSample:
    """Share of items in the squared standard error, and degrees of freedom of ML intervals.

    sigma^2 / I over the squared standard error of the average over the item population: what would
    be left of it with endlessly many persons. The SD of I effects is estimated with I - 1 degrees of
    freedom; where only a share of a variance rests on it, Satterthwaite's rule makes that
    (I - 1) / share^2. Posteriors (and MAP) know the SD's uncertainty in their own way.
    """
    n_items, average = len(weights.fixed), weights.fixed.mean(axis=0)
    if fit.sampled:
        spread = float(_spread(draws, name, weights).mean())
        squared = float((draws.beta @ average).var(ddof=1))
    else:
        at = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
        spread = float(_spread(at, name, weights)[0])
        squared = float(average @ fit.mode["beta_cov"].to_numpy() @ average)
    normal = (np.inf, np.inf, np.inf)
    sd = float(np.sqrt(spread)) if np.any(weights.random) else np.nan
    if spread == 0.0 or n_items < 2 or not squared > 0.0:
        return ItemSample(0.0, sd, normal)
    share = min(1.0, spread / n_items / squared)
    if fit.objective != "ml":
        return ItemSample(share, sd, normal)

    def df(new: float) -> float:
        resting = min(1.0, (share * squared + new) / (squared + new))
        found = (n_items - 1) / resting**2
        return found if found < _AS_GOOD_AS_NORMAL else np.inf

    return ItemSample(share, sd, (df(0.0), df(spread), df(spread / k)))


def stretched(values: np.ndarray, centre: float, df: float, rng: np.random.Generator) -> np.ndarray:
    """Draws of a t distribution from those of a normal one."""
    if np.isinf(df):
        return values
    return np.asarray(centre + (values - centre) * np.sqrt(df / rng.chisquare(df, len(values))))


def target_draws(
    fit: Fit, name: str, weights: ItemWeights, draws: ParameterDraws, k: int, sample: ItemSample
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draws of the effect on each target: in logits of the answers, and on ability."""
    rng = np.random.default_rng(SEED + 1)
    population = draws.beta @ weights.fixed.mean(axis=0)
    spread = np.sqrt(np.maximum(_spread(draws, name, weights), 0.0))
    these, average, new, test = target_names(len(weights.fixed), k)
    if fit.model.discrimination != "loaded":
        if fit.objective == "ml":  # t knows what the SD's uncertainty does
            at = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
            spread = np.sqrt(np.maximum(_spread(at, name, weights), 0.0))
        out = {
            these: mean_over_items(fit, name, weights, draws),
            average: population,
            new: population + spread * rng.standard_normal(population.size),
            test: population + spread / np.sqrt(k) * rng.standard_normal(population.size),
        }
        centre = own_estimates(fit, name, weights)[1]
        for target, df in zip((average, new, test), sample.df, strict=True):
            out[target] = stretched(out[target], centre, df, rng)
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
        for _ in range(items):
            effect = population + spread * rng.standard_normal(population.size)
            ability[target] += effect / items
            logits[target] += np.exp(sd * rng.standard_normal(population.size)) * effect / items
    return logits, ability


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


def _spread(draws: ParameterDraws, name: str, weights: ItemWeights) -> np.ndarray:
    """(draw,) variance of effects over the item population."""
    random = weights.random.mean(axis=0)
    return np.einsum("dij,i,j->d", draws.covariance[name], random, random)
