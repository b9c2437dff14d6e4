"""Multinomial, or baseline-category logit: log P(Y = k) / P(Y = 0) = eta_k, a predictor for each k.

Category 0 is the reference; every other category has its own coefficients and random effects. This
is PROC GLIMMIX with DIST=MULTINOMIAL LINK=GLOGIT, and GROUP= for the random effects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ilhte_bayes.families import categories as shared
from ilhte_bayes.families.base import Family
from ilhte_bayes.families.cumulative import refuse_empty_categories
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import split_pairs, with_logits


@dataclass(frozen=True, slots=True)
class Multinomial:
    """Answers in categories without an order; rows are pairs of categories."""

    n_categories: int = 2
    name: str = "multinomial"
    ordinal: bool = False
    nominal: bool = True

    def of(self, n_categories: int) -> Family:
        """The family for answers of so many categories."""
        return replace(self, n_categories=n_categories)

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse categories that nobody chose."""
        refuse_empty_categories(n_categories, response, labels)

    def complete(self, design: Design, categories: Sequence[str]) -> Design:
        """Give every category but the first its own columns."""
        return with_logits(design, categories)

    def rows(self, design: Design) -> Design:
        """Split every answer into pairs of categories (see `formulas.logits`)."""
        return split_pairs(design)

    def start(self, rows: Design) -> np.ndarray:
        """Intercepts that reproduce the overall shares; other terms 0."""
        out = np.zeros(len(rows.terms))
        logits = shared.start_logits(rows.score, rows.count, self.n_categories)
        own = [k for k, term in enumerate(rows.terms) if term.endswith(": Intercept")]
        if own:  # one for each category, in order
            out[own] = logits
        return out

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over answers of count * log P(score | eta)."""
        return shared.log_probability(eta, score, count, self.n_categories)

    def observe(self, eta: Any, counts: np.ndarray, cuts: Any) -> Any:
        """Observe `score`: Categorical for single answers, Multinomial for cells."""
        return shared.observe_shares(eta, counts)

    def draw(
        self, eta: np.ndarray, cuts: np.ndarray, total: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(question, category) how often each category is given in `total` answers to each."""
        return np.asarray(rng.multinomial(total, shared.shares(eta)))

    def derivatives(
        self,
        eta: np.ndarray,
        score: np.ndarray,
        count: np.ndarray,
        slope: np.ndarray,
        weight: np.ndarray,
        third: np.ndarray,
    ) -> float:
        """Fill slopes and weights of pairs; `third` holds the probabilities."""
        return float(shared.fill_pairs(eta, score, count, self.n_categories, slope, weight, third))

    def weight_changes(self, weight: np.ndarray, third: np.ndarray, variance: np.ndarray) -> None:
        """Of all rows of an answer, written on the pairs with the reference."""
        shared.weight_changes(weight, third, variance, self.n_categories)
