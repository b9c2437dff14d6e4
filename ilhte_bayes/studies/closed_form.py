"""Standard error, power and width of a planned trial in closed form, without simulating.

With w(theta) the information that one answer holds about its logit (p (1 - p) for yes or no), n_1
and n_0 persons in the arms, and m of the I items answered by a person,

    SE^2 = sigma_zeta^2 / I                                      items: no number of persons helps
         + (1/n_1 + 1/n_0) / E[1 / (sigma_theta^2 + 1/(m w))]    persons, and their answers
         + sigma_cluster^2 (1/K_1 + 1/K_0)                       clusters, where they are treated

since a person's m answers are worth an ability observed with variance 1/(m w), and item i's effect
is beta_1 + zeta_i. The mean goes over abilities and items.

Effects of items are told apart with error variance v = (1/n_1 + 1/n_0) / (r w), r the share of items
that a person answers. Were they seen with normal errors, their sum of squares over v would be
Q = (1 + sigma_zeta^2 / v) chi2_{I-1}, and the likelihood ratio of sigma_zeta

    LR = Q - I - I log(Q / I) if Q > I, else 0.

The correlation adds a chi2_1, and power is the probability that their sum exceeds the point of
1/2 chi2_1 + 1/2 chi2_2.

Tests and intervals are by t with Satterthwaite's degrees of freedom, as in `il.effect_card`:
(I - 1) / share^2, share that part of the variance which comes of sigma_zeta. A new item's interval is
that of the average's t and, on top of it, sigma_zeta times a t with I - 1 degrees of freedom. Left out: that sigma_zeta
is estimated, what rho adds to power, discriminations. `benchmarks/power_closed_form.csv` shows how
far all this is from simulation.
"""

from typing import NamedTuple

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.estimands.item_sample import items_df
from ilhte_bayes.estimands.t_parts import new_interval
from ilhte_bayes.studies.trial import Trial

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_CHANCE = _WEIGHTS / _WEIGHTS.sum()
_QUANTILES = 2_000
_STEP = 1e-4  # logits, of the derivative of cumulative probabilities


class Planned(NamedTuple):
    """What the formulas say of one trial; logits."""

    se: float  # of the average effect
    floor: float  # sigma_zeta / sqrt(items)
    limit: float  # SE with persons without number, in as many clusters
    power: float  # that the average effect is found
    highest: float  # the same with persons without number
    power_items: float  # that sigma_zeta > 0 is found
    width: float  # of the 95 % interval of one new item's effect


def average_df(trial: Trial, spread: float, se: float) -> float:
    """Degrees of freedom of the average effect's t.

    Satterthwaite's for the items, as `il.effect_card`; where clusters are treated, at most
    clusters - 2, as `il.fixed_tests` and the card have for few.

    Parameters
    ----------
    trial : Trial
    spread : float
        Variance of effects over items.
    se : float
        Standard error.
    """
    of_items = _items_df(trial, spread, se)
    return min(of_items, _clusters_df(trial)) if se > 0.0 else of_items


def new_item(trial: Trial, estimate: float, spread: float, se: float) -> tuple[float, float]:
    """95 % interval of the effect on a new item, as on `il.effect_card`."""
    of_items, of_clusters = _items_df(trial, spread, se), _clusters_df(trial)
    own = trial.items - 1.0 if spread > 0.0 and trial.items > 1 else np.inf
    df, apart = min(of_items, of_clusters), of_clusters < of_items
    return new_interval(estimate, se**2, df, spread, own, apart=apart)


def _items_df(trial: Trial, spread: float, se: float) -> float:
    share = spread / trial.items / se**2 if se > 0.0 else 0.0
    return items_df(trial.items, min(1.0, share))


def _clusters_df(trial: Trial) -> float:
    return max(trial.clusters - 2.0, 0.0) if trial.by_cluster else np.inf


def closed_form(trial: Trial, *, alpha: float = 0.05) -> Planned:
    """Apply the formulas.

    Parameters
    ----------
    trial : Trial
    alpha : float
        Of both tests.
    """
    answered = (1.0 - trial.missing) / trial.booklets  # share of items
    arms = _arms(trial.persons, trial.share_treated)
    information = _information(trial)  # (theta, item)
    by_person = answered * trial.items * information.mean(axis=1)
    person = arms / (_CHANCE @ (1.0 / (trial.sigma_theta**2 + 1.0 / by_person)))
    floor = trial.sigma_zeta / np.sqrt(trial.items)
    cluster = 0.0
    if trial.by_cluster:
        cluster = trial.sigma_cluster**2 * _arms(trial.clusters, trial.share_treated)
    limit = float(np.sqrt(floor**2 + cluster))
    se = float(np.sqrt(person + limit**2))
    error = arms / answered / (_CHANCE @ information)  # of each item's effect
    spread = trial.sigma_zeta**2
    ratio = 1.0 + spread / float(error.mean())
    lower, upper = new_item(trial, 0.0, spread, se)
    return Planned(
        se=se,
        floor=floor,
        limit=limit,
        power=t_power(trial.effect, se, average_df(trial, spread, se), alpha),
        highest=t_power(trial.effect, limit, average_df(trial, spread, limit), alpha),
        power_items=_items_power(trial.items, ratio, alpha),
        width=upper - lower,
    )


def _items_power(n: int, ratio: float, alpha: float) -> float:
    """Power of the likelihood ratio of sigma_zeta and rho; `ratio` is 1 + sigma_zeta^2 / v."""
    critical = brentq(lambda x: likelihood_ratio_p(x, 2, 1) - alpha, 1e-3, 100.0)
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    q = ratio * stats.chi2.ppf(at, n - 1)
    lr = np.where(q > n, q - n - n * np.log(q / n), 0.0)
    return float(stats.chi2.sf(np.maximum(critical - lr, 0.0), 1).mean())


def t_power(effect: float, se: float, df: float, alpha: float) -> float:
    """Power of a two-sided t (or z) test; 0 where no degrees of freedom leave no test."""
    if not df > 0:
        return 0.0
    if se == 0.0:
        return 1.0 if effect else alpha
    away = abs(effect) / se
    if np.isinf(df):
        critical = stats.norm.isf(alpha / 2.0)
        return float(stats.norm.sf(critical - away) + stats.norm.cdf(-critical - away))
    critical = stats.t.isf(alpha / 2.0, df)
    if away > 30.0:  # beyond what the noncentral t is computed for
        return 1.0
    return float(stats.nct.sf(critical, df, away) + stats.nct.cdf(-critical, df, away))


def _arms(n: int, share: float) -> float:
    """1 / n_1 + 1 / n_0."""
    treated = round(share * n)
    return 1.0 / treated + 1.0 / (n - treated)


def _information(trial: Trial) -> np.ndarray:
    """(theta, item) Fisher information of an answer about its logit, averaged over the arms."""
    spread = np.hypot(trial.sigma_theta, trial.sigma_cluster if trial.clusters else 0.0)
    spread = np.hypot(spread, trial.slope)
    eta = trial.intercept + spread * _NODES[:, None] + trial.sigma_b * _items(trial.items)
    control, treated = (information(trial, eta + shift) for shift in (0.0, trial.effect))
    return (1.0 - trial.share_treated) * control + trial.share_treated * treated


def _items(n: int) -> np.ndarray:
    """Standard normal quantiles: easiness of typical items."""
    at = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return np.asarray(at / np.sqrt(np.mean(at**2)))


def information(trial: Trial, eta: np.ndarray) -> np.ndarray:
    """Fisher information of one answer about its logit eta."""
    if trial.family == "bernoulli":
        return np.asarray(special.expit(eta) * special.expit(-eta))
    if trial.family == "adjacent":  # the score's variance
        k = np.arange(len(trial.thresholds) + 1)
        steps = k * eta[..., None] - np.concatenate([[0.0], np.cumsum(trial.thresholds)])
        p = special.softmax(steps, axis=-1)
        return np.asarray(p @ k**2 - (p @ k) ** 2)
    below = [_categories(trial, eta + s) for s in (-_STEP, 0.0, _STEP)]
    slope = (below[2] - below[0]) / (2.0 * _STEP)
    return np.asarray((slope**2 / np.maximum(below[1], 1e-300)).sum(axis=-1))


def _categories(trial: Trial, eta: np.ndarray) -> np.ndarray:
    """Probabilities of a cumulative logit's categories."""
    below = special.expit(np.asarray(trial.thresholds) - eta[..., None])
    return np.diff(below, prepend=0.0, append=1.0, axis=-1)
