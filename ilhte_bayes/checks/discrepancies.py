"""Discrepancies: what is counted in every table of answers, observed and replicated alike.

Associations are counted among persons with the same sum score, so that neither their abilities nor
the model's SD of ability enters, and after each table's own item means are taken out: parameters
that were fitted to the observed table would otherwise make it look too good.
"""

import numpy as np

from ilhte_bayes.checks.answer_tables import AnswerTables
from ilhte_bayes.checks.expected_points import SMALL, Expected, expected_points
from ilhte_bayes.checks.guessing import slopes_if_guessed

_GROUPS = 10  # of sum scores, in histograms
_LEAST_VARIANCE = 0.02  # of an answer; one surprise must not be all that counts


def discrepancies(tables: AnswerTables) -> dict[str, np.ndarray]:
    """Count everything in every table.

    Returns
    -------
    dict
        Name -> (table, ...): `sum scores` (arm, class) persons; `spread` (arm) log variance of sum
        scores; `steeper when easy` (arm) whether easy items discriminate better than hard ones;
        `items` (arm, item) share of points; `difference` (arm - 1, item) between arms; `item-rest`
        (item) association with the sum score; `pairs` (item, item) association given the sum
        score; `if guessed` (item) expected change of `item-rest`, the same in all tables, of binary
        answers; `odds` (item, item) log odds ratio of the upper half of the scale; `odd persons`
        (person) mean squared residual of their answers.
    """
    expected = expected_points(tables)
    edges = np.unique(np.quantile(tables.score, np.linspace(0, 1, _GROUPS + 1)[1:-1]))
    easy = _easiness(tables)
    found = [_one_table(tables, expected, edges, easy, k) for k in range(tables.n_tables)]
    out = {name: np.array([each[name] for each in found]) for name in found[0]}
    if tables.top == 1:
        out["if guessed"] = np.tile(slopes_if_guessed(expected), (tables.n_tables, 1))
    return out


def _easiness(tables: AnswerTables) -> np.ndarray:
    """(arm, item) logit of the share of points, over all tables."""
    share = np.array(
        [
            tables.points[:, tables.arm == a].sum(axis=(0, 1))
            / (tables.asked[tables.arm == a].sum(axis=0) * tables.n_tables * tables.top + SMALL)
            for a in range(len(tables.arms))
        ]
    )
    share = np.clip(share, 0.01, 0.99)
    return np.log(share / (1.0 - share))


def _one_table(
    tables: AnswerTables, expected: Expected, edges: np.ndarray, easy: np.ndarray, k: int
) -> dict[str, np.ndarray]:
    points, score, n_items = tables.points[k], tables.score[k], tables.items.size
    shares, spread, counts, steep = [], [], [], []
    slope, odd = np.zeros(n_items), np.zeros(len(score))
    pair = np.zeros((n_items, n_items))
    for a in range(len(tables.arms)):
        here = tables.arm == a
        y, n, s, g = points[here], tables.asked[here], score[here], tables.bin[k][here]
        shares.append(y.sum(axis=0) / np.maximum(n.sum(axis=0) * tables.top, 1.0))
        spread.append(np.log(s.var() + SMALL))
        counts.append(np.bincount(np.searchsorted(edges, s), minlength=edges.size + 1))
        mean, weight = expected.mean[a][g], n * expected.variance[a][g]
        left = _without_means(y - n * mean, weight)
        own, information = _score_test(left, weight, s[:, None])
        slope = slope + own / np.sqrt(information)
        steep.append(own @ (easy[a] - easy[a].mean()))
        pair += left.T @ left / np.sqrt(weight.T @ weight + SMALL)
        raw = (y - n * mean) ** 2 / expected.variance[a][g].clip(_LEAST_VARIANCE)
        odd[here] = raw.sum(axis=1) / np.maximum(n.sum(axis=1), 1.0)
    return {
        "sum scores": np.array(counts),
        "spread": np.array(spread),
        "steeper when easy": np.array(steep),
        "items": np.array(shares),
        "difference": np.array(shares[1:]) - shares[0],
        "item-rest": slope,
        "pairs": pair,
        "odds": _log_odds_ratios(points, tables.asked, tables.top),
        "odd persons": odd,
    }


def _without_means(left: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Residuals after one step towards the table's own easiness of each item."""
    return left - weight * (left.sum(axis=0) / (weight.sum(axis=0) + SMALL))


def _score_test(
    left: np.ndarray, weight: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(item,) score of a change in a direction, orthogonal to easiness, and its information."""
    x = direction - (weight * direction).sum(axis=0) / (weight.sum(axis=0) + SMALL)
    return (left * x).sum(axis=0), (weight * x * x).sum(axis=0) + SMALL


def _log_odds_ratios(points: np.ndarray, asked: np.ndarray, top: int) -> np.ndarray:
    """(item, item) of being in the upper half of the scale, over persons asked both."""
    given = (asked > 0).astype(np.float32)
    high = (points * 2 > top * asked).astype(np.float32)
    low = given - high
    both, neither, mixed = high.T @ high, low.T @ low, high.T @ low
    return np.asarray(np.log((both + 0.5) * (neither + 0.5) / ((mixed + 0.5) * (mixed.T + 0.5))))
