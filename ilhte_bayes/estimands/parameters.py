"""Draws of the parameters alone, cheap for every engine: what cards and ratios are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ilhte_bayes.engines.marginal.covariance import Coordinates, spread_of_sds
from ilhte_bayes.estimands.distribution import N_DRAWS, SEED
from ilhte_bayes.fits.draw_tables import covariance_draws, flat
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.roots import root_of


@dataclass(frozen=True, slots=True)
class ParameterDraws:
    """Draws of coefficients and covariances, with the same draw number everywhere."""

    beta: np.ndarray  # (draw, term)
    covariance: dict[str, np.ndarray]  # group -> (draw, column, column)
    moved: np.ndarray | None  # (draw, psi) deviation from the mode, for a maximised fit


def mean_discrimination(fit: Fit) -> np.ndarray | float:
    """What an effect on ability is multiplied with in the average item: draws of E(a), or 1.

    exp(sd^2 / 2) where discriminations are log-normal and multiply the effect ("loaded").
    """
    if fit.model.discrimination != "loaded":
        return 1.0
    return np.asarray(np.exp(0.5 * flat(fit.tree, "sd_discrimination") ** 2))


def parameter_draws(fit: Fit) -> ParameterDraws:
    """Draw parameters from the posterior, or from the normal approximation at the mode.

    Coordinates at an edge of their range stay there. SDs that are coordinates themselves are
    log-normal where they are away from 0, see `spread_of_sds`.
    """
    if fit.sampled:
        posterior = fit.tree["posterior"].to_dataset()
        covariance = {g.name: covariance_draws(posterior, g) for g in fit.model.design.groups}
        return ParameterDraws(flat(posterior, "beta"), covariance, None)
    mode = fit.mode
    root = root_of(mode["psi_cov"].to_numpy())
    moved = np.random.default_rng(SEED).standard_normal((N_DRAWS, len(root))) @ root.T
    return replace(parameters_at(fit, _with_log_sds(fit, moved)), moved=moved)


def _with_log_sds(fit: Fit, moved: np.ndarray) -> np.ndarray:
    """(draw, psi) the mode and deviations from it, of SDs on the log scale."""
    psi, variance = fit.mode["psi"].to_numpy(), np.diag(fit.mode["psi_cov"].to_numpy())
    out = psi + moved
    for _, coordinates, part in _coordinates(fit):
        at = part.start + coordinates.sds
        se = np.sqrt(np.maximum(variance[at], 0.0))
        out[:, at] = spread_of_sds(out[:, at], psi[at], se)
    return out


def _coordinates(fit: Fit) -> Iterator[tuple[str, Coordinates, slice]]:
    """Each group's coordinates, and where they lie in psi."""
    mode = fit.mode
    at = mode.sizes["term"]
    for name in mode.attrs["group_order"]:
        group = fit.model.design.group(name)
        own = Coordinates(name, group.columns, group.blocks, partial=name in mode.attrs["partial"])
        yield name, own, slice(at, at + own.size)
        at += own.size


def parameters_at(fit: Fit, psi: np.ndarray) -> ParameterDraws:
    """Coefficients and covariances at points of a maximised fit's coordinates, (draw, psi)."""
    covariance = {}
    for name, coordinates, part in _coordinates(fit):
        factors = np.array([coordinates.factor(free) for free in psi[:, part]])
        covariance[name] = factors @ np.swapaxes(factors, 1, 2)
    return ParameterDraws(psi[:, : fit.mode.sizes["term"]], covariance, None)
