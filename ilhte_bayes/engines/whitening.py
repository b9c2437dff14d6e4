"""Whitening: coordinates in which the posterior is nearly a sphere, from its curvature at the start.

NUTS must take steps small enough for the narrowest direction of the posterior, such as an intercept
against the average of its effects, and many of them to cross the widest. In whitened coordinates
all directions are alike.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from ilhte_bayes.models.structure import Structure, pack
from ilhte_bayes.models.unconstrained import Layout

_STEP = 1e-4  # of differences of the exact gradient
LARGEST_DENSE = 600  # unknowns; a product with the root costs their square
# Dense for more unknowns, too, where the integral costs as much: entries of the root that take the
# time of one answer at one node; and what memory and the root itself allow.
_ENTRIES_A_NODE, _MOST_UNKNOWNS = 5, 3_000
_FLOOR = 1e-6  # smallest curvature, as a share of the largest
_CLOSE, _MOST_STEPS = 1e-3, 200  # of conjugate gradients: a rough root is good enough


def whitening_root(
    structure: Structure, layout: Layout, start: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Root of a rough posterior covariance: what is sampled is white in it.

    Coefficients and effects are nearly normal given SDs and correlations, with the curvature that
    the log-density has at the start; SDs and correlations have their rough posterior SDs. Of more
    than 600 unknowns, if the integral is cheaper than a product with the root, each effect has its own curvature only, given the others; but coefficients
    have their full covariance, and take all effects along as they move (an intercept its groups).

    Parameters
    ----------
    structure : Structure
    layout : Layout
    start : (unknown,) array
    scale : (unknown,) array
        Rough posterior SDs.

    Returns
    -------
    np.ndarray
        (unknown, unknown); for many unknowns (1 + coefficient, unknown), the diagonal and how
        everything moves with each coefficient. See `unwhiten`.
    """
    from ilhte_bayes.models import posterior

    words = pack(structure)
    arrays = posterior.unpack(words, words.view(np.float64))

    def change(direction: np.ndarray) -> np.ndarray:
        """Minus the second derivative of the log-density, times the direction."""
        up, down = np.empty(layout.size), np.empty(layout.size)
        posterior.log_density(arrays, start + _STEP * direction, up)
        posterior.log_density(arrays, start - _STEP * direction, down)
        return (down - up) / (2.0 * _STEP)

    free = _nearly_normal(layout)
    if not _worth_dense(structure, layout):
        return _led_by_coefficients(layout, free, change, scale)
    information = np.array([change(row)[free] for row in np.eye(layout.size)[free]])
    root = np.diag(scale)
    root[np.ix_(free, free)] = _inverse_root(information)
    return root


def _worth_dense(structure: Structure, layout: Layout) -> bool:
    """Whether a product with a dense root costs no more than the density itself, about."""
    if layout.size <= LARGEST_DENSE:
        return True
    if not layout.integrated or layout.size > _MOST_UNKNOWNS:
        return False
    nodes = float(structure.grid[2])
    work = nodes * (structure.entry_cell.size + structure.unit_count.size)
    return layout.size**2 <= _ENTRIES_A_NODE * work


def unwhiten(root: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root times y (..., unknown), as `posterior.log_density_whitened` does for one y."""
    if root.shape == (y.shape[-1], y.shape[-1]):
        return np.asarray(y @ root.T)
    return np.asarray(y * root[0] + y[..., : len(root) - 1] @ root[1:])


Change = Callable[[np.ndarray], np.ndarray]


def _inverse_root(information: np.ndarray) -> np.ndarray:
    """Symmetric root of the inverse."""
    values, vectors = np.linalg.eigh(0.5 * (information + information.T))
    values = np.maximum(values, _FLOOR * values[-1])  # positive, but for rounding
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def _led_by_coefficients(
    layout: Layout, free: np.ndarray, change: Change, scale: np.ndarray
) -> np.ndarray:
    """Root in which coefficients move all effects to where these are most likely given them."""
    diagonal = scale.copy()
    for own in _apart(layout, free):
        curvature = change(np.isin(np.arange(layout.size), own).astype(float))[own]
        diagonal[own] = 1.0 / np.sqrt(np.maximum(curvature, _FLOOR))
    n_fixed = len(layout.design.terms)
    if not n_fixed:
        return diagonal[None, :]
    effects = free[n_fixed:]
    by_fixed = np.array([change(row) for row in np.eye(n_fixed, layout.size)])
    moves = _conditional_modes(by_fixed[:, effects], effects, change, diagonal)
    left = by_fixed[:, :n_fixed] + by_fixed[:, effects] @ moves.T
    root = _inverse_root(left)
    out = np.zeros((1 + n_fixed, layout.size))
    out[0], out[0, :n_fixed] = diagonal, 0.0
    out[1:, :n_fixed], out[1:, effects] = root, root @ moves
    return out


def _conditional_modes(
    by_fixed: np.ndarray, effects: np.ndarray, change: Change, diagonal: np.ndarray
) -> np.ndarray:
    """(coefficient, effect) how the effects' mode moves with each coefficient."""
    n = effects.size

    def times(v: np.ndarray) -> np.ndarray:
        direction = np.zeros(diagonal.size)
        direction[effects] = v
        return change(direction)[effects]

    curvature = LinearOperator((n, n), matvec=times)
    inverse = LinearOperator((n, n), matvec=lambda v: v * diagonal[effects] ** 2)
    solved = [cg(curvature, -b, rtol=_CLOSE, maxiter=_MOST_STEPS, M=inverse)[0] for b in by_fixed]
    return np.array(solved)


def _nearly_normal(layout: Layout) -> np.ndarray:
    """Coefficients and effects: all but SDs and correlations."""
    free = np.ones(layout.size, dtype=bool)
    for sd_at, raw_at in zip(layout.sd_at, layout.raw_at, strict=True):
        free[sd_at:raw_at] = False
    return np.flatnonzero(free)


def _apart(layout: Layout, free: np.ndarray) -> list[np.ndarray]:
    """Sets of unknowns whose curvature can be had at once, none of a set in a row with another.

    No answer belongs to two levels of a group, so all levels' effects of one column are a set;
    where a group is integrated out, its members' answers to several levels meet in their integral.
    """
    if layout.integrated:
        return [np.array([k]) for k in free]
    sets = [np.array([k]) for k in range(len(layout.design.terms))]
    for group, raw_at in zip(layout.design.groups, layout.raw_at, strict=True):
        d = group.n_columns
        sets += [raw_at + k + d * np.arange(group.n_levels) for k in range(d)]
    return sets
