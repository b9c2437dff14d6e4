"""The SD of item effects against its closed form and a likelihood written apart."""

import numpy as np
import pytest
from scipy import optimize, stats

from ilhte_bayes.engines.effect_spread import spread_of_effects


def test_spread_has_a_closed_form_for_equal_errors():
    """V = v C: the estimate is the variance of the contrasts less v, and 0 where that is below."""
    rng = np.random.default_rng(3)
    centre = np.eye(12) - 1 / 12
    shift = centre @ rng.normal(size=12)
    mean_square = shift @ shift / 11
    assert spread_of_effects(shift, 0.3 * mean_square * centre).estimate == pytest.approx(
        np.sqrt(0.7 * mean_square), rel=1e-6
    )
    assert spread_of_effects(shift, 1.1 * mean_square * centre).estimate == 0


def test_spread_is_the_maximum_of_a_normal_density():
    """Likelihood written apart, dropping one item instead of turning to an orthonormal basis."""
    rng = np.random.default_rng(4)
    n, centre = 9, np.eye(9) - 1 / 9
    root = rng.normal(size=(n, n)) / 4
    covariance = centre @ root @ root.T @ centre
    shift = centre @ rng.normal(size=n)

    def loglik(sd):
        total = (sd**2 * centre + covariance)[1:, 1:]
        return stats.multivariate_normal(np.zeros(n - 1), total).logpdf(shift[1:])

    found = spread_of_effects(shift, covariance)
    best = optimize.minimize_scalar(lambda sd: -loglik(sd), bounds=(0, 5), method="bounded")
    assert found.estimate == pytest.approx(best.x, abs=1e-4)
    for end in (found.lower, found.upper):
        assert 2 * (-best.fun - loglik(end)) == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-6)
    assert 0 < found.lower < found.estimate < found.upper
