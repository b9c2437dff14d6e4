"""Expected points of an item, given arm and class of sum scores, over observed and other tables."""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.checks.answer_tables import AnswerTables, score_unit

SMALL = 1e-6  # beside counts and variances that may be 0


@dataclass(frozen=True, slots=True)
class Expected:
    """Averages over all tables."""

    mean: np.ndarray  # (arm, class, item) points of one answer
    variance: np.ndarray  # (arm, class, item)
    answers: np.ndarray  # (arm, class, item) in one table
    score: np.ndarray  # (class,) sum score
    point: float  # what one more point adds to a score


def expected_points(tables: AnswerTables) -> Expected:
    """Mean and variance of one answer's points, by arm and class of sum scores."""
    n_classes, n_arms = int(tables.bin.max()) + 1, len(tables.arms)
    key = (tables.arm * n_classes + tables.bin).ravel()
    shape = (n_arms * n_classes, tables.items.size)
    mean, variance, answers = np.empty(shape), np.empty(shape), np.empty(shape)
    for i in range(tables.items.size):
        points, asked = tables.points[:, :, i], tables.asked[:, i]
        n = _sums(key, np.broadcast_to(asked, points.shape), shape[0])
        mean[:, i] = _sums(key, points, shape[0]) / (n + SMALL)
        left = points - asked * mean[key, i].reshape(points.shape)
        variance[:, i] = _sums(key, left**2, shape[0]) / (n + SMALL)
        answers[:, i] = n / tables.n_tables
    score = _sums(tables.bin.ravel(), tables.score, n_classes)
    cut = (n_arms, n_classes, tables.items.size)
    return Expected(
        mean=mean.reshape(cut),
        variance=np.maximum(variance, SMALL).reshape(cut),
        answers=answers.reshape(cut),
        score=score / np.bincount(tables.bin.ravel(), minlength=n_classes),
        point=float((1.0 / score_unit(tables.asked)).mean()),
    )


def _sums(key: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(key, weights=values.ravel(), minlength=size)
