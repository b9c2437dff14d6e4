"""Predictor: a part of the linear predictor, at the places where it takes different values."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ilhte_bayes.formulas.design import Design


@dataclass(frozen=True, slots=True)
class Column:
    """One column of random effects: adds z * re_<group>[level, position] at each place."""

    group: str
    position: int
    level: np.ndarray  # (place,)
    z: np.ndarray | None  # (place,); None where it is 1 everywhere


@dataclass(frozen=True, slots=True)
class Predictor:
    """value[place] = x @ beta[terms] + sum over columns of z * effect[level], in logits."""

    terms: tuple[int, ...]  # positions in design.terms
    x: np.ndarray  # (place, term)
    columns: tuple[Column, ...]
    n_places: int

    def value(self, beta: Any, effects: dict[str, Any]) -> Any:
        """Evaluate on arrays of NumPy or PyTensor alike.

        Parameters
        ----------
        beta : (term,) all fixed effects of the design
        effects : group -> (level, column)
        """
        total: Any = np.zeros(self.n_places)
        if self.terms:
            total = total + self.x @ beta[np.array(self.terms)]
        for column in self.columns:
            effect = effects[column.group][column.level, column.position]
            total = total + (effect if column.z is None else column.z * effect)
        return total


def predictor_at(
    design: Design, rows: np.ndarray, terms: tuple[int, ...], columns: list[tuple[str, int]]
) -> Predictor:
    """Collect the chosen terms and random-effect columns at representative rows."""
    pattern = design.pattern[rows]
    parts = []
    for name, position in columns:
        group = design.group(name)
        z = group.z[pattern, position]
        parts.append(Column(name, position, group.level[rows], None if (z == 1).all() else z))
    x = np.ascontiguousarray(design.x[pattern][:, list(terms)])
    return Predictor(terms, x, tuple(parts), rows.size)
