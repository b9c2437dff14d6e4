"""Reduced: answers of yes and no, counted by kind of person; all that the sum-score path needs.

Persons of one arm, cluster and covariate values who were asked the same items (a *booklet*) and
have the same sum score are one kind. Given the items, their likelihoods are equal, so their number
and how many of them said yes to each item are sufficient: for abilities that are integrated out,
and items of equal discrimination, nothing else of the table enters.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.reduction_checks import (
    check_booklets,
    check_nesting,
    check_persons,
    complete,
    scored,
)
from ilhte_bayes.data.reduction_queries import by_person, in_order, items_of, kinds_of, yeses_of
from ilhte_bayes.data.reduction_source import Columns, kept, opened
from ilhte_bayes.data.roles import IRW_ITEM, IRW_PERSON, IRW_TREATMENT, Roles, check_distinct
from ilhte_bayes.data.rows import Dropped


@dataclass(frozen=True, slots=True)
class Reduced:
    """Counts by kind of person, and by kind and item; `Model` takes it in place of a table.

    Parameters
    ----------
    response : str
        Name of the column with the answers.
    roles : Roles
        Treatment, person, item, clusters (outermost first) and covariates.
    kinds : pandas.DataFrame
        (kind, column) the arm, clusters and covariates.
    persons, score, booklet : np.ndarray
        (kind,) how many persons, their sum score, which set of items they answered.
    kind, item, ones : np.ndarray
        (row,) a kind, an item of its booklet (its id), and how many of its persons said yes.
    dropped : Dropped
        Rows with missing values, by column, item and arm.
    notes : tuple of str
        What a reader should know of the table.
    source : str
        Where it came from.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> trial = trial.assign(high=(trial["resp"] >= 2).astype(int))
    >>> reduced = il.reduce(trial, response="high", clusters="study")
    >>> reduced.n_persons, reduced.n_answers
    (684, 6811)
    """

    response: str
    roles: Roles
    kinds: pd.DataFrame
    persons: np.ndarray
    score: np.ndarray
    booklet: np.ndarray
    kind: np.ndarray
    item: np.ndarray
    ones: np.ndarray
    dropped: Dropped
    notes: tuple[str, ...] = ()
    source: str = ""

    @property
    def n_persons(self) -> int:
        """Number of persons."""
        return int(self.persons.sum())

    @property
    def n_answers(self) -> int:
        """Number of answers."""
        return int(self.persons[self.kind].sum())

    def item_totals(self) -> pd.DataFrame:
        """Answers and yeses of each item by arm: `answers`, `ones`, `share`."""
        arm, item = str(self.roles.treatment), str(self.roles.item)
        frame = pd.DataFrame(
            {
                item: self.item,
                arm: self.kinds[arm].to_numpy()[self.kind],
                "answers": self.persons[self.kind],
                "ones": self.ones,
            }
        )
        totals = frame.groupby([item, arm], sort=True).sum()
        return totals.assign(share=totals["ones"] / totals["answers"])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one Parquet file, sealed; `il.load(path)` opens it.

        Raises
        ------
        DataError
            If it cannot be written there.
        """
        from ilhte_bayes.data.reduction_file import save_reduced

        return save_reduced(self, path)

    def __repr__(self) -> str:
        from ilhte_bayes.show.reduced_words import describe_reduced

        return describe_reduced(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def reduce(
    source: Any,
    *,
    response: str = "resp",
    treatment: str = IRW_TREATMENT,
    person: str = IRW_PERSON,
    item: str = IRW_ITEM,
    clusters: Sequence[str] | str = (),
    covariates: Sequence[str] | str = (),
    memory_limit: str | None = None,
) -> Reduced:
    """Count answers of yes and no by kind of person, in the engine that holds them.

    The table may be far larger than memory: it is grouped by person, then by what persons have in
    common, where it lies, and only the counts come here. A model of `Reduced` has the likelihood,
    and so the estimates and the posterior, of a model of the whole table.

    Parameters
    ----------
    source : str, path, list of paths, or table
        A Parquet or CSV file, a folder of Parquet files, or a pattern, `"answers/*.parquet"`, read
        by DuckDB; a DuckDB relation, a Dask, Spark, Polars or pandas frame, or any other that
        narwhals knows. Long form, one row for each answer.
    response : str
        Column of answers, 0 and 1 or false and true.
    treatment, person, item : str
        Columns; the defaults are the names of the Item Response Warehouse.
    clusters : str or sequence of str
        Groups of persons, outermost first. Persons are told apart within them.
    covariates : str or sequence of str
        Columns that are the same in all answers of a person. Each combination of their values is
        counted apart: the fewer there are, the more is saved.
    memory_limit : str, optional
        Of DuckDB, which reads the files, `"2GiB"`; beyond it writes to disk.

    Returns
    -------
    Reduced

    Raises
    ------
    DataError
        If an answer is not 0 or 1, a person is in several arms, answered an item twice, or differs
        in a covariate or cluster between answers; the rules of a table in memory.

    Notes
    -----
    Which items a person answered need not be the same for all: booklets, and single missing
    answers, are found from the answers and counted apart.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> trial = trial.assign(high=(trial["resp"] >= 2).astype(int))
    >>> reduced = il.reduce(trial, response="high", clusters="study")
    >>> reduced.n_persons
    684
    >>> model = il.il_hte(reduced, clusters="study")
    """
    groups, shifts = _as_list(clusters), _as_list(covariates)
    columns = Columns(response, treatment, person, item, groups, shifts)
    roles = Roles(treatment, person, item, None, groups, False, True, shifts)
    check_distinct(roles)
    with opened(source, columns, memory_limit) as (frame, name):
        rows, dropped = complete(frame, columns)
        rows = scored(rows, columns)
        items = items_of(rows, columns)
        with kept(by_person(rows, columns, items)) as people:
            check_persons(people, columns)
            notes = check_nesting(people, columns)
            kinds = kinds_of(people, columns)
            check_booklets(kinds, rows, columns)
            counted = in_order(kinds, yeses_of(people, columns, items), columns, items)
    return Reduced(
        response=response,
        roles=roles,
        kinds=counted.kinds,
        persons=counted.persons,
        score=counted.score,
        booklet=counted.booklet,
        kind=counted.kind,
        item=items[counted.item],
        ones=counted.ones,
        dropped=dropped,
        notes=notes,
        source=name,
    )


def _as_list(names: Sequence[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def kind_rows(reduced: Reduced) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The counts in long form: a row for each kind of person, item and answer.

    Returns
    -------
    table : pandas.DataFrame
        Columns of a table in memory; in place of a person stands the number of a kind.
    answers : np.ndarray
        (row,) answers that each row stands for, 1 or more.
    persons : np.ndarray
        (row,) persons that the row's kind stands for.
    """
    asked = reduced.persons[reduced.kind]
    answers = np.concatenate([asked - reduced.ones, reduced.ones])
    here = np.flatnonzero(answers > 0)
    kind = np.tile(reduced.kind, 2)[here]
    table = reduced.kinds.iloc[kind].reset_index(drop=True)
    table[reduced.roles.person] = kind
    table[reduced.roles.item] = np.tile(reduced.item, 2)[here]
    table[reduced.response] = np.repeat([0, 1], asked.size)[here]
    return table, answers[here], reduced.persons[kind]
