"""How often do predictive checks flag planted misfit, and trials that have none?

    uv run python benchmarks/predictive_checks.py --simulations 200 --first 1000

Each trial has 500 persons x 20 items, abilities N(0, 1), easinesses N(0, 1), effects N(.3, .3) on
ability, and one fault. It is fitted by MAP (Laplace), without the fault, and checked. `flagged` is
the share of trials whose answers the dashboard calls unexpected; `anything` counts what it says of
items, pairs and persons too. Weights and level of the checks were chosen on trials 0 to 199.

`pair` counts a random effect of SD .7 that two items share. `ceiling_pair` is the share of trials
that the most powerful test of all would flag at 5 %: the likelihood ratio with the pair named in
advance and every other parameter known. Rows of predictive_checks.csv with the same fault are
replaced.
"""

import argparse
import datetime
import platform
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.errors import IlhteWarning

PERSONS, ITEMS = 500, 20


def trial(kind: str, rng: np.random.Generator) -> pd.DataFrame:
    """Answers of one trial with one fault."""
    arm = np.arange(PERSONS) % 2
    ability, easiness = rng.normal(size=PERSONS), rng.normal(size=ITEMS)
    effect = rng.normal(0.3, 0.3, ITEMS)
    slope = np.exp(rng.normal(0.0, 0.4, ITEMS)) if kind == "slopes" else np.ones(ITEMS)
    logit = slope * (ability[:, None] + effect * arm[:, None]) + easiness
    if kind.startswith("pair"):
        logit[:, :2] += float(kind.removeprefix("pair ")) * rng.normal(size=(PERSONS, 1))
    chance = expit(logit)
    if kind == "guessing":
        chance[:, ::2] = 0.2 + 0.8 * chance[:, ::2]
    if kind == "guessing in one arm":
        chance[arm == 1] = 0.2 + 0.8 * chance[arm == 1]
    resp = (rng.random(chance.shape) < chance).astype(int)
    person, item = np.indices(resp.shape)
    return pd.DataFrame(
        {
            "resp": resp.ravel(),
            "id": person.ravel(),
            "item": [f"q{k:02d}" for k in item.ravel()],
            "treat": arm[person.ravel()],
        }
    )


KINDS = (
    "none",
    "guessing",
    "slopes",
    "guessing in one arm",
    "pair 0.7",
    "pair 1.0",
    "pair 1.4",
)


def one(kind: str, seed: int, fit: Callable[[il.Model], il.Fit]) -> dict[str, float]:
    """Predictive p-values of one simulated trial, and whether the dashboard flags it."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    found = il.check(fit(il.il_hte(trial(kind, rng))), seed=seed)
    new, same = found.predictive["new"], found.predictive["same"]
    return {
        "flagged": float(found.misfit),
        "anything": float((found.frame["verdict"].isin(["look", "bad"])[1:-2]).any()),
        **{f"p {name}": p for name, p in new.frame["p"].items()},
        "p new": new.overall,
        "p same": same.overall,
    }


def ceiling(sd: float, simulations: int, seed: int = 1) -> float:
    """Power at 5 % of the likelihood ratio that knows the pair and all other parameters."""
    rng = np.random.default_rng(seed)
    x, wx = np.polynomial.hermite_e.hermegauss(31)
    u, wu = np.polynomial.hermite_e.hermegauss(15)
    null, planted = [], []
    for _ in range(simulations):
        easiness = rng.normal(size=ITEMS)
        for spread, out in ((0.0, null), (sd, planted)):
            logit = rng.normal(size=(PERSONS, 1)) + easiness
            logit[:, :2] += spread * rng.normal(size=(PERSONS, 1))
            y = (rng.random(logit.shape) < expit(logit)).astype(float)
            rest = np.array([_log_chance(y[:, 2:], q + easiness[2:]) for q in x]).T
            rest = np.exp(rest) * wx
            with_pair, without = (
                sum(
                    w * np.exp(_log_chance(y[:, None, :2], x[:, None] + easiness[:2] + t * node))
                    for node, w in zip(u, wu / wu.sum(), strict=True)
                )
                for t in (sd, 0.0)
            )
            ratio = (rest * with_pair).sum(axis=1) / (rest * without).sum(axis=1)
            out.append(np.log(ratio).sum())
    return float((np.array(planted) > np.quantile(null, 0.95)).mean())


def _log_chance(y: np.ndarray, logit: np.ndarray) -> np.ndarray:
    return (y * logit - np.logaddexp(0.0, logit)).sum(axis=-1)


def main() -> None:
    """Run, print and write the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--simulations", type=int, default=200)
    options.add_argument("--first", type=int, default=1000, help="seed of the first trial")
    options.add_argument("--kinds", nargs="*", default=KINDS)
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    asked = options.parse_args()
    warnings.simplefilter("ignore", IlhteWarning)
    rows = []
    for kind in asked.kinds:
        began = time.perf_counter()
        found = pd.DataFrame(
            [
                one(kind, k, lambda m: il.laplace(m, objective="map"))
                for k in range(asked.first, asked.first + asked.simulations)
            ]
        )
        flagged = float(found["flagged"].mean())
        row = {
            "fault": kind,
            "simulations": asked.simulations,
            "first": asked.first,
            "flagged": flagged,
        }
        row["mc_se"] = float(np.sqrt(flagged * (1 - flagged) / asked.simulations))
        row["anything"] = float(found["anything"].mean())
        row |= {
            f"{name} <= .05": float((found[name] <= 0.05).mean())
            for name in found
            if name[0] == "p"
        }
        if kind.startswith("pair"):
            row["ceiling_pair"] = ceiling(float(kind.split()[1]), asked.simulations)
        row["seconds"] = time.perf_counter() - began
        rows.append(row)
        print({name: value for name, value in row.items() if value == value}, flush=True)
    table = pd.DataFrame(rows).assign(
        ilhte_bayes=version("ilhte-bayes"),
        numpy=version("numpy"),
        python=platform.python_version(),
        date=str(datetime.date.today()),
    )
    if asked.out.exists():
        old = pd.read_csv(asked.out)
        table = pd.concat([old[~old["fault"].isin(table["fault"])], table])
    table.round(4).to_csv(asked.out, index=False)
    print(table.iloc[:, :5].to_string(index=False))


if __name__ == "__main__":
    main()
