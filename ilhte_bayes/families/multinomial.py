"""Multinomial, or baseline-category logit: log P(Y = k) / P(Y = 0) = eta_k, a predictor for each k.

Category 0 is the reference; every other category has its own coefficients and random effects. This
is PROC GLIMMIX with DIST=MULTINOMIAL LINK=GLOGIT, and GROUP= for the random effects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilhte_bayes.families import categories as shared
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import with_logits


@dataclass(frozen=True, slots=True)
class Multinomial(shared.InCategories):
    """Answers in categories without an order; rows are pairs of categories."""

    name: str = "multinomial"
    ordinal: bool = False
    nominal: bool = True
    compiled: bool = True

    def complete(self, design: Design, categories: Sequence[str]) -> Design:
        """Give every category but the first its own columns."""
        return with_logits(design, categories)

    def start(self, rows: Design) -> np.ndarray:
        """Intercepts that reproduce the overall shares; other terms 0."""
        out = np.zeros(len(rows.terms))
        logits = shared.start_logits(rows.score, rows.count, self.n_categories)
        own = [k for k, term in enumerate(rows.terms) if term.endswith(": Intercept")]
        if own:  # one for each category, in order
            out[own] = logits
        return out

    def observe(self, eta: Any, counts: np.ndarray, cuts: Any) -> Any:
        """Observe `score`: Categorical for single answers, Multinomial for cells."""
        return shared.observe_shares(eta, counts)

    def draw(
        self, eta: np.ndarray, cuts: np.ndarray, total: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(question, category) how often each category is given in `total` answers to each."""
        return np.asarray(rng.multinomial(total, shared.shares(eta)))
