"""Counts are those made by hand, residuals are uniform, and p-values are ranks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ilhte_bayes.checks.answer_tables import AnswerTables, _bins, _scores
from ilhte_bayes.checks.discrepancies import _log_odds_ratios, discrepancies
from ilhte_bayes.checks.expected_points import expected_points
from ilhte_bayes.checks.predictive_tests import judged, share_as_large, statistics
from ilhte_bayes.checks.quantile_residuals import quantile_residuals, residual_classes


def made_tables(points, asked=None):
    points = np.asarray(points, dtype=np.float32)
    asked = np.ones(points.shape[1:], dtype=np.float32) if asked is None else asked
    n = points.shape[1]
    score = _scores(points, asked)
    return AnswerTables(
        points=points,
        asked=asked,
        arm=np.arange(n) % 2,
        arms=("a", "b"),
        person=np.arange(n),
        items=np.array([f"q{k}" for k in range(points.shape[2])]),
        top=int(points.max()),
        score=score,
        bin=_bins(score),
    )


def random_tables(rng, n=60, persons=80, items=5, top=1):
    """Answers of the same Rasch model in every table."""
    ability = rng.normal(size=(n, persons, 1))
    logit = ability + np.linspace(-1, 1, items) + rng.logistic(size=(n, persons, items))
    return sum((logit > cut).astype(int) for cut in np.linspace(0, 1, top))


def test_log_odds_ratio_is_the_one_of_the_two_by_two_table():
    y = np.array([[1, 1]] * 7 + [[1, 0]] * 2 + [[0, 1]] * 3 + [[0, 0]] * 5, dtype=np.float32)
    found = _log_odds_ratios(y, np.ones_like(y), 1)
    assert found[0, 1] == pytest.approx(np.log(7.5 * 5.5 / (2.5 * 3.5)), rel=1e-6)


def test_expected_points_are_means_by_arm_and_sum_score():
    tables = made_tables(random_tables(np.random.default_rng(1), top=2))
    long = pd.DataFrame(
        {
            "arm": np.tile(tables.arm, tables.n_tables),
            "score": tables.score.ravel().astype(int),
            "y": tables.points[:, :, 3].ravel(),
        }
    )
    wanted = long.groupby(["arm", "score"])["y"].agg(["mean", lambda v: v.var(ddof=0)])
    found = expected_points(tables)
    for (arm, score), (mean, variance) in wanted.iterrows():
        at = int(np.searchsorted(np.unique(tables.score), score))
        assert found.mean[arm, at, 3] == pytest.approx(mean, abs=1e-6)
        assert found.variance[arm, at, 3] == pytest.approx(max(variance, 1e-6), abs=1e-5)


def test_one_table_among_equals_has_a_uniform_p_value():
    """Over all tables, each in turn the observed one, p-values are the ranks by construction."""
    tables = made_tables(random_tables(np.random.default_rng(2)))
    for value in statistics(discrepancies(tables)).values():
        found = [share_as_large(np.roll(value, -k)) for k in range(len(value))]
        # of tables that are equally unusual, all count; else 1/60, 2/60, ..., 1
        np.testing.assert_allclose(found, stats.rankdata(-value, method="max") / len(value))
        assert len(set(found)) > 50


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (lambda y, rng: np.where(np.arange(5) == 2, rng.integers(0, 2, y.shape), y), "item-rest"),
        (lambda y, rng: np.column_stack([y[:, :1], y[:, :1], y[:, 2:]]), "worst pair"),
        (lambda y, rng: np.where(np.arange(len(y))[:, None] % 2 == 1, y[:, :1], y), "shape by arm"),
        (lambda y, rng: np.where(np.arange(5) == 4, 1 - y, y), "items"),
    ],
)
def test_what_is_planted_is_the_statistic_that_sees_it(plant, name):
    rng = np.random.default_rng(3)
    y = random_tables(rng, n=100, persons=300)
    y[0] = plant(y[0], rng)
    found = judged(discrepancies(made_tables(y)))
    assert found.p[name] == pytest.approx(0.01)
    assert found.overall <= 0.02 + 1e-9  # the verdict weighs seven questions


def test_persons_asked_different_items_are_compared_on_one_scale():
    rng = np.random.default_rng(4)
    asked = (rng.random((80, 5)) < 0.7).astype(np.float32)
    asked[:, 0] = 1
    found = judged(discrepancies(made_tables(random_tables(rng) * asked, asked)))
    assert all(np.isfinite(value).all() for value in found.statistic.values())


def test_no_class_of_scores_is_empty():
    """The second edge lies between 0 and 10, the third is 10: nobody is between them."""
    score = np.concatenate([np.zeros(4), np.full(6, 10.0), np.arange(11.0, 101.0)])
    edges = np.unique(np.quantile(score, np.linspace(0, 1, 26)[:-1]))
    assert edges[1] < edges[2] == 10.0
    assert not ((score >= edges[1]) & (score < edges[2])).any()
    classes = _bins(score.reshape(4, -1))
    assert set(classes.ravel()) == set(range(classes.max() + 1))


def test_quantile_residuals_are_uniform_and_see_a_category_that_is_not_used():
    rng = np.random.default_rng(5)
    y = random_tables(rng, n=60, persons=200, top=3)
    tables = made_tables(y)
    u = quantile_residuals(tables)
    assert stats.kstest(u[0].ravel(), "uniform").pvalue > 1e-3
    y = 3 * y.clip(0, 1) - rng.integers(0, 3, y.shape) * y.clip(0, 1)  # 1, 2 and 3 equally often
    y[0, :, 1] = np.where(y[0, :, 1] == 2, 3, y[0, :, 1])  # nobody says 2
    planted = made_tables(y)
    found = discrepancies(planted) | {"residuals": residual_classes(planted)}
    assert judged(found).p["residuals"] == pytest.approx(1 / 60)
