"""Cumulative logit: P(Y <= k) = 1 / (1 + exp(eta - kappa_k)), thresholds kappa in order.

The sign is that of clmm, brms and PyMC: a larger eta makes higher categories more likely. PROC
GLIMMIX prints the same thresholds as intercepts, and every slope with the other sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from scipy import special

from ilhte_bayes.errors import DataError
from ilhte_bayes.families.base import Family
from ilhte_bayes.families.bernoulli import fill_binary
from ilhte_bayes.formulas.cuts import ABOVE, BELOW, GAP, split_answers, with_cuts
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.unchosen import with_unchosen

_BLOCK = 8192  # rows worked on at a time, so that everything stays in the cache


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Ordinal answers; rows are thresholds passed, thresholds not passed, and gaps."""

    name: str = "cumulative"
    ordinal: bool = True
    nominal: bool = False
    compiled: bool = True

    def of(self, n_categories: int) -> Family:
        """The family for answers of so many categories: itself."""
        return self

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse categories that nobody chose."""
        refuse_empty_categories(n_categories, response, labels)

    def complete(self, design: Design, categories: Sequence[str]) -> Design:
        """Add the thresholds, as the first terms."""
        return with_cuts(design, categories)

    def rows(self, design: Design) -> Design:
        """Split every answer at the thresholds beside it (see `formulas.cuts`, `unchosen`)."""
        return with_unchosen(split_answers(design), design)

    def start(self, rows: Design) -> np.ndarray:
        """Thresholds that reproduce the overall shares; other terms 0."""
        out = np.zeros(len(rows.terms))
        above = np.array(
            [
                rows.count[(rows.score == ABOVE) & (rows.x[rows.pattern, k] == -1.0)].sum()
                for k in range(rows.n_cuts)
            ],
            dtype=float,
        )
        lowest = rows.count[(rows.score == BELOW) & (rows.x[rows.pattern, 0] == -1.0)].sum()
        over = np.cumsum(above[::-1])[::-1]  # those that pass a higher threshold only, too
        total = lowest + over[0]
        out[: rows.n_cuts] = -np.log((over + 0.5) / (total - over + 0.5))
        return out

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over rows of count * log-probability (of a gap: log(1 - exp(-gap)))."""
        gap = score == GAP
        sign = np.where(score == ABOVE, 1.0, -1.0)
        binary = -np.logaddexp(0.0, -sign * eta)
        with np.errstate(divide="ignore", invalid="ignore"):
            between = np.where(eta > 0.0, np.log(-np.expm1(-np.maximum(eta, 0.0))), -np.inf)
        return float(count @ np.where(gap, between, binary))

    def observe(self, eta: Any, counts: np.ndarray, cuts: Any) -> Any:
        """Observe `score`: OrderedLogistic for single answers, OrderedMultinomial for cells."""
        import pymc as pm

        total = counts.sum(axis=1)
        if (total == 1).all():
            score = counts.argmax(axis=1)
            return pm.OrderedLogistic("score", eta=eta, cutpoints=cuts, observed=score, dims="obs")
        import pytensor.tensor as pt

        below = pm.math.sigmoid(cuts - eta[:, None])
        edges = pt.concatenate([pt.zeros_like(below[:, :1]), below, pt.ones_like(below[:, :1])], 1)
        chance = pt.diff(edges, axis=1)
        return pm.Multinomial("score", n=total, p=chance, observed=counts, dims=("obs", "category"))

    def draw(
        self, eta: np.ndarray, cuts: np.ndarray, total: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(question, category) how often each category is given in `total` answers to each."""
        below = special.expit(cuts - eta[:, None])
        edges = np.column_stack([np.zeros(eta.size), below, np.ones(eta.size)])
        return np.asarray(rng.multinomial(total, np.diff(edges, axis=1)))

    def derivatives(
        self,
        eta: np.ndarray,
        score: np.ndarray,
        count: np.ndarray,
        slope: np.ndarray,
        weight: np.ndarray,
        third: np.ndarray,
    ) -> float:
        """Fill the derivatives of binary rows, then those of gaps."""
        total = 0.0
        for at in range(0, eta.size, _BLOCK):
            here = slice(at, at + _BLOCK)
            small = np.exp(-np.abs(eta[here]))  # NumPy's exp works on eight numbers at once
            arrays = [a[here] for a in (eta, small, score, count, slope, weight, third)]
            arrays[1] = small
            total += fill_binary(*arrays) + _fill_gaps(*arrays)
        return total

    def weight_changes(self, weight: np.ndarray, third: np.ndarray, variance: np.ndarray) -> None:
        """Each row's weight changes with its own predictor only."""
        np.multiply(third, variance, out=variance)


def refuse_empty_categories(n_categories: int, response: str, labels: tuple[str, ...]) -> None:
    """Refuse categories that nobody chose."""
    if len(labels) < n_categories:
        raise DataError(
            f"the response {response!r} has {n_categories} categories, but the table holds "
            f"{', '.join(labels)} only: nothing can be said of a category that nobody chose. Recode "
            "the answers without it (pandas: table[column].rank(method='dense') - 1)."
        )


@numba.njit(cache=True, nogil=True)
def _fill_gaps(eta, small, score, count, slope, weight, third):
    """Derivatives of gap rows, log(1 - e^-gap); returns what their log-probability is more.

    More than `fill_binary` has counted for them.
    """
    total = 0.0
    for r in range(eta.size):
        if score[r] != GAP:
            continue
        n = count[r]
        total -= n * (2.0 * eta[r] - max(eta[r], 0.0) - np.log1p(small[r]))
        if eta[r] <= 0.0:
            return -np.inf
        left = -np.expm1(-eta[r])
        slope[r] = n * small[r] / left
        weight[r] = n * small[r] / (left * left)
        third[r] = -weight[r] * (1.0 + small[r]) / left
        total += n * np.log(left)
    return total
