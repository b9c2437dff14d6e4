"""Centre covariates at their grand mean or at their group's mean, and say what was subtracted."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ilhte_bayes.data.open_table import Table, open_table, require_columns
from ilhte_bayes.errors import DataError, listed


class Centred(NamedTuple):
    """A table with centred columns, and what was subtracted from them.

    `table`: a copy of the caller's, same columns. `subtracted`: a row for each group (one, "all
    rows", for grand means), a column for each centred one.
    """

    table: pd.DataFrame
    subtracted: pd.DataFrame

    def __repr__(self) -> str:
        text = self.subtracted.to_string(max_rows=10)
        return f"{self._title}:\n{text}"

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.html_tables import html_table

        return html_table(self.subtracted.head(10), self._title, capital=False)

    @property
    def _title(self) -> str:
        return f"{len(self.table):,} rows, centred columns less their means (over rows)"


def centre(table: Table, columns: str | Sequence[str], by: str | None = None) -> Centred:
    """Subtract from covariates their mean over all rows, or over the rows of their group.

    A grand-mean centred predictor makes the intercept that of an average row. Group-mean centring
    (`by="school"`) leaves what differs within schools alone; put the means themselves beside it,
    `table["ses_mean"] = table.groupby("school")["ses"].transform("mean")`, for what differs between.

    Parameters
    ----------
    table : pandas.DataFrame, str or path
    columns : str or sequence of str
        Numeric columns; 0/1 indicators have a meaningful 0 and are rarely centred.
    by : str, optional
        Column with the group whose mean is subtracted; the grand mean by default.

    Returns
    -------
    Centred
        `table, subtracted = il.centre(...)`; missing values stay missing and count in no mean.

    Raises
    ------
    DataError
        If a column is not there or not numeric, or rows have no group.

    Examples
    --------
    >>> import pandas as pd
    >>> import ilhte_bayes as il
    >>> table, subtracted = il.centre(pd.DataFrame({"age": [20, 30, 40]}), "age")
    >>> table["age"].tolist(), float(subtracted.loc["all rows", "age"])
    ([-10.0, 0.0, 10.0], 30.0)
    """
    frame = open_table(table)
    names = [columns] if isinstance(columns, str) else list(columns)
    require_columns(frame, [*names, *([by] if by else [])])
    if bad := [name for name in names if not _is_numeric(frame[name])]:
        raise DataError(
            f"{listed(bad)} holds {frame[bad[0]].dtype} values, which have no mean. Centre numbers, "
            f"or read the column as such: pd.to_numeric(table[{bad[0]!r}])."
        )
    if by in names:
        raise DataError(f"{by!r} is the group and is to be centred too. Name another column.")
    out = frame.copy()
    if by is None:
        subtracted = frame[names].mean().astype(float).to_frame("all rows").T
        out[names] = frame[names].astype(float) - subtracted.loc["all rows"]
        return Centred(out, subtracted)
    if missing := int(frame[by].isna().sum()):
        raise DataError(
            f"{missing:,} row(s) have no {by!r}, so no group mean. Drop them: "
            f"table.dropna(subset=[{by!r}])."
        )
    groups = frame[names].astype(float).groupby(frame[by], observed=True)
    out[names] = frame[names].astype(float) - groups.transform("mean")
    return Centred(out, groups.mean())


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
