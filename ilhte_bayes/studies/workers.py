"""Worker processes for many independent tasks, with numerical libraries kept to one thread each."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from threadpoolctl import threadpool_limits


def in_processes[T, R](work: Callable[[T], R], tasks: Sequence[T], jobs: int | None) -> Iterator[R]:
    """Results of `work` on each task, as they come.

    Parameters
    ----------
    work : callable
        A function of a module, not of a script.
    tasks : sequence
    jobs : int, optional
        Processes; one for each core by default. With one the work is done here.
    """
    jobs = min(jobs or _cores(), len(tasks))
    if jobs <= 1:
        with threadpool_limits(limits=1, user_api="blas"):
            yield from map(work, tasks)
        return
    # spawned, not forked: compiled code and its threads do not survive a fork
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        with _without_script():
            waiting = [pool.submit(work, task) for task in tasks]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_thread() -> None:
    threadpool_limits(limits=1, user_api="blas")


@contextmanager
def _without_script() -> Iterator[None]:
    """Processes that start now do not run the user's script again, as spawned ones otherwise do."""
    main: Any = sys.modules["__main__"]
    kept = {name: main.__dict__[name] for name in ("__spec__", "__file__") if name in main.__dict__}
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
    try:
        yield
    finally:
        main.__dict__.update(kept)
