"""How much do effects differ between items? Their SD, its upper bound, and the evidence for 0."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.density_at_zero import DensityAtZero, density_at_zero
from ilhte_bayes.estimands.items import ItemWeights, changes_by_item, treatment_contrasts
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.estimands.profile_sd import sd_upper_bound
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.models.distributions import HalfNormal

_SCALES = (0.5, 1.0, 2.0)  # of the prior
_FEWEST = 200.0  # draws that a reweighted posterior is still worth
_BOUND = 0.95


class _OneSD(NamedTuple):
    """The SD of effects where it is one of the model's parameters, times a number."""

    column: str
    times: float


def item_variation(fit: Fit, *, negligible: float = 0.1) -> Result:
    """SD of effects over items, sigma_zeta: its upper bound and, of draws, the evidence for 0.

    Parameters
    ----------
    fit : Fit
        Of a model with effects by item: draws, or by maximum likelihood.
    negligible : float
        Of draws: an SD (logits) that would not matter.

    Returns
    -------
    Result
        Maximum likelihood, one row for each contrast: `estimate`, `se`, `upper_bound` (one-sided
        95 %, profile likelihood, also where the estimate is 0).

        Draws, one row for each contrast and scale of the prior (half, as fitted, double):
        `estimate` (mean), `se` (SD), `lower`, `upper` (95 %), `upper_bound` (95 % of draws are
        below), `p_negligible` (share below `negligible`), `bf_zero` (Bayes factor of sigma_zeta =
        0 against the model), `bf_error` (its relative Monte Carlo error). Logits.

    Raises
    ------
    ModelError
        If the model gives every item the same effect, or the fit is MAP.

    Notes
    -----
    The Bayes factor is the density of the posterior at 0 over that of the prior (Savage-Dickey);
    3 means that the answers are three times as probable if effects do not differ. It needs a
    half-normal prior on the SD, and is missing where too few draws lie near 0: then the answers
    speak against 0, and a note says how strongly at least. Other scales of the prior weigh the
    draws anew; a wide prior favours 0, which is why all three are printed.

    References
    ----------
    Dickey (1971), Ann. Math. Stat. 42(1), 204-223; Wagenmakers et al. (2010), Cogn. Psychol. 60,
    158-189.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.il_hte(il.load_dataset("caffeine"), response="resp >= 2"))
    >>> il.item_variation(fit).frame.columns.tolist()
    ['estimate', 'se', 'upper_bound']
    """
    if not negligible > 0.0:
        raise ModelError(f"negligible={negligible!r}; it is an SD in logits, such as 0.1.")
    name = require_group(fit, "item")
    contrasts = treatment_contrasts(fit)
    weights = {c.label: changes_by_item(fit, name, c) for c in contrasts}
    if not any(np.any(w.random) for w in weights.values()):
        raise ModelError(
            "the model gives every item the same effect, by assumption: there is no SD of effects. "
            f"Write ({fit.model.roles.treatment} | {name}) in the formula."
        )
    noun = fit.model.noun
    if fit.sampled:
        return _of_draws(fit, name, weights, negligible, noun)
    return _of_maximum(fit, name, weights, noun)


def sd_of_effects(fit: Fit, name: str, weights: ItemWeights) -> np.ndarray:
    """Draws of the SD of effects over items: root of the mean over items of w' Cov w."""
    covariance = parameter_draws(fit).covariance[name]
    variance = np.einsum("ic,scd,id->s", weights.random, covariance, weights.random, optimize=True)
    return np.sqrt(np.maximum(variance / len(weights.random), 0.0))


def _one_sd(fit: Fit, name: str, weights: ItemWeights) -> _OneSD | None:
    """Which parameter the SD is, if it is one: one column that moves, equally for all items."""
    moving = np.flatnonzero(np.any(weights.random != 0.0, axis=0))
    if moving.size != 1:
        return None
    size = np.abs(weights.random[:, moving[0]])
    if np.ptp(size) > 1e-9 * size.max():
        return None
    return _OneSD(fit.model.design.group(name).columns[moving[0]], float(size[0]))


# -- maximum likelihood ------------------------------------------------------------------------


def _of_maximum(fit: Fit, name: str, weights: dict[str, ItemWeights], noun: str) -> Result:
    if fit.objective != "ml":
        raise ModelError(
            "this fit is MAP: the prior keeps the SD off 0, and neither a test nor a bound follows "
            "from it. Use draws, il.item_variation(il.sample(fit.model)), or maximum likelihood."
        )
    rows, unfit = {}, []
    for label, weight in weights.items():
        found = _one_sd(fit, name, weight)
        if found is None:
            unfit.append(label)
            continue
        row = fit.variance_components.loc[(name, f"sd[{found.column}]")]
        bound = sd_upper_bound(fit, name, found.column)
        rows[label] = {
            "estimate": found.times * float(row["estimate"]),
            "se": found.times * float(row["se"]),
            "upper_bound": found.times * bound,
        }
    if unfit:
        raise ModelError(
            f"the SD of {noun}s for {listed(unfit)} is made of several parameters (columns of "
            f"{name} that move together), and its likelihood cannot be profiled. Use draws: "
            "il.item_variation(il.sample(fit.model))."
        )
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("contrast")
    notes = [
        "Upper bound: one-sided 95 %; the SD above which a likelihood ratio test at 5 % rejects "
        "(profile likelihood, all else at its maximum).",
    ]
    if (frame["estimate"] == 0.0).any():
        notes.append(
            f"An SD estimated at 0 does not show that {noun}s are equal: they may differ by as much "
            "as the bound says."
        )
    return Result(frame, f"SD of {noun}s over items (logits)", tuple(notes), topic="variation")


# -- draws -------------------------------------------------------------------------------------


def _of_draws(
    fit: Fit, name: str, weights: dict[str, ItemWeights], negligible: float, noun: str
) -> Result:
    rows: dict[tuple[str, str], dict[str, float]] = {}
    notes = [
        f"Upper bound: 95 % of the posterior is below. p negligible: share below {negligible:g}."
    ]
    if fit.model.discrimination == "loaded":
        notes.append("Items discriminate differently: this is the SD of effects on ability.")
    for label, weight in weights.items():
        draws = sd_of_effects(fit, name, weight)
        prior = _half_normal(fit, name, weight)
        if prior is None:
            rows[label, "as fitted"] = _row(draws, np.ones(draws.size), negligible)
            notes.append(
                f"{label}: no Bayes factor, since the SD is not one parameter with a half-normal "
                f"prior. Set it: priors={{'sd_{name}[...]': il.priors.HalfNormal(0.5)}}."
            )
            continue
        density = density_at_zero(draws)
        factor = np.exp(density.log_density - prior.log_density(0.0))
        error = density.error * _slowness(fit, draws, density)
        notes += _on_refusal(label, density, prior)
        for scale in _SCALES:
            other = HalfNormal(prior.sd * scale)
            change = np.exp(other.log_density(draws) - prior.log_density(draws))
            row = _row(draws, change, negligible)
            known = {"bf_zero": factor / float(change.mean()), "bf_error": error}
            if np.isnan(row["estimate"]):
                known = dict.fromkeys(known, np.nan)
                notes.append(
                    f"Under {other} the draws of this fit say too little: fit again with "
                    f"model.with_priors({{'sd_{name}[...]': il.priors.{other}}})."
                )
            rows[label, str(other)] = row | known
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["contrast", "prior"])
    if len(weights) == 1:
        frame = frame.droplevel("contrast")
    if "bf_zero" in frame:
        notes.append(
            "BF zero: how many times as probable the answers are if effects do not differ "
            "(Savage-Dickey), with its relative Monte Carlo error. The middle prior is the fit's; "
            "the others reweigh its draws."
        )
    return Result(frame, f"SD of {noun}s over items (logits)", tuple(notes), topic="variation")


def _half_normal(fit: Fit, name: str, weights: ItemWeights) -> HalfNormal | None:
    """Prior of the SD of effects, if it is one parameter with a half-normal prior."""
    found = _one_sd(fit, name, weights)
    if found is None:
        return None
    prior = fit.model.priors[f"sd_{name}[{found.column}]"]
    return HalfNormal(prior.sd * found.times) if isinstance(prior, HalfNormal) else None


def _row(draws: np.ndarray, weight: np.ndarray, negligible: float) -> dict[str, float]:
    """Summary of weighted draws; missing where the weights leave too few of them."""
    names = ("estimate", "se", "lower", "upper", "upper_bound", "p_negligible")
    worth = float(weight.sum() ** 2 / np.sum(weight**2))  # draws of equal weight (Kish)
    if worth < min(_FEWEST, 0.5 * draws.size):
        return dict.fromkeys(names, np.nan)
    share = weight / weight.sum()
    mean = float(share @ draws)
    sd = float(np.sqrt(share @ (draws - mean) ** 2))
    lower, upper = _quantiles(draws, share, TAILS)
    (bound,) = _quantiles(draws, share, [_BOUND])
    below = float(share[draws < negligible].sum())
    return dict(zip(names, (mean, sd, lower, upper, bound, below), strict=True))


def _quantiles(draws: np.ndarray, share: np.ndarray, at: Sequence[float]) -> np.ndarray:
    order = np.argsort(draws)
    reached = np.cumsum(share[order]) - 0.5 * share[order]
    return np.interp(at, reached, draws[order])


def _slowness(fit: Fit, draws: np.ndarray, density: DensityAtZero) -> float:
    """How much larger errors are than of independent draws, for what lies in the window."""
    import arviz as az

    sizes = fit.tree["posterior"].sizes
    inside = (draws < density.window).astype(float).reshape(sizes["chain"], sizes["draw"])
    effective = az.ess(xr.Dataset({"x": (("chain", "draw"), inside)}), method="mean")["x"]
    return float(np.sqrt(max(1.0, draws.size / float(effective))))


def _on_refusal(label: str, density: DensityAtZero, prior: HalfNormal) -> list[str]:
    if np.isfinite(density.log_density):
        return []
    most = float(np.exp(density.highest - prior.log_density(0.0)))
    meaning = "the answers speak against an SD of 0" if most < 1 / 3 else "which settles little"
    return [
        f"{label}: no Bayes factor, since too few draws lie near 0 to know the density there. It is "
        f"below {most:.2g}: {meaning}. For a number, sample with more draws, or compare models: il.loo."
    ]
