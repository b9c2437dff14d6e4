"""Odds ratios: exp of a coefficient, for one unit more of its column or for as many as wanted."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.estimands.item_sample import normal_words
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.priors import is_intercept


def odds_ratios(fit: Fit, units: Mapping[str, float] | None = None) -> Result:
    """Odds ratio for one unit more of each column, within a unit: exp of its coefficient.

    Parameters
    ----------
    fit : Fit
        By any engine.
    units : mapping, optional
        Term -> by how much its column changes, `{"age": 10}`; 1 for others.

    Returns
    -------
    Result
        Index term, without intercept or thresholds; `odds_ratio`, `lower`, `upper` (95 %); with
        `units` also `per`, the change of the column.

    Raises
    ------
    DataError
        If `units` names something else than a term, or gives no number but 0.

    Notes
    -----
    exp of a coefficient's estimate and interval: an odds ratio between answers within the same
    units, not between averages over units (`il.contrasts(..., compare="odds ratio")` has those). Of
    ordinal answers it is that of being above a threshold, any of them; PROC GLIMMIX models being at
    or below it, and prints 1 over it. With family="adjacent" it is that of a category against the
    one below, with "multinomial" of the category named against the first.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> table = il.load_dataset("contraception")
    >>> fit = il.laplace(il.Model("use ~ age + urban + (1 | district)", table))
    >>> il.odds_ratios(fit, units={"age": 10}).frame["odds_ratio"].round(2).to_dict()
    {'age': 1.09, 'urban[T.Y]': 1.92}
    """
    design = fit.model.design
    table = fit.coefficients[["estimate", "lower", "upper"]].iloc[design.n_cuts :]
    table = table[[not is_intercept(str(term)) for term in table.index]]
    if units:
        per = _per(units, table.index)
        limits = table[["lower", "upper"]].mul(per, axis=0)
        table = pd.DataFrame(
            {
                "per": per,
                "estimate": table["estimate"] * per,
                "lower": limits.min(axis=1, skipna=False),
                "upper": limits.max(axis=1, skipna=False),
            }
        )
    ratios = ["estimate", "lower", "upper"]
    table = table.assign(**np.exp(table[ratios])).rename(columns={"estimate": "odds_ratio"})
    which = "of the upper answer"
    if design.n_categories:
        which = "of each step up" if design.n_cuts else "of a category against the first"
    elif fit.model.family.ordinal:
        which = "of an answer above any threshold (PROC GLIMMIX: at or below it, 1 over these)"
    notes = ["They compare answers within the same units (random effects held fixed)."]
    if fit.model.own_slopes:
        notes.append(
            "A term with a threshold in its name is a difference of slopes: its ratio is that of the "
            "odds ratio there to the one at the first threshold."
        )
    notes += normal_words(fit)
    return Result(table, f"Odds ratios {which}, 95 % intervals", tuple(notes))


def _per(units: Mapping[str, float], terms: pd.Index) -> pd.Series:
    """Change of every term's column."""
    if unknown := [name for name in units if name not in terms]:
        raise DataError(
            f"units names {listed(unknown)}, which is no term; the terms are {listed(list(terms), 12)}. "
            "Name one of these."
        )
    for name, value in units.items():
        if not isinstance(value, int | float) or not np.isfinite(value) or value == 0:
            raise DataError(f"units={{{name!r}: {value!r}}}: give a number, not 0.")
    return pd.Series([float(units.get(str(term), 1.0)) for term in terms], index=terms)
