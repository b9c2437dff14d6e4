"""Only the maximum of a marginal log-likelihood, from a point known to be near it.

A bootstrap refits a model a thousand times and wants one number of each; a profile holds one SD and
wants the maximum over the rest. Neither needs standard errors, whose Hessian is most of a fit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import minimize

from ilhte_bayes.engines.marginal.integrated import IntegratedObjective
from ilhte_bayes.engines.marginal.maximise import MarginalObjective
from ilhte_bayes.engines.marginal.objective import ROUGH, LaplaceObjective
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.model import Model

OFF_THE_EDGE = 0.1  # logits; a search started at an SD of 0 would stay there
_INSIDE = 0.98  # a correlation of 1 is started from here
# Largest gradient at the end, by unknowns in standard errors: the log-likelihood is then short of
# its maximum by about half its square for each unknown, 1e-6.
_GRADIENT = 1e-3
_EDGE = 0.03  # logits; nearer to 0 than this the search may have stopped at a saddle


class Highest(NamedTuple):
    """A maximum, and whether the search got there."""

    psi: np.ndarray
    value: float
    converged: bool


@dataclass(frozen=True, slots=True)
class HeldSD:
    """An SD that keeps its value: that of one column of the k-th group."""

    k: int
    column: int
    sd: float


def objective_like(fit: Fit, model: Model) -> MarginalObjective:
    """Marginal log-likelihood of a model, approximated as in a maximised fit of another one."""
    if fit.engine == "laplace":
        return LaplaceObjective(model.rows, model.family)
    return IntegratedObjective(model.rows, model.family, str(fit.mode.attrs["integrated"]))


def point(target: MarginalObjective, parameters: xr.Dataset) -> np.ndarray:
    """Coordinates near these parameters, off the edges: SDs of 0 become 0.1, no correlation is 1.

    Parameters
    ----------
    target : MarginalObjective
    parameters : xr.Dataset
        `beta`, `sd_g`, and `corr_g` where a group has correlations.
    """
    psi = np.zeros(target.n_psi)
    psi[target.parts[0]] = parameters["beta"].to_numpy() if "beta" in parameters else []
    for group, c, part in zip(
        target.plan.groups, target.coordinates, target.parts[1:], strict=True
    ):
        sd = np.maximum(parameters[f"sd_{group.name}"].to_numpy(), OFF_THE_EDGE)
        corr = np.eye(sd.size)
        if f"corr_{group.name}" in parameters:
            known = np.nan_to_num(parameters[f"corr_{group.name}"].to_numpy())
            corr = _INSIDE * known + np.diag(1.0 - _INSIDE * np.diag(known))
        psi[part] = c.from_factor(np.linalg.cholesky(sd[:, None] * corr * sd))
    return psi


def in_order_of(target: MarginalObjective, mode: xr.Dataset) -> np.ndarray:
    """Positions in a fit's coordinates, whose groups may come in another order, of the target's."""
    at = n_fixed = target.parts[0].stop
    where = {}
    sizes = {c.group: c.size for c in target.coordinates}
    for name in mode.attrs["group_order"]:
        where[name] = np.arange(at, at + sizes[name])
        at += sizes[name]
    parts = [np.arange(n_fixed), *(where[c.group] for c in target.coordinates)]
    return np.concatenate(parts).astype(int)


def scale_of(target: MarginalObjective, mode: xr.Dataset) -> np.ndarray:
    """Square root of a fit's covariance, in the target's coordinates; edges have a width of 0.1."""
    order = in_order_of(target, mode)
    rough = mode["psi_cov"].to_numpy()[np.ix_(order, order)]
    width = np.sqrt(np.diag(rough))
    rough = rough + np.diag(np.where(width < 1e-3, OFF_THE_EDGE**2, 1e-9 * width**2))
    return np.linalg.cholesky(rough)


def highest(
    target: MarginalObjective, psi: np.ndarray, scale: np.ndarray, held: HeldSD | None = None
) -> Highest:
    """Climb to the maximum.

    Parameters
    ----------
    target : MarginalObjective
        In Cholesky coordinates.
    psi : (psi,) array
        Where to start.
    scale : (psi, psi) array
        Square root of a rough covariance of the estimates.
    held : HeldSD, optional
        An SD that is not to change.
    """
    target.tolerance = ROUGH
    found = _climb(target, psi, scale, held)
    for at in _diagonal(target):
        if abs(found.psi[at]) < _EDGE:
            moved = _on(target, found.psi, held)
            moved[at] += 2.0 * _EDGE
            if target.evaluate(_on(target, moved, held)).value > found.value + 1e-6:
                found = _climb(target, moved, scale, held)  # 0 was a saddle
    return found


def _climb(
    target: MarginalObjective, psi: np.ndarray, scale: np.ndarray, held: HeldSD | None
) -> Highest:
    def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
        free = psi + scale @ x
        at = target.evaluate(_on(target, free, held))
        if not np.isfinite(at.value):
            return 1e300, np.zeros_like(x)
        slope = _by_free(target, free, target.gradient(at), held)
        return -at.value, -(scale.T @ slope)

    found = minimize(
        negative,
        np.zeros(psi.size),
        jac=True,
        method="BFGS",
        options={"gtol": _GRADIENT, "maxiter": 200, "norm": np.inf},
    )
    near = float(np.max(np.abs(found.jac), initial=0.0)) < 20.0 * _GRADIENT
    there = _on(target, psi + scale @ found.x, held)
    return Highest(there, -float(found.fun), bool(near and np.isfinite(found.fun)))


def _diagonal(target: MarginalObjective) -> list[int]:
    """Coordinates that mirror at 0: an SD given the columns before it, in its block."""
    out = []
    for c, part in zip(target.coordinates, target.parts[1:], strict=True):
        mark = c.from_factor(np.eye(len(c.columns)))
        out += (part.start + np.flatnonzero(mark)).tolist()
    return out


# A held SD s: the row of the factor is s w / |w| for any w, so that the search stays free.


def _on(target: MarginalObjective, psi: np.ndarray, held: HeldSD | None) -> np.ndarray:
    """The nearest point at which the held SD has its value."""
    if held is None:
        return psi.copy()
    at, out = _held_at(target, held), psi.copy()
    out[at] *= held.sd / np.linalg.norm(out[at])
    return out


def _by_free(
    target: MarginalObjective, free: np.ndarray, gradient: np.ndarray, held: HeldSD | None
) -> np.ndarray:
    """Gradient by the free coordinates, from that by the factor."""
    if held is None:
        return gradient
    at = _held_at(target, held)
    size = float(np.linalg.norm(free[at]))
    unit, out = free[at] / size, gradient.copy()
    out[at] = held.sd / size * (gradient[at] - unit * float(unit @ gradient[at]))
    return out


def _held_at(target: MarginalObjective, held: HeldSD) -> np.ndarray:
    """Coordinates that make up the SD's row of its group's factor."""
    c = target.coordinates[held.k]
    mark = np.zeros((len(c.columns),) * 2)
    for block in c.blocks:
        if held.column in block:
            mark[held.column, [j for j in block if j <= held.column]] = 1.0
    return target.parts[held.k + 1].start + np.flatnonzero(c.from_factor(mark))
