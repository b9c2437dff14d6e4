"""The complete rows of a table: missing values are dropped once, here, and counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ilhte_bayes.data.integer_codes import Coded, encode, used
from ilhte_bayes.data.needed import Needed
from ilhte_bayes.data.open_table import require_columns
from ilhte_bayes.errors import DataError


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows left out because a column that the formula uses was missing."""

    n_rows: int
    by_column: Mapping[str, int]
    by_item: Mapping[str, int]
    by_arm: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows in which nothing the formula needs is missing, coded column by column.

    `response` keeps the levels of a Categorical that no row holds: a comparison may name one.
    The caller's table is neither copied nor changed; its index plays no part.
    """

    table: pd.DataFrame
    kept: np.ndarray | None  # (row of the table,) bool; None where all are
    response: Coded
    _coded: dict[str, Coded] = field(default_factory=dict)  # each column is coded once

    def __len__(self) -> int:
        return len(self.table) if self.kept is None else int(self.kept.sum())

    def __contains__(self, name: object) -> bool:
        return name in self.table.columns

    def coded(self, name: str) -> Coded:
        """One column, without the levels that no row holds; -1 where a role's column is missing."""
        if name not in self._coded:
            self._coded[name] = self.look(name)
        return self._coded[name]

    def look(self, name: str) -> Coded:
        """As `coded`, for a column that is looked at once: its codes are not kept."""
        return self._coded.get(name) or used(self.with_unused(name))

    def with_unused(self, name: str) -> Coded:
        """One column, with all the levels of a Categorical."""
        return _keep(encode(self.table[name]), self.kept)

    def first(self, n: int) -> pd.DataFrame:
        """The first rows of the table, for a look before the whole is worked on."""
        at = np.arange(min(n, len(self.table)))
        at = at if self.kept is None else np.flatnonzero(self.kept[: 2 * n])[:n]
        return self.table.iloc[at]

    def at(self, rows: np.ndarray) -> pd.DataFrame:
        """Some rows of the table, with the labels they have there."""
        return self.table.iloc[rows if self.kept is None else np.flatnonzero(self.kept)[rows]]


def complete_rows(
    table: pd.DataFrame, needed: Needed, item: str | None, treatment: str | None
) -> tuple[Rows, Dropped]:
    """Drop the rows in which a needed column is missing, once, and count them.

    Parameters
    ----------
    table : pd.DataFrame
    needed : Needed
        The columns a formula uses.
    item, treatment : str, optional
        Columns by whose levels dropped rows are counted.

    Returns
    -------
    Rows, Dropped

    Raises
    ------
    DataError
        If a needed column is not there, or no complete row is left.
    """
    require_columns(table, needed.columns)
    coded = {name: encode(table[name]) for name in needed.columns}
    gaps = {name: int((column.code < 0).sum()) for name, column in coded.items()}
    by_column = {name: n for name, n in gaps.items() if n}
    answers = needed.response.column
    if not by_column:
        response = coded[answers]
        coded = {name: used(column) for name, column in coded.items()}
        return Rows(table, None, response, coded), Dropped(0, {}, {}, {})
    gone = np.zeros(len(table), dtype=bool)
    for name in by_column:
        gone |= coded[name].code < 0
    if gone.all():
        raise DataError(_nothing_left(by_column, len(table)))
    dropped = Dropped(
        n_rows=int(gone.sum()),
        by_column=by_column,
        by_item=_tally(table, coded, item, gone),
        by_arm=_tally(table, coded, treatment, gone),
    )
    kept = ~gone
    for name in coded:
        coded[name] = _keep(coded[name], kept)
    response = coded[answers]
    coded = {name: used(column) for name, column in coded.items()}
    return Rows(table, kept, response, coded), dropped


def _keep(column: Coded, kept: np.ndarray | None) -> Coded:
    return column if kept is None else replace(column, code=column.code[kept])


def _tally(
    table: pd.DataFrame, coded: Mapping[str, Coded], name: str | None, gone: np.ndarray
) -> dict[str, int]:
    """Dropped rows by level of a column."""
    if name is None or name not in table.columns:
        return {}
    column = coded[name] if name in coded else encode(table[name])
    lost = column.code[gone]
    counts = np.bincount(lost[lost >= 0], minlength=column.n_values)
    by_level = {label: int(n) for label, n in zip(column.texts, counts, strict=True) if n}
    return by_level | ({"(missing)": int((lost < 0).sum())} if (lost < 0).any() else {})


def _nothing_left(by_column: Mapping[str, int], n_rows: int) -> str:
    worst = max(by_column, key=lambda name: by_column[name])
    where = "all" if by_column[worst] == n_rows else f"{by_column[worst]:,} of {n_rows:,}"
    return (
        f"no row is complete: column {worst!r} is missing in {where} rows. Check how missing "
        "values are written, or leave the column out of the formula."
    )
