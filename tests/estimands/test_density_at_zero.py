"""Density at 0 from draws: densities that are known, and the error that is told."""

import numpy as np
import pytest

from ilhte_bayes.estimands.density_at_zero import density_at_zero

GRID = np.linspace(0.0, 4.0, 20_001)


def posterior_of_an_sd(noise, spread):
    """Exact posterior of the SD of 20 normal effects known with some noise; prior HalfNormal(1)."""
    z = np.random.default_rng(5).normal(0, np.sqrt(noise + spread**2), 20)
    variance = GRID**2 + noise
    log = -0.5 * GRID**2 - 10 * np.log(variance) - 0.5 * (z @ z) / variance
    density = np.exp(log - log.max())
    return density / np.trapezoid(density, GRID)


def drawn(density, n, seed):
    reached = np.cumsum(density)
    uniform = np.random.default_rng(seed).random(n)
    return np.interp(uniform, reached / reached[-1], GRID)


@pytest.mark.parametrize("spread, bayes_factor", [(0.0, 9.996), (0.1, 6.817), (0.2, 0.806)])
def test_the_density_is_found_to_its_error(spread, bayes_factor):
    """30 sets of 4,000 draws each; the density at 0 is from a tenth to the whole of the peak."""
    density = posterior_of_an_sd(0.04, spread)
    assert density[0] / np.sqrt(2 / np.pi) == pytest.approx(bayes_factor, rel=1e-3)
    found = [density_at_zero(drawn(density, 4000, seed)) for seed in range(30)]
    known = [f for f in found if np.isfinite(f.log_density)]
    assert len(known) >= 25
    off = np.array([f.log_density for f in known]) - np.log(density[0])
    told = np.mean([f.error for f in known])
    # bias at most .06, plus three standard errors of a mean of 30
    assert abs(off.mean()) < 0.06 + 3 * told / np.sqrt(30)
    # the SD of 30 values is known to 13 %
    assert 0.6 < off.std() / told < 1.5


def test_a_flat_density_has_its_height():
    draws = np.random.default_rng(2).uniform(0, 2, 40_000)
    assert density_at_zero(draws).log_density == pytest.approx(np.log(0.5), abs=0.05)


@pytest.mark.parametrize("spread", [0.3, 0.5])
def test_what_would_be_extrapolated_is_missing_and_bounded(spread):
    density = posterior_of_an_sd(0.04, spread)
    for seed in range(10):
        found = density_at_zero(drawn(density, 4000, seed))
        assert np.isnan(found.log_density)
        assert np.isnan(found.error)
        assert found.highest > np.log(density[0])
