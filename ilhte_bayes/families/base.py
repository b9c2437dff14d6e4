"""What an engine may ask of a family of responses."""

from typing import Any, Protocol

import numpy as np


class Family(Protocol):
    """A response distribution given the linear predictor eta, in logits."""

    @property
    def name(self) -> str:
        """Name in formulas, tables and on the command line."""

    @property
    def has_intercept(self) -> bool:
        """False for ordinal families, whose thresholds take its place."""

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse responses the family has no probability for."""

    def start(self, score: np.ndarray, count: np.ndarray) -> float:
        """Intercept that reproduces the overall mean, in logits."""

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over rows of count * log P(score | eta)."""

    def observe(self, eta: Any, counts: np.ndarray) -> Any:
        """Add the observed variable `score`, dim `obs`, to the `pymc.Model` in context.

        `eta` is a PyTensor vector (obs); `counts` (obs, category) says how often each category
        was given: once in all for a single answer, more often for a cell of equal answers.
        """

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
