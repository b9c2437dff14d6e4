"""What an engine may ask of a family of responses."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ilhte_bayes.formulas.design import Design


class Family(Protocol):
    """A response distribution given the linear predictor eta, in logits.

    Engines work on `rows`: each has one linear predictor, and the log-likelihood is a sum over
    rows of count * log_probability(score, eta). For binary answers rows are the answers; for others
    a family says which rows an answer is made of.
    """

    @property
    def name(self) -> str:
        """Name in formulas, tables and on the command line."""

    @property
    def ordinal(self) -> bool:
        """Whether answers have an order, and thresholds in the place of an intercept."""

    @property
    def nominal(self) -> bool:
        """Whether answers are categories without an order, each with coefficients of its own."""

    @property
    def compiled(self) -> bool:
        """Whether `likelihood/` and `models/posterior.py`, which write the logit out, are right for it.

        If not, nothing is integrated out, and NUTS samples the graph of `observe`.
        """

    def of(self, n_categories: int) -> "Family":
        """The family for answers of so many categories."""

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse responses the family has no probability for."""

    def complete(self, design: Design, categories: Sequence[str]) -> Design:
        """Add the terms that the family has of its own, such as thresholds."""

    def rows(self, design: Design) -> Design:
        """Rows of one linear predictor each, for the engines."""

    def start(self, rows: Design) -> np.ndarray:
        """(term,) coefficients that reproduce the overall shares of the answers."""

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over rows of count * log P(score | eta)."""

    def observe(self, eta: Any, counts: np.ndarray, cuts: Any) -> Any:
        """Add the observed variable `score`, dim `obs`, to the `pymc.Model` in context.

        `eta` is a PyTensor vector (obs); `counts` (obs, category) says how often each category
        was given: once in all for a single answer, more often for a cell of equal answers; `cuts`
        (obs, cut) or (cut,) are the thresholds of ordinal answers. Of nominal answers `eta` is
        (obs, category - 1).
        """

    def draw(
        self, eta: np.ndarray, cuts: np.ndarray, total: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(question, category) how often each category is given in `total` answers to each."""

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

        Returns the sum of count * log P(score | eta). Where several rows make an answer together,
        `third` holds what `weight_changes` wants.
        """

    def weight_changes(self, weight: np.ndarray, third: np.ndarray, variance: np.ndarray) -> None:
        """Turn variances of the rows' predictors into derivatives of log|H| by them, in place.

        By eta_r this is the sum over rows q of variance_q * d weight_q / d eta_r.
        """
