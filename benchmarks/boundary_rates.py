"""How often do tests of item-level variation reject where there is none?

Trials without effects that differ between items, fitted with `(1 | item)` and `(treat | item)`:
rejections at 5 % by chi-squared, by the mixture, by half of chi-squared's p-value (the IRW
vignette's), and by the parametric bootstrap. The bootstrap's rate is by the warp-speed method: one
bootstrap trial for each simulated one, and each likelihood ratio is compared with those of all
bootstrap trials together.

    export NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1
    uv run python benchmarks/boundary_rates.py [--items 8 20 40 200] [--trials 1000] [--workers 2]

References
----------
Giacomini, Politis & White (2013), Econom. Theory 29(3), 567-589, on the warp-speed method.
"""

from __future__ import annotations

import argparse
import csv
import datetime
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from laplace_vs_glmer import machine, our_versions

import ilhte_bayes as il
from ilhte_bayes.estimands.bootstrap import bootstrap_ratios
from ilhte_bayes.estimands.boundary import bootstrap_p, likelihood_ratio_p
from ilhte_bayes.estimands.nesting import null_of
from ilhte_bayes.models.simulated import simulate_answers

OUTPUT = Path(__file__).with_suffix(".csv")
NULL = "resp ~ treat + (1 | id) + (1 | item)"
SLOPES = {"correlated": "treat | item", "independent": "treat || item"}
TRUTH = {"beta": np.array([0.0, 0.4]), "sd_id": np.array([1.0]), "sd_item": np.array([1.0, 0.0])}
LEVEL = 0.05
LARGE, FEWER = 100, 5  # from so many items on, so many times fewer trials


@cache
def models(persons: int, items: int, slope: str) -> tuple[il.Model, il.Model]:
    """Both models on a table whose answers do not matter."""
    person, item = (at.ravel() for at in np.indices((persons, items)))
    columns = {"resp": (person + item + person // 2) % 2, "id": person, "item": item}
    table = pd.DataFrame(columns | {"treat": person % 2})
    full = f"resp ~ treat + (1 | id) + ({SLOPES[slope]})"
    return il.Model(NULL, table), il.Model(full, table)


def one(k: int, *, persons: int, items: int, slope: str) -> tuple[float, float]:
    """Likelihood ratio of a trial without item-level variation, and of one bootstrap trial of it."""
    null, full = models(persons, items, slope)
    truth = dict(TRUTH)
    if slope == "correlated":
        truth["corr_item"] = np.eye(2)
    larger = simulate_answers(full, truth, np.random.default_rng((items, k))).model
    high = il.laplace(larger)
    low = il.laplace(null_of(larger, null))
    if not (high.mode.attrs["converged"] and low.mode.attrs["converged"]):
        return float("nan"), float("nan")
    ratio = max(2.0 * (high.loglik - low.loglik), 0.0)
    return ratio, float(bootstrap_ratios(low, high, 1, seed=k, progress=False)[0])


def rates(found: np.ndarray, items: int, persons: int, slope: str) -> list[dict[str, object]]:
    """Rows of the table: share of rejections by each method."""
    known = found[np.isfinite(found).all(axis=1)]
    df = 2 if slope == "correlated" else 1
    ratio = known[:, 0]
    naive = np.array([likelihood_ratio_p(each, df, 0) for each in ratio])
    p = {
        "chi-squared": naive,
        "mixture": np.array([likelihood_ratio_p(each, df, 1) for each in ratio]),
        "halved": naive / 2.0,
        "bootstrap (warp-speed)": np.array([bootstrap_p(each, known[:, 1])[0] for each in ratio]),
    }
    out = []
    for method, values in p.items():
        rate = float((values <= LEVEL).mean())
        out.append(
            {
                "items": items,
                "persons": persons,
                "slope": slope,
                "method": method,
                "rate": round(rate, 4),
                "se": round(float(np.sqrt(rate * (1.0 - rate) / len(known))), 4),
                "trials": len(known),
                "failed": len(found) - len(known),
                "share_at_0": round(float((ratio < 1e-4).mean()), 4),
                "versions": our_versions(),
                "machine": machine(),
                "date": datetime.date.today().isoformat(),
            }
        )
    return out


def main() -> None:
    """Simulate, test, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[8, 20, 40, 200])
    parser.add_argument("--persons", type=int, default=300)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slope", choices=list(SLOPES), default="correlated")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    for items in given.items:
        n = given.trials if items < LARGE else max(given.trials // FEWER, 1)
        run = partial(one, persons=given.persons, items=items, slope=given.slope)
        with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
            found = np.array(list(pool.map(run, range(n), chunksize=5)))
        rows += rates(found, items, given.persons, given.slope)
        print(pd.DataFrame(rows).drop(columns=["versions", "machine", "date"]).to_string())
        with given.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
