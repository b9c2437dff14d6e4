"""What a study keeps of one trial: a row of numbers, a table of items, and curves of likelihoods.

Names are those of IRW's summary where it has one; quantities of ours stand beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta as beta_distribution

from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.boundary_test import boundary_test
from ilhte_bayes.estimands.density_at_zero import density_at_zero
from ilhte_bayes.estimands.functionals import estimates
from ilhte_bayes.estimands.items import item_effects
from ilhte_bayes.estimands.parameters import ParameterDraws
from ilhte_bayes.estimands.profile_sd import sd_upper_bound
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.distributions import LKJ, HalfNormal
from ilhte_bayes.sensitivity.easiness import easiness_table
from ilhte_bayes.sensitivity.irw import irw_numbers
from ilhte_bayes.studies.likelihood_curves import SHARP, likelihood_curves

NAN = float("nan")
_TAILS_90 = (0.05, 0.95)
_Z90, _Z95 = 1.6448536269514722, 1.959963984540054
_ALMOST_THE_PRIORS = 0.9  # of the prior's width: an interval as wide says nothing new


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of one trial, ready for JSON."""

    row: dict[str, Any]
    items: dict[str, list]
    curves: dict[str, list[float]]


def describe_trial(fits: Mapping[str, Fit], group: str, effect: str) -> Found:
    """Collect what is kept of a trial's fits.

    Parameters
    ----------
    fits : mapping
        "M_A", and any of "M_0", "M_B", "M_C", by one engine.
    group, effect : str
        The items' group, and its column that is the effect's.
    """
    a = fits["M_A"]
    numbers = irw_numbers(fits, group, effect)
    row: dict[str, Any] = {name: pair[0] for name, pair in numbers.items()}
    row |= {
        f"{name}_se": pair[1] for name, pair in numbers.items() if name in ("beta3_b", "beta3_c")
    }
    row |= _effects(a, group, effect) | _spread(a, group, effect) | _tests(fits)
    if a.sampled:
        row |= _of_draws(a, group, effect)
    return Found(
        row=_plain(row),
        items=_items(a, float(row["sigma_theta"])),
        curves=likelihood_curves(a, group, effect),
    )


def _effects(a: Fit, group: str, effect: str) -> dict[str, float]:
    """The average effect and the SD of effects, in logits and in SDs of ability."""
    columns = a.model.design.group(group).columns
    at, term = columns.index(effect), a.model.design.terms.index(effect)

    def in_sds(draws: ParameterDraws) -> np.ndarray:
        unit = ability_sd(a, draws)
        zeta = np.sqrt(np.maximum(draws.covariance[group][:, at, at], 0.0))
        return np.column_stack([draws.beta[:, term] / unit, zeta / unit, unit])

    found = estimates(a, in_sds, ["identity", "log", "log"])
    beta, zeta = found.iloc[0], found.iloc[1]
    own = a.coefficients.loc[effect]
    return {
        **{f"ate_logit_{name}": own[name] for name in ("se", "lower", "upper")},
        "ate_sd": beta["estimate"],
        **{f"ate_sd_{name}": beta[name] for name in ("se", "lower", "upper")},
        "sigma_zeta_sd": zeta["estimate"],
        "ability_sd": found.iloc[2]["estimate"],
    }


def _spread(a: Fit, group: str, effect: str) -> dict[str, float]:
    """SDs of items, their correlation and ratio, with intervals."""
    table = easiness_table(a, group, effect)
    row: dict[str, float] = {"sigma_b": table.loc["sigma_b", "estimate"]}
    for ours, theirs in (
        ("sigma_zeta_logit", "sigma_zeta"),
        ("rho", "rho"),
        ("sd_ratio_model", "sd_ratio"),
    ):
        own = table.loc[theirs]
        row |= {f"{ours}_{name}": own[name] for name in ("se", "lower", "upper")}
        if ours == "sd_ratio_model":
            row[ours] = own["estimate"]
    row["sigma_zeta_bound"] = _bound(a, group, effect, table.loc["sigma_zeta"])
    row["rho_lower_90"], row["rho_upper_90"] = _rho_90(a, group, table.loc["rho"])
    return row


def _bound(a: Fit, group: str, effect: str, zeta: pd.Series) -> float:
    """One-sided 95 % upper bound of sigma_zeta: of draws, on the log scale, or by its profile."""
    if a.sampled:
        at = a.model.design.group(group).columns.index(effect)
        return float(np.quantile(flat(a.tree, f"sd_{group}")[:, at], 0.95))
    if zeta["se"] < SHARP * zeta["estimate"]:
        return float(zeta["estimate"] * np.exp(_Z90 * zeta["se"] / zeta["estimate"]))
    return sd_upper_bound(a, group, effect)


def _rho_90(a: Fit, group: str, rho: pd.Series) -> tuple[float, float]:
    if a.sampled:
        lower, upper = np.quantile(_rho_draws(a, group), _TAILS_90)
        return float(lower), float(upper)
    with np.errstate(divide="ignore"):
        low, middle, high = np.arctanh([rho["lower"], rho["estimate"], rho["upper"]])
    half = (high - low) / 2.0 * _Z90 / _Z95
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


def _tests(fits: Mapping[str, Fit]) -> dict[str, float]:
    """P-values of effects by item; likelihoods only."""
    if "M_0" not in fits or fits["M_A"].sampled:
        return {}
    test = boundary_test(fits["M_0"], fits["M_A"])
    return {"p_naive": test.p("chi-squared"), "p_mixture": test.p("mixture")}


def _of_draws(a: Fit, group: str, effect: str) -> dict[str, Any]:
    """Evidence against effects by item, and whether the answers say anything about rho."""
    at = a.model.design.group(group).columns.index(effect)
    zeta, prior = flat(a.tree, f"sd_{group}")[:, at], a.model.priors[f"sd_{group}[{effect}]"]
    row: dict[str, Any] = {"bf_zero": NAN}
    if isinstance(prior, HalfNormal):
        density = density_at_zero(zeta)
        known = np.isfinite(density.log_density)
        log = density.log_density if known else density.highest
        row |= {"bf_zero": float(np.exp(log - prior.log_density(0.0))), "bf_is_bound": not known}
    lkj = a.model.priors[f"corr_{group}"]
    eta = lkj.eta if isinstance(lkj, LKJ) else 1.0
    low, high = 2.0 * beta_distribution.ppf(_TAILS_90, eta, eta) - 1.0
    lower, upper = _rho_90(a, group, pd.Series(dtype=float))
    row["rho_informed"] = bool(upper - lower < _ALMOST_THE_PRIORS * (high - low))
    return row


def _rho_draws(a: Fit, group: str) -> np.ndarray:
    return np.asarray(flat(a.tree, f"corr_{group}")[:, 1, 0])


def _items(a: Fit, theta: float) -> dict[str, list]:
    """Items with their easiness and effect, in logits and in IRW's SDs (`_std`)."""
    frame = item_effects(a).frame
    kept = frame[["easiness", "effect", "se", "lower", "upper"]].astype(float)
    kept.insert(0, "item", [str(label) for label in frame.index])
    kept["b_std"], kept["total_std"] = kept["easiness"] / theta, kept["effect"] / theta
    return {str(name): kept[name].tolist() for name in kept}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as Python has them."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        flag = isinstance(value, bool | np.bool_)
        out[name] = bool(value) if flag else float(value)
    return out
