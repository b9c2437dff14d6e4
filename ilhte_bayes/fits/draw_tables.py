"""Tables of a sampled fit, from its posterior draws: mean, SD, equal-tailed 95 % interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.formulas.design import Group

LOG_DISCRIMINATION = "sd[log discrimination]"


def summary(draws: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, SD and interval over the first axis."""
    lower, upper = np.quantile(draws, TAILS, axis=0)
    return {
        "estimate": draws.mean(axis=0),
        "se": draws.std(axis=0, ddof=1),
        "lower": lower,
        "upper": upper,
    }


def flat(draws: xr.DataTree | xr.Dataset, name: str) -> np.ndarray:
    """Draws of one variable with chains put one after the other: (sample, ...).

    Of a fit's tree, or of its posterior.

    Raises
    ------
    ModelError
        If they are effects without draws: integrated out, or too many.
    """
    posterior = draws["posterior"] if isinstance(draws, xr.DataTree) else draws
    if name not in posterior and name.startswith("re_"):
        raise no_draws(name.removeprefix("re_"))
    values = posterior[name].transpose("chain", "draw", ...).to_numpy()
    return np.asarray(values.reshape(-1, *values.shape[2:]))


def no_draws(group: str) -> ModelError:
    """The error of a fit whose draws leave out a group's effects."""
    return ModelError(
        f"this fit holds no draws of the effects of {group}: they were integrated out exactly, or "
        "are too many for a normal approximation (over 20,000). Sample them too: "
        "il.sample(fit.model, integrate='none')."
    )


def covariance_draws(posterior: xr.Dataset, group: Group) -> np.ndarray:
    """(sample, column, column) covariance of a group's effects, of SDs and correlations."""
    sd = flat(posterior, f"sd_{group.name}")
    corr: np.ndarray = np.eye(group.n_columns)
    if f"corr_{group.name}" in posterior:
        corr = np.nan_to_num(flat(posterior, f"corr_{group.name}"))  # none at SD 0
    return np.asarray(sd[:, :, None] * sd[:, None, :] * corr)


def coefficients(tree: xr.DataTree) -> pd.DataFrame:
    """Fixed effects."""
    if "beta" not in tree["posterior"]:
        return pd.DataFrame(columns=["estimate", "se", "lower", "upper"], dtype=float)
    terms = tree["posterior"]["term"].to_numpy()
    return pd.DataFrame(summary(flat(tree, "beta")), index=pd.Index(terms, name="term"))


def variance_components(tree: xr.DataTree, groups: Sequence[Group]) -> pd.DataFrame:
    """SDs and correlations of every group; of the items' log discriminations, if they have any."""
    rows = {}
    for group in groups:
        sd = summary(flat(tree, f"sd_{group.name}"))
        for k, column in enumerate(group.columns):
            rows[group.name, f"sd[{column}]"] = {key: v[k] for key, v in sd.items()}
        for block in group.blocks:
            for at, i in enumerate(block):
                for j in block[:at]:
                    corr = summary(flat(tree, f"corr_{group.name}")[:, i, j])
                    pair = f"corr[{group.columns[j]},{group.columns[i]}]"
                    rows[group.name, pair] = {key: float(v) for key, v in corr.items()}
        if (
            "discrimination" in tree["posterior"]
            and group.name in tree["posterior"]["discrimination"].dims
        ):
            spread = summary(flat(tree, "sd_discrimination"))
            rows[group.name, LOG_DISCRIMINATION] = {key: float(v) for key, v in spread.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["group", "parameter"])
    return frame


def random_effects(tree: xr.DataTree, name: str) -> pd.DataFrame:
    """Posterior means and SDs of one group's effects."""
    draws = flat(tree, f"re_{name}")
    variable = tree["posterior"][f"re_{name}"]
    labels = [variable[name].to_numpy(), variable[f"{name}_column"].to_numpy()]
    sd = draws.std(axis=0, ddof=1).ravel()
    return pd.DataFrame(
        {"estimate": draws.mean(axis=0).ravel(), "sd": sd, "se": sd},
        index=pd.MultiIndex.from_product(labels, names=[name, "term"]),
    )
