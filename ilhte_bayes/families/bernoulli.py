"""Bernoulli responses with a logit link: P(score = 1) = 1 / (1 + exp(-eta))."""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.errors import DataError, listed

_BLOCK = 8192  # rows worked on at a time, so that everything stays in the cache


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Binary answers."""

    name: str = "bernoulli"
    has_intercept: bool = True

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse anything but two categories."""
        if n_categories != 2:
            raise DataError(
                f"the response {response!r} has {n_categories} values ({listed(labels)}); "
                "family 'bernoulli' takes two. Compare it with a value, "
                f"'{response} >= {labels[-1]} ~ ...', or choose family='cumulative'."
            )

    def start(self, score: np.ndarray, count: np.ndarray) -> float:
        """Log-odds of the overall proportion."""
        ones, total = float(count @ score), float(count.sum())
        return float(np.log((ones + 0.5) / (total - ones + 0.5)))

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over rows of count * log P(score | eta)."""
        total = 0.0
        for at in range(0, eta.size, _BLOCK):
            e, n = eta[at : at + _BLOCK], count[at : at + _BLOCK]
            tail = np.log1p(np.exp(-np.abs(e)))
            total += float(n @ (score[at : at + _BLOCK] * e - np.maximum(e, 0.0) - tail))
        return total

    def derivatives(
        self,
        eta: np.ndarray,
        score: np.ndarray,
        count: np.ndarray,
        slope: np.ndarray,
        weight: np.ndarray,
        third: np.ndarray,
    ) -> float:
        """Fill slope = n (y - mu), weight = n mu (1 - mu), third = weight (1 - 2 mu)."""
        total = 0.0
        for at in range(0, eta.size, _BLOCK):
            here = slice(at, at + _BLOCK)
            e, n, y = eta[here], count[here], score[here]
            small = np.exp(-np.abs(e))  # in (0, 1]: never overflows
            total += float(n @ (y * e - np.maximum(e, 0.0) - np.log(1.0 + small)))
            low = small / (1.0 + small)  # probability of the less likely answer
            mean = np.where(e < 0.0, low, 1.0 - low)
            slope[here] = n * (y - mean)
            weight[here] = n * low * (1.0 - low)
            third[here] = weight[here] * (1.0 - 2.0 * mean)
        return total
