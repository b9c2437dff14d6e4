"""SDs are drawn as tables give their intervals: normal on the log scale, away from 0."""

import numpy as np
import pytest
from scipy.stats import norm

import ilhte_bayes as il
from ilhte_bayes.engines.marginal.covariance import Coordinates, spread_of_sds
from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.fits.intervals import TAILS


@pytest.fixture(scope="module")
def fit():
    """60 persons, 5 items: the SD of persons is 2 to 5 standard errors from 0."""
    plan = il.Trial(persons=60, items=5, effect=0.5, sigma_zeta=0.2)
    return il.laplace(il.il_hte(il.simulate(plan, seed=3).table))


def test_the_card_and_the_fit_have_one_interval_of_the_sd(fit):
    table = fit.variance_components.loc["id", "sd[Intercept]"]
    assert 2.0 < table["estimate"] / table["se"] < 6.0
    unit = ability_sd(fit, parameter_draws(fit), "residual")
    draws = fit.draws["posterior"]["sd_id"].to_numpy().ravel()
    se = table["se"] / table["estimate"]
    for values in (unit, draws):
        # quantiles at 2.5 % of n draws are known to .16 / phi(1.96) / sqrt(n) SDs on the log scale
        error = 4 * 2.67 / np.sqrt(len(values)) * se
        found = np.log(np.quantile(values, TAILS))
        np.testing.assert_allclose(
            found, np.log(table[["lower", "upper"]].astype(float)), atol=error
        )


def test_draws_are_log_normal_away_from_0_and_normal_near_it():
    rng, mode, se = np.random.default_rng(1), np.array([1.0, -1.0, 0.3]), np.array([0.4, 0.4, 0.3])
    normal = mode + se * rng.standard_normal((100_000, 3))
    found = spread_of_sds(normal, mode, se)
    upper = np.exp(norm.ppf(0.975) * 0.4)
    # 4 standard errors of a quantile, .0084 SDs of the log
    assert np.quantile(found[:, 0], 0.975) == pytest.approx(upper, rel=4 * 0.0084 * 0.4)
    assert np.quantile(-found[:, 1], 0.975) == pytest.approx(upper, rel=4 * 0.0084 * 0.4)
    np.testing.assert_array_equal(found[:, 2], normal[:, 2])


def test_an_sd_held_at_0_stays_there():
    found = spread_of_sds(np.zeros((5, 1)), np.zeros(1), np.zeros(1))
    np.testing.assert_array_equal(found, 0.0)


@pytest.mark.parametrize("partial, sds", [(False, [3]), (True, [0, 1, 3])])
def test_which_coordinates_are_sds(partial, sds):
    own = Coordinates("item", ("a", "b", "c"), ((0, 1), (2,)), partial=partial)
    assert own.sds.tolist() == sds
    free = np.array([0.7, 0.4, 0.3, 0.9])
    np.testing.assert_allclose(own.natural(free)[[0, 1, 2][-len(sds) :]], free[sds])
