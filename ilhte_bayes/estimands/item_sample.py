"""How far the sample of items limits what is known of the population they stand for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ilhte_bayes.estimands.degrees_of_freedom import FewClusters, few_clusters
from ilhte_bayes.estimands.distribution import AS_GOOD_AS_NORMAL
from ilhte_bayes.estimands.parameters import ParameterDraws, parameter_draws, parameters_at
from ilhte_bayes.fits.fit import Fit

if TYPE_CHECKING:
    from ilhte_bayes.estimands.items import ItemWeights

_ROUNDING = 1e-9  # changes that the model makes equal agree to this


@dataclass(frozen=True, slots=True)
class ItemSample:
    """How far the sample of items limits what is known beyond these items."""

    share: float  # of the population target's squared standard error that comes from the items
    sd: float  # of effects over items of equal features; missing where the model has no such SD
    features: float  # SD over these items of what their features make of the effect
    se: float  # of the average over the population
    df_these: float  # of t, infinite for the normal: of the average over these items,
    df: float  # of that over their population,
    df_items: float  # of what is new in an item
    clusters: bool  # whether `df` is that of clusters, not of the items


def item_sample(fit: Fit, name: str, weights: "ItemWeights") -> ItemSample:
    """Share of items in the squared standard error, and degrees of freedom of ML intervals.

    sigma^2 / I over the squared standard error of the average over the item population: what would
    be left of it with endlessly many persons. The SD of I effects is estimated with I - 1 degrees of
    freedom; where only a share of a variance rests on it, Satterthwaite's rule makes that
    (I - 1) / share^2. A treatment given to few whole clusters has at most the degrees of freedom of
    `il.fixed_tests`. Infinite ones stand for the normal. Posteriors know the SD's uncertainty
    in their own way, and of MAP's a prior says much.
    """
    n_items, average = len(weights.fixed), weights.fixed.mean(axis=0)
    if fit.sampled:
        draws = parameter_draws(fit)
        squared = float((draws.beta @ average).var(ddof=1))
    else:
        draws = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
        squared = max(float(average @ fit.mode["beta_cov"].to_numpy() @ average), 0.0)
    spread = float(effect_variance(draws, name, weights).mean())
    explained = 0.0
    if features_differ(weights):
        explained = float(feature_effects(draws, weights).var(axis=1).mean())
    sd = float(np.sqrt(spread)) if np.any(weights.random) else np.nan
    share = min(1.0, spread / n_items / squared) if n_items > 1 and squared > 0.0 else 0.0
    by_items = share > 0.0 and fit.objective == "ml"  # MAP: the SD's prior says more than I - 1
    of_items = items_df(n_items, share) if by_items else np.inf
    units = few_treated(fit)
    few = np.inf if units is None else float(units.df)
    return ItemSample(
        share,
        sd,
        features=float(np.sqrt(explained)),
        se=float(np.sqrt(squared)),
        df_these=few,
        df=min(few, of_items),
        df_items=n_items - 1.0 if by_items else np.inf,
        clusters=few < of_items,
    )


def few_treated(fit: Fit) -> FewClusters | None:
    """The clusters, where few were treated as a whole; posterior draws know of them themselves."""
    return None if fit.sampled else few_clusters(fit.model)


def normal_words(fit: Fit) -> list[str]:
    """A note under intervals that are normal although few clusters were treated."""
    units = few_treated(fit)
    if units is None:
        return []
    if units.confounded:
        return [
            f"{units.confounded} Intervals of the treatment in this table are normal and take these "
            "differences for known: do not read them."
        ]
    of_t = "il.fixed_tests has those of t"
    if fit.model.roles.item is not None and fit.model.design.logit is None:
        of_t += f", il.effect_card and il.item_effects theirs, with {units.df} degrees of freedom"
    return [
        f"Few clusters were treated ({units.n_units} levels of {units.unit}): these intervals are "
        f"normal and somewhat too short. {of_t}."
    ]


def items_df(n_items: int, share: float) -> float:
    """Degrees of freedom of an average effect, a share of whose variance comes from the items."""
    found = (n_items - 1) / share**2 if share > 0.0 else np.inf
    return found if found < AS_GOOD_AS_NORMAL else np.inf


def effect_variance(draws: ParameterDraws, name: str, weights: "ItemWeights") -> np.ndarray:
    """(draw,) variance of effects over the item population, of items with equal features."""
    random = weights.random.mean(axis=0)
    return np.einsum("dij,i,j->d", draws.covariance[name], random, random)


def features_differ(weights: "ItemWeights") -> bool:
    """Whether the fixed part gives items different effects."""
    return bool(np.ptp(weights.fixed, axis=0).max(initial=0.0) > _ROUNDING)


def feature_effects(draws: ParameterDraws, weights: "ItemWeights") -> np.ndarray:
    """(draw, item) what the fixed part says of an item's effect, less its average over items."""
    return np.asarray(draws.beta @ (weights.fixed - weights.fixed.mean(axis=0)).T)
