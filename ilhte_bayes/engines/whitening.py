"""Whitening: coordinates in which the posterior is nearly a sphere, from its curvature at the start.

NUTS must take steps small enough for the narrowest direction of the posterior, such as an intercept
against the average of its effects, and many of them to cross the widest. In whitened coordinates
all directions are alike.
"""

import numpy as np

from ilhte_bayes.models.structure import Structure, pack
from ilhte_bayes.models.unconstrained import Layout

_STEP = 1e-4  # of differences of the exact gradient
LARGEST_DENSE = 600  # unknowns; a product with the root costs their square
_FLOOR = 1e-6  # smallest curvature, as a share of the largest


def whitening_root(
    structure: Structure, layout: Layout, start: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Root of a rough posterior covariance: what is sampled is white in it.

    Coefficients and effects are nearly normal given SDs and correlations, with the curvature that
    the log-density has at the start; SDs and correlations have their rough posterior SDs. Of more
    than 600 unknowns the diagonal alone is used.

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
        (unknown, unknown), or its diagonal (unknown,) for more than 600 unknowns.
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
    if layout.size > LARGEST_DENSE:
        diagonal = scale.copy()
        for own in _apart(layout, free):
            curvature = change(np.isin(np.arange(layout.size), own).astype(float))[own]
            diagonal[own] = 1.0 / np.sqrt(np.maximum(curvature, _FLOOR))
        return diagonal
    information = np.array([change(row)[free] for row in np.eye(layout.size)[free]])
    root = np.diag(scale)
    values, vectors = np.linalg.eigh(0.5 * (information + information.T))
    values = np.maximum(values, _FLOOR * values[-1])  # positive, but for rounding
    root[np.ix_(free, free)] = (vectors / np.sqrt(values)) @ vectors.T
    return root


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
