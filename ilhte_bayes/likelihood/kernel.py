"""Kernel: value and gradient of the integrated likelihood in one pass, compiled.

For a unit with table t, mean m, score s and class v the likelihood is

    sum over nodes q of  exp(log_weight[v, q] + s theta_q - G_t(theta_q) - tau_v (theta_q - mu_m)^2 / 2)

with G_t(theta) = sum over the table's cells of log(1 + exp(d + a theta)). Three things make it
fast. G is a product before it is a logarithm; or, where the same cells enter many tables (missing
answers, ordinal answers), a sum of logarithms computed once. Units of one table work through a block together,
node by node, so that the processor handles several at once. And within a block the integrand of
one unit is that of a reference unit times exp(delta * theta), delta = s - s_0 + tau (mu - mu_0):
a geometric progression along the grid, so that the inner loop needs one product instead of an
exponential. Cells of more than two categories have another G (`steps`), and the rest alike.
"""

import numpy as np

from ilhte_bayes.likelihood.compiled import exp_below_0, jit
from ilhte_bayes.likelihood.plan import Units
from ilhte_bayes.likelihood.steps import share_steps, step_curves, tabulate_steps

BLOCK = 128  # units worked on at a time; 41 nodes of them stay in the fastest caches
_REUSED = 2  # entries for each cell from which its curve is computed once for all tables
_FEW, _STRIDE = 8, 4  # units of a table, nodes of a grid: which nodes are needed is looked up
_NOTHING = 36.0  # log of how much smaller an integrand is that counts as 0
_FLUSH = 600.0  # largest logarithm a product may reach before it is taken
_STEEP = 600.0  # largest exponent of the progression; beyond it each node has its own exponential


@jit
def value_and_gradient(units: Units, first, step, log_weight, tau, d, slope, score, mean):
    """Log-likelihood and its derivatives by every continuous argument.

    Parameters
    ----------
    units : Units
    first, step : float
        Node q is at theta_q = first + q * step.
    log_weight : (class, node) float
    tau : (class,) float
        1 / variance of theta; 0 where log_weight is the whole distribution.
    d : (cell,), or (cell * step,) of more than two categories; slope : (slope,), score : (unit,), mean : (mean,) float

    Returns
    -------
    value, then the gradient by log_weight, tau, d, slope, score and mean, in this order
    """
    n_nodes = log_weight.shape[1]
    theta = first + step * np.arange(n_nodes)
    odds = np.exp(d)
    by_slope = np.exp(slope.reshape(-1, 1) * theta)  # (slope, node)
    g_weight = np.zeros(log_weight.shape)
    g_tau = np.zeros(tau.size)
    g_d = units.cell_total.copy()
    g_slope = np.zeros(slope.size)
    g_score = np.empty(score.size)
    g_mean = np.zeros(mean.size)
    value = 0.0
    for c in range(d.size):
        value += units.cell_total[c] * d[c]
    normaliser = np.empty(n_nodes)
    product = np.empty(n_nodes)
    mass = np.empty(n_nodes)
    in_steps = d.size > units.cell_slope.size
    by_cell = in_steps or units.entry_cell.size > _REUSED * d.size
    logs, chances = _cell_curves(units, theta, d, slope, by_cell and not in_steps)
    if in_steps:
        logs = step_curves(units, theta, d, odds, slope, by_slope)
    coarse_logs, coarse_theta = logs[:, ::_STRIDE].copy(), theta[::_STRIDE].copy()
    cell_mass = np.zeros(logs.shape)
    reference = np.empty(n_nodes)
    integrand = np.empty((n_nodes, BLOCK))
    low, high = 0, n_nodes
    for t in range(units.table_class.size):
        v = units.table_class[t]
        if by_cell:
            low, high = _window(
                units,
                t,
                n_nodes,
                tau[v],
                coarse_theta,
                coarse_logs,
                score,
                mean,
                reference,
                normaliser,
            )
            _add_logs(units, t, logs, normaliser, low, high)
        else:
            tabulate(units, t, theta, d, odds, slope, by_slope, normaliser, product)
        mass[low:high] = 0.0
        last = units.unit_start[t + 1]
        blocks_from = units.unit_start[t] if last - units.unit_start[t] > _FEW else last
        for u in range(units.unit_start[t], blocks_from):
            value += _one_unit(
                units, u, theta[low:high], log_weight[v, low:high], tau[v],
                normaliser[low:high], score[u], mean, reference[low:high], mass[low:high],
                g_score, g_mean, g_tau[v : v + 1],
            )  # fmt: skip
        for u0 in range(blocks_from, last, BLOCK):
            u1 = min(u0 + BLOCK, last)
            value += _block(
                units, u0, u1, theta[low:high], log_weight[v, low:high], tau[v],
                normaliser[low:high], score, mean, reference[low:high], integrand[: high - low],
                mass[low:high], g_score, g_mean, g_tau[v : v + 1],
            )  # fmt: skip
        for q in range(low, high):
            g_weight[v, q] += mass[q]
        if by_cell:
            _add_mass(units, t, mass, cell_mass, low, high)
        else:
            _share(units, t, theta, odds, by_slope, mass, g_d, g_slope)
    if in_steps:
        share_steps(units, theta, d, slope, logs, cell_mass, g_d, g_slope)
    elif by_cell:
        _share_cells(units, theta, chances, cell_mass, g_d, g_slope)
    return value, g_weight, g_tau, g_d, g_slope, g_score, g_mean


@jit
def tabulate(units: Units, t, theta, d, odds, slope, by_slope, normaliser, product):
    """normaliser[q] = sum over the table's cells of count * log(1 + exp(d + a theta_q))."""
    if d.size > units.cell_slope.size:
        tabulate_steps(units, t, theta, d, odds, slope, by_slope, normaliser, product)
        return
    n_nodes = theta.size
    furthest = max(abs(theta[0]), abs(theta[n_nodes - 1]))
    normaliser[:] = 0.0
    product[:] = 1.0
    largest = 0.0
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        k = units.cell_slope[c]
        bound = abs(d[c]) + abs(slope[k]) * furthest + 1.0
        if bound > _FLUSH:  # the product itself would overflow
            for q in range(n_nodes):
                eta = d[c] + slope[k] * theta[q]
                tail = np.log1p(np.exp(-abs(eta)))
                normaliser[q] += units.entry_count[e] * (max(eta, 0.0) + tail)
            continue
        for _ in range(units.entry_count[e]):
            if largest + bound > _FLUSH:
                for q in range(n_nodes):
                    normaliser[q] += np.log(product[q])
                    product[q] = 1.0
                largest = 0.0
            largest += bound
            for q in range(n_nodes):
                product[q] *= 1.0 + odds[c] * by_slope[k, q]
    for q in range(n_nodes):
        normaliser[q] += np.log(product[q])


@jit
def _cell_curves(units: Units, theta, d, slope, wanted):
    """(cell, node) log(1 + exp(d + a theta)) and its derivative; empty if not wanted."""
    n = d.size if wanted else 0
    logs, chances = np.empty((n, theta.size)), np.empty((n, theta.size))
    for c in range(n):
        a = slope[units.cell_slope[c]]
        for q in range(theta.size):
            eta = d[c] + a * theta[q]
            small = np.exp(-abs(eta))
            low = small / (1.0 + small)
            logs[c, q] = max(eta, 0.0) + np.log1p(small)
            chances[c, q] = low if eta < 0.0 else 1.0 - low
    return logs, chances


@jit
def _window(units: Units, t, n, tau, theta, logs, score, mean, coarse, height):
    """Nodes low..high outside which none of the table's units has mass, or all n nodes.

    The logarithm of a unit's integrand is concave, so that a few nodes far apart (`theta`, `logs`)
    bound it: beyond one that lies 36 below another, everything does (e^-36 is 0 to rounding).
    """
    first, last, n_coarse = units.unit_start[t], units.unit_start[t + 1], theta.size
    if last - first > _FEW or tau == 0.0 or n_coarse < 4:
        return 0, n
    _add_logs(units, t, logs, coarse, 0, n_coarse)
    low, high = n, 0
    for u in range(first, last):
        m, s, highest = mean[units.unit_mean[u]], score[u], -np.inf
        for k in range(n_coarse):
            away = theta[k] - m
            height[k] = s * theta[k] - coarse[k] - 0.5 * tau * away * away
            highest = max(highest, height[k])
        start, stop = 0, n_coarse - 1
        while height[start] < highest - _NOTHING:
            start += 1
        while height[stop] < highest - _NOTHING:
            stop -= 1
        low = min(low, max(start - 1, 0) * _STRIDE)
        high = max(high, min((stop + 1) * _STRIDE + 1, n))
    return low, high


@jit
def _add_logs(units: Units, t, logs, normaliser, low, high):
    """As `tabulate`, from the cells' curves."""
    out = normaliser[low:high]  # indices from 0 let the loops run in parallel
    out[:] = 0.0
    for e in range(units.table_start[t], units.table_start[t + 1]):
        own, times = logs[units.entry_cell[e], low:high], float(units.entry_count[e])
        for q in range(out.size):
            out[q] += times * own[q]


@jit
def _add_mass(units: Units, t, mass, cell_mass, low, high):
    """Where the table's persons are, for each of its cells."""
    here = mass[low:high]
    for e in range(units.table_start[t], units.table_start[t + 1]):
        own, times = cell_mass[units.entry_cell[e], low:high], float(units.entry_count[e])
        for q in range(here.size):
            own[q] += times * here[q]


@jit
def _share_cells(units: Units, theta, chances, cell_mass, g_d, g_slope):
    """As `_share`, for all tables at once."""
    for c in range(g_d.size):
        expected, moment = 0.0, 0.0
        for q in range(theta.size):
            p = cell_mass[c, q] * chances[c, q]
            expected += p
            moment += p * theta[q]
        g_d[c] -= expected
        g_slope[units.cell_slope[c]] -= moment


@jit
def _share(units: Units, t, theta, odds, by_slope, mass, g_d, g_slope):
    """Subtract expected answers: where the table's persons are, times the cells' probabilities."""
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        k = units.cell_slope[c]
        expected, moment = 0.0, 0.0
        for q in range(theta.size):
            x = odds[c] * by_slope[k, q]
            p = mass[q] * (x / (1.0 + x) if x < 1e300 else 1.0)
            expected += p
            moment += p * theta[q]
        g_d[c] -= units.entry_count[e] * expected
        g_slope[k] -= units.entry_count[e] * moment


@jit
def _block(
    units: Units, u0, u1, theta, log_weight, tau, normaliser, score, mean,
    reference, integrand, mass, g_score, g_mean, g_tau,
):  # fmt: skip
    """Work on units u0..u1 of one table; returns their log-likelihood, adds to the gradients."""
    n, n_nodes = u1 - u0, theta.size
    step = theta[1] - theta[0]
    middle = (u0 + u1) // 2
    score_0, mean_0 = score[middle], mean[units.unit_mean[middle]]
    highest, peak = -np.inf, 0
    for q in range(n_nodes):
        away = theta[q] - mean_0
        reference[q] = log_weight[q] + score_0 * theta[q] - normaliser[q] - 0.5 * tau * away * away
        if reference[q] > highest:
            highest, peak = reference[q], q
    delta, ratio = np.empty(n), np.empty(n)
    total, moment = np.zeros(n), np.zeros(n)
    weight = np.empty(n)
    steepest = 0.0
    for b in range(n):
        m = mean[units.unit_mean[u0 + b]]
        delta[b] = score[u0 + b] - score_0 + tau * (m - mean_0)
        steepest = max(steepest, abs(delta[b]))
    reach = max(theta[n_nodes - 1] - theta[peak], theta[peak] - theta[0])
    if steepest * reach < _STEEP:
        for q in range(n_nodes):
            reference[q] = np.exp(reference[q] - highest)
        for b in range(n):
            ratio[b] = np.exp(delta[b] * step)
            weight[b] = 1.0
        for q in range(peak, n_nodes):
            _add_node(reference[q], theta[q], weight, ratio, integrand[q], total, moment)
        for b in range(n):
            ratio[b] = 1.0 / ratio[b]
            weight[b] = ratio[b]
        for q in range(peak - 1, -1, -1):
            _add_node(reference[q], theta[q], weight, ratio, integrand[q], total, moment)
        lift = np.zeros(n)
    else:
        lift = _one_by_one(reference, highest, theta, peak, delta, integrand, total, moment)
    value, second, centre = 0.0, 0.0, theta[peak]
    for b in range(n):
        u = u0 + b
        m, count = mean[units.unit_mean[u]], units.unit_count[u]
        value += count * (
            np.log(total[b]) + lift[b] + highest + delta[b] * centre
            - 0.5 * tau * (m * m - mean_0 * mean_0)
        )  # fmt: skip
        expected = moment[b] / total[b]
        weight[b] = count / total[b]
        g_score[u] = count * expected
        g_mean[units.unit_mean[u]] += count * tau * (expected - m)
        second += count * m * (2.0 * expected - m)
    for q in range(n_nodes):
        here = 0.0
        for b in range(n):
            here += weight[b] * integrand[q, b]
        mass[q] += here
        second -= here * theta[q] * theta[q]
    g_tau[0] += 0.5 * second
    return value


@jit
def _one_unit(
    units: Units, u, theta, log_weight, tau, normaliser, score, mean, integrand, mass,
    g_score, g_mean, g_tau,
):  # fmt: skip
    """As `_block` for a single unit, which has nothing to share."""
    m, count, highest = mean[units.unit_mean[u]], units.unit_count[u], -np.inf
    for q in range(theta.size):
        away = theta[q] - m
        integrand[q] = log_weight[q] + score * theta[q] - normaliser[q] - 0.5 * tau * away * away
        highest = max(highest, integrand[q])
    total, first, second = 0.0, 0.0, 0.0
    for q in range(theta.size):
        f = exp_below_0(integrand[q] - highest)
        integrand[q] = f
        total += f
    share = count / total
    for q in range(theta.size):
        f, away = share * integrand[q], theta[q] - m
        mass[q] += f
        first += f * away
        second += f * away * away
    g_score[u] = first + count * m
    g_mean[units.unit_mean[u]] += tau * first
    g_tau[0] -= 0.5 * second
    return count * (highest + np.log(total))


@jit
def _add_node(height, at, weight, ratio, integrand, total, moment):
    """Add one node to a block of units, and move each unit's progression one node on."""
    for b in range(weight.size):
        f = height * weight[b]
        integrand[b] = f
        total[b] += f
        moment[b] += f * at
        weight[b] *= ratio[b]


@jit
def _one_by_one(log_reference, highest, theta, peak, delta, integrand, total, moment):
    """As `_add_node` for all nodes, where progressions would overflow: each node by itself."""
    lift = np.full(delta.size, -np.inf)
    for b in range(delta.size):
        for q in range(theta.size):
            at = log_reference[q] - highest + delta[b] * (theta[q] - theta[peak])
            integrand[q, b] = at
            lift[b] = max(lift[b], at)
        for q in range(theta.size):
            f = np.exp(integrand[q, b] - lift[b])
            integrand[q, b] = f
            total[b] += f
            moment[b] += f * theta[q]
    return lift
