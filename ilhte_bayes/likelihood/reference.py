"""Reference: the integrated likelihood as a plain PyTensor graph, to read and to test against."""

from typing import Any

import numpy as np
import pytensor.tensor as pt

from ilhte_bayes.likelihood.plan import Plan


def reference_loglik(
    plan: Plan, nodes: np.ndarray, log_weight: Any, tau: Any, d: Any, slope: Any, mean: Any
) -> Any:
    """Log-likelihood of all answers, each person's theta summed over the nodes.

    Parameters
    ----------
    plan : Plan
    nodes : (node,) array
        Values of theta, in logits.
    log_weight : (class, node)
    tau : (class,)
        1 / variance of theta; 0 where `log_weight` is the whole distribution.
    d : (cell * step,) predictors of each cell
    slope : (slope,)
    mean : (mean,) mean of theta

    Returns
    -------
    TensorVariable
        Scalar.
    """
    units = plan.units
    steps = np.arange(1, plan.n_steps + 1)
    by_step = d.reshape((plan.n_cells, plan.n_steps))[:, :, None]
    eta = by_step + slope[units.cell_slope][:, None, None] * steps[:, None] * nodes
    administered = np.zeros((plan.n_tables, plan.n_cells))
    table_of_entry = np.repeat(np.arange(plan.n_tables), np.diff(units.table_start))
    administered[table_of_entry, units.entry_cell] = units.entry_count
    # log(1 + sum over steps of exp(eta))
    normaliser = administered @ pt.softplus(pt.logsumexp(eta, axis=1))  # (table, node)
    table = np.repeat(np.arange(plan.n_tables), np.diff(units.unit_start))
    kind = units.table_class[table]
    away = nodes[None, :] - mean[units.unit_mean][:, None]
    log_integrand = (
        log_weight[kind]
        + weighted_scores(plan, slope)[:, None] * nodes[None, :]
        - normaliser[table]
        - 0.5 * tau[kind][:, None] * away**2
    )
    log_person = pt.logsumexp(log_integrand, axis=1)
    return pt.dot(units.unit_count, log_person) + pt.dot(units.cell_total, d)


def weighted_scores(plan: Plan, slope: Any) -> Any:
    """Sum of slopes times answers, (unit,): sufficient for theta."""
    if plan.answered is None:
        return plan.score * slope[0]
    start, slopes = plan.answered
    ones = np.zeros((plan.n_units, plan.slopes.size))
    np.add.at(ones, (np.repeat(np.arange(plan.n_units), np.diff(start)), slopes), 1.0)
    return pt.dot(ones, slope)
