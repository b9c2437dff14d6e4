"""Averages over normal predictors: adaptive and dense integration, random points by their error."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from ilhte_bayes.estimands.averages import average_probability, average_shares, needs_points


@pytest.mark.parametrize("logit", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("variance", [0.0, 0.5, 6.35, 100.0])
def test_one_dimension_by_adaptive_integration(logit, variance):
    ours = average_probability(np.array([logit]), np.array([variance]))[0]
    sd = np.sqrt(variance)
    exact = quad(lambda z: expit(logit + sd * z) * norm.pdf(z), -12, 12, limit=500, epsabs=1e-13)[0]
    assert ours == pytest.approx(exact, abs=1e-8)  # the rule's own bound is 6e-9


def test_cases_do_not_depend_on_each_other():
    """Nodes are chosen for the largest variance; others lose nothing by it."""
    variance = np.array([0.01, 1.0, 40.0])
    together = average_probability(np.full(3, -1.0), variance)
    alone = [average_probability(np.array([-1.0]), variance[[k]])[0] for k in range(3)]
    np.testing.assert_allclose(together, alone, atol=1e-8)


def dense(eta, covariance, n):
    """Shares averaged on a grid of n nodes a dimension, along a Cholesky root."""
    size = eta.size
    x = np.linspace(-8, 8, n)
    w = np.exp(-(x**2) / 2)
    w /= w.sum()
    nodes = np.stack(np.meshgrid(*[x] * size, indexing="ij"), -1).reshape(-1, size)
    weights = w
    for _ in range(size - 1):
        weights = np.multiply.outer(weights, w)
    shown = np.exp(eta + nodes @ np.linalg.cholesky(covariance).T)
    odds = np.column_stack([np.ones(len(nodes)), shown])
    return weights.ravel() @ (odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("size, sd, n", [(2, 0.7, 300), (2, 2.0, 300), (3, 0.9, 70)])
def test_shares_by_a_dense_grid(size, sd, n):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size)) * sd / np.sqrt(size)
    eta, covariance = rng.normal(size=size), root @ root.T
    ours = average_shares(eta[None], covariance[None])[0]
    np.testing.assert_allclose(ours, dense(eta, covariance, n), atol=1e-6)


def test_one_direction_is_one_integral():
    """Adjacent categories: eta_k = k (step + sd Z), whatever the number of categories."""
    k = np.arange(1, 7)
    ours = average_shares(0.2 * k[None], 0.8 * np.outer(k, k)[None].astype(float))[0]

    def share(z, at):
        odds = np.exp(np.arange(7) * (0.2 + np.sqrt(0.8) * z))
        return odds[at] / odds.sum() * norm.pdf(z)

    exact = [quad(share, -10, 10, args=(at,), limit=400, epsabs=1e-12)[0] for at in range(7)]
    np.testing.assert_allclose(ours, exact, atol=1e-8)


def test_many_directions_are_averaged_at_random_points():
    """Five categories with wide, different SDs: against half a million draws."""
    rng = np.random.default_rng(2)
    covariance = np.diag([4.0, 9.0, 2.0, 6.0]) + 1.0
    eta = np.array([0.5, -1.0, 0.0, 1.0])
    assert needs_points(covariance[None])
    ours = average_shares(eta[None], covariance[None])[0]
    drawn = rng.multivariate_normal(eta, covariance, size=500_000)
    odds = np.exp(np.column_stack([np.zeros(len(drawn)), drawn]))
    # draws know a share with SD .35 to .0005, points of such a net to about .0002; 4 of both
    expected = (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(ours, expected, atol=0.0022)
    # the same points whatever the case, and smooth: a derivative by differences makes sense
    moved = [
        average_shares(eta[None], (covariance * (1 + h))[None])[0] for h in (-1e-4, 1e-4, 0.02)
    ]
    small, large = (moved[1] - moved[0]) / 2e-4, (moved[2] - ours) / 0.02
    np.testing.assert_allclose(small, large, atol=0.01)
