"""Fit: what an engine found out, in one shape for every engine."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.fits.intervals import correlation_interval, normal_interval, sd_interval

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model


@dataclass(frozen=True, repr=False, eq=False)
class Fit:
    """Estimates of a model; every estimand, table and figure is a function of it.

    Attributes
    ----------
    model : Model
    engine : {"laplace"}
    objective : {"ml", "map"}
    mode : xarray.Dataset
        Estimates and curvature, in logits (see `engines.marginal.summarise`).
    problems : tuple of str
        What a reader must know before using the numbers, in sentences.
    seconds : float
        Wall time from the parsed table to all estimates, standard errors and modes.
    compile_seconds : float
        Wall time of compiling the loops, or loading them from disk; once in a session.
    """

    model: "Model"
    engine: Literal["laplace"]
    objective: Literal["ml", "map"]
    mode: xr.Dataset
    problems: tuple[str, ...]
    seconds: float
    compile_seconds: float

    @property
    def n_obs(self) -> int:
        """Number of answers."""
        return self.model.design.n_obs

    @property
    def n_parameters(self) -> int:
        """Number of fixed effects, SDs and correlations."""
        return int(self.mode.attrs["n_parameters"])

    @property
    def loglik(self) -> float:
        """Laplace log-likelihood at the estimates."""
        return float(self.mode.attrs["loglik"])

    @property
    def aic(self) -> float:
        """Akaike's criterion; only for maximum likelihood."""
        self._only_ml("AIC")
        return -2.0 * self.loglik + 2.0 * self.n_parameters

    def bic(self, n: str = "rows") -> float:
        """Bayesian information criterion; only for maximum likelihood.

        Parameters
        ----------
        n : str
            What counts as an observation: "rows" (as lme4) or a group, "school" (PROC GLIMMIX
            counts the units of the top level).
        """
        self._only_ml("BIC")
        size = self.n_obs if n == "rows" else self.model.design.group(n).n_levels
        return -2.0 * self.loglik + float(np.log(size)) * self.n_parameters

    def _only_ml(self, name: str) -> None:
        if self.objective != "ml":
            raise ModelError(
                f"{name} belongs to maximum likelihood; this fit is MAP. "
                "Fit again with objective='ml'."
            )

    @property
    def coefficients(self) -> pd.DataFrame:
        """Fixed effects in logits: estimate, se, and a 95 % Wald interval."""
        estimate = self.mode["beta"].to_numpy()
        se = np.sqrt(np.diag(self.mode["beta_cov"].to_numpy()))
        lower, upper = normal_interval(estimate, se)
        return pd.DataFrame(
            {"estimate": estimate, "se": se, "lower": lower, "upper": upper},
            index=pd.Index(self.mode["term"].to_numpy(), name="term"),
        )

    @property
    def variance_components(self) -> pd.DataFrame:
        """SDs (logits) and correlations of each group: estimate, se, 95 % interval.

        Intervals are made on the log scale for SDs and the atanh scale for correlations. At an
        edge (SD 0, correlation +-1) there is no standard error and no interval: the entries are
        missing, and `problems` says so.
        """
        rows = []
        for group in self.model.design.groups:
            natural = self.mode[f"natural_{group.name}"].to_numpy()
            names = self.mode[f"{group.name}_quantity"].to_numpy()
            variance = np.diag(self.mode[f"natural_cov_{group.name}"].to_numpy())
            sds = dict(zip(group.columns, natural, strict=False))
            for name, value, v in zip(names, natural, variance, strict=True):
                rows.append(_component(group.name, str(name), float(value), float(v), sds))
        frame = pd.DataFrame(
            rows, columns=["group", "parameter", "estimate", "se", "lower", "upper"]
        )
        return frame.set_index(["group", "parameter"])

    def sd(self, group: str) -> pd.Series:
        """SDs of one group's random effects, in logits."""
        name = self.model.design.group(group).name
        return self.mode[f"sd_{name}"].to_pandas()

    def random_effects(self, group: str) -> pd.DataFrame:
        """Conditional modes of one group's random effects, in logits.

        Parameters
        ----------
        group : str
            Name of the group, `"item"` or `"school:teacher"` (also by its innermost id,
            `"teacher"`).

        Returns
        -------
        pandas.DataFrame
            Index (level, term); `mode`; `sd`, given the parameters (as lme4 and clmm print it);
            `se`, with the uncertainty of the parameters added (as glmmTMB prints it).
        """
        name = self.model.design.group(group).name
        modes = self.mode[f"re_{name}"]
        given = np.einsum("lii->li", self.mode[f"re_{name}_cov"].to_numpy())
        slopes = self.mode[f"re_{name}_by_psi"].to_numpy()
        added = np.einsum("plc,pq,qlc->lc", slopes, self.mode["psi_cov"].to_numpy(), slopes)
        labels = modes[name].to_numpy(), modes[f"{name}_column"].to_numpy()
        return pd.DataFrame(
            {
                "mode": modes.to_numpy().ravel(),
                "sd": np.sqrt(given).ravel(),
                "se": np.sqrt(given + added).ravel(),
            },
            index=pd.MultiIndex.from_product(labels, names=[name, "term"]),
        )

    @cached_property
    def draws(self) -> xr.DataTree:
        """2,000 seeded draws from the approximate sampling (ML) or posterior (MAP) distribution.

        Parameters are normal on the unbounded scale, those at an edge held there; random effects
        are normal given them. Names follow the schema: `beta`, `sd_<group>`, `corr_<group>`,
        `re_<group>`.
        """
        from ilhte_bayes.engines.marginal.draw import draw_approximation

        return draw_approximation(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_fit

        return describe_fit(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.page import fit_html

        return fit_html(self)


def _component(
    group: str, name: str, value: float, variance: float, sds: dict[str, float]
) -> tuple[str, str, float, float, float, float]:
    """One row of the table of variance components; missing entries at an edge."""
    nan = float("nan")
    if name.startswith("sd["):
        if value <= 0.0:
            return group, name, 0.0, nan, nan, nan
        se = float(np.sqrt(variance))
        return (group, name, value, se, *sd_interval(value, se))
    pair = name.removeprefix("corr[").removesuffix("]").split(",")
    if any(sds.get(column, 1.0) <= 0.0 for column in pair):
        return group, name, nan, nan, nan, nan
    if abs(value) > 1.0 - 1e-6:
        return group, name, float(np.sign(value)), nan, nan, nan
    se = float(np.sqrt(variance))
    return (group, name, value, se, *correlation_interval(value, se))


def require_group(fit: Fit, role: str) -> str:
    """Name of the group that plays a role, or a sentence on how to say which."""
    column = getattr(fit.model.roles, role)
    names = [group.name for group in fit.model.design.groups]
    if column is None:
        raise ModelError(
            f"which column is the {role} is not known. Say roles={{{role!r}: ...}} when building "
            f"the model; its groups are {listed(names)}."
        )
    return fit.model.design.group(column).name
