"""Answers larger than memory: written, reduced to counts by DuckDB, and the posterior of effects.

    python benchmarks/larger_than_memory.py 2_000_000                  # a try
    python benchmarks/larger_than_memory.py 200_000_000      # the claim; .1 GB of disk

Each step runs in a process of its own, whose largest resident memory (ru_maxrss) is a row of the
table: a CSV with times, sizes and versions, beside the truth that the answers were drawn from.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

ITEMS, CHUNK = 20, 200_000  # persons written at a time
TRUTH = {"ability_sd": 1.0, "effect": 0.2, "effect_sd": 0.15, "easiness_sd": 1.0}
PACKAGES = ("duckdb", "narwhals", "pyarrow", "numpy", "nutpie")


def write(folder: Path, responses: int) -> dict:
    """Persons in 50 schools answer 20 items; half of them treated; one file for each chunk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    easiness = rng.normal(0.0, TRUTH["easiness_sd"], ITEMS)
    effect = TRUTH["effect"] + rng.normal(0.0, TRUTH["effect_sd"], ITEMS)
    persons = responses // ITEMS
    for part, first in enumerate(range(0, persons, CHUNK)):
        person = np.arange(first, min(first + CHUNK, persons))
        treat = rng.integers(0, 2, person.size)
        ability = rng.normal(0.0, TRUTH["ability_sd"], person.size)
        logit = ability[:, None] + easiness + treat[:, None] * effect
        score = rng.random(logit.shape) < 1.0 / (1.0 + np.exp(-logit))
        item = pa.DictionaryArray.from_arrays(
            np.tile(np.arange(ITEMS, dtype=np.int8), person.size),
            [f"q{k + 1}" for k in range(ITEMS)],
        )
        table = pa.table(
            {
                "id": np.repeat(person, ITEMS),
                "item": item,
                "treat": np.repeat(treat.astype(np.int8), ITEMS),
                "resp": score.ravel().astype(np.int8),
            }
        )
        pq.write_table(table, folder / f"part{part:05d}.parquet", compression="zstd")
    np.savez(folder / "truth.npz", effect=effect, easiness=easiness)
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    return {"answers": persons * ITEMS, "megabytes": round(size / 1e6, 1)}


def reduce(folder: Path, limit: str) -> dict:
    import ilhte_bayes as il

    reduced = il.reduce(folder / "*.parquet", memory_limit=limit)
    size = reduced.save(folder.parent / "counts.parquet").stat().st_size
    return {"kinds": int(reduced.persons.size), "megabytes": round(size / 1e6, 3)}


def posterior(folder: Path) -> dict:
    import ilhte_bayes as il

    model = il.il_hte(folder.parent / "counts.parquet")
    fit = il.sample(model, seed=1, progress=False)
    truth = np.load(folder / "truth.npz")["effect"]
    frame = il.item_effects(fit).frame
    order = [f"q{k + 1}" for k in range(ITEMS)]
    found = frame.loc[order] if frame.index.nlevels == 1 else frame.droplevel(0).loc[order]
    z = (found["effect"].to_numpy() - truth) / found["se"].to_numpy()
    return {
        "sampling_seconds": round(fit.seconds, 2),
        "compile_seconds": round(fit.compile_seconds, 2),
        "root_mean_square_z": round(float(np.sqrt(np.mean(z**2))), 2),  # 1 where intervals hold
        "largest_se": float(f"{found['se'].max():.2g}"),
        "problems": len(fit.problems),
    }


def step(name: str, *arguments: object) -> dict:
    """Run one step in a process of its own."""
    command = [sys.executable, __file__, "--step", name, *map(str, arguments)]
    own = os.environ | {
        "ARROW_DEFAULT_MEMORY_POOL": "system"
    }  # the other reserves what it never uses
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def one_step(name: str, arguments: list[str]) -> None:
    began = time.perf_counter()
    folder = Path(arguments[0])
    found = {
        "write": lambda: write(folder, int(arguments[1])),
        "reduce": lambda: reduce(folder, arguments[1]),
        "posterior": lambda: posterior(folder),
    }[name]()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kB to GiB
    print(json.dumps({"seconds": round(seconds, 2), "peak_gib": round(peak, 3)} | found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("responses", nargs="?", type=int, default=2_000_000)
    parser.add_argument(
        "--limit", default="1GiB", help="DuckDB's memory limit; Python takes .3 GiB beside it"
    )
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one by default")
    parser.add_argument("--out", type=Path, default=Path("larger_than_memory.csv"))
    own = parser.parse_args()
    versions = " ".join(f"{name}={version(name)}" for name in PACKAGES)
    lines = ["step,what,value"]
    with tempfile.TemporaryDirectory(dir=own.folder) as place:
        folder = Path(place) / "answers"
        folder.mkdir()
        for name, rest in (("write", [own.responses]), ("reduce", [own.limit]), ("posterior", [])):
            found = step(name, folder, *rest)
            print(name, found, flush=True)
            lines += [f"{name},{key},{value}" for key, value in found.items()]
    lines.append(f"all,limit,{own.limit}")
    lines += [f"all,versions,{versions}"]
    own.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {own.out}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        one_step(sys.argv[2], sys.argv[3:])
    else:
        main()
