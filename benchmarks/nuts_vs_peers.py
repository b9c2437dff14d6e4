"""How many independent draws a second does NUTS give, ours against its peers, and do they agree?

One model, y ~ treat + pre + (1|id) + (treat|item), on three tables; four chains on two cores, 1,000
draws after 500 steps of warm-up; the minimum of bulk ESS over coefficients, SDs and rho. Every run
is a process of its own, and its row is on disk before the next begins: call the script again after
an interruption and it goes on (`--again` to measure anew). The first seed of a method runs with
empty caches of compiled code, as on a machine that never ran it; the other seeds with the caches
that the first left. A run that takes longer than `--limit` seconds is stopped, and its row says so.

    uv run python benchmarks/nuts_vs_peers.py [--case 500x20 ...] [--method integrated ...]
    uv run python benchmarks/nuts_vs_peers.py --summary
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from laplace_vs_glmer import ONE_THREAD, ROOT, machine

TABLE = Path(__file__).with_suffix(".csv")
POSTERIORS = TABLE.with_name("nuts_vs_peers_posteriors.csv")
ENGINES = Path(__file__).with_name("nuts_engines.py")
BRMS = Path(__file__).with_name("nuts_brms.R")
GLMER = Path(__file__).with_name("glmer_timing.R")
WORK = Path(tempfile.gettempdir()) / "ilhte_nuts_vs_peers"  # tables, and caches of compiled code
DRAWS, TUNE, CHAINS = 1000, 500, 4
CASES = {"500x20": (500, 20), "2000x30": (2000, 30), "5000x40": (5000, 40)}
METHODS = {  # and the cases each is run on
    "integrated": tuple(CASES),
    "joint": tuple(CASES),
    "pymc": tuple(CASES),
    "bambi": tuple(CASES),
    "brms": ("500x20",),
    "glmer": ("5000x40",),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One run. Where glmer or a stopped run has no number it is nan."""

    case: str
    method: str
    seed: int
    status: str  # done, or why not
    caches: str  # of compiled code before the run: empty, warm, or none (nothing is kept)
    pilot_seconds: float  # Laplace, plan, grid: all that is neither compiling nor sampling
    compile_seconds: float
    sample_seconds: float
    process_seconds: float  # from the shell: imports and reading the table included
    min_ess: float
    min_ess_of: str
    min_ess_per_second: float  # over pilot and sampling
    min_ess_per_second_compiled: float  # over compiling, pilot and sampling
    max_rhat: float
    divergences: float
    draws: int
    tune: int
    chains: int
    versions: str
    machine: str
    date: str


@dataclass(frozen=True, slots=True)
class Posterior:
    """One parameter in one run, in logits (rho without unit)."""

    case: str
    method: str
    seed: int
    parameter: str
    mean: float
    sd: float
    ess_bulk: float
    rhat: float


def simulate(persons: int, items: int, seed: int) -> pd.DataFrame:
    """Truth of the bundled simulations: ability SD 1, item effects of SD 0.4, rho -0.3."""
    rng = np.random.default_rng(seed)
    treat, pre = np.arange(persons) % 2, rng.normal(size=persons).round(6)
    ability, easiness = rng.normal(size=persons), rng.normal(size=items)
    deviation = 0.4 * (-0.3 * easiness + np.sqrt(1 - 0.3**2) * rng.normal(size=items))
    person, item = np.tile(np.arange(persons), items), np.repeat(np.arange(items), persons)
    eta = 0.2 + 0.3 * treat[person] + 0.5 * pre[person] + ability[person]
    eta += easiness[item] + deviation[item] * treat[person]
    score = (rng.random(eta.size) < 1 / (1 + np.exp(-eta))).astype(int)
    columns = {"id": person + 1, "item": item + 1, "treat": treat[person], "pre": pre[person]}
    return pd.DataFrame(columns | {"y": score})


def table_of(case: str) -> Path:
    """The case's table as a file that every peer reads."""
    path = WORK / f"{case}.csv"
    if not path.exists():
        import ilhte_bayes as il

        WORK.mkdir(exist_ok=True)
        frame = simulate(2000, 30, 102) if case == "2000x30" else il.load_dataset(f"ilhte_{case}")
        frame.to_csv(path, index=False)
    return path


def caches_of(method: str, case: str, *, empty: bool) -> tuple[dict[str, str], str]:
    """Where numba and PyTensor keep compiled code for this method and case; empty, or warm."""
    if method in ("brms", "glmer"):
        return {}, "none"
    folder = WORK / "caches" / f"{case}_{method}"
    if empty:
        shutil.rmtree(folder, ignore_errors=True)
    state = "warm" if folder.exists() else "empty"
    folder.mkdir(parents=True, exist_ok=True)
    where = {
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
    }
    return where, state


def command_of(method: str, case: str, seed: int, to: Path, bambi: list[str]) -> list[str]:
    table, numbers = str(table_of(case)), [str(n) for n in (seed, DRAWS, TUNE, CHAINS)]
    if method == "glmer":
        return ["Rscript", str(GLMER), case, "glmer", str(ROOT / "ilhte_bayes" / "data" / "files")]
    if method == "brms":
        return ["Rscript", str(BRMS), table, str(to), *numbers]
    named = [
        part
        for name, value in zip(("seed", "draws", "tune", "chains"), numbers, strict=True)
        for part in (f"--{name}", value)
    ]
    python = bambi if method == "bambi" else [sys.executable]
    return [*python, str(ENGINES), method, table, str(to), *named]


def read_draws(path: Path) -> dict[str, np.ndarray]:
    """Parameter -> (chain, draw)."""
    if path.suffix == ".npz":
        with np.load(path) as found:
            return {name: found[name] for name in found.files}
    frame = pd.read_csv(path)
    n = frame["chain"].nunique()
    return {name: frame[name].to_numpy().reshape(n, -1) for name in frame if name != "chain"}


def measure(case: str, method: str, seed: int, options: argparse.Namespace) -> Row:
    """One run in a process of its own; the posteriors are written, the row is returned."""
    caches, state = caches_of(method, case, empty=seed == min(options.seeds))
    to = WORK / f"{case}_{method}_{seed}{'.csv' if method == 'brms' else '.npz'}"
    command = command_of(method, case, seed, to, options.bambi.split())
    began = time.perf_counter()
    told, status = last_line(command, ONE_THREAD | caches, options.limit)
    process_seconds = time.perf_counter() - began
    numbers = dict.fromkeys(
        ("pilot_seconds", "compile_seconds", "sample_seconds", "divergences"), math.nan
    )
    if method == "glmer" and told:
        told = {
            "sample_seconds": told["seconds"],
            "versions": "; ".join(f"{k} {v}" for k, v in told["versions"].items()),
        }
    numbers |= {name: told[name] for name in numbers if name in told}
    posteriors: list[Posterior] = []
    if told and method != "glmer":
        posteriors = describe(case, method, seed, read_draws(to))
        replace(POSTERIORS, posteriors, ("case", "method", "seed"))
    worst = min(posteriors, key=lambda p: p.ess_bulk, default=None)
    ess = worst.ess_bulk if worst else math.nan
    seconds = numbers["pilot_seconds"] + numbers["sample_seconds"]
    return Row(
        case=case,
        method=method,
        seed=seed,
        status=status,
        caches=state,
        **{name: round(value, 3) for name, value in numbers.items()},
        process_seconds=round(process_seconds, 2),
        min_ess=round(ess, 1),
        min_ess_of=worst.parameter if worst else "",
        min_ess_per_second=round(ess / seconds, 3),
        min_ess_per_second_compiled=round(ess / (seconds + numbers["compile_seconds"]), 3),
        max_rhat=round(max((p.rhat for p in posteriors), default=math.nan), 4),
        draws=DRAWS,
        tune=TUNE,
        chains=CHAINS,
        versions=str(told.get("versions", "")),
        machine=machine(),
        date=datetime.date.today().isoformat(),
    )


def last_line(
    command: list[str], environment: dict[str, str], limit: float
) -> tuple[dict[str, Any], str]:
    """The JSON line a run ends with, and how it ended."""
    env = os.environ | environment
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # with the chains it started
        process.communicate()
        return {}, f"stopped after {limit:.0f} s"
    if process.returncode:
        return {}, f"failed with status {process.returncode}"
    told: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return told, "done"


def describe(case: str, method: str, seed: int, draws: dict[str, np.ndarray]) -> list[Posterior]:
    """Mean, SD, bulk ESS and R-hat of every parameter."""
    import arviz as az

    return [
        Posterior(
            case=case,
            method=method,
            seed=seed,
            parameter=name,
            mean=float(values.mean()),
            sd=float(values.std(ddof=1)),
            ess_bulk=float(az.ess(values, method="bulk")),
            rhat=float(az.rhat(values)),
        )
        for name, values in draws.items()
    ]


def replace(path: Path, new: Iterable[Any], keys: tuple[str, ...]) -> None:
    """Write rows to a table at once, in place of those that have the same keys."""
    lines = [{name: str(value) for name, value in asdict(row).items()} for row in new]
    if not lines:
        return
    same = {tuple(line[key] for key in keys) for line in lines}
    kept = [line for line in read(path) if tuple(line[key] for key in keys) not in same]
    cases, methods = list(CASES), list(METHODS)
    lines = sorted(
        kept + lines,
        key=lambda line: (cases.index(line["case"]), methods.index(line["method"]), line["seed"]),
    )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summarise() -> None:
    """Print medians over seeds, and how far posteriors are from brms's (else from `joint`)."""
    print(speeds(pd.read_csv(TABLE)).to_string())
    print()
    print(differences(pd.read_csv(POSTERIORS)).to_string())


def speeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds; seconds of compiling with empty and with warm caches."""
    order = {name: at for at, name in enumerate([*CASES, *METHODS])}
    keys = ["case", "method"]
    columns = ["pilot_seconds", "sample_seconds", "min_ess", "min_ess_per_second", "divergences"]
    table = rows.groupby(keys)[columns].median()
    table["max_rhat"] = rows.groupby(keys)["max_rhat"].max()
    table["runs"] = rows.groupby(keys)["status"].agg(lambda s: ", ".join(sorted(set(s))))
    for state in ("empty", "warm", "none"):
        part = rows[rows["caches"] == state].groupby(keys)
        table[f"compile, {state}"] = part["compile_seconds"].median()
        table[f"ESS/s with compiling, {state}"] = part["min_ess_per_second_compiled"].median()
    ours = table["min_ess_per_second"].xs("integrated", level="method")
    table["integrated is faster"] = ours / table["min_ess_per_second"]
    return table.dropna(axis=1, how="all").sort_index(key=lambda k: k.map(order)).round(2)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Means and SDs over all seeds against the peer's; Monte Carlo errors beside them.

    `shift`: difference of the means in posterior SDs, with its standard error, both sides' draws
    counted. `sd ratio`: with its relative standard error, 1 / sqrt(2 ESS) of each side.
    """
    out = []
    for case, part in rows.groupby("case", sort=False):
        one = {str(method): pooled(group) for method, group in part.groupby("method", sort=False)}
        reference = next((name for name in ("brms", "joint", "pymc") if name in one), "")
        for method, ours in one.items():
            if method == reference or not reference:
                continue
            theirs = one[reference].reindex(ours.index).dropna()
            ours = ours.loc[theirs.index]
            inverse = 1 / ours["ess"] + 1 / theirs["ess"]
            out.append(
                pd.DataFrame(
                    {
                        "case": case,
                        "method": method,
                        "against": reference,
                        "shift": (ours["mean"] - theirs["mean"]) / theirs["sd"],
                        "se": np.sqrt(inverse),
                        "sd ratio": ours["sd"] / theirs["sd"],
                        "se of ratio": np.sqrt(inverse / 2),
                    }
                ).reset_index()
            )
    return pd.concat(out, ignore_index=True).round(3) if out else pd.DataFrame()


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """Seeds of one method together, by parameter: mean, SD, sum of ESS."""
    by = rows.groupby("parameter", sort=False)
    between = by["mean"].var(ddof=0)
    sd = np.sqrt((rows["sd"] ** 2).groupby(rows["parameter"], sort=False).mean() + between)
    return pd.DataFrame({"mean": by["mean"].mean(), "sd": sd, "ess": by["ess_bulk"].sum()})


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--method", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--limit", type=float, default=1800, help="seconds until a run is stopped")
    parser.add_argument("--again", action="store_true", help="measure what is in the table anew")
    parser.add_argument("--summary", action="store_true", help="print what was found, run nothing")
    parser.add_argument(
        "--bambi",
        default="uv run --no-project --with bambi --with nutpie python",
        help="the Python that has bambi",
    )
    return parser.parse_args()


def main() -> None:
    options = read_options()
    if options.summary:
        summarise()
        return
    done = {} if options.again else {(r["case"], r["method"], int(r["seed"])) for r in read(TABLE)}
    for case in options.case:
        for seed in options.seeds:
            for method in options.method:
                one_is_enough = method == "glmer" and seed != min(options.seeds)
                skip = case not in METHODS[method] or one_is_enough
                if skip or (case, method, seed) in done:
                    continue
                row = measure(case, method, seed, options)
                replace(TABLE, [row], ("case", "method", "seed"))
                print(
                    f"{case:8} {method:11} seed {seed}: {row.status}; compiling "
                    f"{row.compile_seconds:.1f} s, pilot {row.pilot_seconds:.2f} s, sampling "
                    f"{row.sample_seconds:.2f} s; min ESS {row.min_ess:.0f} "
                    f"({row.min_ess_of}), {row.min_ess_per_second:.1f} per second",
                    flush=True,
                )


if __name__ == "__main__":
    main()
