"""Bernoulli responses with a logit link: P(score = 1) = 1 / (1 + exp(-eta))."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from scipy import special

from ilhte_bayes.data.answer_words import two_answers_advice
from ilhte_bayes.data.coding import missing_code_words
from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.families.base import Family
from ilhte_bayes.formulas.design import Design

_BLOCK = 8192  # rows worked on at a time, so that everything stays in the cache


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Binary answers."""

    name: str = "bernoulli"
    ordinal: bool = False
    nominal: bool = False
    compiled: bool = True

    def of(self, n_categories: int) -> Family:
        """The family for answers of so many categories: itself."""
        return self

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse anything but two categories."""
        if n_categories == 2:
            return
        middle = labels[len(labels) // 2]
        numbers = all(label.isdigit() for label in labels)
        if not numbers:
            raise DataError(
                f"the response {response!r} holds {listed(labels)}; family 'bernoulli' takes two "
                f"answers. {two_answers_advice(response, labels)}"
            )
        found = ", ".join(labels)
        if advice := missing_code_words(response, np.array(labels, dtype=float)):
            raise DataError(f"the response {response!r} holds {found}. {advice}")
        raise DataError(
            f"the response {response!r} holds {found}; family 'bernoulli' takes 0 and 1. Compare "
            f"it with a value, \"{response} >= {middle} ~ ...\", or choose family='cumulative' "
            "(--family cumulative on the command line)."
        )

    def complete(self, design: Design, categories: Sequence[str]) -> Design:
        """Nothing to add."""
        return design

    def rows(self, design: Design) -> Design:
        """Each answer is a row."""
        return design

    def start(self, rows: Design) -> np.ndarray:
        """Intercept at the log-odds of the overall proportion; other terms 0."""
        out = np.zeros(len(rows.terms))
        if "Intercept" in rows.terms:
            ones, total = float(rows.count @ rows.score), float(rows.count.sum())
            out[rows.terms.index("Intercept")] = np.log((ones + 0.5) / (total - ones + 0.5))
        return out

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over rows of count * log P(score | eta)."""
        total = 0.0
        for at in range(0, eta.size, _BLOCK):
            e, n = eta[at : at + _BLOCK], count[at : at + _BLOCK]
            tail = np.log1p(np.exp(-np.abs(e)))
            total += float(n @ (score[at : at + _BLOCK] * e - np.maximum(e, 0.0) - tail))
        return total

    def observe(self, eta: Any, counts: np.ndarray, cuts: Any) -> Any:
        """Observe `score`: Bernoulli for single answers, Binomial (number of ones) for cells."""
        import pymc as pm

        trials = counts.sum(axis=1)
        if (trials == 1).all():
            return pm.Bernoulli("score", logit_p=eta, observed=counts[:, 1], dims="obs")
        return pm.Binomial("score", n=trials, logit_p=eta, observed=counts[:, 1], dims="obs")

    def draw(
        self, eta: np.ndarray, cuts: np.ndarray, total: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(question, category) number of zeros and ones in `total` answers to each."""
        ones = rng.binomial(total, special.expit(eta))
        return np.column_stack([total - ones, ones])

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
            small = np.exp(-np.abs(eta[here]))  # NumPy's exp works on eight numbers at once
            total += fill_binary(
                eta[here],
                small,
                score[here],
                count[here],
                slope[here],
                weight[here],
                third[here],
            )
        return total

    def weight_changes(self, weight: np.ndarray, third: np.ndarray, variance: np.ndarray) -> None:
        """Each row's weight changes with its own predictor only."""
        np.multiply(third, variance, out=variance)


@numba.njit(cache=True, nogil=True)
def fill_binary(eta, small, score, count, slope, weight, third):
    """Derivatives from small = exp(-|eta|); returns the log-probability."""
    total, product = 0.0, 1.0
    for r in range(eta.size):
        n, tail = count[r], 1.0 + small[r]
        low = small[r] / tail  # probability of the less likely answer
        mean = low if eta[r] < 0.0 else 1.0 - low
        slope[r] = n * (score[r] - mean)
        weight[r] = n * low * (1.0 - low)
        third[r] = weight[r] * (1.0 - 2.0 * mean)
        total += n * (score[r] * eta[r] - max(eta[r], 0.0))
        if n == 1:  # one logarithm for many rows: each factor is at most 2
            product *= tail
            if product > 1e300:
                total -= np.log(product)
                product = 1.0
        else:
            total -= n * np.log(tail)
    return total - np.log(product)
