"""The 70 published parameter sets of IRW's il_hte vignette, simulated with their sizes and analysed.

    python benchmarks/seventy_trials.py                       # all 70, quadrature and NUTS
    python benchmarks/seventy_trials.py --trials 3 --engines quadrature
    python benchmarks/seventy_trials.py --glmer 5             # glmer's time beside five of them

Reads ../shared/reference/irw_il_hte_summary_70.csv (sizes, sigma_theta, average effect, sigma_zeta,
rho) and irw_il_hte_items.csv.gz (easiness and effect of every item); nothing of them is copied.
Persons are new, normal(0, sigma_theta) and randomised one by one; items have their published
easiness and effects, which are conditional modes and so vary somewhat less than sigma_zeta says.
`--items drawn` draws items anew from sigma_b, sigma_zeta and rho: the truth that coverage of
parameters is about, and the default; `published` takes them as they are.

M_0 and M_A by quadrature-ML, M_A by NUTS, through `il.study`, which keeps finished trials in
`--folder`: a run that was stopped goes on. Trials are analysed smallest first. Reported: seconds by
trial, the largest apart; coverage of 95 % intervals by target over trials with sigma_zeta > .01 and
|rho| < .95; for the others the bias of sigma_zeta and the coverage of its one-sided bound; and the
90 % interval of rho for all, 'not informed' where it is at least nine tenths of the prior's width.

Writes seventy_trials.csv beside this file (or `--out`): a row for each trial and engine.
"""

import argparse
import json
import platform
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import ilhte_bayes as il

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parents[1] / "shared" / "reference"
MODELS = {"quadrature": ["M_0", "M_A"], "laplace": ["M_0", "M_A"], "nuts": ["M_A"]}
COLUMNS = [
    "status", "reason", "engine", "n_persons", "n_items", "ate_logit", "ate_logit_se",
    "ate_logit_lower", "ate_logit_upper", "sigma_zeta_logit", "sigma_zeta_logit_lower",
    "sigma_zeta_logit_upper", "sigma_zeta_bound", "rho", "rho_lower", "rho_upper", "rho_lower_90",
    "rho_upper_90", "rho_informed", "p_mixture", "bf_zero", "sd_ratio", "problems", "fit_seconds",
    "seconds",
]  # fmt: skip
GLMER = """
suppressMessages(library(lme4)); d <- read.csv(commandArgs(TRUE)[1])
control <- glmerControl(optimizer = "bobyqa", calc.derivs = TRUE)
for (f in c("resp ~ treat + (1 | id) + (1 | item)", "resp ~ treat + (1 | id) + (treat | item)")) {
  s <- system.time(suppressWarnings(suppressMessages(
    glmer(as.formula(f), d, binomial, control = control))))
  cat(s[["elapsed"]], "\n")
}
"""


def read_published(which: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.read_csv(REFERENCE / "irw_il_hte_summary_70.csv").set_index("tab")
    items = pd.read_csv(REFERENCE / "irw_il_hte_items.csv.gz").set_index("tab")
    size = (table["n_items"] * table["n_persons"]).sort_values()
    table = table.loc[size.index]
    if which and which.isdigit():
        table = table.head(int(which))  # the smallest ones
    elif which:
        table = table.loc[[name.strip() for name in which.split(",")]]
    return table, items


def simulate(row: pd.Series, own: pd.DataFrame, rng: np.random.Generator, drawn: bool):
    """A trial of this size: persons x items, one row an answer."""
    persons, items = int(row["n_persons"]), int(row["n_items"])
    theta = row["sigma_theta"]
    easiness, effect = own["b_std"].to_numpy() * theta, own["total_std"].to_numpy() * theta
    if drawn:
        b, noise = rng.normal(size=(2, items))
        zeta = row["rho"] * b + np.sqrt(max(0.0, 1.0 - row["rho"] ** 2)) * noise
        easiness = easiness.mean() + row["sigma_b_ctrl"] * b
        effect = row["ate_logit"] + row["sigma_zeta_logit"] * zeta
    arm = rng.permutation(np.arange(persons) % 2)
    logit = theta * rng.normal(size=persons)[:, None] + easiness + effect * arm[:, None]
    score = rng.random(logit.shape) < 1.0 / (1.0 + np.exp(-logit))
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    return pd.DataFrame(
        {"id": person, "item": item, "treat": arm[person], "resp": score.ravel().astype(int)}
    )


def trials_of(table: pd.DataFrame, items: pd.DataFrame, seed: int, drawn: bool):
    for name, row in table.iterrows():
        rng = np.random.default_rng([seed, *str(name).encode()])
        yield str(name), simulate(row, items.loc[[name]], rng, drawn)


def with_truth(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    names = ["ate_logit", "sigma_zeta_logit", "rho", "sigma_theta"]
    truth = table.loc[frame.index, names].add_prefix("true_")
    kept = frame[[name for name in COLUMNS if name in frame]]
    return pd.concat([kept, truth], axis=1).rename_axis("trial")


def coverage(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of 95 % intervals that hold the truth, with its Monte Carlo error."""
    rows = {}
    done = frame[frame["status"] == "done"]
    inside = (done["true_sigma_zeta_logit"] > 0.01) & (done["true_rho"].abs() < 0.95)
    for engine, of_engine in done[inside].groupby("engine"):
        for target in ("ate_logit", "sigma_zeta_logit", "rho"):
            known = of_engine.dropna(subset=[f"{target}_lower", f"{target}_upper"])
            truth = known[f"true_{target}"]
            held = (known[f"{target}_lower"] <= truth) & (truth <= known[f"{target}_upper"])
            rows[engine, target] = _share(held, len(of_engine))
        held = of_engine["true_sigma_zeta_logit"] <= of_engine["sigma_zeta_bound"]
        rows[engine, "sigma_zeta bound"] = _share(held, len(of_engine))
    for engine, others in done[~inside].groupby("engine"):
        error = others["sigma_zeta_logit"] - others["true_sigma_zeta_logit"]
        held = others["true_sigma_zeta_logit"] <= others["sigma_zeta_bound"]
        rows[engine, "others: sigma_zeta bound"] = _share(held, len(others))
        rows[engine, "others: bias of sigma_zeta"] = {
            "value": error.mean(), "mc_error": error.std() / np.sqrt(len(error)),
            "n": len(error), "of": len(others),
        }  # fmt: skip
    out = pd.DataFrame.from_dict(rows, orient="index")
    out.index.names = ["engine", "target"]
    return out.sort_index(sort_remaining=False)


def _share(held: pd.Series, of: int) -> dict[str, float]:
    n, share = len(held), float(held.mean()) if len(held) else np.nan
    error = float(np.sqrt(max(share * (1.0 - share), 0.0475) / n)) if n else np.nan
    return {"value": share, "mc_error": error, "n": n, "of": of}


def glmer_seconds(table: pd.DataFrame, items: pd.DataFrame, n: int, seed: int, drawn: bool):
    """glmer's time for M_0 and M_A on trials of middle size, in sum."""
    middle = table.iloc[np.linspace(0, 2 * len(table) // 3, n).astype(int)]
    out = {}
    for name, trial in trials_of(middle, items, seed, drawn):
        with tempfile.TemporaryDirectory() as place:
            data, program = Path(place) / "trial.csv", Path(place) / "glmer.R"
            trial.to_csv(data, index=False)
            program.write_text(GLMER)
            run = subprocess.run(
                ["Rscript", str(program), str(data)], capture_output=True, text=True, check=True
            )
        out[name] = sum(map(float, run.stdout.split()))
    return pd.Series(out, name="glmer_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", help="how many (the smallest), or names; all by default")
    parser.add_argument("--engines", default="quadrature,nuts")
    parser.add_argument(
        "--sampled", type=int, help="NUTS for so many, the smallest; all by default"
    )
    parser.add_argument("--items", choices=["drawn", "published"], default="drawn")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--glmer", type=int, default=0, help="trials fitted by glmer, too")
    parser.add_argument("--folder", type=Path, help="finished trials; a temporary one by default")
    parser.add_argument("--figures", type=Path, help="folder for both figures")
    parser.add_argument("--out", type=Path, default=HERE / "seventy_trials.csv")
    options = parser.parse_args()
    drawn = options.items == "drawn"
    table, items = read_published(options.trials)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="seventy-"))
    pieces = []
    for engine in options.engines.split(","):
        start = time.perf_counter()
        chosen = table.head(options.sampled) if engine == "nuts" and options.sampled else table
        study = il.study(
            trials_of(chosen, items, options.seed, drawn), models=MODELS[engine],
            engine=engine, folder=folder, draws=options.draws, seed=options.seed, workers=options.workers,
        )  # fmt: skip
        print(study, f"\n{engine}: {time.perf_counter() - start:.0f} s in all\n")
        pieces.append(with_truth(study.frame, table))
        if len(study.done) >= 3:
            print(il.second_stage(study), "\n")
        if options.figures:
            options.figures.mkdir(parents=True, exist_ok=True)
            drawing = il.plot.study_effects(study)
            drawing.figure.savefig(options.figures / f"effects-{engine}.png", dpi=110)
    result = pd.concat(pieces)
    minutes = float(result["seconds"].sum()) / 60.0 / options.workers  # also of a run that went on
    done = int((result["status"] == "done").sum())
    largest = float(result.loc[table.index[-1], "seconds"].sum()) / 60.0
    print(
        f"{len(table)} trials, {done} of {len(result)} rows done, {minutes:.1f} minutes in all, "
        f"{largest:.1f} of them for the largest"
    )
    print(coverage(result).round(3).to_string(), "\n")
    seconds = result.pivot_table(index="trial", columns="engine", values="seconds")
    seconds = seconds.loc[[name for name in table.index if name in seconds.index]]
    if options.glmer:
        seconds = seconds.join(glmer_seconds(table, items, options.glmer, options.seed, drawn))
    print("seconds: the largest\n", seconds.tail(1).round(1).to_string())
    print("seconds: all others\n", seconds.iloc[:-1].describe().round(2).to_string())
    if options.glmer:
        print(seconds.dropna().round(1).to_string())
    if "rho_informed" in result:
        print(rho_table(result).to_string())
    made = {"ilhte_bayes": il.__version__, "python": platform.python_version()}
    made |= {name: version(name) for name in ("numpy", "scipy", "numba", "nutpie", "pandas")}
    result["minutes_in_all"], result["items"] = round(minutes, 2), options.items
    result["seed"], result["versions"] = options.seed, json.dumps(made)
    result.to_csv(options.out)
    print(f"written to {options.out}")


def rho_table(result: pd.DataFrame) -> pd.DataFrame:
    """The 90 % interval of rho, and whether the answers made it."""
    drawn = result[(result["engine"] == "nuts") & (result["status"] == "done")]
    return pd.DataFrame(
        {
            "true": drawn["true_rho"].round(2),
            "mean": drawn["rho"].astype(float).round(2),
            "90 %": [
                f"{a:+.2f} to {b:+.2f}"
                for a, b in zip(drawn["rho_lower_90"], drawn["rho_upper_90"], strict=True)
            ],
            "": np.where(drawn["rho_informed"].astype(bool), "", "not informed"),
        },
        index=drawn.index,
    )


if __name__ == "__main__":
    main()
