"""Worker processes for many independent tasks, with numerical libraries kept to one thread each."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import cloudpickle
from threadpoolctl import threadpool_limits


class Workers(ProcessPoolExecutor):
    """Processes that do not run the user's script again; leaving them drops tasks not yet begun.

    Functions of a script or notebook travel with the task, so that these need no guard
    (`if __name__ == "__main__":`).
    """

    def __init__(self, workers: int) -> None:
        # spawned, not forked: compiled code and its threads do not survive a fork
        super().__init__(workers, mp_context=get_context("spawn"), initializer=_one_thread)

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future:
        """Run `work`, in a process that starts now if none is idle."""
        with _without_script():
            return super().submit(_run, cloudpickle.dumps((work, args, options)))

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=True)


def in_processes[T, R](
    work: Callable[[T], R], tasks: Sequence[T], workers: int | None
) -> Iterator[R]:
    """Results of `work` on each task, as they come.

    Parameters
    ----------
    work : callable
    tasks : sequence
    workers : int, optional
        Processes; one for each core by default. With one the work is done here.
    """
    workers = min(workers or _cores(), len(tasks))
    if workers <= 1:
        with threadpool_limits(limits=1, user_api="blas"):
            yield from map(work, tasks)
        return
    with Workers(workers) as pool:
        for done in as_completed([pool.submit(work, task) for task in tasks]):
            yield done.result()


def _run(task: bytes) -> Any:
    work, args, options = cloudpickle.loads(task)
    return work(*args, **options)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_thread() -> None:
    import numpy  # noqa: F401 - only libraries that are loaded can be limited; each has its own
    import scipy.linalg  # noqa: F401

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
