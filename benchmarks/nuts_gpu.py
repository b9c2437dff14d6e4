"""NUTS by nutpie, by numpyro on this machine's processor, and by numpyro on its GPU where it has one.

    uv run --extra jax python benchmarks/nuts_gpu.py                              # 500 x 20
    uv run --extra jax python benchmarks/nuts_gpu.py --persons 5000 --items 40    # needs patience

A simulated trial, effects by item, persons integrated out and sampled (`integrate="none"`). Each run
is a process of its own; JAX compiles each model within the run, and `compile_seconds` is a run of four
draws after 50 steps, nearly all of it compiling. Accuracy: the largest difference of a mean from nutpie's
in posterior SDs, beside the Monte Carlo error expected of it. A run that is not possible here is a row
with its reason.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

OUT = Path(__file__).with_suffix(".csv")
PACKAGES = ("pymc", "pytensor", "nutpie", "numpyro", "jax", "numba")
DEVICES = {"nutpie": ("cpu",), "numpyro": ("cpu", "gpu")}


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    path: str  # "integrated" or "joint"
    sampler: str
    device: str
    draws: int  # of each of four chains
    seed: int
    skipped: str = ""  # why it was not run
    seconds: float = math.nan  # whole run, from the built model to the fit, compiling included
    compile_seconds: float = math.nan
    min_ess: float = math.nan
    min_ess_per_second: float = math.nan
    divergences: float = math.nan
    mean_diff_in_sd: float = math.nan  # largest, from nutpie
    expected_diff_in_sd: float = (
        math.nan
    )  # twice the Monte Carlo error of that parameter's difference
    versions: str = ""
    machine: str = ""
    date: str = ""


def one_run(request: dict) -> dict:
    """One sampler on one device, in this process."""
    if why := _not_here(request):
        return {"skipped": why}
    import ilhte_bayes as il

    size = {"persons": request["persons"], "items": request["items"]}
    table = il.simulate(il.Trial(**size, effect=0.3, sigma_zeta=0.3), seed=request["seed"]).table
    model = il.il_hte(table)
    il.laplace(model)  # the loops of the pilot are compiled, or loaded
    integrate = "id" if request["path"] == "integrated" else "none"
    common = {
        "integrate": integrate, "sampler": request["sampler"], "seed": request["seed"],
        "progress": False, "target_accept": 0.9,
    }  # fmt: skip
    began = time.perf_counter()
    il.sample(model, draws=4, tune=50, **common)
    short = time.perf_counter() - began
    began = time.perf_counter()
    fit = il.sample(model, draws=request["draws"], **common)
    seconds = time.perf_counter() - began
    attrs = fit.tree["posterior"].attrs
    beta = fit.tree["posterior"]["beta"]
    return {
        "seconds": round(seconds, 2),
        "compile_seconds": round(short, 2),
        "min_ess": round(attrs["min_ess_bulk"]),
        "min_ess_per_second": round(attrs["min_ess_bulk"] / seconds, 2),
        "divergences": attrs["divergences"],
        "versions": _versions(),
        "means": beta.mean(("chain", "draw")).to_numpy().tolist(),
        "sds": beta.std(("chain", "draw")).to_numpy().tolist(),
    }


def _not_here(request: dict) -> str:
    """Why a run is not possible on this machine."""
    if request["sampler"] == "nutpie":
        return ""
    try:
        import jax
        import numpyro  # noqa: F401
    except ImportError as error:
        return f"{error}: pip install 'ilhte-bayes[jax]'"
    try:
        jax.devices(request["device"])
    except RuntimeError as error:
        return f"JAX finds no {request['device'].upper()} here ({str(error).splitlines()[0]})"
    return ""


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return "; ".join([f"python {platform.python_version()}", *found])


def run(request: dict) -> dict:
    """The same in a process of its own, on the device asked for."""
    place = {"cpu": "cpu", "gpu": ""}[request["device"]]
    env = os.environ | ({"JAX_PLATFORMS": place} if place else {})
    command = [sys.executable, __file__, "--one", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"{request} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def rows(options: argparse.Namespace) -> list[Row]:
    out = []
    for path in ("integrated", "joint"):
        reference: dict | None = None
        for sampler, devices in DEVICES.items():
            for device in devices:
                request = {
                    "path": path, "sampler": sampler, "device": device, "seed": options.seed,
                    "persons": options.persons, "items": options.items, "draws": options.draws,
                }  # fmt: skip
                found = run(request)
                case = f"{options.persons}x{options.items}"
                row = Row(case, path, sampler, device, options.draws, options.seed)
                means, sds = found.pop("means", None), found.pop("sds", None)
                row = replace(row, machine=_machine(), date=date.today().isoformat(), **found)
                if sampler == "nutpie":
                    reference = {"means": means, "ess": found["min_ess"]}
                elif means and reference:
                    gap = np.abs(np.subtract(means, reference["means"])) / np.array(sds)
                    error = math.sqrt(1 / reference["ess"] + 1 / found["min_ess"])
                    row = replace(
                        row,
                        mean_diff_in_sd=round(float(gap.max()), 3),
                        expected_diff_in_sd=round(2 * error, 3),
                    )
                out.append(row)
                print(row.skipped or f"{path} {sampler} {device}: {row.seconds} s", flush=True)
    return out


def _machine() -> str:
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=500)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    pd.DataFrame([asdict(row) for row in rows(options)]).to_csv(options.out, index=False)
    print(f"written to {options.out}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one_run(json.loads(sys.argv[2]))))
    else:
        main()
