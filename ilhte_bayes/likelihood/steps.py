"""Steps: cells of more than two categories, whose predictors rise by theta from each to the next.

An answer y of 0 .. S to such a cell (adjacent categories, S steps up) has the probability

    exp(d_y + y a theta) / P(theta),    P(theta) = 1 + sum over k = 1 .. S of exp(d_k + k a theta)

with d_0 = 0. That is binary answers' 1 + exp(d + a theta) with more terms: sum(a y) is sufficient
for theta again, tables and units stay what they are, and P, a polynomial in exp(a theta), takes the
place of the binary factor. `kernel`, `curvature` and `answer_sets` come here where S > 1. A cell's
d_1 .. d_S stand one after the other: d (cell * step,).
"""

import numpy as np

from ilhte_bayes.likelihood.compiled import exp_below_0, jit

_FLUSH = 600.0  # largest logarithm a product may reach before it is taken


@jit
def tabulate_steps(units, t, theta, d, odds, slope, by_slope, normaliser, product):
    """normaliser[q] = sum over the table's cells of count * log P(theta_q). See `kernel.tabulate`."""
    n_steps = d.size // units.cell_slope.size
    furthest = max(abs(theta[0]), abs(theta[theta.size - 1]))
    factor = np.empty(theta.size)
    normaliser[:] = 0.0
    product[:] = 1.0
    largest = 0.0
    for e in range(units.table_start[t], units.table_start[t + 1]):
        c = units.entry_cell[e]
        k = units.cell_slope[c]
        own = slice(c * n_steps, (c + 1) * n_steps)
        bound = _bound(d[own], slope[k], furthest)
        if bound > _FLUSH:  # the product itself would overflow
            _log_of_sums(d[own], slope[k], theta, factor)
            for q in range(theta.size):
                normaliser[q] += units.entry_count[e] * factor[q]
            continue
        _sums(odds[own], by_slope[k], factor)
        for _ in range(units.entry_count[e]):
            if largest + bound > _FLUSH:
                for q in range(theta.size):
                    normaliser[q] += np.log(product[q])
                    product[q] = 1.0
                largest = 0.0
            largest += bound
            for q in range(theta.size):
                product[q] *= factor[q]
    for q in range(theta.size):
        normaliser[q] += np.log(product[q])


@jit
def step_curves(units, theta, d, odds, slope, by_slope):
    """(cell, node) log P(theta)."""
    n_cells = units.cell_slope.size
    n_steps = d.size // n_cells
    furthest = max(abs(theta[0]), abs(theta[theta.size - 1]))
    out = np.empty((n_cells, theta.size))
    for c in range(n_cells):
        k = units.cell_slope[c]
        own = slice(c * n_steps, (c + 1) * n_steps)
        if _bound(d[own], slope[k], furthest) > _FLUSH:
            _log_of_sums(d[own], slope[k], theta, out[c])
            continue
        _sums(odds[own], by_slope[k], out[c])
        for q in range(theta.size):
            out[c, q] = np.log(out[c, q])
    return out


@jit
def share_steps(units, theta, d, slope, logs, cell_mass, g_d, g_slope):
    """Subtract expected answers: where persons are, times the categories' probabilities."""
    n_cells = units.cell_slope.size
    n_steps = d.size // n_cells
    for c in range(n_cells):
        k = units.cell_slope[c]
        for m in range(n_steps):
            at, rise = c * n_steps + m, (m + 1) * slope[k]
            expected, moment = 0.0, 0.0
            for q in range(theta.size):
                p = cell_mass[c, q] * exp_below_0(min(d[at] + rise * theta[q] - logs[c, q], 0.0))
                expected += p
                moment += p * theta[q]
            g_d[at] -= expected
            g_slope[k] -= (m + 1) * moment


@jit
def step_chances(d, lift, out):
    """Fill `out` (step,) with the probabilities of categories 1 .. S; lift = a theta."""
    highest = 0.0
    for m in range(d.size):
        highest = max(highest, d[m] + (m + 1) * lift)
    total = np.exp(-highest)
    for m in range(d.size):
        out[m] = np.exp(d[m] + (m + 1) * lift - highest)
        total += out[m]
    for m in range(d.size):
        out[m] /= total


@jit
def _bound(d, slope, furthest):
    """Largest logarithm that P, or a part of it, may have."""
    out = 0.0
    for m in range(d.size):
        out = max(out, abs(d[m]) + (m + 1) * abs(slope) * furthest)
    return out + np.log(d.size + 1.0)


@jit
def _sums(odds, by_slope, out):
    """P at every node, by Horner's rule."""
    out[:] = 0.0
    for m in range(odds.size - 1, -1, -1):
        for q in range(out.size):
            out[q] = (out[q] + odds[m]) * by_slope[q]
    for q in range(out.size):
        out[q] += 1.0


@jit
def _log_of_sums(d, slope, theta, out):
    """Log P at every node, where P itself would overflow."""
    for q in range(out.size):
        highest = 0.0
        for m in range(d.size):
            highest = max(highest, d[m] + (m + 1) * slope * theta[q])
        total = np.exp(-highest)
        for m in range(d.size):
            total += np.exp(d[m] + (m + 1) * slope * theta[q] - highest)
        out[q] = highest + np.log(total)
