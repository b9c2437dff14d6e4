"""Roots of covariances that may be singular: SDs of 0 and correlations of +-1 have them too."""

import numpy as np


def root_of(covariance: np.ndarray) -> np.ndarray:
    """A root R of each covariance matrix (..., d, d): R R' = covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
