"""Slopes as draws from one distribution: closed forms, brute force, and the null distribution."""

import numpy as np
import pytest
from scipy import optimize, stats

from ilhte_bayes.checks.shrunken_slopes import shrink

ONE = np.zeros(3, dtype=int)


def test_two_thresholds_have_a_closed_form():
    """One contrast d = (b2 - b1) / sqrt 2 with variance v: tau^2 = d^2 - v."""
    b, covariance = np.array([0.2, 1.1]), np.array([[0.04, 0.01], [0.01, 0.05]])
    d2 = (b[1] - b[0]) ** 2 / 2
    v = (0.04 + 0.05 - 2 * 0.01) / 2
    found = shrink(b, covariance, np.zeros(2, dtype=int))
    # the search stops at 1e-10 of its range, the likelihood is flat there to half of its digits
    assert found.sd**2 == pytest.approx(d2 - v, rel=1e-4)
    assert found.ratio == pytest.approx(d2 / v - 1 - np.log(d2 / v), abs=1e-8)
    # d2 / v is chi-squared with one degree of freedom under equal slopes; 20,000 draws of it
    exact = stats.chi2.sf(d2 / v, 1)
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000) + 1e-4)


def test_equal_slopes_stay_equal():
    found = shrink(np.array([0.5, 0.52, 0.49]), 0.04 * np.eye(3), ONE)
    assert (found.sd, found.ratio, found.p) == (0.0, 0.0, 1.0)
    np.testing.assert_allclose(found.slopes, np.mean([0.5, 0.52, 0.49]))


def test_an_sd_of_zero_has_p_one_whatever_the_rounding():
    """Slopes nearer to each other than their errors: the maximum is at 0, its ratio exactly 0."""
    rng = np.random.default_rng(3)
    for seed in range(200):
        root = rng.normal(size=(2, 2))
        covariance = root @ root.T
        v = (covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]) / 2
        b = np.array([0.0, np.sqrt(2 * v) * rng.uniform(0, 0.99)])  # closed form: d^2 < v
        found = shrink(b, covariance, np.zeros(2, dtype=int), seed=seed)
        assert (found.sd, found.ratio, found.p) == (0.0, 0.0, 1.0)


def test_restricted_likelihood_and_predictions_by_brute_force():
    rng = np.random.default_rng(4)
    root = rng.normal(size=(6, 6)) * 0.2
    covariance = root @ root.T + 0.01 * np.eye(6)
    term = np.repeat([0, 1], 3)
    b = np.array([0.0, 1.0, -1.2, 2.0, 3.1, 1.5])
    x = np.equal.outer(term, [0, 1]).astype(float)

    def restricted(variance):  # Harville (1974), up to a constant
        total = covariance + variance * np.eye(6)
        inverse = np.linalg.inv(total)
        beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ b)
        r = b - x @ beta
        logs = np.linalg.slogdet(total)[1] + np.linalg.slogdet(x.T @ inverse @ x)[1]
        return logs + r @ inverse @ r

    best = optimize.minimize_scalar(restricted, bounds=(0, 20), method="bounded").x
    found = shrink(b, covariance, term)
    assert found.sd**2 == pytest.approx(best, rel=1e-3)
    assert found.ratio == pytest.approx(restricted(0.0) - restricted(best), abs=1e-6)
    # conditional mean of b, as the limit of a wide prior on the two means
    prior = 1e6 * x @ x.T + best * np.eye(6)
    wide = prior @ np.linalg.solve(prior + covariance, b)
    np.testing.assert_allclose(found.slopes, wide, atol=1e-3)


def test_null_rate_is_nominal():
    rng = np.random.default_rng(7)
    covariance = np.array([[0.04, 0.02, 0.01], [0.02, 0.03, 0.02], [0.01, 0.02, 0.05]])
    draws = rng.multivariate_normal(np.full(3, 0.4), covariance, size=400)
    p = np.array([shrink(b, covariance, ONE, seed=k).p for k, b in enumerate(draws)])
    # 400 tables: standard error of a rate of .1 is .015
    assert (p <= 0.1).mean() == pytest.approx(0.1, abs=0.045)
