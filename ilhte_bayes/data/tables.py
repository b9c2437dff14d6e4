"""Open the caller's table: a pandas frame, or the path of a CSV or Parquet file."""

from os import PathLike
from pathlib import Path

import pandas as pd

from ilhte_bayes.errors import DataError, listed

Table = pd.DataFrame | str | PathLike[str]

MISSING_TEXT = ["", "NA", "NaN"]
_READERS = (".csv", ".csv.gz", ".parquet")


def open_table(source: Table) -> pd.DataFrame:
    """Return the table as a pandas frame; a frame is returned as it is, not copied.

    In files only empty cells, `NA` and `NaN` are missing: the text "None" is a value.

    Raises
    ------
    DataError
        If the file does not exist, cannot be read, or holds no rows.
    """
    if isinstance(source, pd.DataFrame):
        table, name = source, "the table"
    elif isinstance(source, str | PathLike):
        path = Path(source)
        table, name = _read_file(path), f"{path.name!r}"
    else:
        raise DataError(
            f"the table is a {type(source).__name__}. "
            "Give a pandas DataFrame, or the path of a .csv, .csv.gz or .parquet file."
        )
    if table.shape[1] == 0 or len(table) == 0:
        raise DataError(
            f"{name} has {len(table)} rows and {table.shape[1]} columns. "
            "Give a table in long form, one row for each answer."
        )
    columns = pd.Index(table.columns)
    if columns.has_duplicates:
        twice = columns[columns.duplicated()].unique().tolist()
        raise DataError(
            f"{name} has column(s) {listed(twice)} more than once. Rename or drop the copies."
        )
    return table


def _read_file(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"no file at '{path}'. Check the path, or give a pandas DataFrame.")
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if suffix not in _READERS:
        raise DataError(
            f"{path.name!r} ends in {suffix or 'nothing'!r}; files ending in "
            f"{', '.join(_READERS)} can be read. Export the table as CSV."
        )
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, keep_default_na=False, na_values=MISSING_TEXT)
    except pd.errors.EmptyDataError:
        raise DataError(
            f"{path.name!r} is empty. Give a table in long form, one row for each answer."
        ) from None
    except Exception as error:  # whatever the reader meets in a damaged file becomes one sentence
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path.name!r} cannot be read as {suffix.lstrip('.')} ({reason}). "
            "Open it in a text editor, or export it again."
        ) from None
