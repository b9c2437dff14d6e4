"""What a formula's columns change by when the treatment changes from one arm to another."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ilhte_bayes.data.responses import Responses
from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.columns import columns_where
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.formulas.grammar import Formula
from ilhte_bayes.formulas.new_values import Values, coded_values, wanted_rows

type Held = tuple[tuple[str, object], ...]  # covariates held at a value, as the model codes it


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two arms compared: `label` is "caffeine v placebo", or "caffeine v placebo at age = 30"."""

    label: str
    from_arm: object
    to_arm: object
    held: Held = ()


def arm_contrasts(responses: Responses, treatment: str) -> tuple[Contrast, ...]:
    """Each arm against the reference; a dose of more than two values by one unit."""
    patterns = responses.patterns
    if treatment not in patterns:
        raise ModelError(
            f"the formula has no treatment: column {treatment!r} is not in it. "
            f"Add it, for example {treatment} + ({treatment} | item)."
        )
    column = patterns[treatment]
    if isinstance(column.dtype, pd.CategoricalDtype):
        first, *others = column.cat.categories
        return tuple(Contrast(f"{arm} v {first}", first, arm) for arm in others)
    values = np.sort(column.unique())
    if values.size == 2:
        low, high = values
        named = [c.levels for c in responses.codings if c.column == treatment]
        if named:
            return (Contrast(f"{named[0][1]} v {named[0][0]}", low, high),)
        return (Contrast(f"{treatment} {high:g} v {low:g}", low, high),)
    return (Contrast(f"{treatment}, one unit more", 0.0, 1.0),)


def contrasts_at(
    contrasts: tuple[Contrast, ...], responses: Responses, treatment: str, newdata: Values
) -> tuple[Contrast, ...]:
    """The same contrasts with covariates held, one of each for every combination of values.

    Raises
    ------
    DataError
        For a covariate the formula does not have, or a level the table did not have.
    ModelError
        If the treatment itself is held.
    """
    if newdata is None:
        return contrasts
    known = list(map(str, responses.patterns.columns))
    given = wanted_rows(newdata, known, "a covariate of the formula")
    coded = {name: coded_values(responses, name, given[name]) for name in given.columns}
    if treatment in given:
        raise ModelError(
            f"newdata= holds covariates at values, and {treatment!r} is the treatment, whose arms are "
            "compared. Leave it out."
        )
    out = []
    for k in range(len(given)):
        words = ", ".join(f"{name} = {given[name].iloc[k]}" for name in given.columns)
        held = tuple((str(name), coded[name].iloc[k]) for name in given.columns)
        out += [replace(c, label=f"{c.label} at {words}", held=held) for c in contrasts]
    return tuple(out)


def moderators(
    formula: Formula,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    contrast: Contrast,
    terms: tuple[str, ...],
) -> tuple[str, ...]:
    """Covariates that change what the arm changes: holding one at a value makes a difference."""
    same = (formula, patterns, pattern, treatment)
    usual = fixed_change(*same, contrast, terms)
    free = [n for n in map(str, patterns.columns) if n not in (treatment, *dict(contrast.held))]
    return tuple(
        name
        for name in free
        if not np.allclose(usual, fixed_change(*same, _holding(contrast, name, patterns), terms))
    )


def _holding(contrast: Contrast, name: str, patterns: pd.DataFrame) -> Contrast:
    return replace(contrast, held=(*contrast.held, (name, patterns[name].iloc[0])))


def fixed_change(
    formula: Formula,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    contrast: Contrast,
    terms: tuple[str, ...],
) -> np.ndarray:
    """(pattern, term) change of the fixed columns from one arm to the other."""
    before, after = (
        fixed_in_arm(formula, patterns, pattern, treatment, arm, terms, contrast.held)
        for arm in (contrast.from_arm, contrast.to_arm)
    )
    return after - before


def group_change(
    formula: Formula,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    contrast: Contrast,
    group: Group,
) -> np.ndarray:
    """(pattern, column) change of one group's random columns from one arm to the other."""
    before, after = (
        group_in_arm(formula, patterns, pattern, treatment, arm, group, contrast.held)
        for arm in (contrast.from_arm, contrast.to_arm)
    )
    return after - before


def fixed_in_arm(
    formula: Formula,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    arm: object,
    terms: tuple[str, ...],
    held: Held = (),
) -> np.ndarray:
    """(pattern, term) fixed columns if everybody were in one arm; 0 for thresholds."""
    moved = _moved(patterns, ((treatment, arm), *held))
    names, matrix = columns_where(formula.fixed, patterns, pattern, moved)
    out = np.zeros((len(matrix), len(terms)))
    for at, term in enumerate(terms):
        if term in names:  # thresholds have no column of their own
            out[:, at] = matrix[:, names.index(term)]
    return out


def group_in_arm(
    formula: Formula,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    arm: object,
    group: Group,
    held: Held = (),
) -> np.ndarray:
    """(pattern, column) one group's random columns if everybody were in one arm.

    0 for what items add to thresholds.
    """
    moved = _moved(patterns, ((treatment, arm), *held))
    pieces = [
        columns_where(term.columns, patterns, pattern, moved)[1]
        for term in formula.random
        if term.name == group.name
    ]
    found = np.hstack(pieces)
    more = group.n_columns - found.shape[1]
    return np.hstack([found, np.zeros((len(found), more))])


def _moved(patterns: pd.DataFrame, values: Held) -> pd.DataFrame:
    """Patterns with everybody in one arm, and at the values held."""
    columns = {}
    for name, value in values:
        kind, index = patterns[name].dtype, patterns.index
        if isinstance(kind, pd.CategoricalDtype):
            columns[name] = pd.Series(
                pd.Categorical([value] * len(patterns), dtype=kind), index=index
            )
        else:
            columns[name] = pd.Series(np.full(len(patterns), value, dtype=float), index=index)
    return patterns.assign(**columns)
