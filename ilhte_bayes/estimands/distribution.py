"""A joint distribution of several quantities: normal (a maximised fit) or sampled (draws)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ilhte_bayes.fits.intervals import TAILS, normal_interval
from ilhte_bayes.models.roots import root_of

N_DRAWS = 4000
SEED = 20231019  # of every summary made by simulation, so that a table never changes by itself


@dataclass(frozen=True, slots=True)
class NormalDistribution:
    """Jointly normal quantities."""

    mean: np.ndarray  # (quantity,)
    covariance: np.ndarray  # (quantity, quantity)

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of each quantity."""
        return normal_interval(self.mean, self.sd)

    def positive(self) -> np.ndarray:
        """Probability that each quantity exceeds 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(ndtr(self.mean / self.sd))

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
        weights @ distribution.mean, weights @ distribution.covariance @ weights.T
    )


def rank_interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of each quantity's rank, 1 for the largest."""
    ranks = (-draws).argsort(axis=1).argsort(axis=1) + 1
    lower, upper = np.quantile(ranks, TAILS, axis=0, method="inverted_cdf")
    return lower.astype(int), upper.astype(int)
