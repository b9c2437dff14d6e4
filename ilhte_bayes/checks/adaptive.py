"""Adaptive Gauss-Hermite quadrature over standard normal effects, around a mode."""

from functools import cache
from itertools import product

import numpy as np

from ilhte_bayes.errors import NotAvailable

_POINTS = {1: 15, 2: 9, 3: 7}  # for each dimension


@cache
def rule(dimensions: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (node, dimension) and log-weights (node,) of integrals over exp(h(v)).

    With v = mode + root @ node, where root root' is the inverse of -h'' at the mode, the integral is
    |root| times the sum of exp(log-weight + h(v)).
    """
    if dimensions not in _POINTS:
        raise NotAvailable(
            f"{name} has {dimensions} random effects a level; integrals over more than "
            f"{max(_POINTS)} are not there. Leave out persons or answers: unit='person'."
        )
    x, w = np.polynomial.hermite.hermgauss(_POINTS[dimensions])
    log_w = np.log(w) + x**2 + 0.5 * np.log(2.0)
    nodes = np.sqrt(2.0) * np.array(list(product(x, repeat=dimensions)))
    return nodes, np.array([sum(each) for each in product(log_w, repeat=dimensions)])


def inverse_root(precision: np.ndarray) -> np.ndarray:
    """Factors R with R R' = inverse of each matrix (..., d, d)."""
    values, vectors = np.linalg.eigh(precision)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-3))[..., None, :])
