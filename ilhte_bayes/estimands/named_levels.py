"""Levels of groups that a row of values names, and what is known with them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError
from ilhte_bayes.estimands.levels import levels_above
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.model import Model


def named_levels(design: Design, row: Mapping[str, Any]) -> dict[str, int]:
    """Group -> position of the level that a row names, or -1 for one that is not in the data.

    What a named level lies in, a person's school, is known with it.
    """
    found = {group.name: _named_level(group, row) for group in design.groups}
    named = {name: level for name, level in found.items() if level is not None}
    if not named:
        return {}
    above = levels_above(design)
    for name, level in list(named.items()):
        for outer in above[name]:
            if outer not in named and level >= 0:
                at = int(np.argmax(design.group(name).level == level))
                named[outer] = int(design.group(outer).level[at])
    return named


def known_by_level(model: Model, levels: Mapping[str, int]) -> dict[str, int]:
    """Covariates that belong to named levels, an item's features or a person's arm: their pattern."""
    design, patterns = model.design, model.responses.patterns
    out: dict[str, int] = {}
    for group in design.groups:
        at = levels.get(group.name, -1)
        if at < 0:
            continue
        first = np.unique(group.level, return_index=True)[1]
        for name in map(str, patterns.columns):
            code = pd.factorize(patterns[name])[0][design.pattern]
            if np.array_equal(code, code[first][group.level]):
                out.setdefault(name, int(design.pattern[first[at]]))
    return out


def _named_level(group: Group, row: Mapping[str, Any]) -> int | None:
    """Position of a named level; -1 for one that is not in the data, None for none named.

    Of nested groups, `school:id`, all variables are named, or the innermost alone if its ids say
    which level it is.
    """
    inner = group.variables[-1]
    if inner not in row or pd.isna(row[inner]):
        return None
    labels = [str(label) for label in group.labels]
    given = [row.get(name) for name in group.variables]
    if not any(pd.isna(value) for value in given):
        wanted = ":".join(_text(value) for value in given)
        return labels.index(wanted) if wanted in labels else -1
    found = [k for k, label in enumerate(labels) if label.endswith(f":{_text(row[inner])}")]
    if len(found) > 1:
        raise DataError(
            f"{inner} = {row[inner]!r} is found in {len(found)} levels of {group.name}, first "
            f"{labels[found[0]]!r}. Name {' and '.join(v for v in group.variables if v not in row)} too."
        )
    return found[0] if found else -1


def _text(value: object) -> str:
    """A level's name: whole numbers without a point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
