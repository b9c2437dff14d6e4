"""Compiled loops over rows for the joint Hessian H = I + A'WA: factor, solve, selected inverse.

A has a row for each answer, with the answer's random-effect columns scaled by their relative
covariance factor (`scaled`, by covariate pattern); W holds the weights w. `elimination.Rows` says
how effects are numbered. Nothing of the size rows x effects is ever stored.
"""

import numba
import numpy as np

from ilhte_bayes.engines.marginal.elimination import Rows

jit = numba.njit(cache=True, nogil=True)


@jit
def linear_predictor(rows: Rows, fixed, scaled, effects, eta):
    """eta[r] = fixed[pattern] + a_r @ effects."""
    d, n_other = rows.n_inner, rows.column_group.size
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    column_at = rows.column_at
    for j in range(start.size - 1):
        for r in range(start[j], start[j + 1]):
            p = pattern[r]
            total = fixed[p]
            for a in range(d):
                total += scaled[p, a] * effects[j * d + a]
            for k in range(n_other):
                at = base[group[k], r] + column_at[k]
                total += scaled[p, d + k] * effects[at]
            eta[r] = total


@jit
def add_scaled_rows(rows: Rows, scaled, value, out):
    """Add A' value to `out`, for one value a row."""
    d, n_other = rows.n_inner, rows.column_group.size
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    column_at = rows.column_at
    for j in range(start.size - 1):
        for r in range(start[j], start[j + 1]):
            p, own = pattern[r], value[r]
            for a in range(d):
                out[j * d + a] += scaled[p, a] * own
            for k in range(n_other):
                at = base[group[k], r] + column_at[k]
                out[at] += scaled[p, d + k] * own


@jit
def _border_offset(rows: Rows, low, width):
    """For each column outside the inner group: border position = row's base + offset.

    Positions count [local | root] of the front that begins at `low`; they rise with the column.
    """
    offset = rows.column_at.copy()
    for k in range(offset.size):
        offset[k] -= low if rows.is_local[rows.column_group[k]] else rows.root_at - width
    return offset


@jit
def _assemble_level(
    first, last, pattern, base, group, offset, scaled, weight, at, block, coupling, border
):
    """Add one inner level's rows to its own block of H, its coupling, and the border's block."""
    d, n_other = block.shape[0], at.size
    for r in range(first, last):
        p, w = pattern[r], weight[r]
        for k in range(n_other):
            at[k] = base[group[k], r] + offset[k]
        for a in range(d):
            weighted = w * scaled[p, a]
            for c in range(a + 1):
                block[a, c] += weighted * scaled[p, c]
            for k in range(n_other):
                coupling[a, at[k]] += weighted * scaled[p, d + k]
        for k in range(n_other):
            weighted = w * scaled[p, d + k]
            for e in range(k + 1):
                border[at[k], at[e]] += weighted * scaled[p, d + e]


@jit
def _cholesky(block):
    """Lower Cholesky factor of a small matrix plus the identity, in place; its log-determinant."""
    log_det = 0.0
    for a in range(block.shape[0]):
        block[a, a] += 1.0
        for c in range(a + 1):
            total = block[a, c]
            for e in range(c):
                total -= block[a, e] * block[c, e]
            if a == c:
                block[a, a] = np.sqrt(total)
                log_det += np.log(total)
            else:
                block[a, c] = total / block[c, c]
    return log_det


@jit
def _whiten(factor, coupling):
    """Multiply `coupling` by inverse(factor) from the left, in place."""
    for a in range(factor.shape[0]):
        scale = 1.0 / factor[a, a]
        for e in range(a):
            for k in range(coupling.shape[1]):
                coupling[a, k] -= factor[a, e] * coupling[e, k]
        for k in range(coupling.shape[1]):
            coupling[a, k] *= scale


@jit
def _touched(first, last, base, group, offset, mark, seen, touched):
    """List the border columns that appear in the rows of one inner level; returns how many."""
    n = 0
    for r in range(first, last):
        for k in range(group.size):
            at = base[group[k], r] + offset[k]
            if seen[at] != mark:
                seen[at] = mark
                touched[n] = at
                n += 1
    return n


@jit
def _scatter_level(coupling, touched, few, factor, border):
    """Eliminate one inner level from the border, working on the touched columns only."""
    d, n = factor.shape[0], touched.size
    for a in range(d):
        for s in range(n):
            few[a, s] = coupling[a, touched[s]]
    _whiten(factor, few[:, :n])
    for a in range(d):
        for s in range(n):
            for t in range(n):
                border[touched[s], touched[t]] -= few[a, s] * few[a, t]


@jit
def factorise(rows: Rows, scaled, weight, inner, local_inverse, local_root, root):
    """Eliminate inner and local effects; leaves the root's Schur complement in `root`.

    Fills `inner` (level, d, d) with Cholesky factors, `local_inverse` and `local_root` (one flat
    piece per front) with inverse(B_ll) and inverse(B_ll) B_lr, and returns the log-determinant of
    all that was eliminated. Only the lower triangle of `root` is meant to be read.
    """
    d, n_other = rows.n_inner, rows.column_group.size
    n_root = rows.n_effects - rows.root_at
    root[:] = 0.0
    for k in range(n_root):
        root[k, k] = 1.0
    log_det = 0.0
    piece, side = 0, 0
    widest = rows.widest
    coupling = np.zeros((rows.chunk, d, widest))
    few = np.zeros((d, widest))
    seen = np.zeros(widest, dtype=np.int64)
    touched = np.zeros(widest, dtype=np.int64)
    at = np.zeros(n_other, dtype=np.int64)
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    chunk, scatter = rows.chunk, rows.scatter
    inner[:] = 0.0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        size = width + n_root
        offset = _border_offset(rows, low, width)
        border = root if width == 0 else np.zeros((size, size))
        for k in range(width):
            border[k, k] = 1.0
        for j0 in range(rows.front_level[f], rows.front_level[f + 1], chunk):
            j1 = min(j0 + chunk, rows.front_level[f + 1])
            for j in range(j0, j1):
                first, last, n = start[j], start[j + 1], 0
                own = coupling[0 if scatter else j - j0]
                if scatter:
                    n = _touched(first, last, base, group, offset, j + 1, seen, touched)
                    for s in range(n):
                        own[:, touched[s]] = 0.0
                else:
                    own[:, :size] = 0.0
                _assemble_level(
                    first, last, pattern, base, group, offset, scaled, weight, at,
                    inner[j], own, border,
                )  # fmt: skip
                log_det += _cholesky(inner[j])
                if scatter:
                    _scatter_level(own, touched[:n], few, inner[j], border)
                else:
                    _whiten(inner[j], own[:, :size])
            if size > 0 and not scatter:
                used = np.ascontiguousarray(coupling[: j1 - j0, :, :size])
                used = used.reshape((j1 - j0) * d, size)
                border -= np.dot(used.T, used)
        if width > 0:
            log_det += _eliminate_local(
                border,
                width,
                local_inverse[piece : piece + width * width].reshape(width, width),
                local_root[side : side + width * n_root].reshape(width, n_root),
                root,
            )
            piece += width * width
            side += width * n_root
    return log_det


@jit
def _eliminate_local(border, width, inverse, to_root, root):
    """Eliminate a front's local effects into the root; returns the log-determinant."""
    own = np.zeros((width, width))
    for k in range(width):
        for e in range(k + 1):
            own[k, e] = border[k, e]
            own[e, k] = border[k, e]
    factor = np.linalg.cholesky(own)
    log_det = 0.0
    for k in range(width):
        log_det += 2.0 * np.log(factor[k, k])
    inverted = np.linalg.inv(own)
    for k in range(width):  # loops: whole-array assignment takes seconds more to compile
        for e in range(width):
            inverse[k, e] = inverted[k, e]
    n_root = root.shape[0]
    if n_root > 0:
        cross = np.ascontiguousarray(border[width:, :width])
        np.dot(inverse, cross.T, to_root)
        taken = np.dot(cross, to_root)
        for k in range(n_root):
            for e in range(n_root):
                root[k, e] += border[width + k, width + e] - taken[k, e]
    return log_det


@jit
def _solve_inner(factor, x):
    """X <- inverse(factor factor') x."""
    d = x.size
    for a in range(d):
        for e in range(a):
            x[a] -= factor[a, e] * x[e]
        x[a] /= factor[a, a]
    for a in range(d - 1, -1, -1):
        for e in range(a + 1, d):
            x[a] -= factor[e, a] * x[e]
        x[a] /= factor[a, a]


@jit
def newton_right_side(rows: Rows, scaled, slope, weight, effects, inner, gradient, x):
    """Fill `gradient` with A'slope - effects, and `x` with the same, inner effects eliminated."""
    d, n_other = rows.n_inner, rows.column_group.size
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    column_at = rows.column_at
    for k in range(gradient.size):
        gradient[k] = -effects[k]
        x[k] = -effects[k]
    for j in range(start.size - 1):
        own = x[j * d : (j + 1) * d]
        for r in range(start[j], start[j + 1]):
            p = pattern[r]
            for a in range(d):
                own[a] += scaled[p, a] * slope[r]
        for a in range(d):
            gradient[j * d + a] = own[a]
        _solve_inner(inner[j], own)
        for r in range(start[j], start[j + 1]):
            p = pattern[r]
            taken = 0.0
            for a in range(d):
                taken += scaled[p, a] * own[a]
            taken *= weight[r]
            for k in range(n_other):
                at = base[group[k], r] + column_at[k]
                gradient[at] += slope[r] * scaled[p, d + k]
                x[at] += (slope[r] - taken) * scaled[p, d + k]


@jit
def eliminate_inner(rows: Rows, scaled, weight, inner, x):
    """First step of a solve, in place: inner effects solved, and taken out of the others."""
    d, n_other = rows.n_inner, rows.column_group.size
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    column_at = rows.column_at
    for j in range(start.size - 1):
        own = x[j * d : (j + 1) * d]
        _solve_inner(inner[j], own)
        for r in range(start[j], start[j + 1]):
            p = pattern[r]
            taken = 0.0
            for a in range(d):
                taken += scaled[p, a] * own[a]
            taken *= weight[r]
            for k in range(n_other):
                at = base[group[k], r] + column_at[k]
                x[at] -= taken * scaled[p, d + k]


@jit
def _subtract(values, out):
    """As out -= values, whose broadcasting and errors would take seconds to compile."""
    for k in range(out.size):
        out[k] -= values[k]


@jit
def eliminate_local(rows: Rows, local_inverse, local_root, x):
    """Second step of a solve, in place: local effects solved, and taken out of the root."""
    n_root = rows.n_effects - rows.root_at
    piece, side = 0, 0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        if width == 0:
            continue
        right = x[low : low + width].copy()
        inverse = local_inverse[piece : piece + width * width].reshape(width, width)
        np.dot(inverse, right, x[low : low + width])
        if n_root > 0:
            to_root = local_root[side : side + width * n_root].reshape(width, n_root)
            _subtract(np.dot(to_root.T, right), x[rows.root_at :])
        piece += width * width
        side += width * n_root


@jit
def back_substitute(rows: Rows, scaled, weight, inner, local_root, x):
    """Last step of a solve, in place, once the root part holds its solution."""
    d, n_other = rows.n_inner, rows.column_group.size
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    column_at = rows.column_at
    n_root = rows.n_effects - rows.root_at
    side = 0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        if width > 0 and n_root > 0:
            to_root = local_root[side : side + width * n_root].reshape(width, n_root)
            _subtract(np.dot(to_root, x[rows.root_at :]), x[low : low + width])
            side += width * n_root
    if n_other == 0:
        return
    right = np.zeros(d)
    for j in range(start.size - 1):
        right[:] = 0.0
        for r in range(start[j], start[j + 1]):
            p = pattern[r]
            value = 0.0
            for k in range(n_other):
                at = base[group[k], r] + column_at[k]
                value += scaled[p, d + k] * x[at]
            value *= weight[r]
            for a in range(d):
                right[a] += value * scaled[p, a]
        _solve_inner(inner[j], right)
        for a in range(d):
            x[j * d + a] -= right[a]


@jit
def _front_inverse(local_inverse, local_root, root_inverse, width):
    """Border block [local | root] of the inverse of H for one front."""
    n_root = root_inverse.shape[0]
    size = width + n_root
    inverse = np.zeros((size, size))
    for k in range(width):
        for e in range(width):
            inverse[k, e] = local_inverse[k, e]
    if n_root == 0:
        return inverse
    cross = np.dot(local_root, root_inverse)
    own = np.dot(cross, local_root.T)
    for k in range(width):
        for e in range(width):
            inverse[k, e] += own[k, e]
        for e in range(n_root):
            inverse[k, width + e] = -cross[k, e]
            inverse[width + e, k] = -cross[k, e]
    for k in range(n_root):
        for e in range(n_root):
            inverse[width + k, width + e] = root_inverse[k, e]
    return inverse


@jit
def _inner_inverse(factor, reach, coupling, own, to_border):
    """Inner level's own block of the inverse, and its block against the border.

    `reach` = coupling @ border inverse; both already multiplied by the inverse factor.
    """
    d, size = factor.shape[0], coupling.shape[1]
    for a in range(d):
        for c in range(d):
            total = 1.0 if a == c else 0.0
            for k in range(size):
                total += reach[a, k] * coupling[c, k]
            own[a, c] = total
        for k in range(size):
            to_border[a, k] = -reach[a, k]
    for a in range(d - 1, -1, -1):  # multiply by inverse(factor') from the left
        scale = 1.0 / factor[a, a]
        for e in range(a + 1, d):
            for k in range(size):
                to_border[a, k] -= factor[e, a] * to_border[e, k]
            for c in range(d):
                own[a, c] -= factor[e, a] * own[e, c]
        for k in range(size):
            to_border[a, k] *= scale
        for c in range(d):
            own[a, c] *= scale
    for a in range(d - 1, -1, -1):  # and own by inverse(factor) from the right
        scale = 1.0 / factor[a, a]
        for c in range(d):
            for e in range(a + 1, d):
                own[c, a] -= factor[e, a] * own[c, e]
            own[c, a] *= scale


@jit
def selected_inverse(
    rows: Rows,
    scaled,
    z,
    weight,
    inner,
    local_inverse,
    local_root,
    root_inverse,
    spread,
    moment,
    inner_diagonal,
    local_diagonal,
):
    """Entries of inverse(H) that the gradient needs.

    spread[r] = a_r' inverse(H) a_r, the variance of the linear predictor given the parameters;
    moment[i, j] += sum over rows of w z_i (inverse(H) a_r)_j for columns i, j of one group;
    inner_diagonal (level, d, d) and local_diagonal (flat, by front): diagonal blocks.
    """
    d, n_other = rows.n_inner, rows.column_group.size
    n_root = root_inverse.shape[0]
    widest = rows.widest
    coupling = np.zeros((rows.chunk, d, widest))
    seen = np.zeros(widest, dtype=np.int64)
    touched = np.zeros(widest, dtype=np.int64)
    to_border = np.zeros((d, widest))
    at = np.zeros(n_other, dtype=np.int64)
    h = np.zeros(d + n_other)
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    chunk, scatter = rows.chunk, rows.scatter
    piece, side = 0, 0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        size = width + n_root
        offset = _border_offset(rows, low, width)
        border = root_inverse
        if width > 0:
            border = _front_inverse(
                local_inverse[piece : piece + width * width].reshape(width, width),
                local_root[side : side + width * n_root].reshape(width, n_root),
                root_inverse,
                width,
            )
            block = local_diagonal[piece : piece + width * width].reshape(width, width)
            for k in range(width):
                for e in range(width):
                    block[k, e] = border[k, e]
            piece += width * width
            side += width * n_root
        for j0 in range(rows.front_level[f], rows.front_level[f + 1], chunk):
            j1 = min(j0 + chunk, rows.front_level[f + 1])
            reach = np.zeros((0, 0))
            if not scatter:
                for j in range(j0, j1):
                    own = coupling[j - j0]
                    own[:, :size] = 0.0
                    _couple_level(
                        start[j], start[j + 1], pattern, base, group, offset, scaled, weight, own
                    )
                    _whiten(inner[j], own[:, :size])
                used = np.ascontiguousarray(coupling[: j1 - j0, :, :size])
                used = used.reshape((j1 - j0) * d, size)
                reach = np.dot(used, border)
            for j in range(j0, j1):
                first, last = start[j], start[j + 1]
                if scatter:
                    n = _touched(first, last, base, group, offset, j + 1, seen, touched)
                    own = coupling[0]
                    for s in range(n):
                        own[:, touched[s]] = 0.0
                    _couple_level(first, last, pattern, base, group, offset, scaled, weight, own)
                    _few_inverse(inner[j], own, border, touched[:n], inner_diagonal[j], to_border)
                else:
                    at_row = (j - j0) * d
                    _inner_inverse(
                        inner[j],
                        reach[at_row : at_row + d],
                        coupling[j - j0][:, :size],
                        inner_diagonal[j],
                        to_border[:, :size],
                    )
                _spread_of_level(
                    first, last, pattern, base, group, offset, scaled, z, weight,
                    inner_diagonal[j], to_border, border, at, h, spread, moment,
                )  # fmt: skip


@jit
def _couple_level(first, last, pattern, base, group, offset, scaled, weight, coupling):
    """Add one inner level's block of H against the border."""
    d = coupling.shape[0]
    for r in range(first, last):
        p = pattern[r]
        for k in range(group.size):
            at = base[group[k], r] + offset[k]
            weighted = weight[r] * scaled[p, d + k]
            for a in range(d):
                coupling[a, at] += weighted * scaled[p, a]


@jit
def _spread_of_level(
    first, last, pattern, base, group, offset, scaled, z, weight,
    own, to_border, border, at, h, spread, moment,
):  # fmt: skip
    """For one inner level's rows: h = inverse(H) a where a is not 0; spread and moment."""
    d, n_other = own.shape[0], at.size
    for r in range(first, last):
        p = pattern[r]
        for k in range(n_other):
            at[k] = base[group[k], r] + offset[k]
        total = 0.0
        for a in range(d):
            entry = 0.0
            for c in range(d):
                entry += own[a, c] * scaled[p, c]
            for k in range(n_other):
                entry += to_border[a, at[k]] * scaled[p, d + k]
            h[a] = entry
            total += entry * scaled[p, a]
        for k in range(n_other):
            entry = 0.0
            for c in range(d):
                entry += to_border[c, at[k]] * scaled[p, c]
            for e in range(n_other):
                entry += border[at[k], at[e]] * scaled[p, d + e]
            h[d + k] = entry
            total += entry * scaled[p, d + k]
        spread[r] = total
        for a in range(d):
            weighted = weight[r] * z[p, a]
            for c in range(d):
                moment[a, c] += weighted * h[c]
        for k in range(n_other):
            weighted = weight[r] * z[p, d + k]
            for e in range(n_other):
                if group[k] == group[e]:
                    moment[d + k, d + e] += weighted * h[d + e]


@jit
def _few_inverse(factor, coupling, border, touched, own, to_border):
    """As `_inner_inverse`, for a level that touches few of the border's columns."""
    d, n = factor.shape[0], touched.size
    few, reach, found = np.zeros((d, n)), np.zeros((d, n)), np.zeros((d, n))
    for a in range(d):
        for s in range(n):
            few[a, s] = coupling[a, touched[s]]
    _whiten(factor, few)
    for a in range(d):
        for s in range(n):
            for t in range(n):
                reach[a, s] += few[a, t] * border[touched[t], touched[s]]
    _inner_inverse(factor, reach, few, own, found)
    for s in range(n):
        to_border[:, touched[s]] = found[:, s]


@jit
def collect_gradient(
    rows: Rows, scaled, z, effects, slope, weight, change, shift, by_pattern, by_factor
):
    """Sums over rows from which the gradient of the Laplace log-likelihood is made.

    rho = slope - (change - weight * a_r'shift) / 2 is the derivative by the row's linear predictor,
    the movement of the mode included; `change` is that of log|H| by way of the weights. by_pattern[p] += rho;
    by_factor[i, j] += z_i (rho effects_j - slope shift_j / 2) for columns i, j of one group.
    """
    d, n_other = rows.n_inner, rows.column_group.size
    pattern, start, base, group = rows.pattern, rows.start, rows.base, rows.column_group
    column_at = rows.column_at
    at = np.zeros(d + n_other, dtype=np.int64)
    for j in range(start.size - 1):
        for r in range(start[j], start[j + 1]):
            p = pattern[r]
            moved = 0.0
            for a in range(d):
                at[a] = j * d + a
                moved += scaled[p, a] * shift[at[a]]
            for k in range(n_other):
                at[d + k] = base[group[k], r] + column_at[k]
                moved += scaled[p, d + k] * shift[at[d + k]]
            rho = slope[r] - 0.5 * (change[r] - weight[r] * moved)
            by_pattern[p] += rho
            half = 0.5 * slope[r]
            for a in range(d):
                for c in range(d):
                    by_factor[a, c] += z[p, a] * (rho * effects[at[c]] - half * shift[at[c]])
            for k in range(n_other):
                for e in range(n_other):
                    if group[k] == group[e]:
                        by_factor[d + k, d + e] += z[p, d + k] * (
                            rho * effects[at[d + e]] - half * shift[at[d + e]]
                        )
