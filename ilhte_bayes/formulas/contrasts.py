"""What a formula's columns change by when the treatment changes from one arm to another."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.data.responses import Responses
from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.columns import columns_where
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.formulas.grammar import Formula


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two arms compared: `label` is "caffeine v placebo"."""

    label: str
    from_arm: object
    to_arm: object


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
        fixed_in_arm(formula, patterns, pattern, treatment, arm, terms)
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
        group_in_arm(formula, patterns, pattern, treatment, arm, group)
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
) -> np.ndarray:
    """(pattern, term) fixed columns if everybody were in one arm; 0 for thresholds."""
    moved = _moved(patterns, treatment, arm)
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
) -> np.ndarray:
    """(pattern, column) one group's random columns if everybody were in one arm.

    0 for what items add to thresholds.
    """
    moved = _moved(patterns, treatment, arm)
    pieces = [
        columns_where(term.columns, patterns, pattern, moved)[1]
        for term in formula.random
        if term.name == group.name
    ]
    found = np.hstack(pieces)
    more = group.n_columns - found.shape[1]
    return np.hstack([found, np.zeros((len(found), more))])


def _moved(patterns: pd.DataFrame, treatment: str, arm: object) -> pd.DataFrame:
    """Patterns with everybody in one arm."""
    kind = patterns[treatment].dtype
    if isinstance(kind, pd.CategoricalDtype):
        column = pd.Series(pd.Categorical([arm] * len(patterns), dtype=kind), index=patterns.index)
    else:
        column = pd.Series(np.full(len(patterns), arm, dtype=float), index=patterns.index)
    return patterns.assign(**{treatment: column})
