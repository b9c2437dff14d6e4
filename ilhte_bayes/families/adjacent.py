"""Adjacent-category logit, the partial credit model: log P(Y = k) / P(Y = k - 1) = eta - tau_k.

One step up is as likely, against staying, as eta is above that step's threshold. So category k
has the predictor k eta - (tau_1 + .. + tau_k): an effect enters k times. Thresholds need no order:
where tau_k is above tau_{k+1}, category k is nowhere the most likely one.

References
----------
Masters (1982), Psychometrika 47(2), 149-174.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilhte_bayes.families import categories as shared
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import with_steps


@dataclass(frozen=True, slots=True)
class Adjacent(shared.InCategories):
    """Ordinal answers; rows are pairs of categories."""

    name: str = "adjacent"
    ordinal: bool = True
    nominal: bool = False
    compiled: bool = True

    def complete(self, design: Design, categories: Sequence[str]) -> Design:
        """Add the thresholds, as the first terms."""
        return with_steps(design, categories)

    def start(self, rows: Design) -> np.ndarray:
        """Thresholds that reproduce the overall shares; other terms 0."""
        out = np.zeros(len(rows.terms))
        logits = shared.start_logits(rows.score, rows.count, self.n_categories)
        out[: rows.n_cuts] = -np.diff(logits, prepend=0.0)
        return out

    def observe(self, eta: Any, counts: np.ndarray, cuts: Any) -> Any:
        """Observe `score`: Categorical for single answers, Multinomial for cells."""
        import pytensor.tensor as pt

        return shared.observe_shares(pt.cumsum(eta[:, None] - cuts, axis=1), counts)

    def draw(
        self, eta: np.ndarray, cuts: np.ndarray, total: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(question, category) how often each category is given in `total` answers to each."""
        chance = shared.shares(np.cumsum(eta[:, None] - cuts, axis=1))
        return np.asarray(rng.multinomial(total, chance))
