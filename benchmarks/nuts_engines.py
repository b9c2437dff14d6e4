"""One run of one sampler in a process of its own; called by nuts_vs_peers.py.

    python nuts_engines.py METHOD TABLE.csv DRAWS.npz --seed 1 --draws 1000 --tune 500 --chains 4

METHOD: integrated and joint (ours), pymc (a joint model written plainly), bambi. The last two need
nothing of this package, so that they can run in an environment of their own. All have the priors
that brms takes by default: flat coefficients, Student-t(3, 0, 2.5) for the intercept and, halved,
for SDs, LKJ(1). Draws of seven parameters go to DRAWS.npz; seconds and versions to standard
output, as one JSON line.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

FORMULA = "y ~ treat + pre + (1 | id) + (treat | item)"
NO_RHO = "y ~ treat + pre + (1 | id) + (1 | item) + (0 + treat | item)"  # bambi's nearest
DF, SCALE = 3.0, 2.5


@dataclass(frozen=True, slots=True)
class Run:
    """What every sampler is asked for."""

    seed: int
    draws: int
    tune: int
    chains: int

    def options(self) -> dict[str, Any]:
        """Arguments of `nutpie.sample`."""
        return asdict(self) | {"progress_bar": False, "cores": 2}


@dataclass(frozen=True, slots=True)
class Ran:
    """Seconds of each stage, and the draws of each parameter as (chain, draw)."""

    pilot_seconds: float
    compile_seconds: float
    sample_seconds: float
    divergences: int
    versions: str
    draws: dict[str, np.ndarray]


def ours(table: pd.DataFrame, run: Run, *, integrate: str) -> Ran:
    """`il.sample`; what is neither compiled nor sampled counts as pilot (plan and grid too)."""
    import ilhte_bayes as il

    priors = {
        "beta": il.priors.Flat(),
        "beta[Intercept]": il.priors.StudentT(DF, 0, SCALE),
        "sd": il.priors.HalfStudentT(DF, SCALE),
        "corr": il.priors.LKJ(1.0),
    }
    compiling = load_ours(table, priors, integrate)
    began = time.perf_counter()
    model = il.Model(FORMULA, table, priors=priors)
    fit = il.sample(model, integrate=integrate, progress=False, **asdict(run))
    seconds = time.perf_counter() - began
    posterior = fit.tree["posterior"]
    sampling = float(posterior.attrs["sample_seconds"])
    own = float(fit.compile_seconds)  # of the joint model; nothing where persons are integrated out
    draws = {term: posterior["beta"].sel(term=term) for term in ("Intercept", "treat", "pre")}
    draws |= {
        "sd_id": posterior["sd_id"][..., 0],
        "sd_item": posterior["sd_item"].sel(item_column="Intercept"),
        "sd_item_treat": posterior["sd_item"].sel(item_column="treat"),
        "rho": posterior["corr_item"][..., 1, 0],
    }
    return Ran(
        pilot_seconds=seconds - sampling - own,
        compile_seconds=compiling + own,
        sample_seconds=sampling,
        divergences=int(fit.tree["sample_stats"]["diverging"].sum()),
        versions=versions("ilhte-bayes", "numba", "nutpie", "pymc"),
        draws={name: values.to_numpy() for name, values in draws.items()},
    )


def load_ours(table: pd.DataFrame, priors: Any, integrate: str) -> float:
    """Seconds to compile, or load, all that every model shares: a short run on 30 persons."""
    import ilhte_bayes as il

    few = table[table["id"].isin(table["id"].unique()[:30])]
    began = time.perf_counter()
    model = il.Model(FORMULA, few, priors=priors)
    if integrate == "none":
        il.laplace(model, objective="map")
    else:
        il.sample(model, draws=50, tune=50, chains=1, progress=False)
    return time.perf_counter() - began


def plain_pymc(table: pd.DataFrame, run: Run) -> Ran:
    """The joint model as a tutorial writes it: every person sampled, everything non-centred."""
    import pymc as pm

    person, ids = pd.factorize(table["id"])
    item, items = pd.factorize(table["item"])
    treat, pre = table["treat"].to_numpy(), table["pre"].to_numpy()
    began = time.perf_counter()
    with pm.Model() as model:
        intercept = pm.StudentT("Intercept", nu=DF, mu=0, sigma=SCALE)
        by_treat, by_pre = pm.Flat("treat"), pm.Flat("pre")
        sd_id = pm.HalfStudentT("sd_id", nu=DF, sigma=SCALE)
        root, corr, sds = pm.LKJCholeskyCov(
            "cov", n=2, eta=1, sd_dist=pm.HalfStudentT.dist(nu=DF, sigma=SCALE), compute_corr=True
        )
        pm.Deterministic("sd_item", sds[0])
        pm.Deterministic("sd_item_treat", sds[1])
        pm.Deterministic("rho", corr[1, 0])
        ability = sd_id * pm.Normal("z_id", shape=len(ids))
        effect = pm.Normal("z_item", shape=(len(items), 2)) @ root.T
        eta = intercept + by_treat * treat + by_pre * pre
        eta = eta + ability[person] + effect[item, 0] + effect[item, 1] * treat
        pm.Bernoulli("y", logit_p=eta, observed=table["y"].to_numpy())
    names = ["Intercept", "treat", "pre", "sd_id", "sd_item", "sd_item_treat", "rho"]
    posterior, seconds = sample_with_nutpie(model, names, run, began)
    return Ran(
        **seconds,
        versions=versions("pymc", "pytensor", "numba", "nutpie"),
        draws={name: posterior[name].to_numpy() for name in names},
    )


def with_bambi(table: pd.DataFrame, run: Run) -> Ran:
    """bambi has no correlation of random effects: the same model with rho at 0."""
    import bambi as bmb

    sd = bmb.Prior("HalfStudentT", nu=DF, sigma=SCALE)
    random = {
        name: bmb.Prior("Normal", mu=0, sigma=sd) for name in ("1|id", "1|item", "treat|item")
    }
    fixed = {name: bmb.Prior("Flat") for name in ("treat", "pre")}
    start = {"Intercept": bmb.Prior("StudentT", nu=DF, mu=0, sigma=SCALE)}
    began = time.perf_counter()
    model = bmb.Model(NO_RHO, table, family="bernoulli", priors=start | fixed | random)
    model.build()
    kept = {
        "treat": "treat",
        "pre": "pre",
        "sd_id": "1|id_sigma",
        "sd_item": "1|item_sigma",
        "sd_item_treat": "treat|item_sigma",
    }
    names = ["Intercept", *kept.values()]
    posterior, seconds = sample_with_nutpie(model.backend.model, names, run, began)
    draws = {name: posterior[theirs].to_numpy() for name, theirs in kept.items()}
    draws["Intercept"] = posterior["Intercept"].to_numpy() - sum(  # bambi centres covariates
        draws[name] * table[name].mean() for name in ("treat", "pre")
    )
    return Ran(
        **seconds, versions=versions("bambi", "pymc", "pytensor", "numba", "nutpie"), draws=draws
    )


def sample_with_nutpie(
    model: Any, names: list[str], run: Run, began: float
) -> tuple[Any, dict[str, Any]]:
    """Compile and sample a `pymc.Model`; compiling counts from when its writing began."""
    import nutpie

    compiled = nutpie.compile_pymc_model(model, var_names=names)
    compiling = time.perf_counter() - began
    began = time.perf_counter()
    raw: Any = nutpie.sample(compiled, **run.options())
    return raw["posterior"], {
        "pilot_seconds": 0.0,
        "compile_seconds": compiling,
        "sample_seconds": time.perf_counter() - began,
        "divergences": int(raw["sample_stats"]["diverging"].sum()),
    }


def versions(*names: str) -> str:
    return "; ".join([f"python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)])


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One run of one sampler.")
    parser.add_argument("method", choices=["integrated", "joint", "pymc", "bambi"])
    parser.add_argument("table")
    parser.add_argument("to")
    for name in ("seed", "draws", "tune", "chains"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    options = read_options()
    table = pd.read_csv(options.table)
    run = Run(options.seed, options.draws, options.tune, options.chains)
    match options.method:
        case "integrated":
            ran = ours(table, run, integrate="auto")
        case "joint":
            ran = ours(table, run, integrate="none")
        case "pymc":
            ran = plain_pymc(table, run)
        case _:
            ran = with_bambi(table, run)
    np.savez(options.to, **ran.draws)
    print(json.dumps({name: value for name, value in asdict(ran).items() if name != "draws"}))


if __name__ == "__main__":
    main()
