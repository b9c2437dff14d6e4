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

    free = np.ones(layout.size, dtype=bool)
    for sd_at, raw_at in zip(layout.sd_at, layout.raw_at, strict=True):
        free[sd_at:raw_at] = False
    at = np.flatnonzero(free)
    words = pack(structure)
    arrays = posterior.unpack(words, words.view(np.float64))
    up, down = np.empty(layout.size), np.empty(layout.size)
    dense = layout.size <= LARGEST_DENSE
    information = np.empty((at.size, at.size if dense else 1))
    for row, k in enumerate(at):
        step = np.zeros(layout.size)
        step[k] = _STEP
        posterior.log_density(arrays, start + step, up)
        posterior.log_density(arrays, start - step, down)
        information[row] = (down - up)[at if dense else k] / (2.0 * _STEP)
    if not dense:
        diagonal = scale.copy()
        diagonal[at] = 1.0 / np.sqrt(np.maximum(information[:, 0], _FLOOR))
        return diagonal
    root = np.diag(scale)
    values, vectors = np.linalg.eigh(0.5 * (information + information.T))
    values = np.maximum(values, _FLOOR * values[-1])  # positive, but for rounding
    root[np.ix_(at, at)] = (vectors / np.sqrt(values)) @ vectors.T
    return root
