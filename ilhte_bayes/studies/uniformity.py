"""Uniformity: are ranks spread evenly? An exact test and the band that belongs to it.

With N data sets and L draws each, the number of ranks up to k is binomial(N, (k + 1) / (L + 1))
if all is well. The band keeps every such count, at all k at once, with the probability asked for;
the p-value is that of the count furthest in a tail. Säilynoja et al. adjust the band by
simulation or optimisation; here the probability of staying inside is computed, so that band and
p-value always agree.

References
----------
Säilynoja, Bürkner & Vehtari (2022), Stat. Comput. 32, 32: graphical test for discrete uniformity.
"""

import numpy as np
from scipy import stats

_ROUNDING = 1e-9  # relative; equal tail probabilities computed at k and L - k differ by less


def p_value(ranks: np.ndarray, n_draws: int) -> float:
    """Probability of ranks as uneven as these, if all is well.

    Parameters
    ----------
    ranks : (data set,) int array
        Draws below the truth, 0 to `n_draws`.
    n_draws : int
        Draws that each truth was ranked among.
    """
    n = len(ranks)
    counts = _counts(ranks, n_draws)
    return _p_of_tail(_smallest_tail(counts, n), n, n_draws)


def band(n: int, n_draws: int, prob: float = 0.99) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest share of ranks up to k, k = 0 ... n_draws - 1, inside the band.

    Parameters
    ----------
    n : int
        Number of data sets.
    n_draws : int
        Draws that each truth was ranked among.
    prob : float
        Probability that all shares are inside if all is well (at least; counts are whole numbers).

    Returns
    -------
    lower, upper : (n_draws,) arrays
    """
    least, most = -40.0, np.log(1.0 - prob)  # log of the tail probability allowed at one k
    for _ in range(40):
        middle = (least + most) / 2.0
        if _p_of_tail(np.exp(middle), n, n_draws) > 1.0 - prob:
            most = middle
        else:
            least = middle
    low, high = _limits(np.exp(least), n, n_draws)
    return low / n, high / n


def ecdf(ranks: np.ndarray, n_draws: int) -> np.ndarray:
    """(n_draws,) share of ranks up to k, k = 0 ... n_draws - 1."""
    return _counts(ranks, n_draws) / len(ranks)


def expected(n_draws: int) -> np.ndarray:
    """(n_draws,) the same shares if ranks are uniform."""
    return np.arange(1, n_draws + 1) / (n_draws + 1)


def _counts(ranks: np.ndarray, n_draws: int) -> np.ndarray:
    return np.cumsum(np.bincount(ranks, minlength=n_draws + 1))[:-1]


def _smallest_tail(counts: np.ndarray, n: int) -> float:
    """Smallest probability, over k, of a count this far out on its side."""
    chance = expected(counts.size)
    below, above = stats.binom.cdf(counts, n, chance), stats.binom.sf(counts - 1, n, chance)
    return float(min(below.min(), above.min()))


def _p_of_tail(tail: float, n: int, n_draws: int) -> float:
    """Probability that some count lies in a tail at most this small."""
    return float(np.clip(1.0 - _stays_inside(*_limits(tail, n, n_draws), n), 0.0, 1.0))


def _limits(tail: float, n: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """(k,) smallest and largest count whose tail is larger."""
    tail *= 1.0 + _ROUNDING
    counts, chance = np.arange(n + 1), expected(n_draws)[:, None]
    low = (stats.binom.cdf(counts, n, chance) <= tail).sum(axis=1)
    high = n - (stats.binom.sf(counts - 1, n, chance) <= tail).sum(axis=1)
    return low, high


def _stays_inside(low: np.ndarray, high: np.ndarray, n: int) -> float:
    """Probability that all counts of n uniform ranks are within their limits.

    How many data sets have each rank is multinomial: independent Poisson numbers, given that
    they sum to n. Counts up to k are then a walk with independent steps.
    """
    step = stats.poisson.pmf(np.arange(n + 1), n / (low.size + 1))
    mass = np.zeros(n + 1)
    mass[0] = 1.0
    for least, most in zip([*low, n], [*high, n], strict=True):
        mass = np.convolve(mass, step)[: n + 1]
        mass[:least] = 0.0
        mass[most + 1 :] = 0.0
    return float(mass[n] / stats.poisson.pmf(n, n))
