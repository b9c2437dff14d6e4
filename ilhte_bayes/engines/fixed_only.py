"""Maximum likelihood of a model without random effects: what a lone variance is tested against."""

import numpy as np

from ilhte_bayes.models.model import Model

_MOST_STEPS = 100
_SMALL = 1e-10  # of the log-likelihood: what one more step could gain


def fixed_only_loglik(model: Model) -> float:
    """Maximised log-likelihood of the fixed part alone, its groups left out (Newton's method).

    Where predictors tell answers apart without error, coefficients run off, and this is the value
    that the log-likelihood approaches.
    """
    rows, family = model.rows, model.family
    beta = family.start(rows)
    value, gradient, hessian = _derivatives(model, beta)
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < _SMALL:
            return value
        for _ in range(50):
            new = _derivatives(model, beta + step)
            if new[0] > value:
                break
            step = step / 2.0
        else:
            return value  # no step gains anything that rounding does not hide
        beta, (value, gradient, hessian) = beta + step, new
    return value


def _derivatives(model: Model, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, its gradient, and minus its Hessian."""
    rows = model.rows
    eta = (rows.x @ beta)[rows.pattern]
    slope, weight, third = (np.empty(rows.n_rows) for _ in range(3))
    value = model.family.derivatives(eta, rows.score, rows.count, slope, weight, third)
    n = len(rows.x)
    gradient = rows.x.T @ np.bincount(rows.pattern, slope, n)
    weights = np.bincount(rows.pattern, weight, n)
    return value, gradient, rows.x.T @ (weights[:, None] * rows.x)
