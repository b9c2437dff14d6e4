"""What a trial says of sigma_zeta and of rho, as curves: a second stage needs more than an estimate.

A curve is twice the log-likelihood lost by taking a value instead of the best one. An estimate of 0
with its standard error says nothing; its curve says how large sigma_zeta may still be.
"""

import numpy as np
import pandas as pd
from scipy.stats import beta, gaussian_kde

from ilhte_bayes.estimands.profile_sd import Profile
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.distributions import LKJ

# An SD known to this share of itself has a log-normal likelihood for all practical purposes; of
# others the profile likelihood is computed.
SHARP = 0.15
_POINTS = 10  # of a profile
_DEEP = 9.0  # twice the log-likelihood lost where a profile ends
_AROUND = np.linspace(-4.0, 4.0, 33)  # standard errors
_NODES = 80  # of a curve from draws
_LARGEST = 20.0  # logits
_INSIDE = 7.0  # of Fisher's z; beyond it a correlation is at its edge, 1 in six digits


def likelihood_curves(fit: Fit, group: str, effect: str) -> dict[str, list[float]]:
    """Curves of sigma_zeta ("sigma_zeta", "sigma_zeta_lost") and rho ("rho", "rho_lost").

    Parameters
    ----------
    fit : Fit
        M_A. Maximum likelihood: the profile of sigma_zeta, or a log-normal where it is sharp; rho
        by Fisher's z, and none where it is at the edge of its range. Draws: the posterior's density
        over the prior's.
    group, effect : str
        The items' group, and its column that is the effect's.
    """
    if fit.sampled:
        return _of_draws(fit, group, effect)
    table = fit.variance_components.loc[group]
    zeta = table.loc[f"sd[{effect}]"]
    values, lost = _log_normal(zeta) if sharp(zeta) else _profile(fit, group, effect)
    out = {"sigma_zeta": values.tolist(), "sigma_zeta_lost": lost.tolist()}
    rho = table[table.index.str.startswith("corr[")].iloc[0]
    if rho["se"] > 0.0 and abs(rho["estimate"]) < np.tanh(_INSIDE):
        z = float(np.arctanh(rho["estimate"]))
        se = float(rho["se"]) / (1.0 - float(rho["estimate"]) ** 2)
        low, high = np.clip([z + se * _AROUND[0], z + se * _AROUND[-1]], -_INSIDE, _INSIDE)
        values = np.linspace(low, high, _AROUND.size)
        out["rho"] = np.tanh(values).tolist()
        out["rho_lost"] = (((values - z) / se) ** 2).tolist()
    return out


def sharp(zeta: pd.Series) -> bool:
    """Whether an SD is known so well that its estimate and standard error say all."""
    return bool(zeta["se"] < SHARP * zeta["estimate"])


def _log_normal(zeta: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    estimate, se = float(zeta["estimate"]), float(zeta["se"])
    return estimate * np.exp(_AROUND * se / estimate), _AROUND**2


def _profile(fit: Fit, group: str, effect: str) -> tuple[np.ndarray, np.ndarray]:
    profile = Profile(fit, group, effect)
    end = max(2.0 * float(fit.sd(group)[effect]), 0.1)
    while (lost := profile.drop(end)) < _DEEP and end < _LARGEST:
        end *= 1.5 if lost > 2.0 else 2.0
    values = np.linspace(0.0, 1.0, _POINTS) ** 1.5 * end
    values[0] = 1e-3 * end  # as good as 0, and the search has a direction
    drops = [profile.drop(float(value)) for value in values[::-1]]
    lost_at = np.array(drops[::-1])
    return values, lost_at - min(float(lost_at.min()), 0.0)


def _of_draws(fit: Fit, group: str, effect: str) -> dict[str, list[float]]:
    at = fit.model.design.group(group).columns.index(effect)
    zeta = flat(fit.tree, f"sd_{group}")[:, at]
    rho = flat(fit.tree, f"corr_{group}")[:, 1, 0]
    prior = fit.model.priors[f"sd_{group}[{effect}]"]
    # a prior that is 0 at 0 says nothing of what the likelihood is there
    open_at_0 = np.isfinite(prior.log_density(0.0))
    grid = np.linspace(
        1e-3 * zeta.max() if open_at_0 else np.quantile(zeta, 0.02), 1.2 * zeta.max(), _NODES
    )
    density = _density(zeta, grid, 0.0)
    lkj = fit.model.priors[f"corr_{group}"]
    eta = lkj.eta if isinstance(lkj, LKJ) else 1.0
    # where the prior is uniform, the posterior's density is the likelihood
    share = np.linspace(0.001, 0.999, _NODES)
    of_share = _density(beta.cdf(0.5 * (1.0 + rho), eta, eta), share, 0.0, 1.0)
    return {
        "sigma_zeta": grid.tolist(),
        "sigma_zeta_lost": _lost(density, prior.log_density(grid)),
        "rho": (2.0 * beta.ppf(share, eta, eta) - 1.0).tolist(),
        "rho_lost": _lost(of_share, np.zeros(_NODES)),
    }


def _density(draws: np.ndarray, grid: np.ndarray, *edges: float) -> np.ndarray:
    """Kernel density, mirrored at the edges of the range."""
    kernel = gaussian_kde(draws[:: max(1, draws.size // 2000)])
    return np.asarray(kernel(grid) + sum(kernel(2.0 * edge - grid) for edge in edges))


def _lost(density: np.ndarray, log_prior: np.ndarray) -> list[float]:
    log = np.log(np.maximum(density, 1e-12 * density.max())) - log_prior
    return (2.0 * (log.max() - log)).tolist()
