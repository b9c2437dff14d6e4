"""Likelihood of right and wrong answers given their sum, and the easiness that maximises it.

Elementary symmetric functions gamma_s(b) = sum over patterns with s right answers of
exp(sum of b over the right ones) are computed as gamma_s = P(S = s) * exp(-s theta) *
prod (1 + exp(b + theta)), with S the sum of independent answers of a person of ability theta.
The equation holds for any theta; one that makes S = s likely keeps every number between 0 and 1,
and every sum runs over positive terms, for any number of answers.
"""

from dataclasses import dataclass

import numba
import numpy as np
from scipy import linalg

jit = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})

_STEPS = 100  # of Newton's method; a handful are enough where the maximum is finite
_SHORTEST = 1e-6  # of a Newton step before the search gives up
_TOLERANCE = 1e-16  # rise in log-likelihood that the last step may still promise


@dataclass(frozen=True, slots=True)
class Cells:
    """Persons of one arm who answered the same items with the same sum are one cell."""

    start: np.ndarray  # (cell + 1,) int64, where the cell's answers begin in `item`
    item: np.ndarray  # (answer,) int64; an item answered twice stands twice
    score: np.ndarray  # (cell,) int64, the sum, neither 0 nor the number of answers
    persons: np.ndarray  # (arm, cell) float
    right: np.ndarray  # (arm, item) float, right answers of the persons counted here


@dataclass(frozen=True, slots=True)
class Maximum:
    """The maximum of the conditional likelihood; easiness sums to zero over items."""

    easiness: np.ndarray  # (item,) logits
    covariance: np.ndarray  # (item, item), singular along (1, ..., 1)
    loglik: float
    converged: bool


def maximise(cells: Cells, arms: list[int], start: np.ndarray | None = None) -> Maximum:
    """Maximise the conditional likelihood of the persons of these arms by Newton's method.

    Parameters
    ----------
    cells : Cells
    arms : list of int
        One arm, or both for a common easiness.
    start : np.ndarray, optional
        (item,) logits.

    Returns
    -------
    Maximum
        With the inverse of the exact Hessian as covariance. The log-likelihood is concave, so
        this is the maximum wherever it is finite.
    """
    persons, right = cells.persons[arms].sum(axis=0), cells.right[arms].sum(axis=0)
    b = np.zeros(right.size) if start is None else start - start.mean()
    loglik, gradient = evaluate(cells, persons, right, b)[:2]
    inverse, promised = None, np.inf
    for _ in range(_STEPS):
        if inverse is None:
            inverse = _pseudo_inverse(evaluate(cells, persons, right, b, second=True)[2])
        step = inverse @ gradient
        rise = float(step @ gradient)
        size = 1.0
        while size > _SHORTEST:
            value, slope, _ = evaluate(cells, persons, right, b + size * step)
            if value >= loglik - 1e-12 * abs(loglik):
                b, loglik, gradient = b + size * step, value, slope
                break
            size /= 2
        if rise < _TOLERANCE or size <= _SHORTEST:
            break
        if size < 1 or rise > promised / 100:
            inverse = None  # a Hessian costs as much as six gradients: made anew when it must be
        promised = rise
    covariance = _pseudo_inverse(evaluate(cells, persons, right, b, second=True)[2])
    return Maximum(b, covariance, loglik, rise < _TOLERANCE)


def evaluate(
    cells: Cells,
    persons: np.ndarray,
    right: np.ndarray,
    easiness: np.ndarray,
    *,
    second: bool = False,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Conditional log-likelihood, its gradient, and minus its Hessian (zeros unless asked for).

    Parameters
    ----------
    cells : Cells
    persons : np.ndarray
        (cell,) how many persons each cell holds.
    right : np.ndarray
        (item,) their right answers.
    easiness : np.ndarray
        (item,) logits.
    second : bool
        Whether the Hessian is wanted.
    """
    size = easiness.size
    expected, covariance = np.zeros(size), np.zeros((size, size))
    norm = _accumulate(
        cells.start, cells.item, cells.score, persons, easiness, expected, covariance, second
    )
    return float(right @ easiness - norm), right - expected, covariance


def _pseudo_inverse(information: np.ndarray) -> np.ndarray:
    """Inverse within sum zero: the Hessian has no curvature along (1, ..., 1)."""
    size = len(information)
    weight = np.trace(information) / size
    mean = np.full((size, size), 1 / size)
    return np.asarray(linalg.inv(information + weight * mean) - mean / weight)


@jit
def _accumulate(start, item, score, persons, easiness, expected, covariance, second):
    """Sum of persons * log gamma; adds means and covariances of answers given their sum."""
    longest = np.max(start[1:] - start[:-1])
    yes, no = np.empty(longest), np.empty(longest)
    after = np.zeros((longest + 1, longest + 2))
    before, path, moved = np.zeros(longest + 2), np.zeros(longest + 2), np.zeros(longest + 2)
    chance = np.empty(longest)
    total = 0.0
    for c in range(score.size):
        n, s, first = persons[c], score[c], start[c]
        if n == 0:
            continue
        m = start[c + 1] - first
        here = item[first : first + m]
        theta = _likely_ability(here, easiness, s)
        log_norm = -s * theta
        for k in range(m):
            eta = easiness[here[k]] + theta
            yes[k], no[k] = 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta))
            log_norm += max(eta, 0.0) + np.log1p(np.exp(-abs(eta)))
        # after[k, t]: the chance that answers k, k + 1, ... bring the sum from t to s
        after[m, : s + 2] = 0.0
        after[m, s] = 1.0
        for k in range(m - 1, -1, -1):
            after[k, s + 1] = 0.0
            for t in range(s + 1):
                after[k, t] = no[k] * after[k + 1, t] + yes[k] * after[k + 1, t + 1]
        whole = after[0, 0]
        total += n * (np.log(whole) + log_norm)
        # before[t]: the chance that the answers before k sum to t
        before[: s + 2] = 0.0
        before[0] = 1.0
        for k in range(m):
            # path[t]: the chance that answer k is right and the sum up to here is t
            path[0] = 0.0
            for t in range(1, s + 1):
                path[t] = before[t - 1] * yes[k]
            chance[k] = _product(path, after[k + 1], 1, s) / whole
            expected[here[k]] += n * chance[k]
            for t in range(s, 0, -1):
                before[t] = no[k] * before[t] + yes[k] * before[t - 1]
            before[0] *= no[k]
            for j in range(k + 1, m if second else 0):
                # sums before answer j that those before it can reach, and that can still end in s
                low, high = max(1, s - (m - j)), min(j, s - 1)
                both = yes[j] * _product(path, after[j + 1, 1:], low, high) / whole
                covariance[here[k], here[j]] += n * both
                covariance[here[j], here[k]] += n * both
                low, high = max(1, s - (m - j - 1)), min(j + 1, s)
                for t in range(low, high + 1):
                    moved[t] = no[j] * path[t] + yes[j] * path[t - 1]
                moved[0], moved[high + 1] = 0.0, 0.0
                path, moved = moved, path
        for k in range(m if second else 0):
            covariance[here[k], here[k]] += n * chance[k]
            for j in range(m):
                covariance[here[k], here[j]] -= n * chance[k] * chance[j]
    return total


@jit
def _product(left, right, low, high):
    total = 0.0
    for t in range(low, high + 1):
        total += left[t] * right[t]
    return total


@jit
def _likely_ability(items, easiness, score):
    """An ability whose expected sum is within half an answer of this one."""
    m = items.size
    theta = np.log(score / (m - score))
    for k in range(m):
        theta -= easiness[items[k]] / m
    for _ in range(50):
        gap, slope = float(score), 1e-3
        for k in range(m):
            p = 1 / (1 + np.exp(-easiness[items[k]] - theta))
            gap -= p
            slope += p * (1 - p)
        if abs(gap) < 0.5:
            break
        theta += min(2.0, max(-2.0, gap / slope))
    return theta
