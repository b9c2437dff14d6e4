"""Uniformity: against enumeration, simulation and ArviZ's simulated band."""

from itertools import product

import numpy as np
import pytest
from arviz_stats.ecdf_utils import get_pointwise_confidence_band, simulate_confidence_bands

from ilhte_bayes.studies import uniformity


def test_p_values_of_three_data_sets_are_those_of_an_enumeration():
    """All 4^3 outcomes of three ranks among three draws are equally likely."""
    outcomes = [np.array(ranks) for ranks in product(range(4), repeat=3)]
    tails = np.array([uniformity._smallest_tail(uniformity._counts(r, 3), 3) for r in outcomes])
    for ranks, tail in zip(outcomes, tails, strict=True):
        exact = np.mean(tails <= tail * (1 + 1e-9))
        assert uniformity.p_value(ranks, 3) == pytest.approx(exact, abs=1e-12)


def test_the_band_holds_uniform_ranks_as_often_as_it_says():
    rng = np.random.default_rng(1)
    lower, upper = uniformity.band(150, 31, prob=0.9)
    inside = 0
    for _ in range(2000):
        shares = uniformity.ecdf(rng.integers(32, size=150), 31)
        inside += bool(np.all((shares >= lower - 1e-12) & (shares <= upper + 1e-12)))
    # 2,000 runs: standard error .007; counts are whole, so the band holds a little more than asked
    assert 0.9 - 0.021 < inside / 2000 < 0.92 + 0.021


def test_band_and_p_value_agree():
    rng = np.random.default_rng(2)
    lower, upper = uniformity.band(60, 15, prob=0.7)
    agreed = []
    for _ in range(200):
        ranks = rng.integers(16, size=60)
        shares = uniformity.ecdf(ranks, 15)
        inside = np.all((shares >= lower - 1e-12) & (shares <= upper + 1e-12))
        agreed.append(inside == (uniformity.p_value(ranks, 15) > 0.3))
    assert all(agreed)


def test_the_band_is_arvizs():
    """ArviZ simulates the level; ours is computed. Shares may differ by one data set of 200."""
    n, kept = 200, 99
    points = uniformity.expected(kept)
    rng = np.random.default_rng(3)
    level = simulate_confidence_bands(n, 1, points, 0.95, 4000, rng)
    theirs = get_pointwise_confidence_band(level, n, points)
    for own, other in zip(uniformity.band(n, kept, 0.95), theirs, strict=True):
        assert np.abs(own - other).max() <= 1.01 / n


def test_uneven_ranks_are_found():
    assert uniformity.p_value(np.full(50, 7), 15) < 1e-12
