"""Posterior: log-density and gradient of a model, persons integrated out or not, compiled once.

The same density as `build_pymc(model, plan=..., grid=...)` up to a constant (a test compares them),
written for one structure: priors, covariance factors and random effects as loops over arrays, then
`likelihood.kernel`. Everything that a model has of its own is data, so that one compiled function,
kept on disk, serves every model and the sampler starts within a second. Importing this module
compiles it, or loads it from disk.
"""

import numba
import numpy as np

from ilhte_bayes.likelihood.compiled import jit
from ilhte_bayes.likelihood.kernel import value_and_gradient
from ilhte_bayes.likelihood.plan import Units
from ilhte_bayes.models.structure import EXPONENTIAL, GAMMA, NORMAL, STUDENT, Structure

_MOST_NODES = 20_000  # of a refined grid


@jit
def unpack(words, reals):
    """Views of all arrays, from the buffer seen as whole numbers and as reals."""
    return Structure(
        _words(words, 0), _words(words, 1), _floats(words, reals, 2), _words(words, 3),
        _words(words, 4), _words(words, 5), _words(words, 6), _words(words, 7), _words(words, 8),
        _words(words, 9), _floats(words, reals, 10), _words(words, 11), _words(words, 12),
        _words(words, 13), _words(words, 14), _words(words, 15), _floats(words, reals, 16),
        _words(words, 17), _words(words, 18), _words(words, 19), _words(words, 20),
        _floats(words, reals, 21), _words(words, 22), _words(words, 23), _words(words, 24),
        _words(words, 25), _words(words, 26), _words(words, 27), _words(words, 28),
        _floats(words, reals, 29), _floats(words, reals, 30), _floats(words, reals, 31),
        _floats(words, reals, 32), _floats(words, reals, 33), _floats(words, reals, 34),
        _floats(words, reals, 35), _words(words, 36), _words(words, 37), _words(words, 38),
        _words(words, 39), _words(words, 40), _words(words, 41), _floats(words, reals, 42),
        _words(words, 43), _floats(words, reals, 44), _floats(words, reals, 45),
        _floats(words, reals, 46), _floats(words, reals, 47), _words(words, 48),
    )  # fmt: skip


# Signatures are written out: numba would otherwise compile one version for each number k.
_INTS, _REALS = numba.int64[::1], numba.float64[::1]


@numba.njit(_INTS(_INTS, numba.int64), cache=True, nogil=True)
def _words(words, k):
    return words[words[1 + 2 * k] : words[1 + 2 * k] + words[2 + 2 * k]]


@numba.njit(_REALS(_INTS, _REALS, numba.int64), cache=True, nogil=True)
def _floats(words, reals, k):
    return reals[words[1 + 2 * k] : words[1 + 2 * k] + words[2 + 2 * k]]


@jit
def log_density(s: Structure, x, gradient):
    """Log posterior density at an unconstrained point, up to a constant; fills its gradient."""
    gradient[:] = 0.0
    n_fixed, n_groups = s.beta_kind.size, s.group_levels.size
    beta = x[:n_fixed].copy()
    value = _thresholds(s.n_cuts[0], x, beta)
    value += _priors(s.beta_kind, s.beta_numbers, beta, gradient[:n_fixed])
    n_effects = 0
    for g in range(n_groups):
        n_effects += s.group_levels[g] * (s.column_start[g + 1] - s.column_start[g])
    effects = np.empty(n_effects)
    sd = np.empty(s.sd_kind.size)
    g_sd = np.zeros(s.sd_kind.size)
    standard = np.empty(n_effects)
    widest = 1
    for g in range(n_groups):
        widest = max(widest, s.column_start[g + 1] - s.column_start[g])
    roots = np.zeros((n_groups, widest, widest))
    for g in range(n_groups):
        first, last = s.column_start[g], s.column_start[g + 1]
        for k in range(first, last):
            at = s.sd_at[g] + k - first
            sd[k] = np.exp(x[at])
            value += x[at]
            gradient[at] += 1.0
        value += _correlation_root(s, g, x, gradient, roots[g])
        value += _effects(s, g, x, beta, sd, roots[g], effects, standard)
    value += _priors(s.sd_kind, s.sd_numbers, sd, g_sd)
    value += _answers(s, beta, sd, effects, gradient, g_sd, standard, roots, x)
    for g in range(n_groups):
        first = s.column_start[g]
        for k in range(first, s.column_start[g + 1]):
            gradient[s.sd_at[g] + k - first] += g_sd[k] * sd[k]
    _thresholds_gradient(s.n_cuts[0], x, gradient)
    return value


@jit
def _thresholds(n_cuts, x, beta):
    """Thresholds in order, from the lowest and log gaps; returns the log-Jacobian."""
    value = 0.0
    for k in range(1, n_cuts):
        beta[k] = beta[k - 1] + np.exp(x[k])
        value += x[k]
    return value


@jit
def _thresholds_gradient(n_cuts, x, gradient):
    """Turn derivatives by thresholds into those by the lowest and log gaps, in place."""
    above = 0.0
    for k in range(n_cuts - 1, 0, -1):
        above += gradient[k]
        gradient[k] = above * np.exp(x[k]) + 1.0
    if n_cuts > 0:
        gradient[0] += above


@jit
def _priors(kind, numbers, x, gradient):
    """Sum of log-densities; adds derivatives."""
    value = 0.0
    for k in range(kind.size):
        a, b, c = numbers[3 * k], numbers[3 * k + 1], numbers[3 * k + 2]
        if kind[k] == NORMAL:
            z = (x[k] - a) / b
            value -= 0.5 * z * z
            gradient[k] -= z / b
        elif kind[k] == STUDENT:
            z = (x[k] - a) / b
            value -= 0.5 * (c + 1.0) * np.log1p(z * z / c)
            gradient[k] -= (c + 1.0) * z / (c + z * z) / b
        elif kind[k] == EXPONENTIAL:
            value -= x[k] / a
            gradient[k] -= 1.0 / a
        elif kind[k] == GAMMA:
            value += (a - 1.0) * np.log(x[k]) - b * x[k]
            gradient[k] += (a - 1.0) / x[k] - b
    return value


@jit
def _correlation_root(s: Structure, g, x, gradient, root):
    """Cholesky factor of a correlation matrix from partial correlations, row by row."""
    d = s.column_start[g + 1] - s.column_start[g]
    value = 0.0
    for k in range(d):
        root[k, k] = 1.0  # squared length left of each row, until the end
    for pair in range(s.pair_start[g], s.pair_start[g + 1]):
        at = s.pair_at[g] + pair - s.pair_start[g]
        i, j, shape = s.pair_row[pair], s.pair_column[pair], s.pair_shape[pair]
        unit = 1.0 / (1.0 + np.exp(-x[at]))
        # log of unit (1 - unit), for the prior and the change of variable
        value += shape * (-abs(x[at]) - 2.0 * np.log1p(np.exp(-abs(x[at]))))
        gradient[at] += shape * (1.0 - 2.0 * unit)
        root[i, j] = (2.0 * unit - 1.0) * np.sqrt(root[i, i])
        root[i, i] *= 4.0 * unit * (1.0 - unit)
    for k in range(d):
        root[k, k] = np.sqrt(root[k, k])
    return value


@jit
def _root_gradient(s: Structure, g, x, root, by_root, gradient):
    """Carry a derivative by the root's entries on to the partial correlations."""
    for pair in range(s.pair_start[g], s.pair_start[g + 1]):
        at = s.pair_at[g] + pair - s.pair_start[g]
        i, j = s.pair_row[pair], s.pair_column[pair]
        unit = 1.0 / (1.0 + np.exp(-x[at]))
        partial = 2.0 * unit - 1.0
        left = 1.0
        for other in range(s.pair_start[g], pair):
            if s.pair_row[other] == i:
                left -= root[i, s.pair_column[other]] ** 2
        by_partial = by_root[i, j] * np.sqrt(left)
        rest = by_root[i, i] * root[i, i]
        for other in range(pair + 1, s.pair_start[g + 1]):
            if s.pair_row[other] == i:
                rest += by_root[i, s.pair_column[other]] * root[i, s.pair_column[other]]
        by_partial -= rest * partial / (4.0 * unit * (1.0 - unit))
        gradient[at] += by_partial * 2.0 * unit * (1.0 - unit)


@jit
def _effects(s: Structure, g, x, beta, sd, root, effects, standard):
    """Random effects in logits, and standardised; returns their log-density."""
    first = s.column_start[g]
    d = s.column_start[g + 1] - first
    value = 0.0
    for level in range(s.group_levels[g]):
        raw, out = s.raw_at[g] + level * d, s.effect_at[g] + level * d
        for k in range(d):
            mean, own = 0.0, sd[first + k]
            for j in range(k):
                mean += root[k, j] * standard[out + j]
            if s.centred[first + k]:
                effect = x[raw + k]
                if s.carried[first + k] >= 0:
                    effect -= beta[s.carried[first + k]]
                z = (effect / own - mean) / root[k, k]
                value -= np.log(own * root[k, k])
            else:
                z = x[raw + k]
                effect = own * (mean + root[k, k] * z)
            value -= 0.5 * z * z
            standard[out + k], effects[out + k] = z, effect
    return value


@jit
def _effects_gradient(
    s: Structure, g, sd, root, effects, standard, by_effect, gradient, g_sd, by_root
):
    """Carry derivatives by the effects on to what is sampled, SDs and the root."""
    first = s.column_start[g]
    d = s.column_start[g + 1] - first
    by_standard = np.zeros(d)
    for level in range(s.group_levels[g]):
        raw, out = s.raw_at[g] + level * d, s.effect_at[g] + level * d
        by_standard[:] = 0.0
        for k in range(d - 1, -1, -1):
            own, left, z = sd[first + k], root[k, k], standard[out + k]
            by_standard[k] -= z
            if s.centred[first + k]:
                effect = effects[out + k]
                by_raw = by_effect[out + k] + by_standard[k] / (own * left)
                g_sd[first + k] -= by_standard[k] * effect / (own * own * left) + 1.0 / own
                by_mean = -by_standard[k] / left
                by_root[k, k] -= (by_standard[k] * z + 1.0) / left
                gradient[raw + k] += by_raw
                if s.carried[first + k] >= 0:
                    gradient[s.carried[first + k]] -= by_raw
            else:
                by_mean = by_effect[out + k] * own
                by_standard[k] += by_mean * left
                g_sd[first + k] += by_effect[out + k] * effects[out + k] / own
                by_root[k, k] += by_mean * z
                gradient[raw + k] += by_standard[k]
            for j in range(k):
                by_root[k, j] += by_mean * standard[out + j]
                by_standard[j] += by_mean * root[k, j]


@jit
def _predict(s: Structure, which, beta, effects):
    """Linear predictor at all cells (0), means (1), answers (2), gaps (3) or categories (4)."""
    n = s.place_size[which]
    out = np.zeros(n)
    t0, t1 = s.place_terms_start[which], s.place_terms_start[which + 1]
    width = t1 - t0
    at = s.place_x_start[which]
    for p in range(n):
        total = 0.0
        for k in range(width):
            total += s.place_x[at + p * width + k] * beta[s.place_terms[t0 + k]]
        out[p] = total
    for part in range(s.part_start[which], s.part_start[which + 1]):
        g, k = s.part_group[part], s.part_position[part]
        d = s.column_start[g + 1] - s.column_start[g]
        base, first, z_at = s.effect_at[g] + k, s.part_level_start[part], s.part_z_start[part]
        for p in range(n):
            effect = effects[base + s.part_level[first + p] * d]
            out[p] += effect if z_at < 0 else effect * s.part_z[z_at + p]
    return out


@jit
def _predict_gradient(s: Structure, which, by_place, gradient, by_effect):
    """Carry derivatives by a linear predictor on to coefficients and effects."""
    n = s.place_size[which]
    t0, t1 = s.place_terms_start[which], s.place_terms_start[which + 1]
    width = t1 - t0
    at = s.place_x_start[which]
    for p in range(n):
        for k in range(width):
            gradient[s.place_terms[t0 + k]] += s.place_x[at + p * width + k] * by_place[p]
    for part in range(s.part_start[which], s.part_start[which + 1]):
        g, k = s.part_group[part], s.part_position[part]
        d = s.column_start[g + 1] - s.column_start[g]
        base, first, z_at = s.effect_at[g] + k, s.part_level_start[part], s.part_z_start[part]
        for p in range(n):
            by = by_place[p] if z_at < 0 else by_place[p] * s.part_z[z_at + p]
            by_effect[base + s.part_level[first + p] * d] += by


@jit
def _fine_enough(grid, narrowest):
    """First node, step and size of the grid, halved until the narrowest normal spans a step.

    A normal much narrower than a step falls between nodes, or on one, and its integral is wrong:
    where the sampler comes near an SD of 0 the density would have a wall, or a spike. The
    trapezoid rule is out by 2 exp(-2 pi^2 (SD / step)^2), 5e-9 at SD = step.
    """
    first, step, n_nodes = grid[0], grid[1], int(grid[2])
    while step > narrowest and n_nodes < _MOST_NODES:
        step, n_nodes = 0.5 * step, 2 * n_nodes - 1
    return first, step, n_nodes


@jit
def _answers(s: Structure, beta, sd, effects, gradient, g_sd, standard, roots, x):
    """Log-likelihood, and all derivatives that pass through the linear predictor."""
    by_effect = np.zeros(effects.size)
    value = 0.0
    if s.integrated[0] >= 0:
        value += _integrated(s, beta, sd, effects, gradient, g_sd, by_effect)
    if s.place_size[2] > 0:
        eta = _predict(s, 2, beta, effects)
        value += _given_everything(s.answer_ones, s.answer_count, eta)
        _predict_gradient(s, 2, eta, gradient, by_effect)
    if s.place_size[3] > 0:
        gap = _predict(s, 3, beta, effects)
        value += _between_thresholds(s.gap_count, gap)
        _predict_gradient(s, 3, gap, gradient, by_effect)
    if s.place_size[4] > 0:
        eta = _predict(s, 4, beta, effects)
        value += _in_categories(s.category_count, s.n_categories[0], eta)
        _predict_gradient(s, 4, eta, gradient, by_effect)
    by_root = np.zeros(roots.shape[1:])
    for g in range(s.group_levels.size):
        if s.group_levels[g] == 0:
            continue
        by_root[:] = 0.0
        _effects_gradient(s, g, sd, roots[g], effects, standard, by_effect, gradient, g_sd, by_root)
        _root_gradient(s, g, x, roots[g], by_root, gradient)
    return value


@jit
def _given_everything(ones, count, eta):
    """Log-likelihood of binary answers given their predictors; leaves its derivative in `eta`."""
    value = 0.0
    for r in range(eta.size):
        at = eta[r]
        small = np.exp(-abs(at))
        low = small / (1.0 + small)
        value += ones[r] * at - count[r] * (max(at, 0.0) + np.log1p(small))
        eta[r] = ones[r] - count[r] * (low if at < 0.0 else 1.0 - low)
    return value


@jit
def _between_thresholds(count, gap):
    """Log-likelihood of gaps, log(1 - exp(-gap)) each; leaves its derivative in `gap`."""
    value = 0.0
    for r in range(gap.size):
        if gap[r] <= 0.0:
            return -np.inf
        small, left = np.exp(-gap[r]), -np.expm1(-gap[r])
        value += count[r] * np.log(left)
        gap[r] = count[r] * small / left
    return value


@jit
def _in_categories(count, n_categories, eta):
    """Log-likelihood of answers given predictors of all categories but the first.

    One question after the other; leaves its derivative in `eta`.
    """
    value = 0.0
    for question in range(count.size // n_categories):
        own = eta[question * (n_categories - 1) : (question + 1) * (n_categories - 1)]
        given = count[question * n_categories : (question + 1) * n_categories]
        highest = 0.0
        for k in range(own.size):
            highest = max(highest, own[k])
        whole, total = np.exp(-highest), given[0]
        value -= given[0] * highest
        for k in range(own.size):
            value += given[k + 1] * (own[k] - highest)
            own[k] = np.exp(own[k] - highest)
            whole += own[k]
            total += given[k + 1]
        value -= total * np.log(whole)
        for k in range(own.size):
            own[k] = given[k + 1] - total * own[k] / whole
    return value


@jit
def _integrated(s: Structure, beta, sd, effects, gradient, g_sd, by_effect):
    """Log-likelihood with a group integrated out; adds its derivatives."""
    cells, means = _predict(s, 0, beta, effects), _predict(s, 1, beta, effects)
    column = s.column_start[s.integrated[0]]
    n_classes = s.column_start[s.integrated[0] + 1] - column
    floor = s.grid[3]
    first, step, n_nodes = _fine_enough(s.grid, max(sd[column : column + n_classes].min(), floor))
    tau, log_weight = np.empty(n_classes), np.empty((n_classes, n_nodes))
    for v in range(n_classes):
        shown = max(sd[column + v], floor)
        tau[v] = 1.0 / shown**2
        log_weight[v] = np.log(step) - np.log(shown * np.sqrt(2.0 * np.pi))
    units = Units(
        s.table_start, s.entry_cell, s.entry_count, s.table_class, s.unit_start, s.unit_mean,
        s.unit_count, s.cell_slope, s.cell_total,
    )  # fmt: skip
    value, g_weight, g_tau, g_cells, _, _, g_means = value_and_gradient(
        units, first, step, log_weight, tau, cells, s.slopes, s.score, means
    )
    for v in range(n_classes):
        own = sd[column + v]
        if own < floor:
            continue
        g_sd[column + v] -= np.sum(g_weight[v]) / own + 2.0 * g_tau[v] / own**3
    _predict_gradient(s, 0, g_cells, gradient, by_effect)
    _predict_gradient(s, 1, g_means, gradient, by_effect)
    return value


_LOGP = numba.types.int64(
    numba.types.uint64,
    numba.types.CPointer(numba.types.double),
    numba.types.CPointer(numba.types.double),
    numba.types.CPointer(numba.types.double),
    numba.types.voidptr,
)
_EXPAND = numba.types.int64(
    numba.types.uint64,
    numba.types.uint64,
    numba.types.CPointer(numba.types.double),
    numba.types.CPointer(numba.types.double),
    numba.types.voidptr,
)


@jit
def log_density_whitened(s: Structure, y, gradient):
    """`log_density` as a function of y, x = origin + root @ y; fills the gradient by y."""
    n = s.origin.size
    if n == 0:
        return log_density(s, y, gradient)
    by_x = np.empty(n)
    if s.root.size < n * n:
        return _led(s, y, gradient, by_x)
    root = s.root.reshape(n, n)
    value = log_density(s, s.origin + np.dot(root, y), by_x)
    gradient[:] = np.dot(by_x, root)
    return value


@jit
def _led(s: Structure, y, gradient, by_x):
    """As `log_density_whitened`: a diagonal, then how everything moves with the first unknowns.

    Loops, since a BLAS would start threads for vectors of this length.
    """
    n = y.size
    x = s.origin + s.root[:n] * y
    n_leading = s.root.size // n - 1
    for k in range(n_leading):
        row = s.root[(k + 1) * n : (k + 2) * n]
        for j in range(n):
            x[j] += row[j] * y[k]
    value = log_density(s, x, by_x)
    for j in range(n):
        gradient[j] = s.root[j] * by_x[j]
    for k in range(n_leading):
        row = s.root[(k + 1) * n : (k + 2) * n]
        total = 0.0
        for j in range(n):
            total += row[j] * by_x[j]
        gradient[k] += total
    return value


@numba.cfunc(_LOGP, cache=True)
def logp_pointer(dim, x, gradient, value, buffer):
    """`log_density` as a C function; not 0 where the sampler must turn back."""
    size = numba.carray(buffer, (1,), np.int64)[0]
    words, reals = (
        numba.carray(buffer, (size,), np.int64),
        numba.carray(buffer, (size,), np.float64),
    )
    out = numba.carray(gradient, (dim,))
    found = log_density_whitened(unpack(words, reals), numba.carray(x, (dim,)), out)
    numba.carray(value, (1,))[0] = found
    if not np.isfinite(found):
        return 4
    return 0 if np.all(np.isfinite(out)) else 3


@numba.cfunc(_EXPAND, cache=True)
def expand_pointer(dim, expanded, x, out, buffer):
    """Keep draws as they are; they are translated all at once afterwards."""
    for k in range(dim):
        out[k] = x[k]
    return 0
