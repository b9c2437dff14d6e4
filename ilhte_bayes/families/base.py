"""What an engine may ask of a family of responses."""

from typing import Protocol

import numpy as np


class Family(Protocol):
    """A response distribution given the linear predictor eta, in logits."""

    name: str
    has_intercept: bool  # False for ordinal families, whose thresholds take its place

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse responses the family has no probability for."""

    def start(self, score: np.ndarray, count: np.ndarray) -> float:
        """Intercept that reproduces the overall mean, in logits."""

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over rows of count * log P(score | eta)."""

    def derivatives(
        self,
        eta: np.ndarray,
        score: np.ndarray,
        count: np.ndarray,
        slope: np.ndarray,
        weight: np.ndarray,
        third: np.ndarray,
    ) -> float:
        """Fill the first, minus the second and minus the third derivative in eta, by row.

        Returns the sum of count * log P(score | eta).
        """
