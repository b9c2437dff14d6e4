"""Guessing: how flat would an item be that is got right by chance, too?"""

import numpy as np

from ilhte_bayes.checks.expected_points import SMALL, Expected

CHANCE = 0.25  # of a right answer by guessing: one of four options
_SURE = 1e-3  # a class of sum scores where all or none are right says nothing of guessing
_LOWEST, _HIGHEST = -40.0, 5.0  # shifts of easiness, in logits
_HALVINGS = 50  # of the distance between them


def slopes_if_guessed(expected: Expected) -> np.ndarray:
    """(item,) change of an item's association with the sum score if it could be guessed.

    The item keeps its share of right answers, and its curve becomes that of a three-parameter
    model, chance + (1 - chance) expit(ability + easiness): flat where abilities are low, so that
    hard items lose most. One that is right less often than by chance is not guessed: its change
    is 0.

    Parameters
    ----------
    expected : Expected
        Of binary answers.

    Returns
    -------
    (item,) array
        In the units of `discrepancies`' `item-rest`; 0 or negative.

    Notes
    -----
    With A_s and D_s persons of score s who are right and wrong, guessing moves a share of those who
    were wrong with score s - 1 to right with score s: odds of (A_s + chance D_(s-1)) /
    ((1 - chance) D_s). Only the change of easiness that keeps the item's share, which multiplies
    A_s / D_s, leaves D_(s-1) / D_s as it is by approximation.
    """
    n, p = expected.answers, np.clip(expected.mean, _SURE, 1.0 - _SURE)
    share = (n * p).sum(axis=(0, 1)) / (n.sum(axis=(0, 1)) + SMALL)
    guessed = _right_with_chance(n, p / (1.0 - p), _wrong_a_point_below(expected, p), share)
    weight, score = n * expected.variance, expected.score[:, None]
    middle = (weight * score).sum(axis=1, keepdims=True)
    x = score - middle / (weight.sum(axis=1, keepdims=True) + SMALL)
    change = (n * (guessed - p) * x).sum(axis=1) / np.sqrt((weight * x * x).sum(axis=1) + SMALL)
    return np.where(share > CHANCE, change.sum(axis=0), 0.0)


def _wrong_a_point_below(expected: Expected, p: np.ndarray) -> np.ndarray:
    """(arm, class, item) persons who are wrong with one point less, for each with this score."""
    score = expected.score
    if score.size < 2:
        return np.ones_like(p)
    width = np.gradient(score)[:, None]
    wrong = np.log(expected.answers * (1.0 - p) / width + SMALL)
    flat = wrong.transpose(0, 2, 1).reshape(-1, score.size)
    below = np.array([np.interp(score - expected.point, score, row, left=-np.inf) for row in flat])
    return np.asarray(np.exp(below - flat).reshape(p.shape[0], p.shape[2], -1).transpose(0, 2, 1))


def _right_with_chance(
    n: np.ndarray, odds: np.ndarray, below: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """(arm, class, item) chance of a right answer with guessing; easiness by bisection."""
    low, high = np.full(share.size, _LOWEST), np.full(share.size, _HIGHEST)
    total = n.sum(axis=(0, 1)) + SMALL
    right = np.zeros_like(odds)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        with_chance = (np.exp(middle) * odds + CHANCE * below) / (1.0 - CHANCE)
        right = with_chance / (1.0 + with_chance)
        too_few = (n * right).sum(axis=(0, 1)) / total < share
        low, high = np.where(too_few, middle, low), np.where(too_few, high, middle)
    return right
