"""How far items spread in easiness in either arm, and the ratio of the two SDs.

Easiness of item i is b_i in the first arm and b_i + zeta_i in the second, so that with
r = sigma_zeta / sigma_b and rho the correlation of b and zeta

    SD(b + zeta) / SD(b) = sqrt(1 + 2 rho r + r^2).

It is 1 at rho = -r / 2, not at rho = 0. Gilbert, Miratrix and others (2025) show that this ratio
decides what a model without effects by item makes of them: an interaction of treatment with ability.
"""

import numpy as np
import pandas as pd

from ilhte_bayes.estimands.functionals import estimates
from ilhte_bayes.estimands.parameters import ParameterDraws
from ilhte_bayes.fits.fit import Fit

NAN = float("nan")


def sd_ratio(rho: np.ndarray | float, r: np.ndarray | float) -> np.ndarray:
    """SD of easiness in the treated arm over that in the other; r = sigma_zeta / sigma_b."""
    square = 1.0 + 2.0 * np.asarray(rho) * r + np.asarray(r) ** 2
    return np.sqrt(np.maximum(square, 0.0))


def easiness_table(fit: Fit, group: str, effect: str) -> pd.DataFrame:
    """sigma_b, sigma_zeta, rho and the ratio of SDs, with intervals (95 %).

    Parameters
    ----------
    fit : Fit
        Of a model with `(treat | item)`, arms coded 0 and 1.
    group, effect : str
        The items' group, and its column that is the effect's.

    Returns
    -------
    pandas.DataFrame
        Index `sigma_b`, `sigma_zeta` (logits), `rho`, `sd_ratio`, `sd_ratio_modes`; estimate, se,
        lower, upper. `sd_ratio` by the delta method on its log, or from draws; missing where an
        SD or the correlation is at the edge of its range. `sd_ratio_modes` is IRW's: the ratio
        of the SDs of conditional modes (posterior means) b_i + zeta_i and b_i, without an interval.
    """
    components = fit.variance_components.loc[group]
    columns = list(fit.model.design.group(group).columns)
    pair = ",".join(sorted(("Intercept", effect), key=columns.index))
    rows = {
        "sigma_b": components.loc["sd[Intercept]"],
        "sigma_zeta": components.loc[f"sd[{effect}]"],
    }
    none: dict = {"estimate": 0.0, "se": NAN, "lower": NAN, "upper": NAN}
    corr = f"corr[{pair}]"
    rows["rho"] = components.loc[corr] if corr in components.index else none
    rows["sd_ratio"] = _ratio(fit, group, effect)
    rows["sd_ratio_modes"] = none | {"estimate": ratio_of_modes(fit, group, effect)}
    names = ["estimate", "se", "lower", "upper"]
    return pd.DataFrame({k: pd.Series(row)[names] for k, row in rows.items()}).T.astype(float)


def ratio_of_modes(fit: Fit, group: str, effect: str) -> float:
    """IRW's ratio: SD of b_i + zeta_i over SD of b_i, of the predicted values of the items at hand.

    Predictions are shrunk, the more the less each item says, and zeta more than b: this ratio lies
    nearer 1 than the parameters'.
    """
    table = fit.random_effects(group)["estimate"].unstack("term")
    easiness = table["Intercept"].to_numpy()
    treated = easiness + table[effect].to_numpy()
    spread = float(easiness.std(ddof=1))
    return float(treated.std(ddof=1)) / spread if spread > 0.0 else NAN


def _ratio(fit: Fit, group: str, effect: str) -> pd.Series:
    columns = fit.model.design.group(group).columns
    first, second = columns.index("Intercept"), columns.index(effect)

    def ratio(draws: ParameterDraws) -> np.ndarray:
        sigma = draws.covariance[group]
        sd, sd_zeta = np.sqrt(sigma[:, first, first]), np.sqrt(sigma[:, second, second])
        with np.errstate(divide="ignore", invalid="ignore"):
            rho = np.where(sd_zeta > 0.0, sigma[:, first, second] / (sd * sd_zeta), 0.0)
            return sd_ratio(rho, sd_zeta / sd)[:, None]

    found = estimates(fit, ratio, ["log"]).iloc[0]
    if not fit.sampled and at_edge(fit, group):
        found[["se", "lower", "upper"]] = NAN
    return found


def at_edge(fit: Fit, group: str) -> bool:
    """Whether an SD of the group is estimated at 0, or a correlation at +-1."""
    table = fit.variance_components.loc[group]
    return bool(table["lower"].isna().any() and not fit.sampled)
