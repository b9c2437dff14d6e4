"""Open the caller's table: a pandas frame, or the path of a CSV or Parquet file."""

import difflib
import re
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from ilhte_bayes.data.files import LONG, read_file
from ilhte_bayes.data.names import require_printable
from ilhte_bayes.errors import DataError, listed

type Table = pd.DataFrame | str | PathLike[str]


def open_table(source: Table) -> pd.DataFrame:
    """Return the table as a pandas frame; a frame is not copied.

    Raises
    ------
    DataError
        If the file does not exist, cannot be read, or holds no rows; or a column stands twice.
    """
    if isinstance(source, pd.DataFrame):
        table, name = source, "the table"
    elif isinstance(source, str | PathLike):
        table, name = read_file(Path(source)), f"{Path(source).name!r}"
    else:
        raise DataError(_not_a_table(source))
    if isinstance(table.columns, pd.MultiIndex):
        raise DataError(
            f"{name} has {table.columns.nlevels} rows of column names. Join them into one first: "
            "table.columns = ['_'.join(map(str, names)) for names in table.columns]."
        )
    if not all(isinstance(column, str) for column in table.columns):
        table = table.set_axis([str(column) for column in table.columns], axis="columns")
    if table.shape[1] == 0:
        raise DataError(f"{name} has no columns. {LONG}")
    if len(table) == 0:
        raise DataError(f"{name} has no rows, only the columns {listed(table.columns, 10)}. {LONG}")
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()].unique().tolist()
        raise DataError(
            f"{name} has column {listed(twice)} more than once. Rename or drop the copies."
        )
    return table


def require_columns(
    table: pd.DataFrame, names: Iterable[str], *, cure: str = "Check its spelling."
) -> None:
    """Refuse names that the table lacks, with the nearest name it has.

    Parameters
    ----------
    table : pd.DataFrame
    names : iterable of str
        Columns that must be there.
    cure : str
        What to type next where nothing more helpful is known.

    Raises
    ------
    DataError
        With a suggestion: a similar name, the index, or how to make a wide table long. And if a
        name cannot be printed.
    """
    present = table.columns.tolist()
    known = set(present)
    names = list(dict.fromkeys(names))
    absent = [name for name in names if name not in known]
    if not absent:
        require_printable(names)
        return
    what = "column" if len(absent) == 1 else "columns"
    indexed = [name for name in absent if name in table.index.names]
    near = _nearest(absent[0], present)
    if indexed:
        cure = f"{listed(indexed)} is in the index: table.reset_index() makes it a column."
    elif near is not None:
        spaces = " (mind the space)" if near != near.strip() else ""
        cure = f"Did you mean {near!r}{spaces}?"
    elif len(wide := _like_items(table)) >= 3:
        cure = (
            f"If each item has a column of its own ({listed(wide, 3)}), make the table long: "
            f"table.melt(id_vars={_others(present, wide)}, var_name='item', value_name='resp')."
        )
    raise DataError(
        f"{what} {listed(absent)} not found; the table has {listed(present, 12)}. {cure}"
    )


def _nearest(name: str, present: Sequence[str]) -> str | None:
    plain = {column.strip().casefold(): column for column in reversed(present)}
    if name.strip().casefold() in plain:
        return plain[name.strip().casefold()]
    near = difflib.get_close_matches(name.casefold(), list(plain), n=1, cutoff=0.7)
    return plain[near[0]] if near else None


def _like_items(table: pd.DataFrame) -> list[str]:
    """Columns that look like items side by side: one stem and a number, few whole values."""
    stems: dict[str, list[str]] = {}
    for name in table.columns:
        numbered = re.fullmatch(r"(.*?[^\d])[\d]+", name)
        if numbered and table[name].head(1000).nunique() <= 10:
            stems.setdefault(numbered.group(1), []).append(name)
    return max(stems.values(), key=len, default=[])


def _others(present: Sequence[str], wide: Sequence[str]) -> list[str]:
    rest = [name for name in present if name not in wide]
    return rest if len(rest) <= 6 else [*rest[:6], "..."]


def _not_a_table(source: Any) -> str:
    kind = f"{type(source).__module__.partition('.')[0]}.{type(source).__qualname__}"
    kind = kind.removeprefix("builtins.")
    if hasattr(source, "collect") and not hasattr(source, "to_pandas"):
        cure = "Give table.collect().to_pandas()."
    elif hasattr(source, "to_pandas"):
        cure = "Give table.to_pandas()."
    elif hasattr(source, "df") or hasattr(source, "toPandas"):
        cure = f"Give table.{'df()' if hasattr(source, 'df') else 'toPandas()'}."
    elif isinstance(source, dict | list | tuple):
        cure = "Give pd.DataFrame(table)."
    elif isinstance(source, pd.Series):
        cure = "Give a frame with a column for each of answer, arm, person and item."
    else:
        cure = "Give a pandas DataFrame, or the path of a .csv, .csv.gz or .parquet file."
    return f"the table is of type {kind}, not a pandas DataFrame. {cure}"
