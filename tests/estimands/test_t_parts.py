"""Sums of parts by t, against closed forms and many draws."""

import numpy as np
import pytest
from scipy.stats import norm, t

from ilhte_bayes.estimands.t_parts import (
    in_order_of,
    lengthening_beside,
    mixture_interval,
    mixture_positive,
    new_interval,
    t_and_normal,
)


@pytest.mark.parametrize("df", [1, 4, np.inf])
def test_draws_keep_their_order_and_are_spread_over_t(df):
    normal = np.random.default_rng(1).normal(2.0, 3.0, 4000)
    found = in_order_of(normal, 2.0, 3.0, df)
    assert (np.argsort(found) == np.argsort(normal)).all()
    # np.quantile's ends are half a step too near: of t(1) .5 %
    np.testing.assert_allclose(
        mixture_interval(found, 0.0), t(df, 2.0, 3.0).interval(0.95), rtol=0.006
    )
    assert np.isnan(in_order_of(normal, 2.0, 3.0, 0)).all()


@pytest.mark.parametrize("df", [1, 2, 7, 30])
def test_a_part_with_the_same_variance_makes_a_t_again(df):
    """sqrt(V) T + sqrt(s) T of one estimated variance is sqrt(V + s) T; pairing errs by a percent."""
    low, high = new_interval(0.0, 0.2, df, 0.8, df, apart=False)
    assert high == pytest.approx(t.ppf(0.975, df), rel=0.01) and low == pytest.approx(-high)


def test_parts_with_variances_of_their_own_are_added():
    rng = np.random.default_rng(3)
    many = 1.0 + 0.5 * rng.standard_t(3, 10**6) + 0.7 * rng.standard_t(7, 10**6)
    found = new_interval(1.0, 0.25, 3, 0.49, 7, apart=True)
    # quantiles of 10^6 draws are known to .4 %; pairing errs by a percent
    np.testing.assert_allclose(found, np.quantile(many, [0.025, 0.975]), rtol=0.015)
    with_normal = 1.0 + 0.5 * rng.standard_t(2, 10**6) + 0.7 * rng.standard_normal(10**6)
    *found, positive = t_and_normal(1.0, 0.5, 2, 0.7)
    np.testing.assert_allclose(found, np.quantile(with_normal, [0.025, 0.975]), rtol=0.015)
    assert positive == pytest.approx((with_normal > 0).mean(), abs=0.002)


@pytest.mark.parametrize("df", [1, 2, 5, 50, np.inf])
@pytest.mark.parametrize("spread", [1e-8, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("own", [1, 7, np.inf])
def test_a_sum_is_never_known_better_than_a_part(df, spread, own):
    for apart in (True, False):
        high = new_interval(0.0, 0.25, df, spread, own, apart=apart)[1]
        assert high >= 0.5 * t.ppf(0.975, df)


def test_nothing_is_known_with_0_degrees_of_freedom():
    assert np.isnan(new_interval(0.0, 1.0, 0, 1.0, 7, apart=True)).all()
    assert np.isnan(t_and_normal(0.0, 1.0, 0, 1.0)).all()
    np.testing.assert_allclose(
        t_and_normal(0.0, 0.0, 0, 1.0)[:2], norm.interval(0.95)
    )  # not shared


def test_lengthening_is_the_root_of_df_over_chi2():
    found = lengthening_beside(np.zeros(4000), np.inf, 7, 1)
    # mean of df / chi2 is df / (df - 2), spread evenly over its quantiles
    assert np.mean(found**2) == pytest.approx(7 / 5, rel=0.01)
    assert (lengthening_beside(np.zeros(10), 3, np.inf, 1) == 1.0).all()


def test_a_mixture_of_normals():
    mean, sd = np.array([-1.0, 2.0]), np.array([0.5, 1.5])
    low, high = mixture_interval(mean, sd)
    for end, chance in ((low, 0.025), (high, 0.975)):
        assert norm.cdf(end, mean, sd).mean() == pytest.approx(chance, abs=1e-12)
    assert mixture_positive(mean, sd) == pytest.approx(norm.sf(0, mean, sd).mean())
