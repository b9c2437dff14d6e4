"""Gibbs draws of the second stage against numerical integration over a grid."""

import numpy as np
import pytest
from scipy import stats

from ilhte_bayes.estimands.distribution import NormalDistribution
from ilhte_bayes.sensitivity.deviations import draw_deviations

D = np.array([0.1, 0.3, 0.45, 1.6])
OWN = np.array([0.15, 0.2, 0.25, 0.2])  # SDs
COMMON = 0.1  # variance that all items' effects share: it moves with beta
EFFECTS = NormalDistribution(D, COMMON + np.diag(OWN**2))
TAU = np.linspace(0.005, 4.0, 160)
BETA = np.linspace(-3, 4, 421)


def density_of_items(shape, df=4.0):
    """(beta, tau) prior times likelihood with zeta integrated out item by item."""
    gap = D[:, None, None] - BETA[None, :, None]
    variance = OWN[:, None, None] ** 2

    def normal(gap, variance):
        return np.exp(-0.5 * gap**2 / variance) / np.sqrt(variance)

    prior = stats.halfnorm.pdf(TAU)
    if shape == "normal":
        return prior * np.prod(normal(gap, variance + TAU**2), axis=0)
    if shape == "heavy":  # t is a normal whose precision is gamma: average over its quantiles
        g = stats.gamma.ppf((np.arange(100) + 0.5) / 100, df / 2, scale=2 / df)
        return prior * np.prod(
            np.mean([normal(gap, variance + TAU**2 / each) for each in g], axis=0), axis=0
        )
    shares = (np.arange(40) + 0.5) / 80
    slab, spike = normal(gap, variance + TAU**2), normal(gap, variance + 0.0 * TAU)
    return prior * sum(np.prod(p * slab + (1 - p) * spike, axis=0) for p in shares)


@pytest.mark.parametrize("shape", ["normal", "heavy", "sparse"])
def test_draws_are_those_of_the_posterior(shape):
    weights = density_of_items(shape)
    of_beta, of_tau = weights.sum(axis=1), weights.sum(axis=0)
    mean = np.average(BETA, weights=of_beta)
    sd = np.sqrt(np.average((BETA - mean) ** 2, weights=of_beta) + COMMON)
    found = draw_deviations(EFFECTS, shape, draws=5000)
    # 5,000 correlated draws are worth 1,500 or more: means to .026 SDs, SDs to 2 %; four of each
    assert abs(found.beta.mean() - mean) < 0.1 * sd
    assert found.beta.std() == pytest.approx(sd, rel=0.08)
    tau = np.average(TAU, weights=of_tau)
    spread = np.sqrt(np.average((TAU - tau) ** 2, weights=of_tau))
    assert abs(found.tau.mean() - tau) < 0.1 * spread


@pytest.mark.parametrize("shape", ["normal", "heavy", "sparse"])
def test_what_all_items_share_goes_to_the_average(shape):
    moved = NormalDistribution(D + 2.0, EFFECTS.covariance)
    one, two = (draw_deviations(e, shape, draws=200) for e in (EFFECTS, moved))
    np.testing.assert_allclose(two.beta - one.beta, 2.0, atol=1e-9)
    np.testing.assert_allclose(two.zeta, one.zeta, atol=1e-9)


def test_sparse_deviations_are_zero_where_they_do_not_differ():
    found = draw_deviations(EFFECTS, "sparse", draws=500)
    np.testing.assert_array_equal(found.zeta != 0, found.differs)
    assert found.differs[:, 3].mean() > 0.9 > 0.5 > found.differs[:, 1].mean()


@pytest.mark.slow
@pytest.mark.parametrize("planted", [0, 2, 3])
def test_intervals_of_the_sparse_average_cover_it(planted):
    """Ten items, standard errors .2 and a shared .1; `planted` of them off by 1.2."""
    rng, hits = np.random.default_rng(8), 0
    covariance = 0.1**2 + 0.2**2 * np.eye(10)
    shift = np.where(np.arange(10) < planted, 1.2, 0.0)
    for _ in range(200):
        d = 0.4 + shift + rng.multivariate_normal(np.zeros(10), covariance)
        found = draw_deviations(NormalDistribution(d, covariance), "sparse", draws=1000)
        low, high = np.quantile(found.beta, [0.025, 0.975])
        hits += low < 0.4 < high
    # .95 +- 3.3 * sqrt(.95 * .05 / 200) = .899; truth is fixed, not drawn from the prior
    assert hits / 200 > 0.89
