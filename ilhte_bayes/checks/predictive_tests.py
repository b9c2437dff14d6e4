"""Tests: is the observed table one of the model's? A few numbers a table, and all at once."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

# Statistic -> what is looked at, and its weight in the verdict. Weights (weighted Bonferroni) are
# large where item response models fail most often, and small for what was fitted to the table
# anyway, which a replicated table misses more than the observed one.
QUESTIONS = {
    "sum scores": ("how sum scores are distributed in each arm", 0.05),
    "shape by arm": ("spread of sum scores, and slopes of hard and easy items, by arm", 1.0),
    "items": ("share of points of each item, by arm and between arms", 0.05),
    "item-rest": ("how strongly each item goes with the sum score", 1.0),
    "hard items": ("hard items flatter than others, as where some are guessed", 1.0),
    "odds ratios": ("how all pairs of items go together", 0.05),
    "worst pair": ("the pair of items that goes together most, given the sum score", 0.3),
    "residuals": ("how often each category is used, given the sum score", 1.0),
}

# SDs by which guessing moves a slope at most: beyond, an item would be right hardly ever but by
# chance, and one such item would decide what all others are compared with.
_LARGEST_CHANGE = 5.0


@dataclass(frozen=True, slots=True)
class Tested:
    """Predictive p-values; every table is compared with all, itself included."""

    statistic: dict[str, np.ndarray]  # name -> (table,), large where a table is unusual
    p: dict[str, float]
    overall: float  # of the most unusual of them, by the same tables


def judged(found: dict[str, np.ndarray]) -> Tested:
    """Predictive p-value of each family of counts, and of the whole.

    Parameters
    ----------
    found : dict
        What `discrepancies` counted; table 0 is the observed one.

    Notes
    -----
    A p-value is the share of tables, the observed one included, that are at least as unusual. For
    the whole, each statistic is brought to a common scale and weighted, and the largest is compared
    between tables: no further correction for their number is needed.
    """
    statistic = statistics(found)
    p = {name: share_as_large(value) for name, value in statistic.items()}
    surprise = [
        np.log(QUESTIONS[name][1]) - norm.logsf(value)
        for name, value in near_normal(statistic).items()
    ]
    return Tested(statistic, p, share_as_large(np.max(surprise, axis=0)))


def statistics(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(table,) one number for each question."""
    n, share = len(found["items"]), found["items"]
    spread = found["spread"].mean(axis=1, keepdims=True)
    hard = np.sqrt(1.0 / share.mean(axis=(0, 1)).clip(0.05, 0.95) - 1.0)
    slopes = item_slopes(found)
    shape = np.hstack([np.diff(found["spread"], axis=1), found["steeper when easy"]])
    fitted = np.hstack([share.mean(axis=2), (share * hard).mean(axis=2), spread])
    out = {
        "sum scores": _squares(found["sum scores"].reshape(n, -1)),
        "shape by arm": _distance(_beside(shape, fitted)),
        "items": _squares(np.hstack([share.reshape(n, -1), found["difference"].reshape(n, -1)])),
        "item-rest": (hard * slopes**2).sum(axis=1),  # guesses show in hard items
    }
    if "if guessed" in found:
        out["hard items"] = _as_if_guessed(_raw_slopes(found), found["if guessed"][0])
    one = np.triu_indices(share.shape[-1], 1)
    if one[0].size:
        out["odds ratios"] = _squares(found["odds"][:, *one])
        out["worst pair"] = np.maximum(standardised(found["pairs"][:, *one]).max(axis=1), 0.0)
    if "residuals" in found:
        out["residuals"] = _squares(found["residuals"].reshape(n, -1))
    return out


def item_slopes(found: dict[str, np.ndarray]) -> np.ndarray:
    """(table, item) standardised association with the sum score, beside what was fitted."""
    return standardised(_raw_slopes(found))


def _raw_slopes(found: dict[str, np.ndarray]) -> np.ndarray:
    spread = found["spread"].mean(axis=1, keepdims=True)
    own = [
        _beside(found["item-rest"][:, [i]], np.hstack([found["items"][:, :, i], spread]))
        for i in range(found["items"].shape[-1])
    ]
    return np.hstack(own)


def _as_if_guessed(slopes: np.ndarray, change: np.ndarray) -> np.ndarray:
    """(table,) log likelihood ratio: each item guessed or not, at even odds, against none is.

    Slopes count as independent normals. Only differences between items do: what is common to all
    of them was fitted, as the SD of ability.
    """
    sd = slopes.std(axis=0)
    change = np.maximum(change / np.where(sd > 1e-12, sd, 1.0), -_LARGEST_CHANGE)
    z = standardised(slopes)
    z = standardised(z - z.mean(axis=1, keepdims=True))
    common = change.mean() / 2.0
    return np.asarray(
        (np.logaddexp(_ratio(z, change - common), _ratio(z, -common)) - np.log(2.0)).sum(axis=1)
    )


def _ratio(z: np.ndarray, mean: np.ndarray | float) -> np.ndarray:
    """Log likelihood ratio of z ~ Normal(mean, 1) against Normal(0, 1)."""
    return np.asarray(mean * z - mean**2 / 2.0)


def standardised(cells: np.ndarray) -> np.ndarray:
    """(table, ...) deviations from the mean over tables, in SDs over tables; 0 where all agree."""
    centred = cells - cells.mean(axis=0)
    sd = centred.std(axis=0)
    return np.asarray(centred / np.where(sd > 1e-12, sd, 1.0))


def near_normal(statistic: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(table,) each statistic in SDs from its mean, on a scale where tables are nearly normal."""
    return {name: standardised(_root(name, value)) for name, value in statistic.items()}


def _root(name: str, value: np.ndarray) -> np.ndarray:
    """Cube root of sums of squares (Wilson & Hilferty 1931); log likelihood ratios are less skewed."""
    return np.sqrt(value - value.min()) if name == "hard items" else np.cbrt(value)


def share_as_large(statistic: np.ndarray) -> float:
    """Share of tables whose statistic is at least the observed one's, itself counted."""
    return float((statistic >= statistic[0] - 1e-9 * abs(statistic[0])).mean())


def _beside(cells: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Cells after what tables say of the fitted parameters is taken out, by least squares.

    Replicated tables scatter around the observed one in what was fitted to it; the observed one
    would look better than it is. Coefficients are those of the replicated tables alone.
    """
    x = np.column_stack([np.ones(len(fitted)), fitted])
    return np.asarray(cells - x @ np.linalg.lstsq(x[1:], cells[1:], rcond=None)[0])


def _squares(cells: np.ndarray) -> np.ndarray:
    return np.asarray((standardised(cells) ** 2).sum(axis=1))


def _distance(cells: np.ndarray) -> np.ndarray:
    """Squared distance from the mean, by the tables' own covariance."""
    z = standardised(cells)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(z.T)), rcond=1e-8)
    return np.asarray(np.einsum("ti,ij,tj->t", z, inverse, z))
