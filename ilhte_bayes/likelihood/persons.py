"""Persons: given parameters, what each unit's answers say of theta, as masses on the grid."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ilhte_bayes.likelihood.compiled import jit
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.kernel import tabulate
from ilhte_bayes.likelihood.plan import Plan, Units, sum_scores


@dataclass(frozen=True, slots=True)
class Arguments:
    """One set of parameter values, as the likelihood wants them (see `kernel`)."""

    log_weight: np.ndarray  # (class, node)
    tau: np.ndarray  # (class,)
    d: np.ndarray  # (cell * step,)
    slope: np.ndarray  # (slope,)
    score: np.ndarray  # (unit,)
    mean: np.ndarray  # (mean,)


def arguments(
    plan: Plan, grid: Grid, beta: np.ndarray, effects: Mapping[str, np.ndarray], sd: np.ndarray
) -> Arguments:
    """Translate one draw: beta (term), effects by group (level, column), sd of theta (class)."""
    log_weight = np.log(grid.step) - np.log(sd * np.sqrt(2.0 * np.pi))
    return Arguments(
        log_weight=np.tile(log_weight[:, None], (1, grid.size)),
        tau=1.0 / sd**2,
        d=plan.cells.value(beta, dict(effects)),
        slope=plan.slopes,
        score=sum_scores(plan, plan.slopes),
        mean=plan.means.value(beta, dict(effects)),
    )


def unit_masses(
    plan: Plan, grid: Grid, at: Arguments, units: slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood of each unit (one person of it), and its posterior masses on the nodes.

    Parameters
    ----------
    plan : Plan
    grid : Grid
        Nodes at which masses are wanted.
    at : Arguments
        With `log_weight` for these nodes.
    units : slice
        Which units, for those who cannot hold units x nodes.

    Returns
    -------
    log_likelihood : (unit,) array
        Without the units' own linear term, sum over cells of y d, which does not depend on theta:
        `answer_term` has it.
    mass : (unit, node) array
        Sums to 1 over nodes.
    """
    first, last, _ = units.indices(plan.n_units)
    loglik = np.empty(last - first)
    mass = np.empty((last - first, grid.size))
    _unit_masses(
        plan.units, first, last, grid.nodes, at.log_weight, at.tau, at.d, at.slope, at.score,
        at.mean, loglik, mass,
    )  # fmt: skip
    return loglik, mass


def answer_term(plan: Plan, score: np.ndarray, count: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(level of the group,) sum over a person's answers of count * d, of the category answered."""
    place = plan.n_steps * plan.row_cell.astype(np.int64) + np.maximum(score, 1) - 1
    weights = count * (score > 0) * d[place]
    return np.bincount(plan.group.level, weights=weights, minlength=plan.group.n_levels)


@jit
def masses(own, theta, log_weight, tau, score, mean, normaliser):
    """Fill `own` with one unit's posterior masses on the nodes; returns its log-likelihood."""
    highest = -np.inf
    for q in range(theta.size):
        away = theta[q] - mean
        own[q] = log_weight[q] + score * theta[q] - normaliser[q] - 0.5 * tau * away * away
        highest = max(highest, own[q])
    total = 0.0
    for q in range(theta.size):
        own[q] = np.exp(own[q] - highest)
        total += own[q]
    for q in range(theta.size):
        own[q] /= total
    return highest + np.log(total)


@jit
def _unit_masses(
    units: Units, first, last, theta, log_weight, tau, d, slope, score, mean, loglik, mass
):
    odds = np.exp(d)
    by_slope = np.exp(slope.reshape(-1, 1) * theta)
    normaliser, product = np.empty(theta.size), np.empty(theta.size)
    for t in range(units.table_class.size):
        u0, u1 = max(first, units.unit_start[t]), min(last, units.unit_start[t + 1])
        if u0 >= u1:
            continue
        tabulate(units, t, theta, d, odds, slope, by_slope, normaliser, product)
        v = units.table_class[t]
        for u in range(u0, u1):
            m = mean[units.unit_mean[u]]
            loglik[u - first] = masses(
                mass[u - first], theta, log_weight[v], tau[v], score[u], m, normaliser
            )
