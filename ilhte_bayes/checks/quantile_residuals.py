"""Randomised quantile residuals of ordinal answers, from the replicated answers themselves."""

import numpy as np

from ilhte_bayes.checks.answer_tables import AnswerTables

_CLASSES = 5  # of residuals, equally likely under the model


def residual_classes(tables: AnswerTables, *, seed: int = 1) -> np.ndarray:
    """(table, arm, item, class) how many residuals of each item fall into each class.

    A residual is the probability of a lower answer, plus a random part of the probability of the
    answer given; it is uniform under the model (Dunn & Smyth 1996). Probabilities are the shares of
    answers in all tables among persons of the same arm and sum score, so that abilities do not
    enter.
    """
    u = quantile_residuals(tables, seed=seed)
    at = np.minimum((u * _CLASSES).astype(int), _CLASSES - 1)
    asked = tables.asked == 1.0
    n_arms, n_items = len(tables.arms), tables.items.size
    cell = (tables.arm[:, None] * n_items + np.arange(n_items)) * _CLASSES
    size = n_arms * n_items * _CLASSES
    found = [np.bincount((cell + each)[asked], minlength=size) for each in at]
    return np.array(found).reshape(-1, n_arms, n_items, _CLASSES)


def quantile_residuals(tables: AnswerTables, *, seed: int = 1) -> np.ndarray:
    """(table, person, item) residuals between 0 and 1; meaningless where asked is not 1."""
    rng = np.random.default_rng(seed)
    n_bins = int(tables.bin.max()) + 1
    key = tables.arm * n_bins + tables.bin
    n_keys, top = len(tables.arms) * n_bins, tables.top
    out = np.empty(tables.points.shape, dtype=np.float32)
    for i in range(tables.items.size):
        given = np.minimum(tables.points[:, :, i].astype(np.int64), top)
        weight = np.broadcast_to(tables.asked[:, i] == 1.0, given.shape).ravel()
        counts = np.bincount(
            (key * (top + 1) + given).ravel(), weights=weight, minlength=n_keys * (top + 1)
        ).reshape(n_keys, top + 1)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        below = np.cumsum(share, axis=1) - share
        out[:, :, i] = below[key, given] + rng.random(given.shape) * share[key, given]
    return out
