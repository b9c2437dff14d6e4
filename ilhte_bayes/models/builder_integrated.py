"""The answers' likelihood with persons summed out, as a term of a `pymc.Model`."""

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from ilhte_bayes.likelihood.answers import Counted
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.operation import integrated_persons
from ilhte_bayes.likelihood.plan import Plan, sum_scores
from ilhte_bayes.likelihood.predictor import Predictor
from ilhte_bayes.models.ability import shape_directions, standardise
from ilhte_bayes.models.discrimination import LoadedPlan


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
    score = pm.Data("sum_scores", sum_scores(plan, plan.slopes))
    _add_answers(plan, grid, sd, cells, pm.Data("ability_slopes", plan.slopes), score, means)


def observe_gaps(between: Counted, beta: Any, effects: dict[str, Any]) -> None:
    """Add the potential `between`: what ordinal answers say of the gap that they lie in."""
    gap = _as_data("gap", between.predictor).value(beta, effects)
    pm.Potential("between", pt.sum(between.count * pt.log(-pt.expm1(-gap))))


def observe_loaded(
    loaded: LoadedPlan,
    grid: Grid,
    beta: Any,
    effects: dict[str, Any],
    sd: Any,
    discrimination: Any,
) -> None:
    """As `observe_integrated`, with a discrimination (item,) for each item.

    sum_i a_i y_ij is sufficient for theta_j: a matrix product away from who answered what.
    """
    own = _as_data("cell", loaded.own).value(beta, effects)
    multiplied = _as_data("loaded", loaded.loaded).value(beta, effects)
    means = _as_data("mean", loaded.plan.means).value(beta, effects)
    item = pm.Data("cell_item", loaded.plan.units.cell_slope)
    cells = own + discrimination[item] * multiplied
    score = pt.dot(pm.Data("answered_with_one", loaded.answered_with_one()), discrimination)
    _add_answers(loaded.plan, grid, sd, cells, discrimination, score, means)


def observe_free(
    plan: Plan, grid: Grid, beta: Any, effects: dict[str, Any], sd: Any, spread: Any
) -> None:
    """As `observe_integrated` with a free shape of ability; adds `ability_weights` and its nodes.

    Parameters
    ----------
    plan : Plan
        With everything in the cells.
    grid : Grid
        In SDs of ability.
    sd : (1,) variable
    spread : scalar variable
        tau: how far log weights are from a normal's.
    """
    nodes = grid.nodes
    directions = shape_directions(nodes)
    z = pm.Normal("z_ability_shape", 0.0, 1.0, shape=directions.shape[1])
    logs = pt.special.log_softmax(-0.5 * nodes**2 + spread * (directions @ z))
    weights = pm.Deterministic("ability_weights", pt.exp(logs), dims="ability_node")
    mean, width = standardise(weights, nodes)
    pm.Deterministic("ability_nodes", (nodes - mean) / width, dims="ability_node")
    slope = sd / width
    cells = _as_data("cell", plan.cells).value(beta, effects) - slope[0] * mean
    outputs: Any = integrated_persons(
        logs[None, :],
        np.zeros(1),
        cells,
        slope,
        slope[0] * pm.Data("sum_scores", plan.score),
        np.zeros(plan.n_means),
        pm.Data("grid_first", grid.first),
        pm.Data("grid_step", grid.step),
        *(pm.Data(name, array) for name, array in plan.units._asdict().items()),
    )
    pm.Potential("answers", outputs[0])


def _add_answers(
    plan: Plan, grid: Grid, sd: Any, cells: Any, slope: Any, score: Any, means: Any
) -> None:
    tau = sd**-2.0
    log_step = np.full((len(plan.classes), grid.size), np.log(grid.step))
    log_weight = pm.Data("log_step", log_step) + 0.5 * pt.log(tau / (2.0 * np.pi))[:, None]
    outputs: Any = integrated_persons(
        log_weight,
        tau,
        cells,
        slope,
        score,
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
