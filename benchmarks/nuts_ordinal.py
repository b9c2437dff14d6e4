"""How many independent draws a second does NUTS give of ordinal models, ours against PyMC + nutpie?

Two cases: item-level effects on VerbAgg (persons integrated out, against the joint model that PyMC
compiles for nutpie, `integrate="none"`), and SD173's Model 6 on 73,671 simulated students (about
10,000 unknowns; ours alone). Four chains on two cores; ESS is the smallest bulk ESS over
coefficients, thresholds, SDs and correlations. Compile time is told apart.

    uv run python benchmarks/nuts_ordinal.py [--case verbagg ...] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import arviz as az
import pandas as pd
from laplace_vs_glmer import ROOT, machine, our_versions

import ilhte_bayes as il

OUTPUT = Path(__file__).with_suffix(".csv")
MODEL_6 = (
    "score_p ~ lep + ec + tchexp + treatment + schl_frl + (lep + ec || schoolid) "
    "+ (lep + ec || schoolid:teacherid)"
)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "verbagg": ("auto", {}),
    "verbagg joint": ("none", {}),
    "model 6": ("auto", {"draws": 2000}),
}


def model_of(case: str, data: Path) -> il.Model:
    """The case's model."""
    if case.startswith("verbagg"):
        table = il.load_dataset("verbagg")
        return il.il_hte(table, family="cumulative", levels=["no", "perhaps", "yes"])
    return il.Model(MODEL_6, pd.read_csv(data / "glimmix_sim_73671.csv.gz"), "cumulative")


def measure(case: str, seed: int, data: Path) -> dict[str, Any]:
    """Sample once."""
    integrate, options = CASES[case]
    fit = il.sample(model_of(case, data), integrate=integrate, seed=seed, progress=False, **options)
    posterior = fit.tree["posterior"].to_dataset()
    names = [n for n in posterior if str(n).startswith(("beta", "sd_", "corr_"))]
    ess = min(float(az.ess(posterior[[n]])[n].min()) for n in names)
    attrs = fit.tree["posterior"].attrs
    return {
        "case": case,
        "seed": seed,
        "draws": int(posterior.sizes["draw"]),
        "seconds": round(fit.seconds, 1),
        "compile_seconds": round(fit.compile_seconds, 1),
        "min_ess": round(ess),
        "ess_per_second": round(ess / fit.seconds, 1),
        "max_rhat": round(float(attrs["max_rhat"]), 4),
        "divergences": int(attrs["divergences"]),
        "target_accept": attrs["target_accept"],
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": our_versions(),
    }


def main() -> None:
    """Run the chosen cases; a case that is run again takes the place of its old row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    warnings.simplefilter("ignore", il.errors.IlhteWarning)
    rows = list(csv.DictReader(OUTPUT.open())) if OUTPUT.exists() else []
    for case in options.case or list(CASES):
        began = time.perf_counter()
        row = {
            name: str(value) for name, value in measure(case, options.seed, options.data).items()
        }
        print(f"{case}: {time.perf_counter() - began:.0f} s in all, {row}", file=sys.stderr)
        rows = [r for r in rows if (r["case"], r["seed"]) != (case, row["seed"])] + [row]
        with OUTPUT.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
