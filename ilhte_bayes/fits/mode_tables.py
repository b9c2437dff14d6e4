"""Tables of a maximised fit, from its mode and curvature."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.fits.intervals import correlation_interval, normal_interval, sd_interval
from ilhte_bayes.formulas.design import Group

COLUMNS = ["group", "parameter", "estimate", "se", "lower", "upper"]


def coefficients(mode: xr.Dataset) -> pd.DataFrame:
    """Fixed effects with Wald intervals."""
    estimate = mode["beta"].to_numpy()
    se = np.sqrt(np.diag(mode["beta_cov"].to_numpy()))
    lower, upper = normal_interval(estimate, se)
    return pd.DataFrame(
        {"estimate": estimate, "se": se, "lower": lower, "upper": upper},
        index=pd.Index(mode["term"].to_numpy(), name="term"),
    )


def variance_components(mode: xr.Dataset, groups: Sequence[Group]) -> pd.DataFrame:
    """SDs and correlations with intervals; missing entries at an edge."""
    rows = []
    for group in groups:
        natural = mode[f"natural_{group.name}"].to_numpy()
        names = mode[f"{group.name}_quantity"].to_numpy()
        variance = np.diag(mode[f"natural_cov_{group.name}"].to_numpy())
        sds = dict(zip(group.columns, natural, strict=False))
        for name, value, v in zip(names, natural, variance, strict=True):
            rows.append(
                (group.name, str(name), *_component(str(name), float(value), float(v), sds))
            )
    return pd.DataFrame(rows, columns=COLUMNS).set_index(["group", "parameter"])


def _component(
    name: str, value: float, variance: float, sds: dict[str, float]
) -> tuple[float, float, float, float]:
    """Estimate, standard error and interval of one SD or correlation."""
    nan = float("nan")
    if name.startswith("sd["):
        if value <= 0.0:
            return 0.0, nan, nan, nan
        se = float(np.sqrt(variance))
        if se >= value:  # too near 0 for the log scale: the interval would reach to absurd SDs
            return value, se, nan, nan
        return (value, se, *sd_interval(value, se))
    pair = name.removeprefix("corr[").removesuffix("]")
    at_zero = [column for column, sd in sds.items() if sd <= 0.0]
    if any(pair.startswith(f"{column},") or pair.endswith(f",{column}") for column in at_zero):
        return nan, nan, nan, nan
    if abs(value) > 1.0 - 1e-6:
        return float(np.sign(value)), nan, nan, nan
    se = float(np.sqrt(variance))
    return (value, se, *correlation_interval(value, se))


def random_effects(mode: xr.Dataset, name: str) -> pd.DataFrame:
    """Conditional modes; their SD given the parameters, and with those uncertain."""
    modes = mode[f"re_{name}"]
    given = np.einsum("lii->li", mode[f"re_{name}_cov"].to_numpy())
    slopes = mode[f"re_{name}_by_psi"].to_numpy()
    added = np.einsum("plc,pq,qlc->lc", slopes, mode["psi_cov"].to_numpy(), slopes, optimize=True)
    labels = [modes[name].to_numpy(), modes[f"{name}_column"].to_numpy()]
    return pd.DataFrame(
        {
            "estimate": modes.to_numpy().ravel(),
            "sd": np.sqrt(given).ravel(),
            "se": np.sqrt(given + added).ravel(),
        },
        index=pd.MultiIndex.from_product(labels, names=[name, "term"]),
    )
