"""A joint distribution of several quantities: normal (a maximised fit) or sampled (draws)."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.models.roots import root_of

N_DRAWS = 4000
AS_GOOD_AS_NORMAL = 500.0  # degrees of freedom: the interval is .2 % longer
SEED = 20231019  # of every summary made by simulation, so that a table never changes by itself


@dataclass(frozen=True, slots=True)
class NormalDistribution:
    """Jointly normal quantities; where few units limit a part that they share, t.

    A treatment of few whole clusters moves all quantities together, by an error whose size is known
    with `few` degrees of freedom. Satterthwaite's rule makes of it those of each quantity.
    """

    mean: np.ndarray  # (quantity,)
    covariance: np.ndarray  # (quantity, quantity)
    shared: np.ndarray | float = 0.0  # (quantity,) SD of that error, with the sign it enters with
    few: float | np.ndarray = np.inf

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def df(self) -> np.ndarray:
        """(quantity,) degrees of freedom; infinite ones stand for the normal."""
        if not np.isfinite(self.few).any():
            return np.full(self.mean.size, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.square(np.divide(self.shared, self.sd))  # of the variance
            found = self.few / np.minimum(share, 1.0) ** 2
        return np.where(found < AS_GOOD_AS_NORMAL, found, np.inf)

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of each quantity."""
        away = student.ppf(TAILS[1], self.df) * self.sd
        return self.mean - away, self.mean + away

    def positive(self) -> np.ndarray:
        """Probability that each quantity exceeds 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(student.cdf(self.mean / self.sd, self.df))

    def draws(self) -> np.ndarray:
        """Seeded draws, (draw, quantity)."""
        noise = np.random.default_rng(SEED).standard_normal((N_DRAWS, self.mean.size))
        return np.asarray(self.mean + noise @ root_of(self.covariance).T)


@dataclass(frozen=True, slots=True)
class SampledDistribution:
    """Quantities known by their draws."""

    values: np.ndarray  # (draw, quantity)

    @property
    def mean(self) -> np.ndarray:
        """Means."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations."""
        return np.asarray(self.values.std(axis=0, ddof=1))

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % equal-tailed interval of each quantity."""
        lower, upper = np.quantile(self.values, TAILS, axis=0)
        return lower, upper

    def positive(self) -> np.ndarray:
        """Share of draws above 0."""
        return np.asarray((self.values > 0).mean(axis=0))

    def draws(self) -> np.ndarray:
        """Draws, (draw, quantity)."""
        return self.values


Distribution = NormalDistribution | SampledDistribution


def linear(distribution: Distribution, weights: np.ndarray) -> Distribution:
    """Joint distribution of weighted sums of the quantities; `weights` (sum, quantity)."""
    if isinstance(distribution, SampledDistribution):
        return SampledDistribution(distribution.values @ weights.T)
    return NormalDistribution(
        weights @ distribution.mean,
        weights @ distribution.covariance @ weights.T,
        weights @ np.broadcast_to(distribution.shared, distribution.mean.shape),
        distribution.few,
    )


def rank_interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of each quantity's rank, 1 for the largest."""
    ranks = (-draws).argsort(axis=1).argsort(axis=1) + 1
    lower, upper = np.quantile(ranks, TAILS, axis=0, method="inverted_cdf")
    return lower.astype(int), upper.astype(int)
