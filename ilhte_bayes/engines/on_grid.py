"""Sampling with persons integrated out on a grid that is fine enough for the draws themselves."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.likelihood.grid import (
    Evaluate,
    Grid,
    GridError,
    Spread,
    choose_grid,
    grid_error,
)
from ilhte_bayes.likelihood.plan import Plan

EDGE = 2.5  # standard errors from the mode at which the grid must still be fine enough
_ROUNDS = 3  # runs at most; another one only if the grid was too coarse for the draws


class Target(Protocol):
    """A posterior density that can be evaluated and sampled on any grid."""

    def spread(self, states: np.ndarray) -> Spread:
        """Where theta lies in any of the states (state, unknown)."""

    def evaluator(self, states: np.ndarray, scale: np.ndarray) -> Evaluate:
        """Log-density and gradient times `scale` in every state, as a function of the grid."""

    def sample(self, grid: Grid) -> tuple[Any, np.ndarray]:
        """The sampler's own tree, and its draws as unknowns (chain, draw, unknown)."""

    def extremes(self, x: np.ndarray) -> np.ndarray:
        """(state, unknown): draws that ask most of the grid."""


@dataclass(frozen=True, slots=True)
class OnGrid:
    """Draws, and how exact the integral was for them."""

    raw: Any
    x: np.ndarray  # (chain, draw, unknown)
    grid: Grid
    error: GridError

    def attrs(self, group: str) -> dict[str, Any]:
        """What a fit keeps of it."""
        return {
            "integrated": group,
            "grid": [self.grid.first, self.grid.step, float(self.grid.size)],
            "grid_error": [self.error.value, self.error.gradient],
        }

    def problems(self) -> tuple[str, ...]:
        """A sentence if the grid stayed too coarse."""
        if self.error.small:
            return ()
        return (
            f"the integral over persons is not exact enough with {self.grid}: {self.error}. Use "
            "integrate='none'.",
        )


def sample_on_grid(target: Target, states: np.ndarray, scale: np.ndarray) -> OnGrid:
    """Choose a grid for the states, sample, and again if it is too coarse for the draws.

    Parameters
    ----------
    target : Target
    states : (state, unknown) the mode, and values towards the posterior's edges
    scale : (unknown,) rough posterior SDs
    """
    grid, _ = choose_grid(target.spread(states), target.evaluator(states, scale))
    for _ in range(_ROUNDS):
        raw, x = target.sample(grid)
        extremes, scale = target.extremes(x), x.std(axis=(0, 1))
        found = OnGrid(raw, x, grid, grid_error(grid, target.evaluator(extremes, scale)))
        if found.error.small:
            break
        states = np.vstack([states, extremes])  # draws from too short a grid are too narrow
        grid, _ = choose_grid(target.spread(states), target.evaluator(states, scale))
    return found


def extreme_draws(plan: Plan, posterior: xr.Dataset) -> np.ndarray:
    """Numbers of the draws at 1 % and 99 % of ability SDs and of the persons' mean."""
    n = posterior.sizes["chain"] * posterior.sizes["draw"]
    quantities = list(flat(posterior, f"sd_{plan.group.name}").T)
    if plan.means.terms:
        beta = flat(posterior, "beta")[:, list(plan.means.terms)]
        quantities += [beta @ plan.means.x[k] for k in (0, plan.n_means // 2, plan.n_means - 1)]
    if "discrimination" in posterior:
        quantities += [flat(posterior, "discrimination").max(axis=1)]
    orders = [np.argsort(values) for values in quantities]
    return np.unique([order[at] for order in orders for at in (n // 100, n - 1 - n // 100)])
