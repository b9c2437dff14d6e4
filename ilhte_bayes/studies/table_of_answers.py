"""A long table from a model's coded answers: one row each, with the columns that it was read from."""

from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model


def table_of(model: Model) -> pd.DataFrame:
    """Write a model's answers as a table.

    Returns
    -------
    pandas.DataFrame
        A column for each grouping variable, covariate and the response, in the words they were
        read in; the columns in an order of our own. A response that was a comparison
        (`resp >= 2`) is 0 or 1.
    """
    responses, design = model.responses, model.design
    rows = np.repeat(np.arange(design.n_rows), design.count)
    columns: dict[str, object] = {}
    for group in sorted(design.groups, key=lambda g: -len(g.variables)):
        for name, labels in _of_group(group).items():
            columns.setdefault(name, labels[group.level[rows]])
    for name in responses.patterns.columns:
        if name not in columns:
            values = responses.patterns[name].array
            columns[name] = _whole(values).take(responses.pattern[rows])
    response = model.formula.response
    coding = responses.response_coding
    score = design.score[rows]
    if response.comparison is not None:
        columns[response.column] = score.astype(np.int64)
    else:
        answers = np.asarray(coding.levels)[score]
        columns[response.column] = _as_read(answers, list(coding.levels))
    return pd.DataFrame(columns)


def _of_group(group: Group) -> dict[str, np.ndarray]:
    """(level,) label of each variable of a group."""
    if len(group.variables) == 1:
        return {group.variables[0]: np.asarray(group.labels)}
    n = len(group.variables)
    parts = [str(label).split(":", n - 1) for label in group.labels]
    return {
        name: np.array([part[k] for part in parts], dtype=object)
        for k, name in enumerate(group.variables)
    }


def _whole(values: Any) -> Any:
    """Numbers without a fraction as whole numbers."""
    if values.dtype.kind == "f" and (np.asarray(values) % 1 == 0).all():
        return np.asarray(values).astype(np.int64)
    return values


def _as_read(answers: np.ndarray, levels: list) -> object:
    """Numbers where all levels are; otherwise ordered words."""
    try:
        return np.asarray(answers, dtype=float).astype(np.int64)
    except ValueError:
        return pd.Categorical(answers, categories=levels, ordered=True)
