"""t tests of fixed effects, with PROC GLIMMIX's degrees of freedom or the normal reference."""

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.degrees_of_freedom import (
    FEW_CLUSTERS,
    constant_within,
    containment,
    few_clusters,
    n_constant,
    spanned_by_slopes,
)
from ilhte_bayes.estimands.moderator_family import moderator_notes
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import LEVEL
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.term_variables import uses
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.reduced import require_persons


def fixed_tests(fit: Fit, *, df: Literal["containment", "inf"] = "containment") -> Result:
    """Wald t tests of the coefficients.

    Parameters
    ----------
    fit : Fit
        Maximised.
    df : {"containment", "inf"}
        Degrees of freedom: PROC GLIMMIX's default (see `estimands.degrees_of_freedom`), or infinite
        (z tests, as glmer's and clmm's).

    Returns
    -------
    Result
        Index term; `estimate`, `se` (logits), `df`, `t`, `p` (two-sided), `lower`, `upper` (95 %).

    Raises
    ------
    ModelError
        For posterior draws, or another `df`.

    Notes
    -----
    Containment gives predictors of schools without a random slope the residual degrees of freedom,
    as many as there are answers: too many where schools are few. So a treatment given to whole
    clusters gets, below 40 clusters, the clusters less the columns that are constant within them
    (intercept and treatment: clusters - 2); a note says so. PROC GLIMMIX does not do that. Standard
    errors by maximum likelihood are themselves too small by about sqrt((clusters - 2) / clusters):
    of 400 simulated trials of 10 clusters without an effect .085 had p < .05 (.102 by z).

    SD173 (Model 1): estimate -.1759, SE .08933 and 139 df give p = .0509 and -.3526 to .0007. Its
    Model 6 prints 139 df for the intercept beside two columns that are constant within its 140
    schools; they take one each, as sex does in its own growth model (118 of 120), so here it is 137.

    References
    ----------
    Smiley, Leighton, Guo, Ene & Bell (2015), An intermediate guide to estimating multilevel models
    for categorical data using SAS PROC GLIMMIX, SESUG paper SD173.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> il.fixed_tests(fit).frame["df"].tolist()
    [47.0, 170.0, 170.0]
    """
    if df not in ("containment", "inf"):
        raise ModelError(f"df={df!r}; it is 'containment' (PROC GLIMMIX's) or 'inf' (z tests).")
    if fit.sampled:
        raise ModelError(
            "t tests belong to maximum likelihood; this fit is a posterior. Read the intervals of "
            "fit.coefficients, or test il.laplace(fit.model)."
        )
    table = fit.coefficients
    notes = []
    degrees = pd.Series(np.inf, index=table.index)
    if df == "containment":
        require_persons(fit.model, "il.fixed_tests with degrees of freedom (df='inf' has z tests)")
        found, ranks = containment(fit.model.design)
        degrees = pd.Series(found, index=table.index, dtype=float)
        notes.append(
            "Degrees of freedom by containment, as PROC GLIMMIX: what a term's random effects add "
            f"to the rank of all columns; without random effects {ranks.residual:,}, the answers "
            "less that rank."
        )
        notes += _few_clusters(fit, degrees) + _too_many(fit.model.design, degrees)
    if fit.objective == "map":
        notes.append("Estimates are MAP: priors pull them, and tests with them.")
    frame = wald_t(table["estimate"], table["se"], degrees)
    notes += moderator_notes(fit, frame["p"])
    return Result(frame, "t tests of fixed effects (logits), 95 % intervals", tuple(notes))


def wald_t(estimate: pd.Series, se: pd.Series, df: pd.Series) -> pd.DataFrame:
    """Estimate, se, df, t, two-sided p, lower and upper (95 %); p and interval missing at 0 df."""
    t = estimate / se
    df = df.where(df > 0)  # with none, nothing is known
    width = stats.t.ppf((1.0 + LEVEL) / 2.0, df) * se
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "df": df.fillna(0.0),
            "t": t,
            "p": 2.0 * stats.t.sf(np.abs(t), df),
            "lower": estimate - width,
            "upper": estimate + width,
        }
    )


def _few_clusters(fit: Fit, degrees: pd.Series) -> list[str]:
    """Give a treatment of few clusters their degrees of freedom, in place; say so."""
    design, units = fit.model.design, few_clusters(fit.model)
    if units is None:
        return []
    each = zip(design.terms, units.constant, strict=True)
    terms = [t for t, c in each if c and _of(fit.model, t, design) and degrees[t] > units.df]
    if not terms:
        return []
    degrees[terms] = units.df
    if units.confounded:
        return [f"{units.confounded} There is no test of {', '.join(terms)}."]
    return [f"{', '.join(terms)}: {units.df} degrees of freedom, {units.words}."]


def _too_many(design: Design, degrees: pd.Series) -> list[str]:
    """Say which other terms have more degrees of freedom than there are units they differ between."""
    notes = []
    for group in design.groups:
        if group.n_levels >= FEW_CLUSTERS:
            continue
        constant = constant_within(design, group)
        few = [
            term
            for k, (term, same) in enumerate(zip(design.terms, constant, strict=True))
            if same and k >= design.n_cuts and degrees[term] > group.n_levels
        ]
        left = max(group.n_levels - n_constant(design, constant), 0)
        moved = spanned_by_slopes(design, group)
        slopes = [
            term
            for k, (term, same) in enumerate(zip(design.terms, moved, strict=True))
            if same and k >= design.n_cuts and degrees[term] > group.n_levels
        ]
        if slopes:
            rest = max(group.n_levels - int(moved.sum()), 1)
            notes.append(
                f"{', '.join(slopes)}: effects of the {group.n_levels} levels of {group.name} are "
                "compared, so containment's degrees of freedom are too many, and p too small. Read "
                f"with {rest}, or fit by NUTS."
            )
        if few:
            how = f"Read them with {left}, or fit by NUTS."
            notes.append(
                f"{', '.join(few)}: constant within the {group.n_levels} levels of {group.name}, so "
                "containment's degrees of freedom are too many, and p too small. "
                + (how if left else "0 are left: do not read these tests.")
            )
    return notes


def _of(model: Model, term: str, design: Design) -> bool:
    """Whether a term is made of the treatment."""
    if design.terms.index(term) < design.n_cuts or term == "Intercept":
        return False
    return uses(term, model.roles.treatment, model.responses.patterns.columns)
