"""Time of a planner's grid: 20 designs x 200 trials of 500 x 20, by quadrature.

`python power_grid.py` (ten minutes are allowed on two cores); `--n 5` tries it. Writes
power_grid.csv beside this file (or `--out`): a row for each design, with the time of all in each.
"""

import argparse
from pathlib import Path

from laplace_vs_glmer import machine, our_versions

import ilhte_bayes as il


def main() -> None:
    """20 designs that differ in their spread and effect, all 500 persons x 20 items."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    plans = [
        il.Trial(persons=500, items=20, effect=effect, sigma_zeta=sigma)
        for effect in (0.0, 0.1, 0.2, 0.3)
        for sigma in (0.0, 0.1, 0.2, 0.3, 0.4)
    ]
    found = il.power(plans, n=options.n, workers=options.workers)
    print(found)
    each = options.workers * found.seconds / (len(plans) * options.n)
    print(f"{found.seconds:.0f} s, {each:.3f} s of one core a trial")
    made = {
        "trials": options.n,
        "workers": options.workers,
        "seconds_in_all": round(found.seconds, 1),
    }
    made |= {"machine": machine(), "versions": our_versions()}
    found.to_frame().assign(**made).round(4).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
