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
    for j in range(rows.start.size - 1):
        for r in range(rows.start[j], rows.start[j + 1]):
            p = rows.pattern[r]
            total = fixed[p]
            for a in range(d):
                total += scaled[p, a] * effects[j * d + a]
            for k in range(n_other):
                at = rows.base[rows.column_group[k], r] + rows.column_at[k]
                total += scaled[p, d + k] * effects[at]
            eta[r] = total


@jit
def add_scaled_rows(rows: Rows, scaled, value, out):
    """Out += A' value, for one value a row."""
    d, n_other = rows.n_inner, rows.column_group.size
    for j in range(rows.start.size - 1):
        for r in range(rows.start[j], rows.start[j + 1]):
            p = rows.pattern[r]
            for a in range(d):
                out[j * d + a] += scaled[p, a] * value[r]
            for k in range(n_other):
                at = rows.base[rows.column_group[k], r] + rows.column_at[k]
                out[at] += scaled[p, d + k] * value[r]


@jit
def _border_index(rows: Rows, k, r, low, width):
    """Position of column k of row r in its front's border [local | root]."""
    g = rows.column_group[k]
    at = rows.base[g, r] + rows.column_at[k]
    return at - low if rows.is_local[g] else width + at - rows.root_at


@jit
def _inner_block(rows: Rows, j, scaled, weight, block):
    """Lower Cholesky factor of inner level j's block of H, in place; returns its log-determinant."""
    d = rows.n_inner
    block[:] = 0.0
    for r in range(rows.start[j], rows.start[j + 1]):
        p = rows.pattern[r]
        for a in range(d):
            for c in range(a + 1):
                block[a, c] += weight[r] * scaled[p, a] * scaled[p, c]
    log_det = 0.0
    for a in range(d):
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
def _coupling(rows: Rows, j, scaled, weight, factor, low, width, coupling):
    """Add inner level j's rows of H against the border, multiplied by its inverse factor."""
    d, n_other = rows.n_inner, rows.column_group.size
    for r in range(rows.start[j], rows.start[j + 1]):
        p = rows.pattern[r]
        for k in range(n_other):
            at = _border_index(rows, k, r, low, width)
            for a in range(d):
                coupling[a, at] += weight[r] * scaled[p, a] * scaled[p, d + k]
    for a in range(d):
        for e in range(a):
            coupling[a] -= factor[a, e] * coupling[e]
        coupling[a] /= factor[a, a]


@jit
def _touched(rows: Rows, j, low, width, seen, touched):
    """List the border columns that appear in the rows of inner level j; returns how many."""
    n = 0
    for r in range(rows.start[j], rows.start[j + 1]):
        for k in range(rows.column_group.size):
            at = _border_index(rows, k, r, low, width)
            if seen[at] != j + 1:
                seen[at] = j + 1
                touched[n] = at
                n += 1
    return n


@jit
def _border_rows(rows: Rows, first, last, scaled, weight, low, width, border):
    """Add the rows' own contributions to the border's block of H (lower triangle)."""
    d, n_other = rows.n_inner, rows.column_group.size
    for r in range(first, last):
        p = rows.pattern[r]
        for k in range(n_other):
            at = _border_index(rows, k, r, low, width)
            for e in range(n_other):
                to = _border_index(rows, e, r, low, width)
                if to <= at:
                    border[at, to] += weight[r] * scaled[p, d + k] * scaled[p, d + e]


@jit
def factorise(rows: Rows, scaled, weight, inner, local_inverse, local_root, root):
    """Eliminate inner and local effects; leaves the root's Schur complement in `root`.

    Fills `inner` (level, d, d) with Cholesky factors, `local_inverse` and `local_root` (one flat
    piece per front) with inverse(B_ll) and inverse(B_ll) B_lr, and returns the log-determinant of
    all that was eliminated. Only the lower triangle of `root` is meant to be read.
    """
    d = rows.n_inner
    n_root = rows.n_effects - rows.root_at
    root[:] = 0.0
    for k in range(n_root):
        root[k, k] = 1.0
    log_det = 0.0
    piece, side = 0, 0
    widest = np.max(np.diff(rows.front_local)) + n_root
    coupling = np.zeros((rows.chunk, d, widest))
    seen = np.zeros(widest, dtype=np.int64)
    touched = np.zeros(widest, dtype=np.int64)
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        size = width + n_root
        border = root if width == 0 else np.zeros((size, size))
        for k in range(width):
            border[k, k] = 1.0
        for j0 in range(rows.front_level[f], rows.front_level[f + 1], rows.chunk):
            j1 = min(j0 + rows.chunk, rows.front_level[f + 1])
            _border_rows(rows, rows.start[j0], rows.start[j1], scaled, weight, low, width, border)
            for j in range(j0, j1):
                log_det += _inner_block(rows, j, scaled, weight, inner[j])
                if size == 0:
                    continue
                block = coupling[0 if rows.scatter else j - j0]
                if rows.scatter:
                    n = _touched(rows, j, low, width, seen, touched)
                    for t in range(n):
                        block[:, touched[t]] = 0.0
                else:
                    n = 0
                    block[:, :size] = 0.0
                if rows.scatter:
                    _coupling_at(rows, j, scaled, weight, inner[j], low, width, block, touched[:n])
                    for a in range(d):
                        for s in range(n):
                            at, value = touched[s], block[a, touched[s]]
                            for t in range(n):
                                border[at, touched[t]] -= value * block[a, touched[t]]
                else:
                    _coupling(rows, j, scaled, weight, inner[j], low, width, block[:, :size])
            if size > 0 and not rows.scatter:
                used = np.ascontiguousarray(coupling[: j1 - j0, :, :size]).reshape(-1, size)
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
def _coupling_at(rows: Rows, j, scaled, weight, factor, low, width, coupling, touched):
    """As `_coupling`, working on the touched columns only."""
    d, n_other = rows.n_inner, rows.column_group.size
    for r in range(rows.start[j], rows.start[j + 1]):
        p = rows.pattern[r]
        for k in range(n_other):
            at = _border_index(rows, k, r, low, width)
            for a in range(d):
                coupling[a, at] += weight[r] * scaled[p, a] * scaled[p, d + k]
    for at in touched:
        for a in range(d):
            for e in range(a):
                coupling[a, at] -= factor[a, e] * coupling[e, at]
            coupling[a, at] /= factor[a, a]


@jit
def _eliminate_local(border, width, inverse, to_root, root):
    """Eliminate a front's local effects into the root; returns the log-determinant."""
    own = np.zeros((width, width))
    for k in range(width):
        for e in range(k + 1):
            own[k, e] = border[k, e]
            own[e, k] = border[k, e]
    log_det = 2.0 * np.sum(np.log(np.diag(np.linalg.cholesky(own))))
    inverse[:] = np.linalg.inv(own)
    n_root = root.shape[0]
    if n_root > 0:
        cross = np.ascontiguousarray(border[width:, :width])
        to_root[:] = np.dot(inverse, cross.T)
        root += border[width:, width:] - np.dot(cross, to_root)
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
def eliminate_right_side(rows: Rows, scaled, weight, inner, local_inverse, local_root, x):
    """First half of a solve, in place: inner and local parts solved, root part reduced."""
    d, n_other = rows.n_inner, rows.column_group.size
    for j in range(rows.start.size - 1):
        own = x[j * d : (j + 1) * d]
        _solve_inner(inner[j], own)
        for r in range(rows.start[j], rows.start[j + 1]):
            p = rows.pattern[r]
            value = 0.0
            for a in range(d):
                value += scaled[p, a] * own[a]
            value *= weight[r]
            for k in range(n_other):
                at = rows.base[rows.column_group[k], r] + rows.column_at[k]
                x[at] -= value * scaled[p, d + k]
    n_root = rows.n_effects - rows.root_at
    piece, side = 0, 0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        if width == 0:
            continue
        right = x[low : low + width].copy()
        inverse = local_inverse[piece : piece + width * width].reshape(width, width)
        x[low : low + width] = np.dot(inverse, right)
        if n_root > 0:
            to_root = local_root[side : side + width * n_root].reshape(width, n_root)
            x[rows.root_at :] -= np.dot(to_root.T, right)
        piece += width * width
        side += width * n_root


@jit
def back_substitute(rows: Rows, scaled, weight, inner, local_root, x):
    """Second half of a solve, in place, once the root part holds its solution."""
    d, n_other = rows.n_inner, rows.column_group.size
    n_root = rows.n_effects - rows.root_at
    side = 0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        if width > 0 and n_root > 0:
            to_root = local_root[side : side + width * n_root].reshape(width, n_root)
            x[low : low + width] -= np.dot(to_root, x[rows.root_at :])
            side += width * n_root
    if n_other == 0:
        return
    right = np.zeros(d)
    for j in range(rows.start.size - 1):
        right[:] = 0.0
        for r in range(rows.start[j], rows.start[j + 1]):
            p = rows.pattern[r]
            value = 0.0
            for k in range(n_other):
                at = rows.base[rows.column_group[k], r] + rows.column_at[k]
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
    inverse[width:, width:] = root_inverse
    if n_root > 0:
        cross = np.dot(local_root, root_inverse)
        inverse[:width, :width] = local_inverse + np.dot(cross, local_root.T)
        inverse[:width, width:] = -cross
        inverse[width:, :width] = -cross.T
    else:
        inverse[:width, :width] = local_inverse
    return inverse


@jit
def _inner_inverse(factor, reach, coupling, own, to_border):
    """Inner level's own block of the inverse, and its block against the border.

    `reach` = coupling @ border inverse; both already multiplied by the inverse factor.
    """
    d = factor.shape[0]
    for a in range(d):
        for c in range(d):
            own[a, c] = np.sum(reach[a] * coupling[c])
        own[a, a] += 1.0
    to_border[:] = -reach
    for a in range(d - 1, -1, -1):  # multiply by inverse(factor') from the left
        for e in range(a + 1, d):
            to_border[a] -= factor[e, a] * to_border[e]
            own[a] -= factor[e, a] * own[e]
        to_border[a] /= factor[a, a]
        own[a] /= factor[a, a]
    for a in range(d - 1, -1, -1):  # and own by inverse(factor) from the right
        for e in range(a + 1, d):
            own[:, a] -= factor[e, a] * own[:, e]
        own[:, a] /= factor[a, a]


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
    widest = np.max(np.diff(rows.front_local)) + n_root
    coupling = np.zeros((rows.chunk, d, widest))
    seen = np.zeros(widest, dtype=np.int64)
    touched = np.zeros(widest, dtype=np.int64)
    to_border = np.zeros((d, widest))
    index = np.zeros(n_other, dtype=np.int64)
    h = np.zeros(d + n_other)
    piece, side = 0, 0
    for f in range(rows.front_level.size - 1):
        low, width = rows.front_local[f], rows.front_local[f + 1] - rows.front_local[f]
        size = width + n_root
        border = root_inverse
        if width > 0:
            border = _front_inverse(
                local_inverse[piece : piece + width * width].reshape(width, width),
                local_root[side : side + width * n_root].reshape(width, n_root),
                root_inverse,
                width,
            )
            block = local_diagonal[piece : piece + width * width].reshape(width, width)
            block[:] = border[:width, :width]
            piece += width * width
            side += width * n_root
        for j0 in range(rows.front_level[f], rows.front_level[f + 1], rows.chunk):
            j1 = min(j0 + rows.chunk, rows.front_level[f + 1])
            reach = np.zeros((0, 0))
            if size > 0 and not rows.scatter:
                for j in range(j0, j1):
                    block = coupling[j - j0][:, :size]
                    block[:] = 0.0
                    _coupling(rows, j, scaled, weight, inner[j], low, width, block)
                used = np.ascontiguousarray(coupling[: j1 - j0, :, :size]).reshape(-1, size)
                reach = np.dot(used, border)
            for j in range(j0, j1):
                own = inner_diagonal[j]
                if rows.scatter and size > 0:
                    n = _touched(rows, j, low, width, seen, touched)
                    few = touched[:n]
                    block = coupling[0]
                    for at in few:
                        block[:, at] = 0.0
                    _coupling_at(rows, j, scaled, weight, inner[j], low, width, block, few)
                    few_coupling = np.zeros((d, n))
                    few_reach = np.zeros((d, n))
                    few_border = np.zeros((d, n))
                    for a in range(d):
                        for s in range(n):
                            few_coupling[a, s] = block[a, few[s]]
                            for t in range(n):
                                few_reach[a, s] += block[a, few[t]] * border[few[t], few[s]]
                    _inner_inverse(inner[j], few_reach, few_coupling, own, few_border)
                    for s in range(n):
                        to_border[:, few[s]] = few_border[:, s]
                elif size > 0:
                    at = (j - j0) * d
                    _inner_inverse(
                        inner[j],
                        reach[at : at + d],
                        coupling[j - j0][:, :size],
                        own,
                        to_border[:, :size],
                    )
                else:
                    nothing = np.zeros((d, 0))
                    _inner_inverse(inner[j], nothing, nothing, own, nothing.copy())
                for r in range(rows.start[j], rows.start[j + 1]):
                    p = rows.pattern[r]
                    for k in range(n_other):
                        index[k] = _border_index(rows, k, r, low, width)
                    total = 0.0
                    for a in range(d):
                        value = 0.0
                        for c in range(d):
                            value += own[a, c] * scaled[p, c]
                        for k in range(n_other):
                            value += to_border[a, index[k]] * scaled[p, d + k]
                        h[a] = value
                        total += value * scaled[p, a]
                    for k in range(n_other):
                        value = 0.0
                        for c in range(d):
                            value += to_border[c, index[k]] * scaled[p, c]
                        for e in range(n_other):
                            value += border[index[k], index[e]] * scaled[p, d + e]
                        h[d + k] = value
                        total += value * scaled[p, d + k]
                    spread[r] = total
                    for a in range(d):
                        for c in range(d):
                            moment[a, c] += weight[r] * z[p, a] * h[c]
                    for k in range(n_other):
                        for e in range(n_other):
                            if rows.column_group[k] == rows.column_group[e]:
                                moment[d + k, d + e] += weight[r] * z[p, d + k] * h[d + e]


@jit
def collect_gradient(
    rows: Rows, scaled, z, effects, slope, weight, third, spread, shift, by_pattern, by_factor
):
    """Sums over rows from which the gradient of the Laplace log-likelihood is made.

    rho = slope - (third * spread - weight * a_r'shift) / 2 is the derivative by the row's linear
    predictor, the movement of the mode included. by_pattern[p] += rho;
    by_factor[i, j] += z_i (rho effects_j - slope shift_j / 2) for columns i, j of one group.
    """
    d, n_other = rows.n_inner, rows.column_group.size
    at = np.zeros(d + n_other, dtype=np.int64)
    for j in range(rows.start.size - 1):
        for r in range(rows.start[j], rows.start[j + 1]):
            p = rows.pattern[r]
            moved = 0.0
            for a in range(d):
                at[a] = j * d + a
                moved += scaled[p, a] * shift[at[a]]
            for k in range(n_other):
                at[d + k] = rows.base[rows.column_group[k], r] + rows.column_at[k]
                moved += scaled[p, d + k] * shift[at[d + k]]
            rho = slope[r] - 0.5 * (third[r] * spread[r] - weight[r] * moved)
            by_pattern[p] += rho
            half = 0.5 * slope[r]
            for a in range(d):
                for c in range(d):
                    by_factor[a, c] += z[p, a] * (rho * effects[at[c]] - half * shift[at[c]])
            for k in range(n_other):
                for e in range(n_other):
                    if rows.column_group[k] == rows.column_group[e]:
                        by_factor[d + k, d + e] += z[p, d + k] * (
                            rho * effects[at[d + e]] - half * shift[at[d + e]]
                        )
