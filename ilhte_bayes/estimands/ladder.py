"""A model-building sequence in one table: estimates, variances, criteria, what each step gains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from ilhte_bayes.data.open_table import Table
from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.estimands.fixed_tests import fixed_tests
from ilhte_bayes.estimands.levels import levels_above, top_level
from ilhte_bayes.estimands.nesting import n_variances, nested
from ilhte_bayes.estimands.variance_tests import variance_with_error
from ilhte_bayes.fits.comparison import same_answers
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.model import Model

_BANDS = ((2.0, "weak"), (6.0, "positive"), (10.0, "strong"), (np.inf, "very strong"))


@dataclass(frozen=True, repr=False, eq=False)
class Ladder:
    """Models beside each other, one column each; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (part, group, parameter): parts "fixed" (thresholds too), "variance", "correlation".
        Columns (model, quantity): `estimate`, `se`, `p` (coefficients: two-sided t test with
        containment degrees of freedom; variances: one-sided Wald). Logits and squared logits.
    criteria : pandas.DataFrame
        Index model; `parameters`, `loglik`, `aic`, `bic`; `bic_drop` from the model before, and
        Raftery's word for it, `evidence`; `against`, the nearest model before that is nested in
        this one, with the likelihood ratio `chi2`, `df`, `p`.
    best : str
        The model with the lowest BIC.
    bic_units : str
        What BIC counts: "140 school".
    stars : bool
        Whether p < .05 is marked when printed.
    notes : tuple of str
        How to read it.
    """

    frame: pd.DataFrame
    criteria: pd.DataFrame
    best: str
    bic_units: str
    stars: bool
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table as it is laid out, cells as text."""
        from ilhte_bayes.show.ladder_words import ladder_table

        return ladder_table(self)

    def to_latex(self) -> str:
        """Return a LaTeX table (packages booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.ladder_words import describe_ladder

        return describe_ladder(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.ladder_words import ladder_html

        return ladder_html(self)


def ladder(
    models: Sequence[Fit | Model | str],
    data: Table | None = None,
    *,
    names: Sequence[str] | None = None,
    stars: bool = False,
    **options: Any,
) -> Ladder:
    """Lay out a model-building sequence, as SD173's Tables 2, 4, 5 and 7.

    Parameters
    ----------
    models : sequence of Fit, Model or str
        From the simplest to the largest. Models and formulas are fitted by `il.laplace`; formulas
        need `data`. Fits must be by maximum likelihood, of the same answers.
    data : pandas.DataFrame, str or path, optional
        For formulas.
    names : sequence of str, optional
        "Model 1", "Model 2", ... by default.
    stars : bool
        Whether to mark p < .05.
    **options
        Of `il.Model`, for formulas: `family="cumulative"`, ...

    Returns
    -------
    Ladder

    Raises
    ------
    ModelError
        If there are fewer than two, a fit is not by maximum likelihood, likelihoods are not
        approximated alike, or the answers differ (rows with missing values dropped in one model and
        not in another).

    Notes
    -----
    The usual sequence of three levels: intercepts of each level alone; student predictors; their
    slopes random; teacher predictors; their slopes random over schools; school predictors. For two
    levels the first four.

    BIC counts the units of the top level (schools), as PROC GLIMMIX does; rows where no level holds
    all others. Raftery's bands for a drop of BIC: up to 2 weak, 6 positive, 10 strong, above very
    strong. Likelihood ratios that add variances refer to 50:50 mixtures of chi2 (see
    `estimands.boundary`), exact for one variance and conservative for more.

    Misprints of SD173, so that nobody looks for them here: Table 2's text leaves 78 % of the
    variance to students, which is 68 % (1 - .1314 - .1880); Model 6's AIC and BIC in Table 4 repeat
    Model 5's; the text on Table 4 has -0.304 for the intervention, the table -0.29.

    References
    ----------
    Raftery (1995), Sociol. Methodol. 25, 111-163. SD173: Smiley, Leighton, Guo, Ene & Bell (2015), An
    intermediate guide to estimating multilevel models for categorical data using SAS PROC GLIMMIX,
    SESUG paper SD173.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> formulas = ["yy ~ 1 + (1 | ID)", "yy ~ trt + (1 | ID)", "yy ~ trt + late + (1 | ID)"]
    >>> il.ladder(formulas, il.load_dataset("bacteria")).best
    'Model 3'
    """
    if isinstance(models, str | Fit | Model) or len(models) < 2:
        raise ModelError("a ladder has two models or more: il.ladder([first, second, ...]).")
    called = _names(names, len(models))
    fits = [_fitted(model, data, options, name) for model, name in zip(models, called, strict=True)]
    _check(fits, called)
    tables = dict(zip(called, map(_parameters, fits), strict=True))
    rows = _in_order([table.index for table in tables.values()])
    frame = pd.concat({name: table.reindex(rows) for name, table in tables.items()}, axis="columns")
    frame.columns.names = ["model", "quantity"]
    units, size = _bic_units(fits)
    criteria = _criteria(fits, called, size)
    best = str(criteria["bic"].idxmin())
    return Ladder(frame, criteria, best, units, stars, _notes(fits, called, best, units))


def _names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    called = tuple(names) if names is not None else tuple(f"Model {k + 1}" for k in range(n))
    if len(called) != n or len(set(called)) < n:
        raise ModelError(
            f"names has {len(set(called))} different name(s) for {n} models. Give {n}."
        )
    return called


def _fitted(model: Fit | Model | str, data: Table | None, options: dict, name: str) -> Fit:
    if isinstance(model, str):
        if data is None:
            raise ModelError(
                f"{name} is a formula, and there is no table to fit it to. Write "
                "il.ladder([...], table)."
            )
        model = Model(model, data, **options)
    return laplace(model) if isinstance(model, Model) else model


def _check(fits: Sequence[Fit], names: Sequence[str]) -> None:
    for fit, name in zip(fits, names, strict=True):
        if fit.objective != "ml":
            raise ModelError(
                f"{name} is {'a posterior' if fit.sampled else 'MAP'}: AIC, BIC and likelihood "
                "ratios belong to maximum likelihood. Use il.laplace(model); of posteriors, compare "
                "il.loo(fit)."
            )
        if not same_answers(fits[0], fit):
            raise ModelError(
                f"{names[0]} has {fits[0].n_obs:,} answers and {name} {fit.n_obs:,}, not the same "
                "ones: rows with missing values are dropped by the columns a formula uses. Drop "
                "them first: table.dropna(subset=[...]) with the columns of all formulas."
            )
        if _approximation(fit) != _approximation(fits[0]):
            raise ModelError(
                f"{names[0]} is by {_approximation(fits[0])} and {name} by {_approximation(fit)}: "
                "their log-likelihoods differ by the error of approximation too, and cannot be "
                "compared. Fit all of them by il.laplace, or see il.compare(...)."
            )


def _approximation(fit: Fit) -> str:
    """How the likelihood was computed, in words."""
    if integrated := fit.mode.attrs.get("integrated"):
        return f"{fit.engine} ({integrated} integrated exactly)"
    return fit.engine


def _parameters(fit: Fit) -> pd.DataFrame:
    """Index (part, group, parameter); estimate, se, p."""
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for term, row in fixed_tests(fit).frame.iterrows():
        rows["fixed", "", str(term)] = {key: row[key] for key in ("estimate", "se", "p")}
    design = fit.model.design
    for name in reversed(levels_above(design)):  # the lowest level first, as SD173
        for column in design.group(name).columns:
            variance, se = variance_with_error(fit, name, column)
            p = float(norm.sf(variance / se)) if se > 0 else np.nan
            rows["variance", name, column] = {"estimate": variance, "se": se, "p": p}
    for (name, parameter), row in fit.variance_components.iterrows():
        if parameter.startswith("corr["):
            pair = parameter.removeprefix("corr[").removesuffix("]")
            rows["correlation", name, pair] = {
                "estimate": row["estimate"],
                "se": row["se"],
                "p": np.nan,
            }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["part", "group", "parameter"])
    return frame


def _in_order(indexes: Sequence[pd.Index]) -> pd.MultiIndex:
    """Every row once: part by part, group by group, each as first seen."""
    rows = list(dict.fromkeys(row for index in indexes for row in index))
    parts = ["fixed", "variance", "correlation"]
    groups = list(dict.fromkeys(group for _, group, _ in rows))
    rows.sort(key=lambda row: (parts.index(row[0]), groups.index(row[1])))
    return pd.MultiIndex.from_tuples(rows, names=["part", "group", "parameter"])


def _bic_units(fits: Sequence[Fit]) -> tuple[str, int]:
    """What BIC counts, the same for all: units of the top level of the model with most groups."""
    design = max((fit.model.design for fit in fits), key=lambda design: len(design.groups))
    top = top_level(design)
    if top is None:
        return f"{fits[0].n_obs:,} answers", fits[0].n_obs
    size = design.group(top).n_levels
    return f"{size:,} {top}", size


def _criteria(fits: Sequence[Fit], names: Sequence[str], size: int) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for k, fit in enumerate(fits):
        bic = -2.0 * fit.loglik + float(np.log(size)) * fit.n_parameters
        row: dict[str, Any] = {
            "parameters": fit.n_parameters,
            "loglik": fit.loglik,
            "aic": fit.aic,
            "bic": bic,
            "bic_drop": rows[-1]["bic"] - bic if rows else np.nan,
            "evidence": raftery(rows[-1]["bic"] - bic) if rows else "",
        }
        earlier = [j for j in range(k) if nested(fits[j], fit)]
        if earlier:
            row |= _likelihood_ratio(fits[earlier[-1]], fit, names[earlier[-1]])
        else:
            row |= {"against": "", "chi2": np.nan, "df": np.nan, "p": np.nan}
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(names, name="model"))


def raftery(drop: float) -> str:
    """Raftery's word for the evidence in a drop of BIC; "none" if it rises."""
    if drop <= 0.0:
        return "none"
    return next(word for edge, word in _BANDS if drop <= edge)


def _likelihood_ratio(smaller: Fit, larger: Fit, name: str) -> dict[str, Any]:
    statistic = max(2.0 * (larger.loglik - smaller.loglik), 0.0)
    more = larger.n_parameters - smaller.n_parameters
    variances = n_variances(larger) - n_variances(smaller)
    p = likelihood_ratio_p(statistic, more, variances)
    return {"against": name, "chi2": statistic, "df": float(more), "p": p}


def _notes(fits: Sequence[Fit], names: Sequence[str], best: str, units: str) -> tuple[str, ...]:
    notes = [f"{name}: {fit.model.formula.text}" for fit, name in zip(fits, names, strict=True)]
    notes.append(
        f"Estimates with standard errors, logits; variances in squared logits. {best} has the "
        f"lowest BIC (n = {units})."
    )
    notes.append(
        "Likelihood ratios that add variances: 50:50 mixture of chi2 with df - 1 and df, "
        "conservative for more than one variance."
    )
    if fits[0].model.family.ordinal:
        notes.append(
            "Positive slopes: higher answers. PROC GLIMMIX prints them with the other sign."
        )
    for fit, name in zip(fits, names, strict=True):
        notes += [f"{name}: {problem}" for problem in fit.problems]
    return tuple(notes)
