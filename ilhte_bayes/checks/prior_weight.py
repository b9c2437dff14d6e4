"""Prior weight: by how much would the answers change if the priors counted a little more or less?"""

import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.checks.loo import with_log_likelihood
from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.spread_draws import spread_positions
from ilhte_bayes.formulas.term_variables import uses

THRESHOLD = 0.05  # of ArviZ's sensitivity


def prior_weight(fit: Fit, *, draws: int = 1000) -> pd.DataFrame:
    """Power-scaling sensitivity of the treatment effect and the items' spread.

    Parameters
    ----------
    fit : Fit
        Sampled by `il.sample`.
    draws : int
        About how many draws to use.

    Returns
    -------
    pandas.DataFrame
        Index: parameter. `prior`, `likelihood`: how much the marginal posterior moves when the
        prior, or the likelihood, is raised to a power near 1 (distance per doubling; above 0.05 is
        worth a look). `diagnosis`: ArviZ's words.

    Raises
    ------
    ModelError
        If the fit has no draws, or was stored without the log-density of its priors.

    References
    ----------
    Kallioinen, Paananen, Buerkner & Vehtari (2024), Statistics and Computing 34(1), 57.
    """
    import arviz as az

    if not fit.sampled:
        raise ModelError(
            "prior weight is measured on posterior draws, and this fit was maximised. Use "
            "il.sample(model)."
        )
    if "log_prior" not in fit.tree:
        raise ModelError(
            "this fit has no log-density of its priors. Sample it again: il.sample(fit.model)."
        )
    posterior = fit.tree["posterior"].to_dataset()
    at = spread_positions(posterior, draws)
    tree = with_log_likelihood(fit, "person", draws=draws)
    own = xr.DataTree.from_dict(
        {
            "posterior": _of_interest(fit, posterior.isel(draw=at)),
            "log_prior": fit.tree["log_prior"].to_dataset().isel(draw=at),
            "log_likelihood": tree["log_likelihood"].to_dataset(),
        }
    )
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # Pareto k of powers near 1 is said in words by the caller
        log = logging.getLogger("arviz_stats.psense")
        level = log.level
        log.setLevel(logging.ERROR)  # where to read on is said by the caller
        try:
            found = az.psense_summary(own, threshold=THRESHOLD)
        finally:
            log.setLevel(level)
    return found.rename_axis("parameter")


def _of_interest(fit: Fit, posterior: xr.Dataset) -> xr.Dataset:
    """Scalars that readers look up: effects of treatment, spread of items' effects, correlation."""
    out = {}
    treatment = fit.model.roles.treatment
    design = fit.model.design
    for term in design.terms:
        if uses(term, treatment, fit.model.responses.patterns.columns):
            out[f"effect {term}"] = posterior["beta"].sel(term=term, drop=True)
    for group in design.groups:
        column = f"{group.name}_column"
        for name in group.columns:
            sd = posterior[f"sd_{group.name}"].sel({column: name}, drop=True)
            out[f"SD {group.name}[{name}]"] = sd
        if f"corr_{group.name}" in posterior and group.n_columns == 2:
            corr = posterior[f"corr_{group.name}"].transpose("chain", "draw", ...).to_numpy()
            out[f"correlation {group.name}"] = xr.DataArray(
                corr[..., 0, 1], coords=_sampling(posterior), dims=("chain", "draw")
            )
    return xr.Dataset(out)


def _sampling(posterior: xr.Dataset) -> dict[str, np.ndarray]:
    return {dim: posterior[dim].to_numpy() for dim in ("chain", "draw")}
