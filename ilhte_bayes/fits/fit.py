"""Fit: what an engine found out, in one shape for every engine."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.fits import draw_tables, mode_tables

if TYPE_CHECKING:
    from ilhte_bayes.estimands.persons import Persons
    from ilhte_bayes.models.model import Model

Engine = Literal["laplace", "quadrature", "nuts"]


@dataclass(frozen=True, repr=False, eq=False)
class Fit:
    """Estimates of a model; every estimand, table and figure is a function of it.

    Attributes
    ----------
    model : Model
    engine : {"laplace", "quadrature", "nuts"}
    objective : {"ml", "map", "posterior"}
        What the estimates are: maximum likelihood, maximum a posteriori, posterior draws.
    tree : xarray.DataTree
        Group `fit` with mode and curvature (see `engines.marginal.summarise`), or groups
        `posterior`, `sample_stats`, ... of the draws. Logits throughout.
    problems : tuple of str
        What a reader must know before using the numbers, in sentences.
    seconds : float
        Wall time from the parsed table to all results.
    compile_seconds : float
        Wall time of compiling, or of loading compiled code from disk.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> fit = il.laplace(model)
    >>> fit.engine, fit.objective
    ('laplace', 'ml')
    >>> fit.coefficients["estimate"].round(2).to_dict()
    {'Intercept': 3.55, 'trt[T.drug]': -1.37, 'trt[T.drug+]': -0.78, 'late': -1.6}
    >>> round(fit.bic("ID"), 1)  # counts persons; fit.bic() counts answers
    211.8
    """

    model: "Model"
    engine: Engine
    objective: Literal["ml", "map", "posterior"]
    tree: xr.DataTree
    problems: tuple[str, ...]
    seconds: float
    compile_seconds: float

    @property
    def sampled(self) -> bool:
        """Whether the fit consists of posterior draws."""
        return self.engine == "nuts"

    @property
    def mode(self) -> xr.Dataset:
        """Mode and curvature of a fit that was maximised."""
        if self.sampled:
            raise ModelError(
                "this fit consists of posterior draws and has no mode. "
                "Use fit.draws, or fit with il.laplace(model, objective='map')."
            )
        return self.tree["fit"].dataset

    @cached_property
    def draws(self) -> xr.DataTree:
        """Draws of all parameters: the posterior's, or an approximation made when first asked for.

        For a maximised fit: 2,000 seeded draws. Coefficients are normal; SDs of single columns, and
        by MAP of all, are log-normal where they are 2 standard errors or more from 0, other
        entries of covariance factors normal; those at an edge are held there. Random effects are
        normal given them. Names follow the
        schema: `beta`, `sd_<group>`, `corr_<group>`, `re_<group>`.
        """
        if self.sampled:
            return self.tree
        from ilhte_bayes.engines.marginal.draw import draw_approximation

        return draw_approximation(self)

    @property
    def n_obs(self) -> int:
        """Number of answers."""
        return self.model.design.n_obs

    @property
    def n_parameters(self) -> int:
        """Number of fixed effects, SDs (of log discriminations too) and correlations."""
        groups = self.model.design.groups
        per_group = [len(b) * (len(b) + 1) // 2 for group in groups for b in group.blocks]
        own = int(self.model.discrimination is not None)
        return len(self.model.design.terms) + sum(per_group) + own

    @property
    def loglik(self) -> float:
        """Log-likelihood at the estimates, as the engine approximates it; for a maximised fit."""
        return float(self.mode.attrs["loglik"])

    @property
    def aic(self) -> float:
        """Akaike's criterion; only for maximum likelihood."""
        self._only_ml("AIC")
        return -2.0 * self.loglik + 2.0 * self.n_parameters

    def bic(self, units: str = "rows") -> float:
        """Bayesian information criterion; only for maximum likelihood.

        Parameters
        ----------
        units : str
            What counts as an observation: "rows" (as lme4) or a group, "school" (PROC GLIMMIX
            counts the units of the top level).
        """
        self._only_ml("BIC")
        size = self.n_obs if units == "rows" else self.model.design.group(units).n_counted
        return -2.0 * self.loglik + float(np.log(size)) * self.n_parameters

    def _only_ml(self, name: str) -> None:
        if self.objective != "ml":
            found = "MAP" if self.objective == "map" else "a posterior"
            raise ModelError(
                f"{name} belongs to maximum likelihood; this fit is {found}. "
                "Fit il.laplace(model, objective='ml')."
            )

    @property
    def coefficients(self) -> pd.DataFrame:
        """Fixed effects in logits: estimate, se, lower, upper (95 %).

        Maximised fits: mode and Wald interval. Draws: mean, SD and equal-tailed interval. Of
        ordinal answers all of them, as clmm's `coef` has it: `thresholds`, then slopes.
        """
        if self.sampled:
            return draw_tables.coefficients(self.tree)
        return mode_tables.coefficients(self.mode)

    @property
    def thresholds(self) -> pd.DataFrame:
        """Thresholds of ordinal answers in logits, lowest first; empty for other families.

        Rows "0|1", "1|2", ...: kappa_k in P(Y <= k) = 1 / (1 + exp(eta - kappa_k)), the average
        item's where items have their own. Columns as in `coefficients`.
        """
        return self.coefficients.iloc[: self.model.design.n_cuts].rename_axis("threshold")

    @property
    def variance_components(self) -> pd.DataFrame:
        """SDs (logits) and correlations of each group: estimate, se, lower, upper (95 %).

        Intervals of a maximised fit are made on the log scale for SDs and the atanh scale for
        correlations; at an edge (SD 0, correlation +-1) the entries are missing, and `problems`
        says so. Draws: mean, SD and equal-tailed interval.
        """
        groups = self.model.design.groups
        if self.sampled:
            return draw_tables.variance_components(self.tree, groups)
        return mode_tables.variance_components(self.mode, groups)

    def sd(self, group: str) -> pd.Series:
        """Estimated SDs of one group's random effects, in logits, by column."""
        found = self.model.design.group(group)
        table = self.variance_components["estimate"]
        values = [float(table[found.name, f"sd[{column}]"]) for column in found.columns]
        return pd.Series(values, index=pd.Index(found.columns, name="term"), name="sd")

    def random_effects(self, group: str) -> pd.DataFrame:
        """Random effects of one group, in logits.

        Parameters
        ----------
        group : str
            Name of the group, `"item"` or `"school:teacher"` (also by its innermost id,
            `"teacher"`).

        Returns
        -------
        pandas.DataFrame
            Index (level, term). `estimate`: conditional mode, or posterior mean. `sd`: given the
            parameters (as lme4 and clmm print it). `se`: with the uncertainty of the parameters
            added (as glmmTMB prints it). For draws both are the posterior SD.
            Of a group that was integrated out they come from `persons`.
        """
        name = self.model.design.group(group).name
        if self.sampled and f"re_{name}" not in self.tree["posterior"]:
            from ilhte_bayes.estimands.persons import random_effects_table

            return random_effects_table(self, name)
        if self.sampled:
            return draw_tables.random_effects(self.tree, name)
        return mode_tables.random_effects(self.mode, name)

    def persons(self, group: str | None = None, *, draws: int = 500) -> "Persons":
        """Ability of every person, exactly given each draw; see `ilhte_bayes.persons`."""
        from ilhte_bayes.estimands.persons import persons

        return persons(self, group, draws=draws)

    def save(self, path: str | PathLike[str]) -> Path:
        """Keep everything in one file, which `il.load(path)` opens; see `fits.storage`."""
        from ilhte_bayes.fits.storage import save

        return save(self, path)

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_fit

        return describe_fit(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.page import fit_html

        return fit_html(self)


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
