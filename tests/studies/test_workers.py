"""Processes of a script that has no guard, with functions of its own."""

import os
import subprocess
import sys

import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import ModelError
from ilhte_bayes.studies.workers import Workers

SIMPLE = """
import os
print("script")  # once, whatever the processes do

def square(k):
    from threadpoolctl import threadpool_info
    import numpy
    threads = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
    return k, k * k, threads, os.getpid()

from ilhte_bayes.studies.workers import in_processes
found = sorted(in_processes(square, range(4), 2))
assert [row[1] for row in found] == [0, 1, 4, 9], found
assert all(row[2] == {1} for row in found), found
assert os.getpid() not in {row[3] for row in found}
"""

# Every public function that has workers; an engine and a quantity that only the script knows
PUBLIC = """
import numpy as np
import ilhte_bayes as il
print("script")

plan = il.Trial(persons=30, items=4)
power = il.power(plan, n=4, engine="laplace", workers=2, progress=False)
assert len(power.trials) == 4

def engine(model, draws, seed):
    return il.laplace(model, objective="map").draws["posterior"].to_dataset()

table = il.simulate(plan, seed=1).table
model = il.il_hte(table, priors={"beta": il.priors.Normal(0, 1)})
options = {"quantities": {"b": lambda model, draws: draws["beta"][..., 1].values}, "kept": 9}
here, there = (il.calibrate(model, n=3, engine=engine, workers=w, **options) for w in (1, 2))
assert here.ranks.equals(there.ranks), (here.ranks, there.ranks)

trials = {f"t{k}": il.simulate(plan, seed=k).table for k in range(3)}
study = il.study(trials, models=["M_0", "M_A"], engine="laplace", workers=2, progress=False)
assert len(study.frame) == 3 and not len(study.failures)
"""


def run(script, tmp_path):
    """Run a file as a user does."""
    path = tmp_path / "script.py"
    path.write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # the limit must be ours
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=400, env=environment
    )


def test_a_script_without_a_guard_runs_once_and_its_functions_reach_the_processes(tmp_path):
    done = run(SIMPLE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["script"]


@pytest.mark.slow  # a dozen processes load everything
def test_all_that_has_workers_runs_in_such_a_script(tmp_path):
    done = run(PUBLIC, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["script"]


def test_leaving_drops_what_has_not_begun():
    with Workers(1) as pool:  # the process starts slower than 50 tasks are handed in
        futures = [pool.submit(abs, 1) for _ in range(50)]
    assert any(future.cancelled() for future in futures)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_numbers_of_processes_that_make_no_sense_are_refused(workers):
    with pytest.raises(ModelError, match=f"workers={workers!r}: .* at least 1"):
        il.study({}, workers=workers)
