"""How does the likelihood with persons integrated out grow with the number of persons?

Simulated trials of 40 items. Without person covariates, y ~ treat + (1|id) + (treat|item), persons
of one arm and one sum score are one unit, so that an evaluation should cost the same at any size;
with a continuous pretest every person is a unit, and it should be linear. Each size runs in a
fresh process on one core. Time: median seconds for one value and gradient of the compiled log
posterior density, on a grid of 41 nodes. Memory: the peak while the model, the plan and the
density's buffer are made and evaluated, beyond what the process held with the caller's table (its
columns in the smallest types) in it. Needs Linux, and 6 GB for the largest size.

Rows are written at once, and those in the table already are not measured again (`--again`).

    uv run python benchmarks/integrated_scaling.py [--persons 1000 10000 ...] [--plot-only]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from laplace_scaling import BLUE, GREY, ORANGE, growth, peak_bytes, restart_peak
from laplace_vs_glmer import ONE_THREAD, ROOT, machine, our_versions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    import ilhte_bayes as il

ITEMS, NODES = 40, 41
FORMULAS = {
    "none": "y ~ treat + (1 | id) + (treat | item)",
    "pretest": "y ~ treat + pre + (1 | id) + (treat | item)",
}
PERSONS = [1_000, 10_000, 100_000, 1_000_000]
TABLE = Path(__file__).with_suffix(".csv")
FIGURE = Path(__file__).with_suffix(".png")


@dataclass(frozen=True, slots=True)
class Row:
    """Time and memory at one size."""

    covariate: str
    persons: int
    items: int
    units: int  # distinct persons: what an evaluation works through
    nodes: int
    seconds_per_gradient: float
    evaluations: int  # the median is given
    nanoseconds_per_unit_and_node: float
    model_seconds: float  # table -> checked design
    plan_seconds: float
    table_bytes: int
    peak_bytes_beyond_table: int
    bytes_per_response: float  # the same, over the table's rows
    versions: str
    machine: str
    date: str


def simulate(persons: int, covariate: str, seed: int) -> pd.DataFrame:
    """A trial with the bundled simulations' truth, made in blocks so that it leaves no peak."""
    rng = np.random.default_rng(seed)
    easiness = rng.normal(0, 1, ITEMS)
    deviation = 0.4 * (-0.3 * easiness + np.sqrt(1 - 0.3**2) * rng.normal(0, 1, ITEMS))
    pre = rng.normal(0, 1, persons).astype(np.float32)
    score = np.empty((persons, ITEMS), dtype=np.int8)
    for start in range(0, persons, 10_000):
        person = np.arange(start, min(start + 10_000, persons))
        ability = rng.normal(0, 1, person.size) + (0.5 * pre[person] if covariate != "none" else 0)
        effect = (person % 2)[:, None] * (0.3 + deviation)
        chance = 1 / (1 + np.exp(-(0.2 + ability[:, None] + easiness + effect)))
        score[person] = rng.random(chance.shape) < chance
    ids = np.repeat(np.arange(persons, dtype=np.int32), ITEMS)
    table = {
        "id": ids,
        "item": np.tile(np.arange(ITEMS, dtype=np.int8), persons),
        "treat": (ids % 2).astype(np.int8),
        "y": score.ravel(),
    }
    if covariate != "none":
        table["pre"] = np.repeat(pre, ITEMS)
    return pd.DataFrame(table, copy=False)


@dataclass(frozen=True, slots=True)
class Timed:
    """What one model took."""

    units: int
    seconds_per_gradient: float
    model_seconds: float
    plan_seconds: float


def evaluate(frame: pd.DataFrame, covariate: str, evaluations: int) -> Timed:
    """Model, plan and buffer of one table, and repeated evaluation of its density."""
    import ilhte_bayes as il
    from ilhte_bayes.likelihood.grid import Grid
    from ilhte_bayes.likelihood.plan import make_plan
    from ilhte_bayes.models import posterior
    from ilhte_bayes.models.structure import pack
    from ilhte_bayes.models.unconstrained import make_layout, make_structure, to_vector

    began = time.perf_counter()
    model = il.Model(FORMULAS[covariate], frame)
    modelled = time.perf_counter()
    plan = make_plan(model.design, "id")
    planned = time.perf_counter()
    layout = make_layout(model.design, "id", frozenset({"item[Intercept]"}))
    grid = Grid(-8.0, 16.0 / (NODES - 1), NODES)
    buffer = pack(make_structure(layout, model.priors, plan, grid, model.rows))
    arrays = posterior.unpack(buffer, buffer.view(np.float64))
    x = to_vector(layout, truth_nearby(model))
    gradient = np.empty(layout.size)
    seconds = []
    for k in range(evaluations):
        x[0] += 1e-3 * (-1) ** k
        start = time.perf_counter()
        value = posterior.log_density(arrays, x, gradient)
        seconds.append(time.perf_counter() - start)
        assert np.isfinite(value)
    return Timed(plan.n_units, float(np.median(seconds)), modelled - began, planned - modelled)


def truth_nearby(model: il.Model) -> dict[str, np.ndarray]:
    """Parameters such as a sampler visits."""
    rng = np.random.default_rng(1)
    fixed = {"Intercept": 0.2, "treat": 0.3, "pre": 0.5}
    return {
        "beta": np.array([fixed[term] for term in model.design.terms]),
        "sd_id": np.array([1.0]),
        "sd_item": np.array([1.0, 0.4]),
        "corr_item": np.array([[1.0, -0.3], [-0.3, 1.0]]),
        "re_item": rng.normal(0, (1.0, 0.4), (ITEMS, 2)),
    }


def measure(persons: int, covariate: str, evaluations: int) -> Row:
    """One size in this process; everything is compiled on a small trial before."""
    evaluate(simulate(200, covariate, seed=1), covariate, 2)
    frame = simulate(persons, covariate, seed=persons)
    before = restart_peak()
    found = evaluate(frame, covariate, evaluations)
    beyond = peak_bytes() - before
    work = found.units * NODES
    return Row(
        covariate=covariate,
        persons=persons,
        items=ITEMS,
        units=found.units,
        nodes=NODES,
        seconds_per_gradient=found.seconds_per_gradient,
        evaluations=evaluations,
        nanoseconds_per_unit_and_node=round(1e9 * found.seconds_per_gradient / work, 3),
        model_seconds=round(found.model_seconds, 4),
        plan_seconds=round(found.plan_seconds, 4),
        table_bytes=int(frame.memory_usage(index=False).sum()),
        peak_bytes_beyond_table=beyond,
        bytes_per_response=round(beyond / len(frame), 2),
        versions=our_versions(),
        machine=machine(),
        date=datetime.date.today().isoformat(),
    )


def measure_apart(persons: int, covariate: str, evaluations: int) -> Row:
    """`measure` in a fresh process, BLAS and numba on one thread."""
    command = [sys.executable, __file__, "--worker", str(persons), "--covariate", covariate]
    command += ["--evaluations", str(evaluations)]
    limits = ONE_THREAD | {"NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | limits, text=True, stdout=subprocess.PIPE, check=True
    )
    row = Row(**json.loads(done.stdout.strip().splitlines()[-1]))
    print(
        f"{row.persons:>9,} persons, covariate {covariate}: {row.units:,} units, "
        f"{1e3 * row.seconds_per_gradient:.4g} ms a gradient "
        f"({row.nanoseconds_per_unit_and_node:.2f} ns a unit and node), "
        f"{row.peak_bytes_beyond_table / 2**20:,.0f} MiB beyond the table",
        flush=True,
    )
    return row


def read_table() -> list[dict[str, str]]:
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def write_row(row: Row) -> None:
    """Put a row into the table, in place of an earlier one of the same size."""
    new = {name: str(value) for name, value in asdict(row).items()}
    same = (new["covariate"], new["persons"])
    rows = [old for old in read_table() if (old["covariate"], old["persons"]) != same]
    rows = sorted([*rows, new], key=lambda r: (r["covariate"], int(r["persons"])))
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw_figure(table: pd.DataFrame) -> None:
    """Seconds and memory against persons, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    lines = (
        ("pretest", "with a continuous pretest", ORANGE, "s"),
        ("none", "no person covariate", BLUE, "o"),
    )
    for covariate, label, colour, marker in lines:
        part = table[table["covariate"] == covariate].rename(columns={"persons": "rows"})
        draw_seconds(left, part, label, colour, marker)
        mebibytes = part["peak_bytes_beyond_table"] / 2**20
        shown = part["rows"] >= 10_000  # below, it is lost in what the process holds anyway
        right.loglog(
            part["rows"][shown], mebibytes[shown], marker=marker, color=colour, label=label
        )
    left.set(xlabel="persons (40 items each)", ylabel="seconds, one value and gradient")
    left.set_title("Time of the log posterior density", loc="left")
    right.axhline(1024, linestyle=":", color=GREY, label="1 GiB")
    right.set(xlabel="persons (40 items each)", ylabel="peak memory beyond the table (MiB)")
    right.set_title("Memory of model, plan and density", loc="left")
    for axes in (left, right):
        axes.margins(0.1)
        axes.legend(frameon=False, fontsize=8, loc="upper left" if axes is left else "lower right")
    figure.savefig(FIGURE, dpi=150)
    plt.close(figure)


def draw_seconds(axes: Axes, part: pd.DataFrame, label: str, colour: str, marker: str) -> None:
    large = part[part["rows"] >= 10_000]
    if len(large) > 1:
        power = growth(large, "seconds_per_gradient")
        label = f"{label} (grows as persons$^{{{power:.2f}}}$)"
    axes.loglog(
        part["rows"], part["seconds_per_gradient"], marker=marker, color=colour, label=label
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--persons", type=int, nargs="+", default=PERSONS)
    parser.add_argument("--evaluations", type=int, default=25)
    parser.add_argument("--again", action="store_true", help="measure what is in the table anew")
    parser.add_argument("--plot-only", action="store_true", help="redraw from the table")
    parser.add_argument("--covariate", choices=list(FORMULAS), help="one of the two lines")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = read_options()
    if options.worker:
        found = measure(options.worker, options.covariate, options.evaluations)
        print(json.dumps(asdict(found)))
        return
    lines = [options.covariate] if options.covariate else list(FORMULAS)
    done = {(row["covariate"], int(row["persons"])) for row in read_table()}
    for persons in [] if options.plot_only else sorted(options.persons):
        for covariate in lines:
            if options.again or (covariate, persons) not in done:
                write_row(measure_apart(persons, covariate, options.evaluations))
    draw_figure(pd.read_csv(TABLE))


if __name__ == "__main__":
    main()
