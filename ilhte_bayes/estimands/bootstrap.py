"""Likelihood ratios of trials simulated under the smaller of two nested models."""

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines.marginal.warm import highest, objective_like, point, scale_of
from ilhte_bayes.engines.refit import refit
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.nesting import null_in_full, null_of
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.simulated import simulate_answers

# Log-likelihoods of two searches agree to about 1e-6; a larger model that ends this far below the
# smaller one was not searched to its end.
_AGREE = 1e-3


def bootstrap_ratios(
    null: Fit, full: Fit, n: int, *, seed: int, progress: bool = True
) -> np.ndarray:
    """Simulate answers under the null's estimates, fit both models, and compare; n times.

    The larger model with all that it has more at 0 is the null, so that persons, items, arms and
    who answered what stay as they are, and random effects are drawn anew. Each search starts at the
    null's estimates and stops at the maximum, without standard errors.

    Parameters
    ----------
    null, full : Fit
        By maximum likelihood, nested, of the same answers.
    n : int
        Number of simulated trials.
    seed : int
        Trial k depends on the seed and k alone.
    progress : bool
        Whether to say on standard error how far it is, with the time left.

    Returns
    -------
    (n,) array
        Likelihood ratios; missing where a search failed, from a start of its own as well.
    """
    parameters = null_in_full(null, full.model)
    _same_columns(null, full, parameters)
    words = f"{n:,} simulated trials, two fits each"
    trials = steps(range(n), n, words) if progress else iter(range(n))
    with threadpool_limits(limits=1, user_api="blas"):
        return np.array([_ratio(null, full, parameters, (seed, k)) for k in trials])


def _ratio(null: Fit, full: Fit, parameters: xr.Dataset, seed: tuple[int, int]) -> float:
    """Likelihood ratio of one simulated trial."""
    rng = np.random.default_rng(seed)
    larger = simulate_answers(full.model, parameters, rng).model
    smaller = null_of(larger, null.model)
    try:
        low, low_found = _maximum(null, smaller, parameters)
        high, high_found = _maximum(full, larger, parameters)
        if not low_found:
            low, low_found = _cold(null, smaller, low)
        if not high_found or high < low - _AGREE:
            high, high_found = _cold(full, larger, high)
    except (ModelError, np.linalg.LinAlgError):
        return float("nan")
    if not (low_found and high_found) or high < low - _AGREE:
        return float("nan")
    return max(2.0 * (high - low), 0.0)


def _maximum(like: Fit, model: Model, parameters: xr.Dataset) -> tuple[float, bool]:
    """Maximised log-likelihood, approximated as in a fit, searched from these parameters."""
    target = objective_like(like, model)
    own = _of_model(model, parameters)
    found = highest(target, point(target, own), scale_of(target, like.mode))
    return found.value, found.converged


def _of_model(model: Model, parameters: xr.Dataset) -> xr.Dataset:
    """The parameters that a smaller model has, in its order."""
    names = {"beta": {"term": list(model.design.terms)}}
    for group in model.design.groups:
        column, columns = f"{group.name}_column", list(group.columns)
        names[f"sd_{group.name}"] = {column: columns}
        if f"corr_{group.name}" in parameters and len(columns) > 1:
            names[f"corr_{group.name}"] = {column: columns, f"{column}_": columns}
    return xr.Dataset({name: parameters[name].sel(at) for name, at in names.items()})


def _cold(like: Fit, model: Model, so_far: float) -> tuple[float, bool]:
    """The same from the engine's own start."""
    fit = refit(like, model)
    return max(fit.loglik, so_far), bool(fit.mode.attrs["converged"])


def _same_columns(null: Fit, full: Fit, parameters: xr.Dataset) -> None:
    """Refuse columns that have one name and are not the same in both models."""
    again, _ = _maximum(null, null_of(full.model, null.model), parameters)
    if abs(again - null.loglik) > 10.0 * _AGREE:
        raise ModelError(
            f"the smaller model has log-likelihood {null.loglik:.3f}, and {again:.3f} on the larger "
            "model's columns of the same names: they are coded in different ways, and the models "
            "are not nested. Write both formulas with the same contrasts and transforms."
        )
