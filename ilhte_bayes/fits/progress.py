"""Progress: how far a long loop is, said on standard error once it has lasted."""

import sys
import time
from collections.abc import Iterable, Iterator


def steps[T](
    items: Iterable[T], total: int | None, words: str, *, after: float = 3.0
) -> Iterator[T]:
    """Go through items; after a few seconds say on standard error how far it is, if that is known."""
    began, bar, task = time.perf_counter(), None, None
    try:
        for k, item in enumerate(items):
            yield item
            if bar is None and time.perf_counter() - began > after:
                from importlib.util import find_spec

                from rich.console import Console
                from rich.progress import Progress

                # a notebook without widgets would show every step on a line of its own
                mute = "ipykernel" in sys.modules and not find_spec("ipywidgets")
                bar = Progress(console=Console(stderr=True), transient=True, disable=mute)
                bar.start()
                task = bar.add_task(words, total=total)
            if bar is not None and task is not None:
                bar.update(task, completed=k + 1)
    finally:
        if bar is not None:
            bar.stop()
