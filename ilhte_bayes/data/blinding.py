"""Answers that say nothing: a table to plan an analysis with before answers are seen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ilhte_bayes.data.open_table import Table, open_table
from ilhte_bayes.errors import DataError

BLINDED = "answers blinded"  # a blinded table's source ends with this


def blinded(
    table: Table, response: str = "resp", *, categories: Sequence = (0, 1), seed: int = 1
) -> pd.DataFrame:
    """Put answers drawn blindly in the place of the real ones, or where there are none yet.

    Parameters
    ----------
    table : DataFrame or path
        One row for each answer given or to be given: persons, items, arms, covariates.
    response : str
        Column of the answers; it need not be there.
    categories : sequence
        Answers that can be given, drawn with equal chances.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A copy. Answers that are missing stay missing; nothing else of the real ones is left.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.blinded(il.load_dataset("caffeine"), categories=range(4))
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    """
    values = list(categories)
    if len(values) < 2:
        raise DataError(
            f"categories={values}: an answer has two categories or more. Write categories=(0, 1)."
        )
    source = open_table(table)
    drawn = pd.Series(
        np.random.default_rng(seed).choice(np.array(values), len(source)), index=source.index
    )
    if response in source:
        drawn = drawn.mask(source[response].isna())
    out = source.assign(**{response: drawn})
    stored = dict(source.attrs.get("ilhte", {}))
    name = stored.get("dataset") or "a table in memory"
    out.attrs = {**source.attrs, "ilhte": {**stored, "dataset": f"{name}, {BLINDED}"}}
    return out
