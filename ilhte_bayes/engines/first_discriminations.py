"""A first guess at discriminations, from a fit that makes them all alike: one Newton step each."""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.kernel import value_and_gradient
from ilhte_bayes.models.discrimination import LoadedPlan

_STEP = 1e-3  # of log discriminations, for second derivatives
_NODES = 61
_LEAST, _MOST = 0.05, 1.0  # SD of log discriminations to start a chain at


@dataclass(frozen=True, slots=True)
class FirstDiscriminations:
    """Where chains start, and how much the answers say of each discrimination."""

    logs: np.ndarray  # (item,) shrunken towards 0
    sd: float  # of log discriminations
    share: float  # mean variance left of one, given the answers, as a share of sd squared


def first_discriminations(pilot: Fit, plan: LoadedPlan) -> FirstDiscriminations:
    """Step from log a = 0 along each item's own derivative, all else held at the pilot's mode."""
    derivative = _derivatives(pilot, plan)
    n = plan.plan.slopes.size
    at = derivative(np.zeros(n))
    curvature = np.array(
        [(derivative(_STEP * e)[k] - at[k]) / _STEP for k, e in enumerate(np.eye(n))]
    )
    left = 1.0 / np.maximum(-curvature, 1.0)
    step = np.clip(at * left, -2.0, 2.0)
    variance = np.clip(np.var(step) - left.mean(), _LEAST**2, _MOST**2)
    logs = step * variance / (variance + left)
    return FirstDiscriminations(logs, float(np.sqrt(variance)), float(left.mean() / variance))


def _derivatives(pilot: Fit, loaded: LoadedPlan):
    """Derivative of the log-likelihood by each log discrimination, as a function of all."""
    plan, mode = loaded.plan, pilot.mode
    name = plan.group.name
    effects = {
        g.name: mode[f"re_{g.name}"].to_numpy() for g in pilot.model.design.groups if g.name != name
    }
    beta = mode["beta"].to_numpy()
    sd = np.maximum(mode[f"sd_{name}"].to_numpy(), _LEAST)
    own, multiplied = loaded.own.value(beta, effects), loaded.loaded.value(beta, effects)
    mean, ones = plan.means.value(beta, effects), loaded.answered_with_one()
    low, high = mean.min() - 6.0 * sd.max(), mean.max() + 6.0 * sd.max()
    grid = Grid(low, (high - low) / (_NODES - 1), _NODES)
    log_weight = np.tile(np.log(grid.step / (sd * np.sqrt(2 * np.pi)))[:, None], (1, grid.size))
    item = plan.units.cell_slope

    def derivative(logs: np.ndarray) -> np.ndarray:
        a = np.exp(logs)
        d = own + a[item] * multiplied
        _, _, _, g_d, g_slope, g_score, _ = value_and_gradient(
            plan.units, grid.first, grid.step, log_weight, sd**-2.0, d, a, ones @ a, mean
        )
        by_cell = np.bincount(item, weights=g_d * multiplied, minlength=a.size)
        return np.asarray(a * (g_slope + ones.T @ g_score + by_cell))

    return derivative
