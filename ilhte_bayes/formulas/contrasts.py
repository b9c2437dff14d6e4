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
    return _change(formula.fixed, patterns, pattern, treatment, contrast, terms)


def group_change(
    formula: Formula,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    contrast: Contrast,
    group: Group,
) -> np.ndarray:
    """(pattern, column) change of one group's random columns from one arm to the other."""
    pieces = [
        _change(term.columns, patterns, pattern, treatment, contrast, None)
        for term in formula.random
        if term.name == group.name
    ]
    return np.hstack(pieces)


def _change(
    side: str,
    patterns: pd.DataFrame,
    pattern: np.ndarray,
    treatment: str,
    contrast: Contrast,
    keep: tuple[str, ...] | None,
) -> np.ndarray:
    arms = []
    for arm in (contrast.to_arm, contrast.from_arm):
        if isinstance(patterns[treatment].dtype, pd.CategoricalDtype):
            column = pd.Series(
                pd.Categorical([arm] * len(patterns), dtype=patterns[treatment].dtype),
                index=patterns.index,
            )
        else:
            column = pd.Series(np.full(len(patterns), arm, dtype=float), index=patterns.index)
        names, matrix = columns_where(
            side, patterns, pattern, patterns.assign(**{treatment: column})
        )
        arms.append(matrix if keep is None else matrix[:, [names.index(k) for k in keep]])
    return np.asarray(arms[0] - arms[1])
