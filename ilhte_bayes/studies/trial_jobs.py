"""Trials run one after another, in processes of this machine, or on a Dask cluster."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from ilhte_bayes.data.open_table import open_table
from ilhte_bayes.errors import DataError
from ilhte_bayes.studies.analyse import Job, Settings, analyse, unexpected
from ilhte_bayes.studies.trial_results import TrialResult
from ilhte_bayes.studies.workers import Workers

_AHEAD = 2  # jobs handed out for each worker: none waits, and few tables are in memory
_TRIES = 2  # times that a job may take its own process down


def run_jobs(
    jobs: Iterator[Job], settings: Settings, *, workers: int = 1, client: Any = None
) -> Iterator[TrialResult]:
    """Analyse every job; results come as they are finished.

    A process that ends on the way (killed, out of memory) takes no other trial with it: its jobs
    are run again, and one that keeps ending its process becomes a row with that reason.
    """
    if client is not None:
        yield from _on_cluster(jobs, settings, client)
    elif workers == 1:
        yield from (analyse(job, settings) for job in jobs)
    else:
        yield from _in_processes(jobs, settings, workers)


def ended(job: Job, settings: Settings, reason: str) -> TrialResult:
    """The row of a trial whose process did not come back; the next run tries again."""
    row = {"engine": settings.engine, "version": settings.version, "status": "failed"}
    row["reason"] = reason
    return TrialResult(job.trial, settings.fingerprint, job.data, row, final=False)


def _on_cluster(jobs: Iterator[Job], settings: Settings, client: Any) -> Iterator[TrialResult]:
    """On the workers of a Dask cluster, which runs a job again elsewhere if its worker is lost."""
    if not hasattr(client, "get_executor"):
        raise DataError(
            f"client is a {type(client).__name__}. Give a dask.distributed.Client, or workers=2."
        )
    refused: list[TrialResult] = []

    def readable() -> Iterator[Job]:
        for job in jobs:  # with the table in it: workers elsewhere do not see this machine's files
            try:
                yield replace(job, source=open_table(job.source))
            except Exception:  # told in the trial's row
                refused.append(analyse(job, settings))

    width = _AHEAD * max(1, len(client.nthreads()))
    with client.get_executor(pure=False) as pool:
        for job, future in _as_finished(readable(), settings, pool, width):
            yield _result(future, job, settings)
    yield from refused


def _in_processes(jobs: Iterator[Job], settings: Settings, workers: int) -> Iterator[TrialResult]:
    suspects: list[Job] = []
    more = True
    while more:
        more = False
        with Workers(workers) as pool:
            for job, future in _as_finished(jobs, settings, pool, _AHEAD * workers):
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(job)  # one of those under way ended its process
                    more = True
                else:
                    yield _result(future, job, settings)
        for job in suspects:
            yield _alone(job, settings)
        suspects.clear()


def _alone(job: Job, settings: Settings) -> TrialResult:
    """A job in a process of its own, where no other can be to blame."""
    for _ in range(_TRIES):
        with Workers(1) as pool:
            future = pool.submit(analyse, job, settings)
            if not isinstance(future.exception(), BrokenProcessPool):
                return _result(future, job, settings)
    return ended(
        job, settings, f"its process ended {_TRIES} times, perhaps for want of memory; not analysed"
    )


def _result(future: Future, job: Job, settings: Settings) -> TrialResult:
    error = future.exception()
    return future.result() if error is None else ended(job, settings, unexpected(error))


def _as_finished(
    jobs: Iterator[Job], settings: Settings, pool: Executor, width: int
) -> Iterator[tuple[Job, Future]]:
    """Jobs with their futures as they are done; `width` are under way at a time.

    After a broken pool no new ones are started, those under way are given back.
    """
    under_way: dict[Future, Job] = {}
    open_ = True
    while open_ or under_way:
        while open_ and len(under_way) < width:
            job = next(jobs, None)
            if job is None:
                open_ = False
                break
            under_way[_submitted(pool, job, settings)] = job
        if not under_way:
            return
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            open_ &= not isinstance(future.exception(), BrokenProcessPool)
            yield under_way.pop(future), future


def _submitted(pool: Executor, job: Job, settings: Settings) -> Future:
    try:
        return pool.submit(analyse, job, settings)
    except BrokenProcessPool as error:  # broken since the last look
        future: Future = Future()
        future.set_exception(error)
        return future
