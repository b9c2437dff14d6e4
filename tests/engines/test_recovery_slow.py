"""Do 90 % intervals cover the truth in 400 simulated trials? (about three minutes)

Run with: uv run pytest -m slow tests/engines/test_recovery_slow.py -s
The last result is recorded in tests/slow_results.md.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import special

import ilhte_bayes as il

pytestmark = pytest.mark.slow

N_TRIALS, N_PERSON, N_ITEM = 400, 500, 20
TRUTH = {"treat": 0.3, "sd": 0.4, "rho": -0.3}
Z90 = 1.6448536269514722


def trial(seed: int) -> pd.DataFrame:
    """Persons and items drawn anew: sigma_theta 1, sigma_b 1, sigma_zeta .4, rho -.3."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=N_ITEM)
    zeta = TRUTH["sd"] * (
        TRUTH["rho"] * b + np.sqrt(1 - TRUTH["rho"] ** 2) * rng.normal(size=N_ITEM)
    )
    person, item = np.repeat(np.arange(N_PERSON), N_ITEM), np.tile(np.arange(N_ITEM), N_PERSON)
    treat = person % 2
    eta = 0.2 + rng.normal(size=N_PERSON)[person] + b[item] + (TRUTH["treat"] + zeta[item]) * treat
    resp = rng.binomial(1, special.expit(eta))
    return pd.DataFrame({"id": person, "item": item, "treat": treat, "resp": resp})


def covered(fit: il.Fit) -> dict[str, float]:
    """Whether each 90 % interval holds the truth; missing at an edge, where there is none."""
    out: dict[str, float] = {}
    row = fit.coefficients.loc["treat"]
    out["treat"] = abs(row["estimate"] - TRUTH["treat"]) < Z90 * row["se"]
    spread = fit.variance_components
    sd, corr = spread.loc[("item", "sd[treat]")], spread.loc[("item", "corr[Intercept,treat]")]
    out["sd"] = out["rho"] = np.nan
    if np.isfinite(sd["se"]):
        z = np.log(sd["estimate"] / TRUTH["sd"]) / (sd["se"] / sd["estimate"])
        out["sd"] = abs(z) < Z90
    if np.isfinite(corr["se"]):
        se = corr["se"] / (1 - corr["estimate"] ** 2)
        z = (np.arctanh(corr["estimate"]) - np.arctanh(TRUTH["rho"])) / se
        out["rho"] = abs(z) < Z90
    return out


def test_intervals_cover_the_truth(capsys):
    rows = {"map": [], "ml": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        for seed in range(N_TRIALS):
            model = il.il_hte(trial(seed))
            for objective, found in rows.items():
                found.append(covered(il.laplace(model, objective=objective)))
    table = pd.DataFrame(
        {
            (kind, quantity): {
                "covered": frame[quantity].mean(),
                "without interval": frame[quantity].isna().sum(),
            }
            for kind, found in rows.items()
            for frame in [pd.DataFrame(found).astype(float)]
            for quantity in TRUTH
        }
    ).T
    with capsys.disabled():
        print(f"\n90 % intervals in {N_TRIALS} trials of {N_PERSON} x {N_ITEM} (ml: as glmer's)")
        print(table.round(3))
    # 400 trials: a true coverage of .90 shows between .86 and .94 in 99 of 100 runs
    assert 0.86 <= table.loc[("map", "treat"), "covered"] <= 0.94
