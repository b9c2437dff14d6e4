"""Items' effects as data: an average and deviations that are normal, heavy-tailed or sparse.

d ~ N(beta + zeta, V) with d and V from a first fit in which items borrow nothing from each other;
beta has a flat prior and zeta_i ~ N(0, tau^2 m_i) with

- normal: m_i = 1;
- heavy tails: m_i = 1 / g_i, g_i ~ Gamma(df / 2, df / 2), so that zeta_i is t with df degrees;
- sparse: m_i = 1 for a share pi of the items and 0 for the others, pi uniform on (0, 1/2).

tau ~ HalfNormal(1). Gibbs draws: tau by a Metropolis step with beta and zeta integrated out, then
beta and zeta jointly, then m.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import betainc, betaincinv, expit

from ilhte_bayes.estimands.distribution import SEED, NormalDistribution
from ilhte_bayes.models.roots import root_of

Shape = Literal["normal", "heavy", "sparse"]

_TAU = 1.0  # logits: SD of tau's half-normal prior
_BURN_IN = 500
_STEP = 0.7  # of log tau; a third to a half of the steps are taken with 8 to 40 items
_MOST = 0.5  # share of items that may differ where deviations are sparse


@dataclass(frozen=True, slots=True)
class Deviations:
    """Draws of the average effect and of the items' deviations from it, in logits."""

    beta: np.ndarray  # (draw,)
    zeta: np.ndarray  # (draw, item)
    tau: np.ndarray  # (draw,) SD of deviations; t's scale, and the SD of those that differ
    differs: np.ndarray  # (draw, item) bool, whether zeta_i is another than 0


def draw_deviations(
    effects: NormalDistribution, shape: Shape, *, df: float = 4.0, draws: int = 2500
) -> Deviations:
    """Draw the average and the deviations under one of the three shapes; seeded.

    Parameters
    ----------
    effects : NormalDistribution
        Items' effects and their covariance, in logits (see `unpooled_effects`).
    shape : {"normal", "heavy", "sparse"}
    df : float
        Degrees of freedom of heavy tails.
    draws : int
        Kept, after 500 that are not.
    """
    rng = np.random.default_rng(SEED + 3)
    d, v = effects.mean, effects.covariance
    n = d.size
    root_v, w = root_of(v), np.linalg.inv(v)
    tau, m, share = max(float(d.std()), 0.1), np.ones(n), 0.25
    if shape == "sparse":  # start from the items around the median
        m = (np.abs(d - np.median(d)) > np.median(np.abs(d - np.median(d)))).astype(float)
    out = Deviations(
        np.empty(draws), np.empty((draws, n)), np.empty(draws), np.empty((draws, n), dtype=bool)
    )
    for step in range(-_BURN_IN, draws):
        tau = _next_tau(tau, m, d, v, rng)
        beta, zeta = _next_effects(tau**2 * m, d, v, root_v, rng)
        if shape == "heavy":
            m = 1.0 / rng.gamma((df + 1) / 2, 2.0 / (df + (zeta / tau) ** 2))
        elif shape == "sparse":
            zeta = _next_spikes(zeta, beta, d, w, tau, share, rng)
            m = (zeta != 0.0).astype(float)
            share = _next_share(int(m.sum()), n, rng)
        if step >= 0:
            out.beta[step], out.zeta[step], out.tau[step] = beta, zeta, tau
            out.differs[step] = m > 0
    return out


def _log_density(log_tau: float, m: np.ndarray, d: np.ndarray, v: np.ndarray) -> float:
    """Log posterior density of log tau given m; beta (flat) and zeta integrated out."""
    tau = np.exp(log_tau)
    factor = cho_factor(v + np.diag(tau**2 * m), lower=True)
    one = cho_solve(factor, np.ones(d.size))
    other = cho_solve(factor, d)
    precision = one.sum()
    half_log_det = np.log(np.diag(factor[0])).sum() + 0.5 * np.log(precision)
    quadratic = d @ other - other.sum() ** 2 / precision
    return float(-half_log_det - 0.5 * quadratic - 0.5 * (tau / _TAU) ** 2 + log_tau)


def _next_tau(
    tau: float, m: np.ndarray, d: np.ndarray, v: np.ndarray, rng: np.random.Generator
) -> float:
    if not m.any():  # no item differs: tau is what its prior says
        return abs(float(rng.normal(0.0, _TAU)))
    here = np.log(tau)
    there = here + _STEP * rng.standard_normal()
    gain = _log_density(there, m, d, v) - _log_density(here, m, d, v)
    return float(np.exp(there if np.log(rng.random()) < gain else here))


def _next_effects(
    variance: np.ndarray,
    d: np.ndarray,
    v: np.ndarray,
    root_v: np.ndarray,
    rng: np.random.Generator,
) -> tuple[float, np.ndarray]:
    """Draw beta and zeta jointly: prior draws moved by what the data say against them."""
    factor = cho_factor(v + np.diag(variance), lower=True)
    one = cho_solve(factor, np.ones(d.size))
    precision = one.sum()
    beta = float(one @ d / precision + rng.standard_normal() / np.sqrt(precision))
    zeta = np.sqrt(variance) * rng.standard_normal(d.size)
    noise = root_v @ rng.standard_normal(d.size)
    return beta, zeta + variance * cho_solve(factor, d - beta - zeta - noise)


def _next_spikes(
    zeta: np.ndarray,
    beta: float,
    d: np.ndarray,
    w: np.ndarray,
    tau: float,
    share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw, item by item given the others, whether it differs, and if so by how much."""
    zeta = zeta.copy()
    pull = w @ (d - beta - zeta)  # precision-weighted residuals
    for i in range(d.size):
        precision = w[i, i]
        middle = zeta[i] + pull[i] / precision  # what the data say of zeta_i
        widened = 1.0 + tau**2 * precision
        log_odds = 0.5 * (precision * middle**2 * (1.0 - 1.0 / widened) - np.log(widened))
        log_odds += np.log(share) - np.log1p(-share)
        value = 0.0
        if rng.random() < expit(log_odds):
            variance = tau**2 / widened
            value = variance * precision * middle + np.sqrt(variance) * rng.standard_normal()
        pull -= w[:, i] * (value - zeta[i])
        zeta[i] = value
    return zeta


def _next_share(n_differing: int, n: int, rng: np.random.Generator) -> float:
    """Share of items that differ, from its beta density cut off at a half."""
    a, b = 1.0 + n_differing, 1.0 + n - n_differing
    drawn = float(betaincinv(a, b, rng.random() * betainc(a, b, _MOST)))
    return min(max(drawn, 1e-6), _MOST)
