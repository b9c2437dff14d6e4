"""The 50:50 mixture: closed forms, the peers' p-values, and a simulated null."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, norm

from ilhte_bayes.estimands.boundary import bootstrap_p, halved_size, likelihood_ratio_p

RATIOS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "LRT.json"


def test_one_variance_is_half_of_chi2_with_one():
    assert likelihood_ratio_p(2.7055, 1, 1) == pytest.approx(0.05, abs=1e-5)
    assert likelihood_ratio_p(2.7055, 1, 1) == pytest.approx(norm.sf(np.sqrt(2.7055)))
    assert likelihood_ratio_p(0.0, 1, 1) == 1.0


def test_a_variance_of_0_has_p_1_whichever_side_of_0_the_statistic_is():
    """The statistic of two numerical maxima is 0 only to about 1e-6; p must not be a coin's toss."""
    assert likelihood_ratio_p(-1e-6, 1, 1) == likelihood_ratio_p(1e-6, 1, 1) == 1.0
    assert likelihood_ratio_p(0.01, 1, 1) == pytest.approx(0.5 * chi2.sf(0.01, 1))


def test_without_variances_it_is_chi2():
    assert likelihood_ratio_p(5.0, 2, 0) == pytest.approx(chi2.sf(5.0, 2))


def test_several_variances_are_conservative():
    """Independent variances: the true mixture has binomial weights."""
    for statistic in (0.5, 3.0, 9.0):
        true = 0.25 * (statistic <= 0) + 0.5 * chi2.sf(statistic, 1) + 0.25 * chi2.sf(statistic, 2)
        assert likelihood_ratio_p(statistic, 2, 2) >= true


def test_a_variance_and_a_correlation_as_the_peers():
    if not RATIOS.is_file():
        pytest.skip("likelihood ratios of other programs are in the shared folder, which is absent")
    cases = [c for c in json.loads(RATIOS.read_text()) if "p_mixture_chibar_1_2" in c]
    assert cases
    for case in cases:
        ours = likelihood_ratio_p(case["chisq"], case["df"], 1)
        assert ours == pytest.approx(case["p_mixture_chibar_1_2"], rel=1e-9)


@pytest.mark.parametrize("existing", [0, 1, 2, 3])
def test_a_slope_correlated_with_q_others_by_hand(existing):
    """1/2 chi2_q + 1/2 chi2_(q+1); chi2_0 is 0."""
    for statistic in (0.3, 2.0, 7.7, 40.0):
        below = chi2.sf(statistic, existing) if existing else 0.0
        by_hand = 0.5 * below + 0.5 * chi2.sf(statistic, existing + 1)
        assert likelihood_ratio_p(statistic, existing + 1, 1) == pytest.approx(by_hand, abs=1e-10)


def test_halving_chi2_with_two_rejects_too_often():
    """P(1/2 chi2_1 + 1/2 chi2_2 > 4.605), 4.605 = -2 log .10 being chi2_2's 90 % point."""
    exact = 0.5 * 2 * norm.sf(np.sqrt(-2 * np.log(0.1))) + 0.5 * 0.1
    assert halved_size(2) == pytest.approx(exact, abs=1e-10)
    assert round(100 * halved_size(2), 1) == 6.6
    assert halved_size(1) == pytest.approx(0.05, abs=1e-10)  # where halving is the mixture


def test_bootstrap_p_counts_those_that_reach_the_statistic():
    simulated = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    assert bootstrap_p(2.0, simulated)[0] == 3 / 5
    assert bootstrap_p(9.0, simulated)[0] == 1 / 5
    p, error = bootstrap_p(0.0, simulated)
    assert (p, error) == (1.0, 0.0)
    assert bootstrap_p(2.5, simulated)[1] == pytest.approx(np.sqrt(0.4 * 0.6 / 4))
