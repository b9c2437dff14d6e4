"""Unit summaries: moments, distribution functions and draws of theta, given one set of parameters.

Each function works unit by unit with one buffer of nodes, so that memory does not grow with
persons times nodes. Moments and normalisers come from the trapezoid rule, exact on grids as wide as
`moment_grid`'s; distribution functions need `fine_grid`'s closer nodes, between which they are
cubic.
"""

import numpy as np

from ilhte_bayes.likelihood.compiled import jit
from ilhte_bayes.likelihood.grid import Grid, grid_for
from ilhte_bayes.likelihood.kernel import tabulate
from ilhte_bayes.likelihood.persons import Arguments, masses
from ilhte_bayes.likelihood.plan import Plan, Units, most_information

_REACH = 7.0  # SDs of theta beyond the outermost means
_STEP = 0.6  # of the narrowest posterior SD, where sums over nodes are integrals to 1e-9
_FINE_STEP = 0.25  # where a cubic between nodes is off by less than 1e-4 in probability
_WINDOW = 7.0  # posterior SDs around a unit's mean outside which no mass is looked for


def moment_grid(plan: Plan, mean: np.ndarray, sd: np.ndarray) -> Grid:
    """Nodes for sums over theta: every person's posterior, `sd` (class,) being theta's SDs."""
    return grid_for(mean, sd, most_information(plan), reach=_REACH, finer=_STEP)


def fine_grid(plan: Plan, mean: np.ndarray, sd: np.ndarray) -> Grid:
    """Nodes for distribution functions of theta and draws."""
    return grid_for(mean, sd, most_information(plan), reach=_REACH, finer=_FINE_STEP)


def unit_moments(plan: Plan, grid: Grid, at: Arguments) -> tuple[np.ndarray, ...]:
    """Log-likelihood of each unit, posterior mean and variance of its theta.

    Returns
    -------
    loglik, mean, variance : (unit,) arrays
        The log-likelihood is one person's, without sum(y d): see `persons.answer_term`.
    """
    out = np.empty((3, plan.n_units))
    _moments(plan.units, grid.nodes, at.log_weight, at.tau, at.d, at.slope, at.score, at.mean, out)
    return out[0], out[1], out[2]


def add_probabilities(
    plan: Plan,
    grid: Grid,
    at: Arguments,
    window: tuple[np.ndarray, np.ndarray],
    points: tuple[np.ndarray, np.ndarray],
    total: tuple[np.ndarray, np.ndarray],
) -> None:
    """Add P(theta < x) and P(theta - mean < x) to running totals, for points x of each unit.

    Parameters
    ----------
    plan, grid, at
        With `fine_grid`.
    window : pair of (unit,) arrays
        Where each unit's theta is, and its SD: further away than seven SDs there is no mass.
    points, total : pairs of (unit, point) arrays
        For theta, and for its distance from its mean.
    """
    _add_probabilities(
        plan.units, grid.nodes, at.log_weight, at.tau, at.d, at.slope, at.score, at.mean,
        *window, *points, *total,
    )  # fmt: skip


def draw_theta(
    plan: Plan,
    grid: Grid,
    at: Arguments,
    window: tuple[np.ndarray, np.ndarray],
    persons: tuple[np.ndarray, np.ndarray],
    uniform: np.ndarray,
) -> np.ndarray:
    """One draw of theta for every person.

    Parameters
    ----------
    plan, grid, at, window
        As in `add_probabilities`.
    persons : (unit + 1,) and (person,) arrays
        Where each unit's persons begin, and persons sorted by unit.
    uniform : (person,) array
        Between 0 and 1, independent.
    """
    out = np.empty(uniform.size)
    _draw(
        plan.units, grid.nodes, at.log_weight, at.tau, at.d, at.slope, at.score, at.mean,
        *window, *persons, uniform, out,
    )  # fmt: skip
    return out


@jit
def _moments(units: Units, theta, log_weight, tau, d, slope, score, mean, out):
    odds, by_slope = np.exp(d), np.exp(slope.reshape(-1, 1) * theta)
    normaliser, product, own = np.empty(theta.size), np.empty(theta.size), np.empty(theta.size)
    for t in range(units.table_class.size):
        tabulate(units, t, theta, d, odds, slope, by_slope, normaliser, product)
        v = units.table_class[t]
        for u in range(units.unit_start[t], units.unit_start[t + 1]):
            m = mean[units.unit_mean[u]]
            out[0, u] = masses(own, theta, log_weight[v], tau[v], score[u], m, normaliser)
            first, second = 0.0, 0.0
            for q in range(theta.size):
                away = theta[q] - m
                first += own[q] * away
                second += own[q] * away * away
            out[1, u] = m + first
            out[2, u] = second - first * first


@jit
def _nodes_within(theta, low, high):
    """Positions from..to of the nodes around an interval, at least four."""
    step, last = theta[1] - theta[0], theta.size
    start = min(max(int((low - theta[0]) / step), 0), last - 4)
    stop = max(min(int((high - theta[0]) / step) + 2, last), start + 4)
    return start, stop


@jit
def _table_window(units: Units, t, theta, centre, spread):
    """Nodes that any unit of a table needs."""
    low, high = np.inf, -np.inf
    for u in range(units.unit_start[t], units.unit_start[t + 1]):
        low = min(low, centre[u] - _WINDOW * spread[u])
        high = max(high, centre[u] + _WINDOW * spread[u])
    return _nodes_within(theta, low, high)


@jit
def _distribution(own, below):
    """below[q] = share of mass below node q: integrals of cubics through four nodes each."""
    n = own.size
    below[0] = 0.0
    for q in range(n - 1):
        before = own[q - 1] if q > 0 else 0.0
        after = own[q + 2] if q < n - 2 else 0.0
        area = (13.0 * (own[q] + own[q + 1]) - before - after) / 24.0
        below[q + 1] = below[q] + max(area, 0.0)
    whole = below[n - 1]
    for q in range(n):
        below[q] /= whole


@jit
def _probability(x, theta, own, below):
    """P(theta < x), cubic between nodes."""
    step, n = theta[1] - theta[0], theta.size
    at = (x - theta[0]) / step
    if at <= 0.0:
        return 0.0
    if at >= n - 1:
        return 1.0
    q = int(at)
    s = at - q
    rise = below[q + 1] - below[q]
    left, right = own[q], own[q + 1]  # density times step
    bend, twist = 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise
    return below[q] + s * (left + s * (bend + s * twist))


@jit
def _add_probabilities(
    units: Units, theta, log_weight, tau, d, slope, score, mean, centre, spread,
    points, from_mean, total_points, total_from_mean,
):  # fmt: skip
    odds, by_slope = np.exp(d), np.exp(slope.reshape(-1, 1) * theta)
    normaliser, product = np.empty(theta.size), np.empty(theta.size)
    buffer, shares = np.empty(theta.size), np.empty(theta.size)
    for t in range(units.table_class.size):
        a, b = _table_window(units, t, theta, centre, spread)
        tabulate(
            units, t, theta[a:b], d, odds, slope, by_slope[:, a:b], normaliser[a:b], product[a:b]
        )
        v = units.table_class[t]
        for u in range(units.unit_start[t], units.unit_start[t + 1]):
            m, reach = mean[units.unit_mean[u]], _WINDOW * spread[u]
            f, g = _nodes_within(theta, centre[u] - reach, centre[u] + reach)
            nodes, own, below = theta[f:g], buffer[f:g], shares[f:g]
            masses(own, nodes, log_weight[v, f:g], tau[v], score[u], m, normaliser[f:g])
            _distribution(own, below)
            for k in range(points.shape[1]):
                total_points[u, k] += _probability(points[u, k], nodes, own, below)
                x = from_mean[u, k] + m
                total_from_mean[u, k] += _probability(x, nodes, own, below)


@jit
def _draw(
    units: Units, theta, log_weight, tau, d, slope, score, mean, centre, spread,
    start, member, uniform, out,
):  # fmt: skip
    odds, by_slope = np.exp(d), np.exp(slope.reshape(-1, 1) * theta)
    normaliser, product = np.empty(theta.size), np.empty(theta.size)
    buffer, shares = np.empty(theta.size), np.empty(theta.size)
    for t in range(units.table_class.size):
        a, b = _table_window(units, t, theta, centre, spread)
        tabulate(
            units, t, theta[a:b], d, odds, slope, by_slope[:, a:b], normaliser[a:b], product[a:b]
        )
        v = units.table_class[t]
        for u in range(units.unit_start[t], units.unit_start[t + 1]):
            m, reach = mean[units.unit_mean[u]], _WINDOW * spread[u]
            f, g = _nodes_within(theta, centre[u] - reach, centre[u] + reach)
            nodes, own, below = theta[f:g], buffer[f:g], shares[f:g]
            masses(own, nodes, log_weight[v, f:g], tau[v], score[u], m, normaliser[f:g])
            _distribution(own, below)
            for at in range(start[u], start[u + 1]):
                j = member[at]
                out[j] = _quantile(uniform[j], nodes, own, below)


@jit
def _quantile(p, theta, own, below):
    """Theta with P(theta < x) = p: bisection between two nodes on the cubic."""
    low, high = 0, theta.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if below[middle] <= p:
            low = middle
        else:
            high = middle
    left, right = theta[low], theta[high]
    for _ in range(30):
        x = 0.5 * (left + right)
        if _probability(x, theta, own, below) <= p:
            left = x
        else:
            right = x
    return 0.5 * (left + right)


def log_mean_exp_theta(
    plan: Plan,
    grid: Grid,
    at: Arguments,
    rows: tuple[np.ndarray, np.ndarray],
    slope: np.ndarray,
    power: np.ndarray,
) -> np.ndarray:
    """(row,) log E exp(power * a * theta) over the posterior of the row's person.

    Parameters
    ----------
    plan, grid, at
        With `moment_grid`.
    rows : (unit + 1,) and (row,) arrays
        Where the rows of each unit's persons begin, and rows sorted by unit.
    slope : (row,) position in the slopes
    power : (row,) int
    """
    out = np.empty(slope.size)
    _log_mean_exp_theta(
        plan.units, grid.nodes, at.log_weight, at.tau, at.d, at.slope, at.score, at.mean,
        *rows, slope, power.astype(np.int64), out,
    )  # fmt: skip
    return out


@jit
def _log_mean_exp_theta(
    units: Units, theta, log_weight, tau, d, slope, score, mean, start, member, which, power, out
):
    odds, by_slope = np.exp(d), np.exp(slope.reshape(-1, 1) * theta)
    normaliser, product, own = np.empty(theta.size), np.empty(theta.size), np.empty(theta.size)
    most = np.max(np.abs(power))
    logs = np.empty(2 * most + 1)  # of powers -most .. most
    for t in range(units.table_class.size):
        tabulate(units, t, theta, d, odds, slope, by_slope, normaliser, product)
        v = units.table_class[t]
        for u in range(units.unit_start[t], units.unit_start[t + 1]):
            m = mean[units.unit_mean[u]]
            masses(own, theta, log_weight[v], tau[v], score[u], m, normaliser)
            last = -1
            for at in range(start[u], start[u + 1]):
                r = member[at]
                if which[r] != last:
                    last = which[r]
                    _log_powers(own, by_slope[last], most, logs)
                out[r] = logs[most + power[r]]


@jit
def _log_powers(own, x, most, out):
    """out[most + k] = log of the mean of x^k over masses, k = -most .. most."""
    out[:] = 0.0
    for q in range(own.size):
        up, down = own[q], own[q]
        for k in range(1, most + 1):
            up *= x[q]
            down /= x[q]
            out[most + k] += up
            out[most - k] += down
    out[most] = 1.0
    for k in range(out.size):
        out[k] = np.log(out[k])
