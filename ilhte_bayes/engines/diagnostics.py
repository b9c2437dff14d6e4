"""Did the chains converge? Numbers over fixed effects, SDs and correlations, and sentences."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

LARGEST_RHAT = 1.01
SMALLEST_ESS = 400  # effective draws, of the middle and of the tails: for a stable interval


def largest_rhat(posterior: xr.Dataset) -> float:
    """Worst R-hat over parameters (not random effects)."""
    import arviz as az

    return _extreme(az.rhat(_parameters(posterior)), np.nanmax)


def convergence(tree: xr.DataTree) -> dict[str, float]:
    """Worst R-hat and effective sample sizes over parameters (not random effects); divergences."""
    import arviz as az

    posterior = tree["posterior"].to_dataset()
    parameters = _parameters(posterior)
    several = posterior.sizes["chain"] > 1
    return {
        "max_rhat": _extreme(az.rhat(parameters), np.nanmax) if several else float("nan"),
        "min_ess_bulk": _extreme(az.ess(parameters, method="bulk"), np.nanmin),
        "min_ess_tail": _extreme(az.ess(parameters, method="tail"), np.nanmin),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def _parameters(posterior: xr.Dataset) -> xr.Dataset:
    """Fixed effects, SDs, and correlations once each (their matrix has a constant diagonal)."""
    out = {}
    for name in map(str, posterior.data_vars):
        values = posterior[name]
        if name.startswith("corr_"):
            matrix = values.transpose("chain", "draw", ...).to_numpy()
            below = matrix[..., *np.tril_indices(matrix.shape[-1], -1)]
            out[name] = xr.DataArray(below, dims=("chain", "draw", f"{name}_pair"))
        elif not name.startswith(("re_", "ability_")):
            out[name] = values
    return xr.Dataset(out)


def _extreme(found: xr.Dataset, pick) -> float:
    """Worst value over all parameters."""
    values = [float(pick(v)) for v in (found[k].to_numpy() for k in found) if np.isfinite(v).any()]
    return float(pick(values)) if values else float("nan")


def convergence_problems(
    found: Mapping[str, float], *, tune: int, target_accept: float
) -> tuple[str, ...]:
    """What a reader must know, with what to do; nothing if all is well."""
    out = []
    if n := found["divergences"]:
        out.append(
            f"{n} draw{'s' if n > 1 else ''} diverged: the sampler met a corner it could not follow, "
            f"and intervals may be too narrow. Use target_accept={min(0.99, target_accept + 0.05):g}."
        )
    if found["max_rhat"] > LARGEST_RHAT:
        out.append(
            f"chains disagree (largest R-hat {found['max_rhat']:.3f}, at most {LARGEST_RHAT} is wanted). "
            f"Use tune={2 * tune} and more draws."
        )
    if found["min_ess_bulk"] < SMALLEST_ESS or found["min_ess_tail"] < SMALLEST_ESS:
        least = min(found["min_ess_bulk"], found["min_ess_tail"])
        out.append(
            f"some parameter has an effective sample of {least:.0f} draws; {SMALLEST_ESS} is the "
            "least for a stable interval. Use more draws."
        )
    return tuple(out)
