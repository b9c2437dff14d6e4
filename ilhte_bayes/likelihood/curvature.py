"""Curvature: value, gradient and Hessian of the integrated likelihood in chosen directions.

With g(theta) the log-density of one unit's answers and theta together, the integrated likelihood
has gradient E[grad g] and Hessian E[hess g] + Cov[grad g], expectations over theta given the
answers (Louis, 1982). Directions are *features*: how each cell's predictor and each mean moves
with each unknown, as sparse matrices; the last unknowns are the logarithms of theta's SDs.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ilhte_bayes.likelihood.compiled import jit
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.kernel import tabulate
from ilhte_bayes.likelihood.persons import masses
from ilhte_bayes.likelihood.plan import Plan, Units, sum_scores
from ilhte_bayes.likelihood.steps import step_chances

_CHUNK = 512  # units of one table worked on at a time


@dataclass(frozen=True, slots=True)
class Curvature:
    """Derivatives by the features' unknowns, then by log SDs of theta."""

    value: float
    gradient: np.ndarray  # (unknown,)
    hessian: np.ndarray  # (unknown, unknown)


def curvature(
    plan: Plan,
    grid: Grid,
    d: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    by_cell: csr_array,
    by_mean: csr_array,
) -> Curvature:
    """Evaluate the integrated log-likelihood with two derivatives.

    Parameters
    ----------
    plan : Plan
    grid : Grid
    d : (cell * step,), mean : (mean,), sd : (class,) arrays, in logits
    by_cell : (cell * step, unknown) sparse
        Derivative of each cell's predictors.
    by_mean : (mean, unknown) sparse
        Derivative of each mean.

    References
    ----------
    Louis (1982), J. R. Stat. Soc. B 44(2), 226-233.
    """
    n = by_cell.shape[1]
    size = n + sd.size
    gradient, hessian, cross = np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
    gradient[:n] = by_cell.T @ plan.units.cell_total
    value = _curvature(
        plan.units, grid.nodes, grid.step, d, plan.slopes, sum_scores(plan, plan.slopes), mean, sd,
        by_cell.indptr, by_cell.indices, by_cell.data,
        by_mean.indptr, by_mean.indices, by_mean.data,
        n, gradient, hessian, cross,
    )  # fmt: skip
    value += float(plan.units.cell_total @ d)
    return Curvature(value, gradient, hessian + cross + cross.T)


@jit
def _curvature(
    units: Units, theta, step, d, slope, score, mean, sd,
    cell_start, cell_column, cell_value, mean_start, mean_column, mean_value,
    n, gradient, hessian, cross,
):  # fmt: skip
    """Add all tables; `cross` takes what has yet to be added to its own transpose."""
    n_nodes = theta.size
    odds = np.exp(d)
    by_slope = np.exp(slope.reshape(-1, 1) * theta)
    normaliser, product = np.empty(n_nodes), np.empty(n_nodes)
    in_steps = d.size > units.cell_slope.size
    local = np.full(n, -1, dtype=np.int64)
    columns = np.empty(n, dtype=np.int64)
    value = 0.0
    for t in range(units.table_class.size):
        tabulate(units, t, theta, d, odds, slope, by_slope, normaliser, product)
        used = _columns_of(units, t, cell_start, cell_column, local, columns)
        own = columns[:used]
        score_at = np.zeros((n_nodes, used))  # derivative of g by each column, at each node
        if in_steps:
            _add_steps(
                units, t, theta, d, slope, cell_start, cell_column, cell_value, local, score_at
            )
        else:
            _add_cells(
                units, t, odds, by_slope, cell_start, cell_column, cell_value, local, score_at
            )
        v = units.table_class[t]
        mass = np.zeros(n_nodes)
        square = np.zeros((used, used))
        for u0 in range(units.unit_start[t], units.unit_start[t + 1], _CHUNK):
            u1 = min(u0 + _CHUNK, units.unit_start[t + 1])
            value += _chunk(
                units, u0, u1, theta, step, normaliser, score, mean, sd[v], n + v, own, score_at,
                mean_start, mean_column, mean_value, gradient, hessian, cross, mass, square,
            )  # fmt: skip
        second = np.dot(np.ascontiguousarray((score_at * mass.reshape(-1, 1)).T), score_at)
        for a in range(used):
            for b in range(used):
                hessian[own[a], own[b]] += second[a, b] - square[a, b]
        if in_steps:
            _add_step_weights(
                units, t, theta, d, slope, mass, cell_start, cell_column, cell_value, hessian
            )
        else:
            _add_weights(
                units, t, odds, by_slope, mass, cell_start, cell_column, cell_value, hessian
            )
        for a in range(used):
            local[own[a]] = -1
    return value


@jit
def _columns_of(units: Units, t, cell_start, cell_column, local, columns):
    """List the unknowns that move the table's cells; `local` gives each its place."""
    used = 0
    n_steps = (cell_start.size - 1) // units.cell_slope.size
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e] * n_steps
        for k in range(cell_start[c], cell_start[c + n_steps]):
            if local[cell_column[k]] < 0:
                local[cell_column[k]] = used
                columns[used] = cell_column[k]
                used += 1
    return used


@jit
def _add_cells(units: Units, t, odds, by_slope, cell_start, cell_column, cell_value, local, out):
    """out[node, column] -= count * probability * derivative of the predictor."""
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        for q in range(out.shape[0]):
            x = odds[c] * by_slope[units.cell_slope[c], q]
            p = units.entry_count[e] * (x / (1.0 + x) if x < 1e300 else 1.0)
            for k in range(cell_start[c], cell_start[c + 1]):
                out[q, local[cell_column[k]]] -= p * cell_value[k]


@jit
def _add_weights(
    units: Units, t, odds, by_slope, mass, cell_start, cell_column, cell_value, hessian
):
    """Expected second derivative of the answers' log-probabilities."""
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        weight = 0.0
        for q in range(mass.size):
            x = odds[c] * by_slope[units.cell_slope[c], q]
            if x < 1e150:
                weight += mass[q] * x / ((1.0 + x) * (1.0 + x))
        weight *= units.entry_count[e]
        for k in range(cell_start[c], cell_start[c + 1]):
            for m in range(cell_start[c], cell_start[c + 1]):
                hessian[cell_column[k], cell_column[m]] -= weight * cell_value[k] * cell_value[m]


@jit
def _add_steps(units: Units, t, theta, d, slope, cell_start, cell_column, cell_value, local, out):
    """As `_add_cells`, for cells of several steps."""
    n_steps = d.size // units.cell_slope.size
    chance = np.empty(n_steps)
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        first = c * n_steps
        for q in range(out.shape[0]):
            lift = slope[units.cell_slope[c]] * theta[q]
            step_chances(d[first : first + n_steps], lift, chance)
            for m in range(n_steps):
                p = units.entry_count[e] * chance[m]
                for k in range(cell_start[first + m], cell_start[first + m + 1]):
                    out[q, local[cell_column[k]]] -= p * cell_value[k]


@jit
def _add_step_weights(
    units: Units, t, theta, d, slope, mass, cell_start, cell_column, cell_value, hessian
):
    """As `_add_weights`, for cells of several steps: E[diag(p) - p p'] between a cell's steps."""
    n_steps = d.size // units.cell_slope.size
    chance, weight = np.empty(n_steps), np.empty((n_steps, n_steps))
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        first = c * n_steps
        weight[:] = 0.0
        for q in range(mass.size):
            lift = slope[units.cell_slope[c]] * theta[q]
            step_chances(d[first : first + n_steps], lift, chance)
            for a in range(n_steps):
                own = mass[q] * units.entry_count[e] * chance[a]
                weight[a, a] += own
                for b in range(n_steps):
                    weight[a, b] -= own * chance[b]
        for a in range(n_steps):
            for b in range(n_steps):
                for k in range(cell_start[first + a], cell_start[first + a + 1]):
                    row, own = cell_column[k], weight[a, b] * cell_value[k]
                    for m in range(cell_start[first + b], cell_start[first + b + 1]):
                        hessian[row, cell_column[m]] -= own * cell_value[m]


@jit
def _chunk(
    units: Units, u0, u1, theta, step, normaliser, score, mean, sd, at_sd, own, score_at,
    mean_start, mean_column, mean_value, gradient, hessian, cross, mass, square,
):  # fmt: skip
    """Units u0..u1 of one table: everything that depends on the unit."""
    n, n_nodes, used = u1 - u0, theta.size, own.size
    tau = 1.0 / (sd * sd)
    log_weight = np.full(n_nodes, np.log(step) - np.log(sd * np.sqrt(2.0 * np.pi)))
    held = np.empty((n, n_nodes))
    value = 0.0
    for j in range(n):
        m = mean[units.unit_mean[u0 + j]]
        value += units.unit_count[u0 + j] * masses(
            held[j], theta, log_weight, tau, score[u0 + j], m, normaliser
        )
    expected = np.dot(held, score_at)  # (unit, column)
    with_theta = np.dot(held * theta, score_at)
    with_square = np.dot(held * (theta * theta), score_at)
    weighted = np.empty((n, used))
    for j in range(n):
        count, m = units.unit_count[u0 + j], mean[units.unit_mean[u0 + j]]
        first, second, third, fourth = 0.0, 0.0, 0.0, 0.0  # central moments around m
        for q in range(n_nodes):
            away, h = theta[q] - m, held[j, q]
            mass[q] += count * h
            first += h * away
            second += h * away * away
            third += h * away**3
            fourth += h * away**4
        gradient[at_sd] += count * (tau * second - 1.0)
        hessian[at_sd, at_sd] += count * (tau * tau * (fourth - second * second) - 2 * tau * second)
        for a in range(used):
            weighted[j, a] = count * expected[j, a]
            gradient[own[a]] += weighted[j, a]
            # covariances of the column's score with theta, and with (theta - m)^2
            c1 = with_theta[j, a] - (first + m) * expected[j, a]
            c2 = with_square[j, a] - (second + 2 * m * first + m * m) * expected[j, a]
            cross[own[a], at_sd] += count * tau * (c2 - 2 * m * c1)
            with_theta[j, a] = count * tau * c1
        u = units.unit_mean[u0 + j]
        spread = count * (tau * tau * (second - first * first) - tau)
        skew = count * tau * (tau * (third - first * second) - 2.0 * first)
        for k in range(mean_start[u], mean_start[u + 1]):
            f, x = mean_column[k], mean_value[k]
            gradient[f] += count * tau * first * x
            cross[f, at_sd] += skew * x
            for m2 in range(mean_start[u], mean_start[u + 1]):
                hessian[f, mean_column[m2]] += spread * x * mean_value[m2]
            for a in range(used):
                cross[f, own[a]] += x * with_theta[j, a]
    square += np.dot(np.ascontiguousarray(weighted.T), expected)
    return value
