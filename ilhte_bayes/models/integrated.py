"""Integrated: the answers' likelihood with persons summed out, as a term of a `pymc.Model`."""

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.operation import integrated_persons
from ilhte_bayes.likelihood.plan import Plan, sum_scores
from ilhte_bayes.likelihood.predictor import Predictor


def observe_integrated(plan: Plan, grid: Grid, beta: Any, effects: dict[str, Any], sd: Any) -> None:
    """Add the potential `answers` to the model in context.

    Everything but the parameters is `pm.Data`: shapes and values of another table of the same
    structure compile to the same code.

    Parameters
    ----------
    plan : Plan
    grid : Grid
    beta : (term,) variable
    effects : group -> (level, column) variable, all groups but the integrated one
    sd : (class,) variable
        SD of theta, in logits.
    """
    cells = _as_data("cell", plan.cells).value(beta, effects)
    means = _as_data("mean", plan.means).value(beta, effects)
    tau = sd**-2.0
    log_step = np.full((len(plan.classes), grid.size), np.log(grid.step))
    log_weight = pm.Data("log_step", log_step) + 0.5 * pt.log(tau / (2.0 * np.pi))[:, None]
    slope = pm.Data("slopes", plan.slopes)
    outputs: Any = integrated_persons(
        log_weight,
        tau,
        cells,
        slope,
        pm.Data("sum_scores", sum_scores(plan, plan.slopes)),
        means,
        pm.Data("grid_first", grid.first),
        pm.Data("grid_step", grid.step),
        *(pm.Data(name, array) for name, array in plan.units._asdict().items()),
    )
    pm.Potential("answers", outputs[0])


def _as_data(name: str, predictor: Predictor) -> Predictor:
    """Same predictor with its arrays as `pm.Data`."""
    columns = []
    for k, column in enumerate(predictor.columns):
        z = None if column.z is None else pm.Data(f"{name}_z_{k}", column.z)
        level = pm.Data(f"{name}_level_{k}", column.level)
        columns.append(replace(column, level=level, z=z))
    x = pm.Data(f"{name}_columns", predictor.x) if predictor.terms else predictor.x
    return replace(predictor, x=x, columns=tuple(columns))
