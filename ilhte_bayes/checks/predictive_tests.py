"""Tests: is the observed table one of the model's? A few numbers a table, and all at once."""

from dataclasses import dataclass

import numpy as np

QUESTIONS = {
    "sum scores": "how sum scores are distributed in each arm",
    "arms differ in shape": "spread of sum scores, and slopes of hard and easy items, by arm",
    "items": "share of points of each item, by arm and between arms",
    "item-rest": "how each item goes with the rest of the test",
    "guessing": "answers above the lowest where there should be hardly any",
    "odds": "odds ratios of all pairs of items",
    "worst pair": "the pair of items that goes together most, given the sum score",
}


@dataclass(frozen=True, slots=True)
class Tested:
    """Predictive p-values; every table is compared with all, itself included."""

    statistic: dict[str, np.ndarray]  # name -> (table,), large where a table is unusual
    p: dict[str, float]
    overall: float  # of the most unusual of them, by the same tables

    
def test_tables(found: dict[str, np.ndarray]) -> Tested:
    """Predictive p-value of each family of counts, and of the whole.

    Parameters
    ----------
    found : dict
        What `discrepancies` counted; table 0 is the observed one.

    Notes
    -----
    The p-value is the share of tables, the observed one included, that are at least as unusual. For
    the whole, each statistic is brought to a common scale (cube root, standardised), and the
    largest is compared between tables: no correction for their number is needed.
    """
    statistic = statistics(found)
    p = {name: share_as_large(value) for name, value in statistic.items()}
    scaled = np.array([_common_scale(value) for value in statistic.values()])
    return Tested(statistic, p, share_as_large(scaled.max(axis=0)))


def statistics(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(table,) one number for each question."""
    n = len(found["items"])
    one = np.triu_indices(found["pairs"].shape[-1], 1)
    flat = {name: value.reshape(n, -1) for name, value in found.items()}
    items = np.hstack([flat["items"], flat["difference"]])
    out = {
        "sum scores": _squares(flat["sum scores"]),
        "items": _squares(items),
        "item-rest": _squares(flat["item-rest"]),
    }
    shape = np.hstack([np.diff(flat["spread"], axis=1), flat["steeper when easy"]])
    out["arms differ in shape"] = _distance(shape)
    if "guessing" in found:
        out["guessing"] = (np.maximum(standardised(flat["guessing"]), 0.0) ** 2).sum(axis=1)
    if one[0].size:
        out["odds"] = _squares(found["odds"][:, *one])
        out["worst pair"] = np.maximum(standardised(found["pairs"][:, *one]).max(axis=1), 0.0)
    return {name: out[name] for name in QUESTIONS if name in out}


def standardised(cells: np.ndarray) -> np.ndarray:
    """(table, ...) deviations from the mean over tables, in SDs over tables; 0 where all agree."""
    centred = cells - cells.mean(axis=0)
    sd = centred.std(axis=0)
    return np.asarray(centred / np.where(sd > 0, sd, 1.0))


def share_as_large(statistic: np.ndarray) -> float:
    """Share of tables whose statistic is at least the observed one's, itself counted."""
    return float((statistic >= statistic[0] - 1e-9 * abs(statistic[0])).mean())


def _squares(cells: np.ndarray) -> np.ndarray:
    return np.asarray((standardised(cells) ** 2).sum(axis=1))


def _distance(cells: np.ndarray) -> np.ndarray:
    """Squared distance from the mean, by the tables' own covariance."""
    z = standardised(cells)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(z.T)), rcond=1e-8)
    return np.asarray(np.einsum("ti,ij,tj->t", z, inverse, z))


def _common_scale(statistic: np.ndarray) -> np.ndarray:
    """Cube root, standardised: near normal for sums of squares (Wilson & Hilferty 1931)."""
    return standardised(np.cbrt(statistic))
