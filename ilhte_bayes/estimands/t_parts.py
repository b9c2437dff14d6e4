"""Sums of independent parts, some of them by t: what few clusters and few items leave unknown.

An error whose variance is estimated with few degrees of freedom is t; other errors come on top of
it. Quantiles are those of a mixture of normals, one for each of many equally likely values of the
part by t, so that a sum is never known better than that part.
"""

import numpy as np
from scipy.special import gammainc, gammaincinv, ndtr
from scipy.stats import chi2
from scipy.stats import t as student

from ilhte_bayes.fits.intervals import TAILS

_STRATA = 2000  # equally likely values that stand for a t distribution
_TOO_LITTLE = 1e-2  # of the middle half's width: what adds less than 1e-4 to an interval
_HALVINGS = 60  # of the range in which a quantile lies: to rounding


def in_order_of(values: np.ndarray, centre: float, sd: float, df: float) -> np.ndarray:
    """Draws of t (draw,) in the order of normal ones, evenly spread over its quantiles.

    Infinite degrees of freedom stand for the normal. With 0 nothing is known: all are missing.
    """
    if not df > 0:
        return np.full(len(values), np.nan)
    chance = np.empty(len(values))
    chance[np.argsort(values, kind="stable")] = _chances(len(values))
    return np.asarray(centre + sd * student.ppf(chance, df))


def lengthening_beside(t: np.ndarray, df: float, own: float, seed: int) -> np.ndarray:
    """(draw,) root of own / chi2: what an SD with `own` degrees of freedom may be too small by.

    Draws `t` (draw,) of df rest on the same SD: given t, their chi2 / df is gamma with shape
    (df + 1) / 2 and rate (df + t^2) / 2, and both SDs are taken at one quantile of what they may be.
    With own = df a sum of t and of such a part is t again. Infinite df: they are independent.
    """
    n = len(t)
    if np.isinf(own):
        return np.ones(n)
    chance = _chances(n)[np.random.default_rng(seed).permutation(n)]
    if np.isfinite(df):
        gamma = gammaincinv(0.5 * df + 0.5, chance) / (0.5 * (df + t**2))
        chance = gammainc(0.5 * df, 0.5 * df * gamma)
    return np.asarray(np.sqrt(own / chi2.ppf(chance, own)))


def mixture_interval(
    mean: np.ndarray, sd: np.ndarray | float, tails: tuple[float, float] = TAILS
) -> tuple[float, float]:
    """Interval, of 95 %, of a mixture of normals, `mean` and `sd` (draw,), equally likely."""
    if not np.isfinite(mean).all():
        return np.nan, np.nan
    middle = float(np.subtract(*np.quantile(mean, (0.75, 0.25))))
    if np.max(sd) <= _TOO_LITTLE * middle:
        lower, upper = np.quantile(mean, tails)
        return float(lower), float(upper)
    lower, upper = (_quantile(mean, np.broadcast_to(sd, mean.shape), chance) for chance in tails)
    return lower, upper


def mixture_positive(mean: np.ndarray, sd: np.ndarray | float) -> float:
    """Probability that a draw of the mixture exceeds 0."""
    sd = np.broadcast_to(sd, mean.shape)
    if not np.isfinite(mean).all():
        return np.nan
    return float(np.where(sd > 0.0, ndtr(mean / np.where(sd > 0.0, sd, 1.0)), mean > 0.0).mean())


def t_and_normal(
    centre: float, by_t: float, df: float, normal: float
) -> tuple[float, float, float]:
    """95 % interval of centre + by_t T + normal Z and the probability that it exceeds 0.

    Parameters
    ----------
    centre : float
    by_t, normal : float
        SDs of the two parts.
    df : float
        Of T; 0 leaves nothing known.
    """
    if by_t <= 1e-6 * normal:
        df = np.inf
    if not df > 0:
        return np.nan, np.nan, np.nan
    if normal <= 1e-6 * by_t or np.isinf(df):
        sd = float(np.hypot(by_t, normal))
        away = float(student.ppf(TAILS[1], df)) * sd
        with np.errstate(divide="ignore", invalid="ignore"):
            return centre - away, centre + away, float(student.cdf(np.divide(centre, sd), df))
    t = by_t * student.ppf(_chances(_STRATA), df)
    away = max(mixture_interval(t, normal)[1], by_t * float(student.ppf(TAILS[1], df)))
    return centre - away, centre + away, mixture_positive(centre + t, normal)


def new_interval(
    centre: float, variance: float, df: float, spread: float, own: float, *, apart: bool
) -> tuple[float, float]:
    """95 % interval of what an average and something new around it make together.

    Parameters
    ----------
    centre, variance, df : float
        Of the average: estimate, squared standard error, degrees of freedom.
    spread, own : float
        Variance of what is new, and its degrees of freedom.
    apart : bool
        Whether the average's degrees of freedom are those of clusters, not of the items.
    """
    if not df > 0:
        return np.nan, np.nan
    t = student.ppf(_chances(_STRATA), df)
    upper = t[_STRATA // 2 :]
    longer = lengthening_beside(upper, np.inf if apart else df, own, 1)
    both = np.sqrt(spread) * np.concatenate([longer[::-1], longer])  # alike on both sides
    away = mixture_interval(np.sqrt(variance) * t, both)[1]
    away = max(away, float(np.sqrt(variance) * student.ppf(TAILS[1], df)))  # steps between values
    return centre - away, centre + away


def _chances(n: int) -> np.ndarray:
    """The middles of n equal parts of (0, 1)."""
    return (np.arange(n) + 0.5) / n


def _quantile(mean: np.ndarray, sd: np.ndarray, chance: float) -> float:
    """Where the mixture's distribution function is `chance`, by halving."""
    reach = 10.0 * sd
    low, high = float((mean - reach).min()), float((mean + reach).max())
    safe = np.maximum(sd, 1e-300)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = float(ndtr((middle - mean) / safe).mean()) < chance
        low, high = (middle, high) if below else (low, middle)
    return 0.5 * (low + high)
