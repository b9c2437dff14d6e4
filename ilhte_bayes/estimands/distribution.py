"""A joint distribution of several quantities: normal (a maximised fit) or sampled (draws)."""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.estimands.t_parts import t_and_normal
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.models.roots import root_of

N_DRAWS = 4000
AS_GOOD_AS_NORMAL = 500.0  # degrees of freedom: the interval is .2 % longer
SEED = 20231019  # of every summary made by simulation, so that a table never changes by itself


@dataclass(frozen=True, slots=True)
class NormalDistribution:
    """Jointly normal quantities; where few units limit a part that they share, t.

    A treatment of few whole clusters moves all quantities together, by an error whose size is known
    with `few` degrees of freedom: each quantity is that t and a normal on top of it.
    """

    mean: np.ndarray  # (quantity,)
    covariance: np.ndarray  # (quantity, quantity)
    shared: np.ndarray | float = 0.0  # (quantity,) SD of that error, with the sign it enters with
    few: float | np.ndarray = np.inf  # 0 where nothing is known

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """(quantity,) SDs of the part by t and of the normal one."""
        by_t = np.minimum(np.abs(np.broadcast_to(self.shared, self.mean.shape)), self.sd)
        return by_t, np.sqrt(np.maximum(self.sd**2 - by_t**2, 0.0))

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of each quantity."""
        found = self._intervals()
        return found[:, 0], found[:, 1]

    def positive(self) -> np.ndarray:
        """Probability that each quantity exceeds 0."""
        return self._intervals()[:, 2]

    def _intervals(self) -> np.ndarray:
        """(quantity, 3) lower, upper, probability of a plus."""
        few = np.broadcast_to(self.few, self.mean.shape)
        rows = zip(self.mean, *self.parts, few, strict=True)
        return np.array([t_and_normal(m, by_t, df, rest) for m, by_t, rest, df in rows])

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
