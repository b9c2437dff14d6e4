"""Joint distributions: the normal one and its draws agree; ranks by enumeration."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata, t

from ilhte_bayes.estimands.distribution import (
    N_DRAWS,
    NormalDistribution,
    SampledDistribution,
    linear,
    rank_interval,
)

MEAN = np.array([0.5, -1.0, 0.0])
COVARIANCE = np.array([[1.0, 0.3, 0.0], [0.3, 0.25, 0.1], [0.0, 0.1, 4.0]])


def test_normal_summaries_are_those_of_scipy():
    distribution = NormalDistribution(MEAN, COVARIANCE)
    marginal = norm(MEAN, np.sqrt(np.diag(COVARIANCE)))
    np.testing.assert_allclose(distribution.sd, marginal.std())
    np.testing.assert_allclose(distribution.interval(), marginal.interval(0.95))
    np.testing.assert_allclose(distribution.positive(), marginal.sf(0.0))


def test_draws_have_the_normals_moments():
    draws = NormalDistribution(MEAN, COVARIANCE).draws()
    assert draws.shape == (N_DRAWS, 3)
    sd = np.sqrt(np.diag(COVARIANCE))
    # 4 standard errors of a mean, sd / sqrt(n), and of a correlation, below 1 / sqrt(n)
    assert np.all(np.abs(draws.mean(axis=0) - MEAN) < 4 * sd / np.sqrt(N_DRAWS))
    correlation = COVARIANCE / np.outer(sd, sd)
    assert np.all(np.abs(np.corrcoef(draws.T) - correlation) < 4 / np.sqrt(N_DRAWS))


def test_draws_are_the_same_every_time():
    distribution = NormalDistribution(MEAN, COVARIANCE)
    np.testing.assert_array_equal(distribution.draws(), distribution.draws())


def test_a_singular_covariance_has_draws_on_its_line():
    draws = NormalDistribution(np.zeros(2), np.ones((2, 2))).draws()
    np.testing.assert_allclose(draws[:, 0], draws[:, 1], atol=1e-7)


def test_sampled_summaries_are_those_of_the_draws():
    values = np.random.default_rng(1).normal([0.2, -0.1], 1.0, (999, 2))
    distribution = SampledDistribution(values)
    np.testing.assert_allclose(distribution.mean, values.mean(axis=0))
    np.testing.assert_allclose(distribution.sd, values.std(axis=0, ddof=1))
    lower, upper = distribution.interval()
    for k in range(2):
        inside = (values[:, k] > lower[k]) & (values[:, k] < upper[k])
        assert inside.mean() == pytest.approx(0.95, abs=0.002)
    np.testing.assert_allclose(distribution.positive(), (values > 0).sum(axis=0) / 999)


def test_ranks_count_from_the_largest():
    draws = np.array([[3.0, 1.0, 2.0]] * 100)
    lower, upper = rank_interval(draws)
    assert lower.tolist() == upper.tolist() == [1, 3, 2]


def test_rank_intervals_by_enumeration():
    """40 draws: the 2.5 % quantile is the smallest rank that 1 draw in 40 reaches, or fewer."""
    draws = np.random.default_rng(3).normal([1.0, 0.5, 0.0, -1.0], 1.0, (40, 4))
    ranks = np.array([rankdata(-row) for row in draws])
    found = rank_interval(draws)
    for k in range(4):
        ordered = np.sort(ranks[:, k])
        shares = np.arange(1, 41) / 40  # share of draws with a rank at most this
        expected = [ordered[np.argmax(shares >= tail - 1e-12)] for tail in (0.025, 0.975)]
        assert [int(end[k]) for end in found] == expected


def test_an_error_known_with_few_degrees_of_freedom_makes_each_quantity_t():
    """A pivot: x1 = s Z with s estimated on 6 df is t(6); x2 has a known normal on top of it, as
    10^6 draws (quantiles known to .4 %); of x2 - x1 the shared error is gone, and it is normal."""
    joint = NormalDistribution(np.ones(2), np.array([[1.0, 1.0], [1.0, 2.0]]), np.ones(2), 6.0)
    low, high = joint.interval()
    np.testing.assert_allclose((low[0], high[0]), t(6, 1.0).interval(0.95))
    rng = np.random.default_rng(1)
    many = 1.0 + rng.standard_t(6, 10**6) + rng.standard_normal(10**6)
    np.testing.assert_allclose((low[1], high[1]), np.quantile(many, (0.025, 0.975)), rtol=0.015)
    np.testing.assert_allclose(joint.positive(), [t(6).cdf(1.0), (many > 0).mean()], atol=2e-3)
    difference = linear(joint, np.array([[-1.0, 1.0]]))
    np.testing.assert_allclose(difference.interval(), np.array([[-1.0], [1.0]]) * norm.ppf(0.975))


def test_nothing_is_known_with_0_degrees_of_freedom_but_differences():
    joint = NormalDistribution(np.ones(2), np.array([[1.0, 1.0], [1.0, 2.0]]), np.ones(2), 0.0)
    assert np.isnan(joint.interval()).all() and np.isnan(joint.positive()).all()
    assert np.isfinite(linear(joint, np.array([[-1.0, 1.0]])).interval()).all()
