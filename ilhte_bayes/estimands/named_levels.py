"""Levels of groups that a row of values names, and what is known with them."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError
from ilhte_bayes.estimands.levels import levels_above
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model


class LevelNames:
    """What rows of values name in a model's data; made once for many rows."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def levels(self, row: Mapping[str, Any]) -> dict[str, int]:
        """Group -> position of the level that a row names, or -1 for one that is not in the data.

        What a named level lies in, a person's school, is known with it.
        """
        design = self.model.design
        found = {group.name: self._level(group, row) for group in design.groups}
        named = {name: level for name, level in found.items() if level is not None}
        for name, level in list(named.items()):
            for outer in self._above[name]:
                if outer not in named and level >= 0:
                    first = self._first[name][level]
                    named[outer] = int(design.group(outer).level[first])
        return named

    def covariates(self, levels: Mapping[str, int]) -> dict[str, int]:
        """Covariates that belong to named levels, an item's features or a person's arm.

        The pattern that has their value.
        """
        out: dict[str, int] = {}
        for name, level in levels.items():
            if level >= 0:
                pattern = int(self.model.design.pattern[self._first[name][level]])
                out |= {c: pattern for c in self._constant[name] if c not in out}
        return out

    def _level(self, group: Group, row: Mapping[str, Any]) -> int | None:
        """Position of a named level; -1 for one that is not in the data, None for none named.

        Of nested groups, `school:id`, all variables are named, or the innermost alone if its ids
        say which level it is.
        """
        inner = group.variables[-1]
        if inner not in row or pd.isna(row[inner]):
            return None
        places = self._places[group.name]
        given = [row.get(name) for name in group.variables]
        if not any(pd.isna(value) for value in given):
            return places.get(":".join(_text(value) for value in given), -1)
        ending = f":{_text(row[inner])}"
        found = [label for label in places if label.endswith(ending)]
        if len(found) > 1:
            missing = " and ".join(v for v in group.variables if v not in row)
            raise DataError(
                f"{inner} = {row[inner]!r} is found in {len(found)} levels of {group.name}, first "
                f"{found[0]!r}. Name {missing} too."
            )
        return places[found[0]] if found else -1

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        """Group -> label -> position."""
        groups = self.model.design.groups
        return {g.name: {str(label): k for k, label in enumerate(g.labels)} for g in groups}

    @cached_property
    def _above(self) -> dict[str, tuple[str, ...]]:
        return levels_above(self.model.design)

    @cached_property
    def _first(self) -> dict[str, np.ndarray]:
        """Group -> the first row of each level."""
        groups = self.model.design.groups
        return {g.name: np.unique(g.level, return_index=True)[1] for g in groups}

    @cached_property
    def _constant(self) -> dict[str, list[str]]:
        """Group -> covariates that are the same in all answers of each of its levels."""
        design, patterns = self.model.design, self.model.responses.patterns
        codes = {str(c): pd.factorize(patterns[c])[0][design.pattern] for c in patterns}
        return {
            group.name: [
                name
                for name, code in codes.items()
                if np.array_equal(code, code[self._first[group.name]][group.level])
            ]
            for group in design.groups
        }


def _text(value: object) -> str:
    """A level's name: whole numbers without a point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
