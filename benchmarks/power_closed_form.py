"""How far closed forms of power are from simulation: `python power_closed_form.py --n 500`.

Writes power_closed_form.csv: a row for each design with the simulated value, its Monte Carlo
standard error and the closed form of SE, both powers and the width of a new item's interval. About
.2 s of one core a trial of 500 x 20.
"""

import argparse
from pathlib import Path

import pandas as pd

import ilhte_bayes as il

HERE = Path(__file__).resolve().parent
NAMES = ("se", "power", "power_items", "width")


def plans() -> list[il.Trial]:
    """Binary answers over sizes and spreads; then what the formulas were not made for."""
    binary = [
        il.Trial(persons=n, items=k, sigma_zeta=s, effect=0.3)
        for s in (0.0, 0.2, 0.4)
        for n in (150, 600)
        for k in (8, 24)
    ]
    base = il.Trial(persons=300, items=12, sigma_zeta=0.3)
    return [
        *binary,
        base.changed(rho=-0.8),
        base.changed(sigma_b=2.0, intercept=1.5),
        base.changed(family="cumulative"),
        base.changed(family="adjacent"),
        base.changed(booklets=3, missing=0.1),
        base.changed(clusters=20, by_cluster=True, sigma_cluster=0.4),
        base.changed(slope=0.7, interaction=0.2),
    ]


def main() -> None:
    """Simulate, set side by side, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=500, help="trials of each design")
    parser.add_argument("--engine", default="quadrature")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE / "power_closed_form.csv")
    options = parser.parse_args()
    found = il.power(plans(), n=options.n, engine=options.engine, seed=options.seed)
    columns = [c for name in NAMES for c in (name, f"{name}_mc", f"{name}_closed")]
    table = found.frame[["n", "failed", *columns]].round(4)
    table.insert(0, "plan", [repr(plan) for plan in found.plans])
    table.insert(1, "engine", options.engine)
    table.to_csv(options.out, index=False)
    error = pd.DataFrame(
        {name: found.frame[f"{name}_closed"] - found.frame[name] for name in NAMES}
    )
    error.index = pd.Index(table["plan"])
    print(found)
    print("\nClosed form less simulation\n", error.round(3).to_string())
    print(f"{found.seconds:.0f} s for {len(found)} designs of {options.n} trials")


if __name__ == "__main__":
    main()
