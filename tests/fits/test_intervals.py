"""Intervals are Wald's on the scale they are said to be made on."""

import numpy as np
import pytest
from scipy import stats

from ilhte_bayes.fits.intervals import (
    LEVEL,
    Z,
    correlation_interval,
    normal_interval,
    sd_interval,
)


def test_the_quantile_belongs_to_the_level():
    assert stats.norm.ppf((1 + LEVEL) / 2) == Z


def test_normal_interval_is_the_normal_distributions():
    lower, upper = normal_interval(np.array([1.5, -2.0]), np.array([0.3, 0.0]))
    np.testing.assert_allclose([lower[0], upper[0]], stats.norm(1.5, 0.3).interval(LEVEL))
    assert lower[1] == upper[1] == -2.0


@pytest.mark.parametrize("sd, se", [(0.2, 0.1), (3.0, 0.14), (1.0, 2.0)])
def test_interval_of_an_sd_is_the_lognormal_distributions(sd, se):
    """SE of log(sd) by the delta method: se / sd."""
    lower, upper = sd_interval(sd, se)
    exact = stats.lognorm(s=se / sd, scale=sd).interval(LEVEL)
    np.testing.assert_allclose([lower, upper], exact, rtol=1e-12)


def test_interval_of_an_sd_of_which_nothing_is_known_stays_a_number():
    lower, upper = sd_interval(1e-3, 5.0)
    assert 0.0 < lower < 1e-300
    assert 1e300 < upper < np.inf


@pytest.mark.parametrize("corr, se", [(0.0, 0.2), (0.7, 0.3), (-0.95, 0.1), (0.999, 2.0)])
def test_interval_of_a_correlation_is_normal_after_atanh(corr, se):
    """SE of atanh(corr) by the delta method: se / (1 - corr**2)."""
    lower, upper = correlation_interval(corr, se)
    exact = stats.norm(np.arctanh(corr), se / (1 - corr**2)).interval(LEVEL)
    np.testing.assert_allclose([lower, upper], np.tanh(exact), rtol=1e-12)
    assert -1.0 <= lower < corr < upper <= 1.0
