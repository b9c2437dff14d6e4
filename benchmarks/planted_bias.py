"""Planted bias: what M_B makes of item effects that follow easiness, and whether the check tells.

    python benchmarks/planted_bias.py --trials 200 --checked 500 --workers 2

Trials of 1,000 persons x 20 items have no interaction of treatment and covariate at all:
logit P(y = 1) = 0.2 + 0.3 T + slope pre + theta + b + zeta T, with pre and b normal(0, 1), theta of
SD `--theta` and slope `--pre`, zeta of SD 0.4 and correlation rho with b; new items, persons and
answers in each trial. Beta_3 of M_B and M_C is averaged over `--trials` trials, and so is their
difference, delta, which is far less noisy: both have the same answers. The check of
`il.identification` is run at sigma_zeta = 0 and at rho = -0.2 (ratio 1), where M_B is right, and at
rho = 0.8, where it is not and items alone explain it, on `--checked` trials each with
`--replicates` simulated tables: with 39 the level of p <= .05 is 5 %.

Writes planted_bias.csv beside this file (or `--out`), one row for each setting.
"""

import argparse
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import ilhte_bayes as il
from ilhte_bayes.models.simulated import simulate_answers
from ilhte_bayes.sensitivity.easiness import sd_ratio
from ilhte_bayes.sensitivity.pure_item_effects import (
    constant_effects,
    simulate_pure_item_effects,
    warm_refits,
)
from ilhte_bayes.sensitivity.three_models import three_models

SETTINGS = [(0.4, rho) for rho in (-0.8, -0.5, -0.2, 0.0, 0.8)] + [(0.0, 0.0)]
CHECKED = [(0.0, 0.0), (0.4, -0.2), (0.4, 0.8)]


def empty_trial(persons: int, items: int, rng: np.random.Generator) -> il.Model:
    """M_C on persons with arms and covariates; answers stand in for those to be simulated."""
    pre = rng.normal(size=persons)
    table = pd.DataFrame(
        {
            "id": np.repeat(np.arange(persons), items),
            "item": np.tile(np.arange(items), persons),
            "treat": np.repeat(np.arange(persons) % 2, items),
            "pre": np.repeat(pre, items),
            "resp": rng.integers(0, 2, persons * items),
        }
    )
    return il.il_hte(table, moderators=["pre"], assignment="randomised")


def planted(sigma_zeta: float, rho: float, options, rng: np.random.Generator) -> dict:
    """Parameters of M_C with new items and no interaction."""
    b, noise = rng.normal(size=(2, options.items))
    zeta = sigma_zeta * (rho * b + np.sqrt(1.0 - rho**2) * noise)
    return {
        "beta": np.array([0.2, 0.3, options.pre, 0.0]),  # Intercept, treat, pre, treat:pre
        "sd_id": np.array([options.theta]),
        "sd_item": np.array([1.0, sigma_zeta]),
        "corr_item": np.array([[1.0, rho], [rho, 1.0]]),
        "re_item": np.column_stack([b, zeta]),
    }


def one_setting(job: tuple) -> dict:
    """Average bias of M_B and M_C, and how often the check rejects."""
    sigma_zeta, rho, options = job
    rng = np.random.default_rng([options.seed, int(1000 * sigma_zeta), int(1000 * (rho + 1))])
    began, n = time.perf_counter(), options
    whole = empty_trial(n.persons, n.items, rng)
    assert whole.design.terms == ("Intercept", "treat", "pre", "treat:pre")
    checked = n.checked if (sigma_zeta, rho) in CHECKED else 0
    beta_b, beta_c, rejected = [], [], []
    refit_b = refit_c = None
    for k in range(max(n.trials, checked)):
        model = simulate_answers(
            empty_trial(n.persons, n.items, rng) if k < n.trials else whole,
            planted(sigma_zeta, rho, n, rng),
            rng,
        ).model
        built = three_models(model, "pre")
        if refit_b is None:  # later trials are searched from the first one's estimates
            refit_b = warm_refits(il.laplace(built.models["M_B"]))
            refit_c = warm_refits(il.laplace(built.models["M_C"]))
        if k < n.trials:
            beta_b.append(refit_b(constant_effects(model, built))[3])
            beta_c.append(refit_c(built.models["M_C"])[3])
        if k < checked:
            null = il.laplace(built.models["M_A+"])
            seed = int(rng.integers(2**31))
            found = simulate_pure_item_effects(built, null, n=n.replicates, seed=seed)
            rejected.append(found.p <= 0.05)
    return {
        "sigma_zeta": sigma_zeta,
        "rho": rho,
        "sd_ratio": float(sd_ratio(rho, sigma_zeta)),
        "trials": len(beta_b),
        "beta3_b": np.mean(beta_b),
        "beta3_b_mcse": np.std(beta_b, ddof=1) / np.sqrt(len(beta_b)),
        "beta3_c": np.mean(beta_c),
        "beta3_c_mcse": np.std(beta_c, ddof=1) / np.sqrt(len(beta_c)),
        "delta": np.mean(np.subtract(beta_b, beta_c)),
        "delta_mcse": np.std(np.subtract(beta_b, beta_c), ddof=1) / np.sqrt(len(beta_b)),
        "checked": checked,
        "replicates": n.replicates if checked else 0,
        "rejected": np.mean(rejected) if checked else np.nan,
        "rejected_mcse": np.sqrt(np.mean(rejected) * (1 - np.mean(rejected)) / checked)
        if checked
        else np.nan,
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    """Run all settings, in parallel if asked, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--checked", type=int, default=500)
    parser.add_argument("--replicates", type=int, default=39)
    parser.add_argument("--persons", type=int, default=1000)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--pre", type=float, default=1.0, help="slope of ability on pre")
    parser.add_argument("--theta", type=float, default=0.5, help="SD of ability given pre")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    settings = [(sigma, rho, options) for sigma, rho in SETTINGS]
    settings.sort(key=lambda job: job[:2] not in CHECKED)  # the long ones first
    with ProcessPoolExecutor(options.workers) as pool:
        frame = pd.DataFrame(pool.map(one_setting, settings))
    frame = frame.sort_values(["sigma_zeta", "rho"], ascending=[False, True])
    for name in ("persons", "items", "pre", "theta", "seed"):
        frame[name] = getattr(options, name)
    for name in ("ilhte_bayes", "numpy", "scipy"):
        frame[name] = il.__version__ if name == "ilhte_bayes" else version(name)
    frame["python"] = platform.python_version()
    frame.round(5).to_csv(options.out, index=False)
    print(frame.round(4).T.to_string())


if __name__ == "__main__":
    main()
