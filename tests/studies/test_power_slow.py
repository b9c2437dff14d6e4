"""Power against brute force: separately simulated tables, read and fitted in full, one by one."""

import numpy as np
import pytest
from scipy import stats

import ilhte_bayes as il

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning"),
]
N = 300
PLANS = {
    "binary": (il.Trial(persons=200, items=10, effect=0.35, sigma_zeta=0.35), il.quadrature),
    "clusters": (
        il.Trial(persons=240, items=8, effect=0.5, sigma_zeta=0.35, clusters=12, by_cluster=True),
        il.laplace,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_power_is_that_of_full_fits_of_other_tables(name):
    plan, fit = PLANS[name]
    found = il.power(plan, n=N, engine=fit.__name__, seed=1)
    row = found.frame.loc[0]
    hits = np.array([_brute(plan, fit, seed) for seed in range(1_000_001, 1_000_001 + N)])
    share = np.nanmean(hits, axis=0)
    for k, quantity in enumerate(("power", "power_items", "coverage")):
        p = (row[quantity] + share[k]) / 2
        # two independent shares; false alarm 1 in 1,000 each
        assert abs(row[quantity] - share[k]) < 3.3 * np.sqrt(2 * p * (1 - p) / N) + 1 / N, quantity
    spread = np.nanstd(hits[:, 3], ddof=1)
    assert spread == pytest.approx(row["se"], rel=3.3 * np.sqrt(1 / N))
    assert np.isnan(hits[:, 0]).mean() < 0.03 and row["failed"] < 0.03 * N


def _brute(plan: il.Trial, fit, seed: int) -> tuple[float, float, float, float]:
    """Whether effect and spread are found, the interval covers, and the estimate."""
    made = il.simulate(plan, seed=seed)
    full, null = fit(made.model()), fit(made.model(effects="constant"))
    if not (full.mode.attrs["converged"] and null.mode.attrs["converged"]):
        return (np.nan,) * 4
    own = full.coefficients.loc["treat"]
    df = il.effect_card(full).items["df"].iloc[0]
    if plan.by_cluster:
        df = min(df, plan.clusters - 2)
    away = abs(own["estimate"] - plan.effect) / own["se"]
    p = 2 * stats.t.sf(abs(own["estimate"]) / own["se"], df)
    ratio = max(2 * (full.loglik - null.loglik), 0.0)
    mixture = 0.5 * (stats.chi2.sf(ratio, 1) + stats.chi2.sf(ratio, 2))
    return p < 0.05, mixture < 0.05, away < stats.t.ppf(0.975, df), own["estimate"]
