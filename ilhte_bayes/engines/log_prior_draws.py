"""Log-prior of every draw, by parameter: what prior sensitivity is computed from."""

import numpy as np
import xarray as xr

from ilhte_bayes.models.distributions import LKJ
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import correlated


def log_prior_draws(model: Model, posterior: xr.Dataset) -> xr.Dataset:
    """Log-density of coefficients, SDs and correlations at each draw.

    Returns
    -------
    xr.Dataset
        `beta` (chain, draw, term), `sd_<group>` (chain, draw, column), `corr_<group>` (chain,
        draw), the last up to a constant.
    """
    priors, design = model.priors, model.design
    out: dict[str, xr.DataArray] = {}
    if design.terms:
        out["beta"] = _each(posterior["beta"], [priors[design.parameter(t)] for t in design.terms])
    for group in design.groups:
        name = group.name
        own = [priors[f"sd_{name}[{column}]"] for column in group.columns]
        out[f"sd_{name}"] = _each(posterior[f"sd_{name}"], own)
        prior = priors[f"corr_{name}"] if correlated(group) else None
        if isinstance(prior, LKJ):
            corr = posterior[f"corr_{name}"].transpose("chain", "draw", ...)
            _, log_det = np.linalg.slogdet(corr.to_numpy())
            out[f"corr_{name}"] = xr.DataArray(
                prior.log_density(log_det), dims=("chain", "draw"), coords=_sampling(corr)
            )
    for key in ("sd_discrimination", "sd_ability_shape"):
        if key in posterior:
            spread = posterior[key]
            out[key] = spread.copy(data=priors[key].log_density(spread.to_numpy()))
    return xr.Dataset(out)


def _each(values: xr.DataArray, priors: list) -> xr.DataArray:
    """Log-density along the last dim, one prior for each entry."""
    values = values.transpose("chain", "draw", ...)
    columns = values.to_numpy()
    stacked = [prior.log_density(columns[..., k]) for k, prior in enumerate(priors)]
    return values.copy(data=np.stack(stacked, axis=-1))


def _sampling(values: xr.DataArray) -> dict:
    return {dim: values[dim] for dim in ("chain", "draw") if dim in values.coords}
