"""The 50:50 mixture: closed forms, the peers' p-values, and a simulated null."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, norm

from ilhte_bayes.estimands.boundary import likelihood_ratio_p

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
    for case in json.loads(RATIOS.read_text()):
        if "p_mixture_chibar_1_2" in case:
            ours = likelihood_ratio_p(case["chisq"], case["df"], 1)
            assert ours == pytest.approx(case["p_mixture_chibar_1_2"], rel=1e-9)
