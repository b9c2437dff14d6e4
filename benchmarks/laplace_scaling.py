"""How do time and memory of a Laplace fit grow with the number of responses?

Simulated trials of 40 items and rows / 40 persons, model y ~ treat + (1|id) + (treat|item). Each
size runs in a fresh process. Time: seconds for one value and gradient of the log-likelihood, and
for the whole fit; compiling is done before, on a small trial. Memory: the peak during the fit
beyond what the process held with the caller's table in it, as a multiple of 8 bytes a response.
The peak is read from Linux, which lets a process restart its own high-water mark.

    uv run python benchmarks/laplace_scaling.py [--rows 100000 1000000 10000000] [--plot-only]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import gc
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from laplace_vs_glmer import ONE_THREAD, ROOT, machine, our_versions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    import ilhte_bayes as il

ITEMS = 40
FORMULA = "y ~ treat + (1 | id) + (treat | item)"
TABLE = Path(__file__).with_suffix(".csv")
FIGURE = Path(__file__).with_suffix(".png")
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"  # Okabe and Ito: told apart by everyone


@dataclass(frozen=True, slots=True)
class Row:
    """Time and memory at one size."""

    rows: int
    persons: int
    items: int
    evaluations: int  # timed; the median is given
    seconds_per_evaluation: float
    fit_seconds: float
    compile_seconds: float  # of the small trial fitted first; nothing is left to compile after it
    peak_bytes_beyond_table: int
    peak_in_response_columns: float  # the same, over 8 bytes * rows
    threads: int
    versions: str
    machine: str
    date: str


def simulate(rows: int, seed: int) -> pd.DataFrame:
    """A trial with the bundled simulations' truth, made in blocks so that it leaves no peak."""
    rng = np.random.default_rng(seed)
    persons = rows // ITEMS
    easiness = rng.normal(0, 1, ITEMS)
    deviation = 0.4 * (-0.3 * easiness + np.sqrt(1 - 0.3**2) * rng.normal(0, 1, ITEMS))
    score = np.empty((persons, ITEMS), dtype=np.int64)
    for start in range(0, persons, 10_000):
        person = np.arange(start, min(start + 10_000, persons))
        ability = rng.normal(0, 1, person.size)[:, None]
        effect = (person % 2)[:, None] * (0.3 + deviation)
        chance = 1 / (1 + np.exp(-(0.2 + ability + easiness + effect)))
        score[person] = rng.random(chance.shape) < chance
    ids = np.repeat(np.arange(persons), ITEMS)
    table = {"id": ids, "item": np.tile(np.arange(ITEMS), persons), "treat": ids % 2}
    return pd.DataFrame(table | {"y": score.ravel()}, copy=False)


def seconds_per_evaluation(model: il.Model, evaluations: int) -> float:
    """Median seconds of one value and exact gradient, the mode found from a start nearby."""
    from threadpoolctl import threadpool_limits

    from ilhte_bayes.engines.marginal.maximise import start
    from ilhte_bayes.engines.marginal.objective import LaplaceObjective

    with threadpool_limits(limits=1, user_api="blas"):
        objective = LaplaceObjective(model.design, model.family)
        psi, scale = start(objective)
        seconds = []
        for k in range(evaluations):
            began = time.perf_counter()
            objective.gradient(objective.evaluate(psi + (-1) ** k * 0.5 * scale.sum(axis=1)))
            seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def restart_peak() -> int:
    """Start the process's high-water mark of memory anew; what it holds now, in bytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """High-water mark of this process's memory since `restart_peak`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(rows: int, evaluations: int, threads: int) -> Row:
    """Fit one simulated trial in this process and note what it took."""
    import ilhte_bayes as il

    small = il.laplace(il.Model(FORMULA, simulate(4_000, seed=1)))
    frame = simulate(rows, seed=rows)
    before = restart_peak()
    start = time.perf_counter()
    model = il.Model(FORMULA, frame)
    il.laplace(model)
    fit_seconds = time.perf_counter() - start
    beyond = peak_bytes() - before
    return Row(
        rows=rows,
        persons=rows // ITEMS,
        items=ITEMS,
        evaluations=evaluations,
        seconds_per_evaluation=seconds_per_evaluation(model, evaluations),
        fit_seconds=round(fit_seconds, 4),
        compile_seconds=round(float(small.compile_seconds), 4),
        peak_bytes_beyond_table=beyond,
        peak_in_response_columns=round(beyond / (8 * rows), 3),
        threads=threads,
        versions=our_versions(),
        machine=machine(),
        date=datetime.date.today().isoformat(),
    )


def measure_apart(rows: int, options: argparse.Namespace) -> Row:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, "--worker", str(rows)]
    command += ["--evaluations", str(options.evaluations), "--threads", str(options.threads)]
    limits = ONE_THREAD | {"NUMBA_NUM_THREADS": str(options.threads)}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | limits, text=True, stdout=subprocess.PIPE, check=True
    )
    row = Row(**json.loads(done.stdout.strip().splitlines()[-1]))
    print(
        f"{row.rows:>10,} rows: {row.seconds_per_evaluation:.4g} s an evaluation, "
        f"{row.fit_seconds:.4g} s a fit, memory of {row.peak_in_response_columns:.3g} columns",
        flush=True,
    )
    return row


def write_table(rows: list[Row]) -> None:
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def growth(table: pd.DataFrame, column: str) -> float:
    """Slope of log(column) on log(rows): 1 means proportional to the number of rows."""
    return float(np.polyfit(np.log(table["rows"]), np.log(table[column]), 1)[0])


def draw_figure(table: pd.DataFrame) -> None:
    """Seconds and memory against rows, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    draw_seconds(left, table)
    draw_memory(right, table)
    figure.savefig(FIGURE, dpi=150)
    plt.close(figure)


def draw_seconds(axes: Axes, table: pd.DataFrame) -> None:
    lines = (
        ("fit_seconds", "whole fit, compiled", ORANGE, "s"),
        ("seconds_per_evaluation", "one value and gradient", BLUE, "o"),
    )
    for column, label, colour, marker in lines:
        label = f"{label} (grows as rows to the power {growth(table, column):.2f})"
        axes.loglog(table["rows"], table[column], marker=marker, color=colour, label=label)
    first = table.iloc[0]
    line = first["seconds_per_evaluation"] * table["rows"] / first["rows"]
    axes.loglog(table["rows"], line, ":", color=GREY, label="proportional to rows")
    axes.set(xlabel="responses (rows of the table)", ylabel="wall time (seconds)")
    axes.set_title("Time", loc="left")
    axes.legend(frameon=False, fontsize=8)


def draw_memory(axes: Axes, table: pd.DataFrame) -> None:
    megabytes = table["peak_bytes_beyond_table"] / 1e6
    axes.loglog(table["rows"], megabytes, marker="o", color=BLUE, label="peak beyond the table")
    for rows, value, multiple in zip(
        table["rows"], megabytes, table["peak_in_response_columns"], strict=True
    ):
        axes.annotate(
            f"{multiple:.1f} x",
            (rows, value),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
        )
    one = 8 * table["rows"] / 1e6
    axes.loglog(table["rows"], one, ":", color=GREY, label="8 bytes for each response (1 x)")
    axes.set(xlabel="responses (rows of the table)", ylabel="memory (megabytes)")
    axes.set_title("Memory", loc="left")
    axes.margins(0.15)
    axes.legend(frameon=False, fontsize=8)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--evaluations", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="numba threads")
    parser.add_argument("--plot-only", action="store_true", help="redraw from the table")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = read_options()
    if options.worker:
        found = measure(options.worker, options.evaluations, options.threads)
        print(json.dumps(asdict(found)))
        return
    if not options.plot_only:
        write_table([measure_apart(rows, options) for rows in sorted(options.rows)])
    draw_figure(pd.read_csv(TABLE))


if __name__ == "__main__":
    main()
