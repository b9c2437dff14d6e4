"""Draws of a fit's parameters, thinned evenly: one set of values at a time for loops over draws."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.draw_tables import covariance_draws, flat
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
    return SpreadDraws(
        beta=flat(at, "beta") if "beta" in at else np.zeros((samples, 0)),
        effects={group.name: flat(at, f"re_{group.name}") for group in others},
        sd=np.maximum(flat(at, f"sd_{open_group}"), SMALLEST_SD),
        covariance={group.name: covariance_draws(at, group) for group in others},
        chains=at.sizes["chain"],
    )
