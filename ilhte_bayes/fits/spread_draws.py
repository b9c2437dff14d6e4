"""Draws of a fit's parameters, thinned evenly: one set of values at a time for loops over draws."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit

SMALLEST_SD = 0.01  # logits; a spread estimated at 0 counts as this


@dataclass(frozen=True, slots=True)
class Values:
    """One draw of everything but one group's effects."""

    beta: np.ndarray  # (term,)
    effects: dict[str, np.ndarray]  # other groups: (level, column)
    sd: np.ndarray  # (column,) of the group that is left open
    covariance: dict[str, np.ndarray]  # other groups: (column, column)


@dataclass(frozen=True, slots=True)
class SpreadDraws:
    """Draws of a fit without one group's effects; iterates over `Values`."""

    beta: np.ndarray  # (draw, term)
    effects: dict[str, np.ndarray]  # (draw, level, column)
    sd: np.ndarray  # (draw, column)
    covariance: dict[str, np.ndarray]  # (draw, column, column)
    chains: int

    def __len__(self) -> int:
        return len(self.sd)

    def __getitem__(self, k: int) -> Values:
        effects = {name: values[k] for name, values in self.effects.items()}
        covariance = {name: values[k] for name, values in self.covariance.items()}
        return Values(self.beta[k], effects, self.sd[k], covariance)

    def __iter__(self) -> Iterator[Values]:
        return (self[k] for k in range(len(self)))


def spread_positions(posterior: xr.Dataset, n: int) -> np.ndarray:
    """Positions of n draws, or of all if there are fewer: in each chain evenly from end to end."""
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    if n >= chains * draws:
        return np.arange(draws)
    each = -(-n // chains)
    return np.unique(np.linspace(0, draws - 1, each).round().astype(int))


def spread_samples(posterior: xr.Dataset, n: int | None = None) -> np.ndarray:
    """As `spread_positions`, counted through the chains put one after the other; None for all."""
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    at = spread_positions(posterior, chains * draws if n is None else n)
    return np.asarray((np.arange(chains)[:, None] * draws + at).ravel())


def spread_draws(fit: Fit, open_group: str, n: int) -> SpreadDraws:
    """Take about n draws (rounded up to a multiple of the chains), chain after chain.

    Parameters
    ----------
    fit : Fit
        Sampled, or maximised: then draws of the normal approximation.
    open_group : str
        Group whose effects are not taken.
    n : int

    Raises
    ------
    ModelError
        If the draws lack another group's effects.
    """
    posterior = fit.draws["posterior"].to_dataset()
    at = posterior.isel(draw=spread_positions(posterior, n))
    groups = fit.model.design.groups
    others = [group for group in groups if group.name != open_group]
    for group in others:
        if f"re_{group.name}" not in at:
            raise ModelError(
                f"the draws leave out the effects of {group.name}, which are needed here. Fit with "
                f"il.sample(model, integrate={open_group!r})."
            )
    samples = at.sizes["chain"] * at.sizes["draw"]
    covariance = {}
    for group in others:
        sd = _flat(at, f"sd_{group.name}")
        corr: np.ndarray = np.eye(group.n_columns)
        if f"corr_{group.name}" in at:
            corr = _flat(at, f"corr_{group.name}")
        covariance[group.name] = sd[:, :, None] * sd[:, None, :] * corr
    return SpreadDraws(
        beta=_flat(at, "beta") if "beta" in at else np.zeros((samples, 0)),
        effects={group.name: _flat(at, f"re_{group.name}") for group in others},
        sd=np.maximum(_flat(at, f"sd_{open_group}"), SMALLEST_SD),
        covariance=covariance,
        chains=at.sizes["chain"],
    )


def _flat(posterior: xr.Dataset, name: str) -> np.ndarray:
    values = posterior[name].transpose("chain", "draw", ...).to_numpy()
    return np.asarray(values.reshape(-1, *values.shape[2:]))


def steps[T](items: Iterable[T], total: int, words: str, *, after: float = 3.0) -> Iterator[T]:
    """Go through items; after a few seconds say on standard error how far it is."""
    import sys
    import time

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
