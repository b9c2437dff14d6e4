"""How long does a Laplace fit of ordinal answers take, ours against ordinal::clmm?

Every fit runs in a process of its own, ours and clmm's by turns, one at a time, each on one core.
Time is never reported without accuracy: each row has its log-likelihood and the largest distance
of its coefficients and thresholds from the other side's. SD173's Models 1 to 6 on 73,671 simulated
students, binary and ordinal, are timed for ours alone (Models 3 to 6 are out of clmm's reach).

    uv run python benchmarks/laplace_vs_clmm.py [--case verbagg_b1 ...] [--repeats 3] [--skip-r]
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from laplace_vs_glmer import ONE_THREAD, ROOT, last_line, machine, our_versions

OUTPUT = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True, slots=True)
class Case:
    """One model and table; `peer` is clmm's spelling of the formula, empty where it is not run."""

    formula: str
    data: str
    levels: tuple[str | int, ...]  # lowest first; empty for a binary response
    peer: str = ""
    groups: tuple[str, ...] = ()

    @property
    def response(self) -> str:
        """Column of the answers."""
        return self.formula.split(" ~ ")[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One timed fit. `seconds` of clmm is its fit call alone; ours starts at the parsed table."""

    case: str
    method: str
    repeat: int
    n_rows: int
    seconds: float
    cpu_seconds: float
    compile_seconds: float  # not in `seconds`; nan for clmm
    loglik: float
    max_coef_diff_in_se: float  # ours against clmm's, in our SE; nan where one side is missing
    versions: str
    machine: str
    date: str


ANSWERS = ("no", "perhaps", "yes")
SLOPES = "(lep + ec || schoolid) + (lep + ec || teacherid)"
SIX = {
    1: "1 + (1 | schoolid) + (1 | teacherid)",
    2: "lep + ec + (1 | schoolid) + (1 | teacherid)",
    3: f"lep + ec + {SLOPES}",
    4: f"lep + ec + tchexp + {SLOPES}",
    5: "lep + ec + tchexp + (lep + ec + tchexp || schoolid) + (lep + ec || teacherid)",
    6: f"lep + ec + tchexp + treatment + schl_frl + {SLOPES}",
}


def _district(number: int, response: str) -> Case:
    formula = f"{response} ~ {SIX[number]}"
    levels = (0, 1, 2) if response == "score_p" else ()
    peer = formula if response == "score_p" and number == 1 else ""
    return Case(formula, "glimmix_sim_73671", levels, peer, ("schoolid", "teacherid"))


CASES = {
    "verbagg_b1": Case(
        "resp ~ treat + (1 | id) + (1 | item)", "verbagg", ANSWERS,
        "resp ~ treat + (1 | id) + (1 | item)", ("id", "item"),
    ),
    "verbagg_b2": Case(
        "resp ~ treat + (1 | id) + (treat | item)", "verbagg", ANSWERS,
        "resp ~ treat + (1 | id) + (1 + treat | item)", ("id", "item"),
    ),
    "chem97": Case(
        "score3 ~ gcsecnt + gender + (1 | school)", "chem97", ("low", "mid", "high"),
        "score3 ~ gcsecnt + gender + (1 | school)", ("school",),
    ),
    **{f"district_{k}_ordinal": _district(k, "score_p") for k in SIX},
    **{f"district_{k}_binary": _district(k, "score_d") for k in SIX},
}  # fmt: skip


def fit_ours(case: Case, data_folder: Path) -> dict[str, Any]:
    """Fit once in this process, from the parsed table to all results."""
    import ilhte_bayes as il
    from ilhte_bayes.engines.laplace import compile_loops

    frame = pd.read_csv(data_folder / f"{case.data}.csv.gz", keep_default_na=False)
    options: dict[str, Any] = {}
    if case.levels:
        options = {"family": "cumulative", "levels": list(case.levels)}
    loading = compile_loops()
    began = time.process_time()
    fit = il.laplace(il.Model(case.formula, frame, **options))
    cpu_seconds = time.process_time() - began
    table = fit.coefficients
    table.index = [str(name).replace("[T.", "").replace("]", "") for name in table.index]
    return {
        "n_rows": len(frame),
        "seconds": float(fit.seconds),
        "cpu_seconds": cpu_seconds,
        "compile_seconds": loading + float(fit.compile_seconds),
        "logLik": float(fit.loglik),
        "estimate": table["estimate"].to_dict(),
        "se": table["se"].to_dict(),
        "versions": our_versions(),
        "messages": list(fit.problems),
    }


def run_ours(name: str, data_folder: Path) -> dict[str, Any]:
    """`fit_ours` in a fresh process."""
    command = [sys.executable, __file__, "--worker", name, "--data", str(data_folder)]
    return last_line(command, ONE_THREAD)


def run_clmm(name: str, data_folder: Path) -> dict[str, Any]:
    """One R process through clmm_timing.R."""
    case = CASES[name]
    script, table = ROOT / "benchmarks" / "clmm_timing.R", data_folder / f"{case.data}.csv.gz"
    levels, groups = ",".join(map(str, case.levels)), ",".join(case.groups)
    command = ["Rscript", str(script), name, case.peer, str(table), case.response, levels, groups]
    told = last_line(command, ONE_THREAD)
    told["versions"] = "; ".join(f"{k} {v}" for k, v in told["versions"].items())
    return told | {"compile_seconds": math.nan}


def measure(name: str, options: argparse.Namespace) -> list[Row]:
    """Ours, clmm, ours, ...: rows with each side's distance from the other."""
    found: list[tuple[str, dict[str, Any]]] = []
    for repeat in range(options.repeats):
        found.append(_report(name, "laplace", run_ours(name, options.data)))
        if repeat == 0 and CASES[name].peer and not options.skip_r:
            found.append(_report(name, "clmm", run_clmm(name, options.data)))
    sides = {method: told for method, told in found}
    apart = math.nan
    if len(sides) == 2:
        ours, theirs = sides["laplace"], sides["clmm"]
        if unshared := set(ours["estimate"]) ^ set(theirs["estimate"]):
            raise SystemExit(f"coefficient(s) {sorted(unshared)} are on one side only.")
        apart = max(
            abs(ours["estimate"][k] - theirs["estimate"][k]) / ours["se"][k]
            for k in ours["estimate"]
        )
    counts: dict[str, int] = {}
    rows = []
    for method, told in found:
        counts[method] = counts.get(method, 0) + 1
        rows.append(
            Row(
                case=name,
                method=method,
                repeat=counts[method],
                n_rows=told["n_rows"],
                seconds=round(told["seconds"], 3),
                cpu_seconds=round(told["cpu_seconds"], 3),
                compile_seconds=round(told["compile_seconds"], 3),
                loglik=round(told["logLik"], 6),
                max_coef_diff_in_se=float(f"{apart:.3g}"),
                versions=told["versions"],
                machine=machine(),
                date=datetime.date.today().isoformat(),
            )
        )
    return rows


def _report(name: str, method: str, told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    seconds = f"{told['seconds']:9.3f} s ({told['cpu_seconds']:.3f} cpu)"
    print(f"{name:20}{method:9}{seconds}  logLik {told['logLik']:.6f}", flush=True)
    for message in told["messages"]:
        print(f"  {method} says: {message}")
    return method, told


def write_rows(new: list[Row]) -> None:
    """Write the table; rows of the same case and method from an earlier run are replaced."""
    replaced = {(row.case, row.method) for row in new}
    kept: list[dict[str, Any]] = []
    if OUTPUT.exists():
        with OUTPUT.open(newline="") as file:
            rows = list(csv.DictReader(file))
        kept = [row for row in rows if (row["case"], row["method"]) not in replaced]
    lines = kept + [dataclasses.asdict(row) for row in new]
    lines.sort(key=lambda line: list(CASES).index(line["case"]))
    with OUTPUT.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, [f.name for f in dataclasses.fields(Row)], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3, help="fits of ours for each case")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--skip-r", action="store_true")
    parser.add_argument("--worker", choices=list(CASES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(fit_ours(CASES[options.worker], options.data)))
        return
    for name in options.case:
        write_rows(measure(name, options))


if __name__ == "__main__":
    main()
