"""Rows of a design at covariate values of the caller's choice."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.formulas.columns import columns_at
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.grammar import Formula

if TYPE_CHECKING:
    from ilhte_bayes.data.responses import Responses

# Covariate values: one or several of a covariate (every combination), or a table of them.
type Values = Mapping[str, Any] | pd.DataFrame | None


@dataclass(frozen=True, slots=True)
class NewRows:
    """Design rows of some covariate values."""

    values: pd.DataFrame  # (row, covariate) as the caller wrote them, those that were given
    held: tuple[str, ...]  # "lep = 0": what the others were held at
    x: np.ndarray  # (row, term), thresholds' columns 0
    own: np.ndarray  # (row, term) columns of slopes that single thresholds have of their own
    z: Mapping[str, np.ndarray]  # group -> (row, column)


def new_rows(formula: Formula, responses: "Responses", design: Design, at: Values) -> NewRows:
    """Evaluate a model's columns at covariate values.

    Parameters
    ----------
    formula : Formula
    responses : Responses
    design : Design
    at : mapping or pandas.DataFrame, optional
        `{"lep": [0, 1], "trt": "drug"}`: every combination; or a table, a row for each wanted.
        Covariates that it leaves out are held at 0, or at their reference level.

    Raises
    ------
    DataError
        For a covariate the formula does not have, or a level the table did not have.
    """
    patterns = responses.patterns
    given = _given(at, list(map(str, patterns.columns)))
    names = {c.column: c.levels for c in responses.codings}
    n = len(given)
    columns, held = {}, []
    for name in map(str, patterns.columns):
        known = patterns[name]
        if name in given:
            columns[name] = _coded(name, given[name], known, names.get(name, ()))
            continue
        columns[name] = _rest(known, n)
        level = columns[name].iloc[0] if isinstance(known.dtype, pd.CategoricalDtype) else 0
        away = _away(known)
        held.append(f"{name} = {level}{away}")
    new = pd.DataFrame(columns, index=range(n))
    answers = np.repeat(design.pattern, design.count)
    x, own_slopes = _fixed(formula, patterns, answers, new, design)
    z = {}
    for group in design.groups:
        pieces = [
            columns_at(term.columns, patterns, answers, new)[1]
            for term in formula.random
            if term.name == group.name
        ]
        made = np.hstack(pieces)
        own = np.zeros((n, group.n_columns - made.shape[1]))  # shapes of its own thresholds
        z[group.name] = np.hstack([made, own])
    return NewRows(given, tuple(held), x, own_slopes, z)


def coded_values(at: Values, responses: "Responses") -> tuple[pd.DataFrame, pd.DataFrame]:
    """(row, covariate) values as the caller wrote them, and as the model codes them.

    Raises
    ------
    DataError
        For a covariate the formula does not have, or a level the table did not have.
    """
    patterns = responses.patterns
    given = _given(at, list(map(str, patterns.columns)))
    names = {c.column: c.levels for c in responses.codings}
    coded = {
        name: _coded(name, given[name], patterns[name], names.get(name, ()))
        for name in map(str, given.columns)
    }
    return given, pd.DataFrame(coded, index=given.index)


def _given(at: Values, known: list[str]) -> pd.DataFrame:
    """One row for each wanted combination, only covariates of the formula."""
    if isinstance(at, pd.DataFrame):
        if not len(at):
            raise DataError("the table of covariate values has no rows. Give one for each wanted.")
        return at[[name for name in at.columns if name in known]].reset_index(drop=True)
    values = dict(at or {})
    if unknown := [name for name in values if name not in known]:
        has = f"it has {listed(known, 10)}" if known else "it has none"
        raise DataError(
            f"{listed(unknown)} is not a covariate of the formula; {has}. Name one of these."
        )
    lists = {name: _as_list(value) for name, value in values.items()}
    if empty := [name for name, value in lists.items() if not value]:
        raise DataError(f"no value is given for {listed(empty)}. Give one, or leave it out.")
    rows = list(itertools.product(*lists.values()))
    return pd.DataFrame(rows, columns=list(lists), index=range(len(rows)))


def _as_list(value: Any) -> list:
    return [value] if isinstance(value, str) or np.ndim(value) == 0 else list(value)


def _coded(name: str, values: pd.Series, known: pd.Series, levels: tuple[str, ...]) -> pd.Series:
    """Values as the model codes this covariate."""
    if isinstance(known.dtype, pd.CategoricalDtype):
        places = {str(level): level for level in known.cat.categories}
        if wrong := [v for v in values if str(v) not in places]:
            raise DataError(
                f"{name!r} has no level {listed(wrong[:1])}; it has {listed(places, 8)}. Name one of these."
            )
        return pd.Series(pd.Categorical([places[str(v)] for v in values], dtype=known.dtype))
    coded = [levels.index(str(v)) if str(v) in levels else v for v in values]
    numbers = pd.to_numeric(pd.Series(coded, dtype=object), errors="coerce").astype(float)
    if (bad := ~np.isfinite(numbers)).any():
        also = f" or one of {listed(levels)}" if levels else ""
        raise DataError(
            f"{name!r} cannot be {listed(values[bad.to_numpy()][:1])}: give a number{also}."
        )
    return numbers


def _rest(known: pd.Series, n: int) -> pd.Series:
    """Reference level, or 0, in every row."""
    if isinstance(known.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical([known.cat.categories[0]] * n, dtype=known.dtype))
    return pd.Series(np.zeros(n))


def _away(known: pd.Series) -> str:
    """A word of caution where 0 is no value that the table comes near."""
    if isinstance(known.dtype, pd.CategoricalDtype) or known.min() <= 0 <= known.max():
        return ""
    return f" (the table has {known.min():g} to {known.max():g}: give a value, or centre it)"


def _fixed(
    formula: Formula, patterns: pd.DataFrame, answers: np.ndarray, new: pd.DataFrame, design: Design
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of terms that act at all thresholds, and of those that act at one."""
    names, made = columns_at(formula.fixed, patterns, answers, new)
    x, own = (np.zeros((len(new), len(design.terms))) for _ in range(2))
    for k in range(design.n_cuts, len(design.terms)):
        cut = -1 if design.by_cut is None else int(design.by_cut.cut[k])
        term = design.terms[k]
        if cut < 0:
            x[:, k] = made[:, names.index(term)]
        else:
            slope = term.removesuffix(f", {design.terms[cut]}")
            own[:, k] = made[:, names.index(slope)]
    return x, own
