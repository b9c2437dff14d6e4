"""How long does a Laplace fit take, ours against glmer and glmmTMB, and do the numbers agree?

Every fit runs in a process of its own, ours and the peers' by turns, one at a time. Time is never
reported without accuracy: each row has its log-likelihood and the distance of its coefficients
from the other side's. BLAS and OpenMP are held to one thread for both sides; the peers then use
one core, and ours uses the `--threads` given to numba.

    uv run python benchmarks/laplace_vs_glmer.py [--case 500x20 ...] [--repeats 3] [--skip-r]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import os
import platform
import subprocess
import sys
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path(__file__).with_suffix(".csv")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Case:
    """One model and table; `peers` are the runs of `glmer_timing.R` it is compared with."""

    name: str
    formula: str
    data: str
    bundled: bool
    peers: tuple[tuple[str, str], ...]  # (case, engine) as glmer_timing.R knows them


@dataclass(frozen=True, slots=True)
class Row:
    """One timed fit. `seconds` of a peer is its fit call alone; ours starts at the parsed table."""

    case: str
    method: str
    repeat: int
    n_rows: int
    seconds: float
    compile_seconds: float  # not in `seconds`; well under 1 once the code is cached; nan for peers
    loglik: float
    max_coef_diff_in_se: float  # ours against the peer's, in our SE; in our rows the worst peer's
    threads: int
    versions: str
    machine: str
    date: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process found; the same for ours and for a peer."""

    method: str
    n_rows: int
    seconds: float
    compile_seconds: float
    loglik: float
    estimate: dict[str, float]
    se: dict[str, float]
    threads: int
    versions: str


ITEM_EFFECTS = "y ~ treat + pre + (treat | item) + (1 | id)"
SLOPES = (
    "score_d ~ lep + ec + tchexp + treatment + schl_frl"
    " + (lep + ec || schoolid) + (lep + ec || teacherid)"
)


def _peers(*cases: str) -> tuple[tuple[str, str], ...]:
    return tuple((case, engine) for case in cases for engine in ("glmer", "glmmTMB"))


CASES = {
    case.name: case
    for case in (
        Case("500x20", ITEM_EFFECTS, "ilhte_500x20", True, _peers("500x20")),
        Case("5000x40", ITEM_EFFECTS, "ilhte_5000x40", True, _peers("5000x40")),
        Case("E6", SLOPES, "glimmix_sim_73671", False, _peers("E6_cells", "E6")),
    )
}


def read_table(case: Case, data_folder: Path) -> pd.DataFrame:
    """The case's table, bundled with the package or from the folder of shared data."""
    import ilhte_bayes as il

    if case.bundled:
        return il.load_dataset(case.data)
    return pd.read_csv(data_folder / f"{case.data}.csv.gz")


def fit_ours(case: Case, data_folder: Path, threads: int) -> Measured:
    """Fit once in this process, from the parsed table to all results."""
    import ilhte_bayes as il

    frame = read_table(case, data_folder)
    fit = il.laplace(il.Model(case.formula, frame))
    return Measured(
        method="laplace",
        n_rows=len(frame),
        seconds=float(fit.seconds),
        compile_seconds=float(fit.compile_seconds),
        loglik=float(fit.loglik),
        estimate=_plain_names(fit.coefficients["estimate"].to_dict()),
        se=_plain_names(fit.coefficients["se"].to_dict()),
        threads=threads,
        versions=our_versions(),
    )


def our_versions() -> str:
    names = ("ilhte-bayes", "numpy", "scipy", "numba")
    return "; ".join([f"python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)])


def _plain_names(values: dict[Any, Any]) -> dict[str, float]:
    """R writes (Intercept), we may write Intercept: without brackets both are the same name."""
    return {str(name).strip("()"): float(value) for name, value in values.items()}


def run_ours(case: Case, data_folder: Path, threads: int) -> Measured:
    """`fit_ours` in a fresh process, so that thread limits hold before numpy is imported."""
    command = [sys.executable, __file__, "--worker", case.name]
    command += ["--data", str(data_folder), "--threads", str(threads)]
    told = last_line(command, ONE_THREAD | {"NUMBA_NUM_THREADS": str(threads)})
    return Measured(**told)


def run_peer(case: str, engine: str, data_folder: Path) -> Measured:
    """One R process through glmer_timing.R."""
    script = str(ROOT / "benchmarks" / "glmer_timing.R")
    told = last_line(["Rscript", script, case, engine, str(data_folder)], ONE_THREAD)
    for message in told["messages"]:
        print(f"  {engine} says: {message}")
    coefficients = told["coefficients"]
    return Measured(
        method=f"{engine}:cells" if case.endswith("_cells") else engine,
        n_rows=told["n_rows"],
        seconds=told["seconds"],
        compile_seconds=math.nan,
        loglik=told["logLik"],
        estimate=_plain_names(coefficients["estimate"]),
        se=_plain_names(coefficients["se"]),
        threads=1,
        versions="; ".join(f"{name} {value}" for name, value in told["versions"].items()),
    )


def last_line(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a command and read the JSON of its last line."""
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, text=True, stdout=subprocess.PIPE
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}; see above.")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def measure(case: Case, options: argparse.Namespace) -> list[Measured]:
    """Ours and the peers by turns: ours, peer, ours, peer, ..."""
    ours = [] if options.skip_ours else ["laplace"] * options.repeats
    peers = [] if options.skip_r else list(case.peers)
    found = []
    for mine, peer in zip_longest(ours, peers):
        if mine:
            found.append(_report(case, run_ours(case, options.data, options.threads)))
        if peer:
            peer_case, engine = peer
            found.append(_report(case, run_peer(peer_case, engine, options.data)))
    return found


def _report(case: Case, one: Measured) -> Measured:
    print(
        f"{case.name:10}{one.method:16}{one.seconds:10.3f} s  logLik {one.loglik:.6f}", flush=True
    )
    return one


def coefficient_distance(ours: Measured, peer: Measured) -> float:
    """Largest difference of a coefficient, in units of our standard error."""
    if unshared := set(ours.estimate) ^ set(peer.estimate):
        raise SystemExit(
            f"coefficient(s) {sorted(unshared)} are in one of {ours.method}, {peer.method} only; "
            "give both fits the same names before they are compared."
        )
    return max(abs(ours.estimate[k] - peer.estimate[k]) / ours.se[k] for k in ours.estimate)


def to_rows(case: Case, found: list[Measured]) -> list[Row]:
    """Rows of the table, with each fit's distance from the other side."""
    sides: dict[bool, list[Measured]] = {
        side: [one for one in found if (one.method == "laplace") == side] for side in (True, False)
    }
    rows: list[Row] = []
    for one in found:
        is_ours = one.method == "laplace"
        pairs = [(one, other) if is_ours else (other, one) for other in sides[not is_ours]]
        earlier = sum(row.method == one.method for row in rows)
        rows.append(
            Row(
                case=case.name,
                method=one.method,
                repeat=earlier + 1,
                n_rows=one.n_rows,
                seconds=round(one.seconds, 4),
                compile_seconds=round(one.compile_seconds, 4),
                loglik=round(one.loglik, 6),
                max_coef_diff_in_se=max(
                    (coefficient_distance(*p) for p in pairs), default=math.nan
                ),
                threads=one.threads,
                versions=one.versions,
                machine=machine(),
                date=datetime.date.today().isoformat(),
            )
        )
    return rows


def machine() -> str:
    """Processor and number of cores."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        named = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        model = named[0].split(":", 1)[1].strip() if named else model
    return f"{model}, {os.cpu_count()} cores"


def write_rows(new: list[Row], path: Path = OUTPUT) -> None:
    """Write the table; rows of the same case and method from an earlier run are replaced."""
    names = [field.name for field in fields(Row)]
    replaced = {(row.case, row.method) for row in new}
    kept: list[list[str]] = []
    if path.exists():
        with path.open(newline="") as file:
            earlier = [row for row in csv.DictReader(file) if set(row) == set(names)]
        kept = [
            [row[name] for name in names]
            for row in earlier
            if (row["case"], row["method"]) not in replaced
        ]
    lines = kept + [[str(value) for value in astuple(row)] for row in new]
    order = list(CASES)
    lines.sort(key=lambda line: order.index(line[0]) if line[0] in order else len(order))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3, help="fits of ours for each case")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="numba threads")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--skip-r", action="store_true")
    parser.add_argument("--skip-ours", action="store_true")
    parser.add_argument("--worker", choices=list(CASES), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = read_options()
    if options.worker:
        import dataclasses

        found = fit_ours(CASES[options.worker], options.data, options.threads)
        print(json.dumps(dataclasses.asdict(found)))
        return
    for name in options.case:
        write_rows(to_rows(CASES[name], measure(CASES[name], options)))


if __name__ == "__main__":
    main()
