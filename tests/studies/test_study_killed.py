"""A study that is killed, or loses processes, ends with the table of an undisturbed one."""

import multiprocessing
import os
import random
import signal
import time

import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.studies import workers

SMALL = {"models": ["M_0", "M_A"], "engine": "laplace", "progress": False}


@pytest.fixture
def folder(tmp_path, trial_of):
    place = tmp_path / "trials"
    place.mkdir()
    for k in range(8):
        trial_of(k, persons=30, items=4).to_csv(place / f"t{k}.csv", index=False)
    trial_of(0).assign(resp=1).to_csv(place / "constant.csv", index=False)
    return place


def run(folder, results):
    il.study(folder, folder=results, **SMALL)


def finished(results):
    return len(list(results.glob("*.json"))) if results.is_dir() else 0


def kill_at_random(folder, results, rng, context):
    """Start the study in a process of its own and kill it after a trial or two; whether it was."""
    process = context.Process(target=run, args=(folder, results))
    process.start()
    goal = finished(results) + rng.randint(1, 2)
    while process.is_alive() and finished(results) < goal:
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.1))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def check_killed(folder, tmp_path, kills, timeless, start):
    undisturbed = il.study(folder, folder=tmp_path / "whole", **SMALL)
    rng, results = random.Random(5), tmp_path / "killed"
    context = multiprocessing.get_context(start)
    done = [kill_at_random(folder, results, rng, context) for _ in range(kills)]
    assert any(done[:2]) and finished(results) > 0
    # what a machine that lost its power may leave: a file half written in its place
    some = sorted(results.glob("t*.json"))[0]
    some.write_bytes(some.read_bytes()[:200])
    last = il.study(folder, folder=results, **SMALL)
    pd.testing.assert_frame_equal(timeless(last.frame), timeless(undisturbed.frame))
    pd.testing.assert_frame_equal(last.items, undisturbed.items)
    assert last.curves == undisturbed.curves
    assert len(list(results.glob("*.json"))) == len(last)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking beside threads
def test_two_kills(folder, tmp_path, timeless):
    il.study({"warm": pd.read_csv(folder / "t0.csv")}, **SMALL)  # the forks have loops loaded
    check_killed(folder, tmp_path, 2, timeless, "fork")


@pytest.mark.slow
def test_ten_kills(tmp_path, trial_of, timeless):
    place = tmp_path / "trials"
    place.mkdir()
    for k in range(24):
        trial_of(k, persons=40, items=5).to_csv(place / f"t{k}.csv", index=False)
    check_killed(place, tmp_path, 10, timeless, "spawn")


class Deadly(pd.DataFrame):
    """A table that ends the process that opens it."""

    def __reduce_ex__(self, protocol):
        return os._exit, (3,)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trial_that_ends_its_process_takes_no_other_with_it(trial_of, monkeypatch, timeless):
    fork = multiprocessing.get_context("fork")  # which has loops loaded
    monkeypatch.setattr(workers, "get_context", lambda kind: fork)
    good = {f"t{k}": trial_of(k, persons=30, items=4) for k in range(4)}
    alone = il.study(good, **SMALL)
    names = ["t0", "deadly", "t1", "t2", "t3"]
    trials = {name: Deadly(trial_of(9)) if name == "deadly" else good[name] for name in names}
    study = il.study(trials, workers=2, **SMALL)
    assert study.failures.index.tolist() == ["deadly"]
    assert "process ended" in study.failures.loc["deadly", "reason"]
    both = timeless(study.frame.loc[alone.frame.index, alone.frame.columns])
    pd.testing.assert_frame_equal(both, timeless(alone.frame))


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_worker(tmp_path, trial_of, timeless):
    distributed = pytest.importorskip("distributed")
    trials = {f"t{k}": trial_of(k, persons=60, items=6) for k in range(10)}
    trials["constant"] = trial_of(0).assign(resp=1)
    alone = il.study(trials, **SMALL)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = client.run(os.getpid)

        def killing():
            for k, pair in enumerate(trials.items()):
                if k == 6:  # some are done, some under way
                    os.kill(next(iter(pids.values())), signal.SIGKILL)
                yield pair

        study = il.study(killing(), client=client, folder=tmp_path / "kept", **SMALL)
    # workers use other numbers of threads, for nothing that counts: equal to the last digits
    pd.testing.assert_frame_equal(timeless(study.frame), timeless(alone.frame), rtol=1e-6)
    again = il.study(trials, folder=tmp_path / "kept", **SMALL)
    assert again.frame["seconds"].equals(study.frame["seconds"])  # read, not done again
