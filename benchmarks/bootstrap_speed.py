"""How long does the parametric bootstrap of a boundary test take?

A trial of 500 persons x 20 items, `y ~ treat + pre + (treat | item) + (1 | id)` against
`(1 | item)`: each simulated trial is fitted by both models. Written beside the time: the p-value and
how many fits failed, so that speed is not bought with lost trials.

    NUMBA_NUM_THREADS=1 uv run python benchmarks/bootstrap_speed.py [--trials 1000] [--engine laplace quadrature]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import time
from pathlib import Path

import numpy as np
import pandas as pd
from laplace_vs_glmer import machine, our_versions

import ilhte_bayes as il

OUTPUT = Path(__file__).with_suffix(".csv")
NULL = "y ~ treat + pre + (1 | item) + (1 | id)"
FULL = "y ~ treat + pre + (treat | item) + (1 | id)"


def trial(persons: int, items: int, spread: float, seed: int = 20260101) -> pd.DataFrame:
    """Answers with effects that differ between items by an SD of `spread` logits."""
    rng = np.random.default_rng(seed)
    arm, pre = np.arange(persons) % 2, rng.normal(size=persons)
    effect = rng.normal(0.3, spread, items)
    ability = 0.6 * pre + rng.normal(0.0, 0.8, persons)
    logit = ability[:, None] + rng.normal(size=items) + np.outer(arm, effect)
    right = (rng.random(logit.shape) < 1.0 / (1.0 + np.exp(-logit))).astype(int)
    person, item = (at.ravel() for at in np.indices(right.shape))
    columns = {"y": right.ravel(), "id": person, "item": item}
    return pd.DataFrame(columns | {"treat": arm[person], "pre": pre[person]})


def measure(engine: str, trials: int, persons: int, items: int) -> dict[str, object]:
    """One row of the table."""
    table = trial(persons, items, spread=0.12)
    fit = {"laplace": il.laplace, "quadrature": il.quadrature}[engine]
    null, full = (fit(il.Model(formula, table)) for formula in (NULL, FULL))
    il.boundary_test(null, full, bootstrap=2, progress=False)  # everything is compiled
    wall, cpu = time.perf_counter(), time.process_time()
    found = il.boundary_test(null, full, bootstrap=trials, seed=1)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(found)
    simulated = found.simulated
    assert simulated is not None
    return {
        "engine": engine,
        "persons": persons,
        "items": items,
        "trials": trials,
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "failed": int(np.isnan(simulated).sum()),
        "lr": round(found.statistic, 4),
        "p_bootstrap": round(found.p("bootstrap"), 4),
        "p_mixture": round(found.p("mixture"), 4),
        "versions": our_versions(),
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--persons", type=int, default=500)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--engine", nargs="+", default=["laplace"])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    rows = [measure(e, given.trials, given.persons, given.items) for e in given.engine]
    with given.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
