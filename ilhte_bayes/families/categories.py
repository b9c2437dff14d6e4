"""Categories: what families with one predictor for each category have in common.

Rows are pairs of categories (see `formulas.logits`): a block of K (K - 1) / 2 for each answer, the
first K - 1 of which hold eta_k - eta_0.
"""

from dataclasses import dataclass, replace
from typing import Self

import numba
import numpy as np
from scipy import special

from ilhte_bayes.families.cumulative import refuse_empty_categories
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import split_pairs


def rows_of_answer(n_categories: int) -> int:
    """Rows that one answer takes."""
    return n_categories * (n_categories - 1) // 2


def start_logits(score: np.ndarray, count: np.ndarray, n_categories: int) -> np.ndarray:
    """(category - 1,) log-odds of each category against the first, in all answers."""
    size = rows_of_answer(n_categories)
    n = np.bincount(score[::size], weights=count[::size], minlength=n_categories) + 0.5
    return np.asarray(np.log(n[1:] / n[0]))


def shares(eta: np.ndarray) -> np.ndarray:
    """(question, category) probabilities from predictors (question, category - 1)."""
    shown = np.column_stack([np.zeros(len(eta)), eta])
    odds = np.exp(shown - shown.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def observe_shares(eta, counts: np.ndarray):
    """Observe `score` given predictors (obs, category - 1), in the `pymc.Model` in context."""
    import pymc as pm
    import pytensor.tensor as pt

    logits = pt.concatenate([pt.zeros_like(eta[:, :1]), eta], axis=1)
    chance = pm.math.softmax(logits, axis=1)
    total = counts.sum(axis=1)
    if (total == 1).all():
        return pm.Categorical("score", p=chance, observed=counts.argmax(axis=1), dims="obs")
    return pm.Multinomial("score", n=total, p=chance, observed=counts, dims=("obs", "category"))


@numba.njit(cache=True, nogil=True)
def fill_pairs(eta, score, count, n_categories, slope, weight, mean):
    """Derivatives by the predictors of pairs; returns the log-probability.

    For the pair (k, l) slope = n (y_k mu_l - mu_k y_l) and weight = n mu_k mu_l. `mean` holds mu_k
    in the row of (k, 0), for `weight_changes`.
    """
    size = n_categories * (n_categories - 1) // 2
    mu = np.empty(n_categories)
    total = 0.0
    for first in range(0, eta.size, size):
        n, answer = count[first], score[first]
        highest = 0.0
        for k in range(1, n_categories):
            highest = max(highest, eta[first + k - 1])
        mu[0] = np.exp(-highest)
        whole = mu[0]
        for k in range(1, n_categories):
            mu[k] = np.exp(eta[first + k - 1] - highest)
            whole += mu[k]
        own = 0.0 if answer == 0 else eta[first + answer - 1]
        total += n * (own - highest - np.log(whole))
        for k in range(n_categories):
            mu[k] /= whole
        r = first
        for low in range(n_categories):
            for k in range(low + 1, n_categories):
                weight[r] = n * mu[k] * mu[low]
                slope[r] = 0.0
                if answer == k:
                    slope[r] = n * mu[low]
                elif answer == low:
                    slope[r] = -n * mu[k]
                mean[r] = mu[k]
                r += 1
    return total


@numba.njit(cache=True, nogil=True)
def weight_changes(weight, mean, variance, n_categories):
    """Turn the predictors' variances into sum over rows of variance * d weight / d eta, in place.

    The weight n mu_k mu_l changes with eta_m by the weight times (k = m) + (l = m) - 2 mu_m. The
    sums over an answer's rows add up to 0 over m, so they can be written on the rows (m, 0).
    """
    size = n_categories * (n_categories - 1) // 2
    change = np.empty(n_categories)
    for first in range(0, weight.size, size):
        change[:] = 0.0
        total = 0.0
        r = first
        for low in range(n_categories):
            for k in range(low + 1, n_categories):
                product = weight[r] * variance[r]
                change[k] += product
                change[low] += product
                total += product
                variance[r] = 0.0
                r += 1
        for k in range(1, n_categories):
            r = first + k - 1
            variance[r] = change[k] - 2.0 * mean[r] * total


@dataclass(frozen=True, slots=True)
class InCategories:
    """What `adjacent` and `multinomial` share: answers whose rows are pairs of categories."""

    n_categories: int = 2

    def of(self, n_categories: int) -> Self:
        """The family for answers of so many categories."""
        return replace(self, n_categories=n_categories)

    def check(self, n_categories: int, response: str, labels: tuple[str, ...]) -> None:
        """Refuse categories that nobody chose."""
        refuse_empty_categories(n_categories, response, labels)

    def rows(self, design: Design) -> Design:
        """Split every answer into pairs of categories (see `formulas.logits`)."""
        return split_pairs(design)

    def log_probability(self, eta: np.ndarray, score: np.ndarray, count: np.ndarray) -> float:
        """Sum over answers of count * log P(score | eta)."""
        size = rows_of_answer(self.n_categories)
        own = eta.reshape(-1, size)[:, : self.n_categories - 1]
        shown = np.column_stack([np.zeros(len(own)), own])
        answered = shown[np.arange(len(shown)), score[::size]]
        return float(count[::size] @ (answered - special.logsumexp(shown, axis=1)))

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
        return float(fill_pairs(eta, score, count, self.n_categories, slope, weight, third))

    def weight_changes(self, weight: np.ndarray, third: np.ndarray, variance: np.ndarray) -> None:
        """Of all rows of an answer, written on the pairs with the first category."""
        weight_changes(weight, third, variance, self.n_categories)
