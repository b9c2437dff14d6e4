"""Rows of a design at covariate values of the caller's choice."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    given = wanted_rows(at, list(map(str, patterns.columns)), "a covariate of the formula")
    frame, held = reference_rows(responses, len(given))
    named = {name: coded_values(responses, name, given[name]) for name in given.columns}
    frame = frame.assign(**named)
    made = design_at(formula, responses, design, frame)
    z = {group.name: group.z for group in made.groups}
    return NewRows(
        given, tuple(text for name, text in held.items() if name not in given), made.x, z
    )


def design_at(
    formula: Formula, responses: "Responses", design: Design, frame: pd.DataFrame
) -> Design:
    """The design with columns evaluated at other covariate values, in the place of its patterns.

    Parameters
    ----------
    frame : pandas.DataFrame
        (row, covariate), coded as `responses.patterns` is.

    Returns
    -------
    Design
        `x`, `by_cut.x` and the groups' `z` have a row for each of the frame's; what belongs to
        answers (`pattern`, `score`, levels) is still the table's.
    """
    patterns = responses.patterns
    answers = design.pattern_of_answers()
    names, made = columns_at(formula.fixed, patterns, answers, frame)
    groups = []
    for group in design.groups:
        found: dict[str, np.ndarray] = {}
        for effects in formula.random:
            if effects.name == group.name:
                own, columns = columns_at(effects.columns, patterns, answers, frame)
                found |= dict(zip(own, columns.T, strict=True))
        z = np.zeros((len(frame), group.n_columns))
        for k, column in enumerate(_without_category(group.columns, group.logit, responses)):
            if column in found:  # shapes of items' own thresholds have no column
                z[:, k] = found[column]
        groups.append(replace(group, z=z))
    x = np.zeros((len(frame), len(design.terms)))
    by_cut = design.by_cut
    own_x = np.zeros_like(x)
    for k, term in enumerate(_without_category(design.terms, design.logit, responses)):
        cut = -1 if by_cut is None else int(by_cut.cut[k])
        if k < design.n_cuts:
            own_x[:, k] = -1.0
        elif cut < 0:
            x[:, k] = made[:, names.index(term)]
        else:
            slope = term.removesuffix(f", {design.terms[cut]}")
            own_x[:, k] = made[:, names.index(slope)]
    by_cut = None if by_cut is None else replace(by_cut, x=own_x)
    return replace(design, x=x, groups=tuple(groups), by_cut=by_cut)


def _without_category(
    columns: Sequence[str], logit: np.ndarray | None, responses: "Responses"
) -> list[str]:
    """Names without the category, "mid: treat", that they belong to in nominal answers."""
    if logit is None:
        return list(columns)
    others = responses.response_coding.levels[1:]
    return [c.removeprefix(f"{others[m]}: ") for c, m in zip(columns, logit, strict=True)]


def reference_rows(responses: "Responses", n: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows with every covariate at 0 or at its reference level, and each in words: "lep = 0"."""
    columns, words = {}, {}
    for name in map(str, responses.patterns.columns):
        known = responses.patterns[name]
        columns[name] = _rest(known, n)
        level = columns[name].iloc[0] if isinstance(known.dtype, pd.CategoricalDtype) else 0
        words[name] = f"{name} = {level}{_away(known)}"
    return pd.DataFrame(columns, index=range(n)), words


def coded_values(responses: "Responses", name: str, values: pd.Series) -> pd.Series:
    """A covariate's values as the model codes them."""
    levels = {c.column: c.levels for c in responses.codings}
    return _coded(name, values, responses.patterns[name], levels.get(name, ()))


def wanted_rows(
    at: Values, known: list[str], what: str, covariates: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row for each wanted combination, only of known names; `what` these are, in words.

    A table with all covariates (of `known`, by default all) may hold other columns, as the one that
    was fitted does; where a covariate is absent, an unknown column may be its misspelt name.
    """
    names = list(at.columns) if isinstance(at, pd.DataFrame) else list(at or {})
    if unknown := [name for name in names if name not in known]:
        has = f"it has {listed(known, 10)}" if known else "it has none"
        cure = "Name one of these"
        absent = [name for name in (covariates or known) if name not in names]
        if isinstance(at, pd.DataFrame) and absent:
            cure = f"Rename the column to {absent[0]!r}, or drop it"
        if absent or not isinstance(at, pd.DataFrame):
            raise DataError(f"{listed(unknown)} is not {what}; {has}. {cure}.")
    if isinstance(at, pd.DataFrame):
        if not len(at):
            raise DataError("the table of covariate values has no rows. Give one for each wanted.")
        return at[[name for name in names if name in known]].reset_index(drop=True)
    values = dict(at or {})
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
