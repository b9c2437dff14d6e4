"""Read a CSV or Parquet file; whatever is wrong with it becomes a sentence."""

import re
import warnings
from pathlib import Path

import pandas as pd

from ilhte_bayes.data.integer_codes import MISSING_TEXT
from ilhte_bayes.errors import DataError, listed

_ENDINGS = (".csv", ".csv.gz", ".parquet")
_KINDS = ".csv, .csv.gz or .parquet"
LONG = "Give a table in long form, one row for each answer."
_OTHER_KINDS = {
    b"PK\x03\x04": ("a zip archive, perhaps a spreadsheet", "Export the table as CSV."),
    b"\x1f\x8b": ("compressed", "Rename it so that it ends in .csv.gz."),
    b"PAR1": ("Parquet", "Rename it so that it ends in .parquet."),
    b"\xff\xfe": ("UTF-16 text", "Export it as UTF-8."),
    b"\xfe\xff": ("UTF-16 text", "Export it as UTF-8."),
}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_file(path: Path) -> pd.DataFrame:
    """Read a table; in text only empty cells, `NA` and `NaN` are missing.

    Raises
    ------
    DataError
        If the file is not there, not of a known kind, damaged, or not separated by commas.
    """
    ending = _ending(path)
    if path.is_dir():
        raise DataError(f"'{path}' is a folder. Give the path of a {_KINDS} file.")
    if not path.is_file():
        raise DataError(f"no file at '{path}'. Check the path, or give a pandas DataFrame.")
    if ending not in _ENDINGS:
        found = f"ends in {ending!r}" if ending else "has no ending"
        raise DataError(f"{path.name!r} {found}; give a {_KINDS} file. Export the table as CSV.")
    try:
        if ending == ".parquet":
            return _read_parquet(path)
        _check_first_bytes(path, ending)
        return _read_csv(path)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name!r} is not UTF-8 text (byte {error.object[error.start]:#04x} cannot be "
            "read). Export it as UTF-8, or read it yourself: pd.read_csv(path, encoding='latin-1')."
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path.name!r} is empty. {LONG}") from None
    except Exception as error:  # whatever the reader meets in a damaged file becomes one sentence
        raise DataError(_damaged(path, ending, error)) from None


def _ending(path: Path) -> str:
    name = path.name.lower()
    known = [ending for ending in _ENDINGS if name.endswith(ending)]
    return max(known, key=len) if known else path.suffix


def _check_first_bytes(path: Path, ending: str) -> None:
    """Recognise a file of another kind by its first bytes, whatever its name says."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise DataError(f"{path.name!r} is empty. {LONG}")
    if ending != ".csv":
        return
    for start, (what, cure) in _OTHER_KINDS.items():
        if head.startswith(start):
            raise DataError(f"{path.name!r} is {what}, not CSV. {cure}")
    if b"\0" in head:
        raise DataError(
            f"{path.name!r} holds bytes that text has not, so it is not CSV. Export the table as CSV."
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path)
    # pandas keeps its index apart from the columns; in a file it is a column like the others
    return table.reset_index() if any(table.index.names) else table


def _read_csv(path: Path) -> pd.DataFrame:
    options = {"keep_default_na": False, "compression": "infer"}
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, **options)
    names = [str(name) for name in header.iloc[0]]
    if len(names) == 1:
        _check_separator(path, names[0])
    named = [name for name in names if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise DataError(
            f"{path.name!r} has column {listed(twice)} more than once. Rename or drop the copies."
        )
    with warnings.catch_warnings():
        # without this pandas takes rows longer than the header apart as it sees fit
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # low_memory would type a column piece by piece, and so make 1 and "1" of one item
        return pd.read_csv(
            path, na_values=list(MISSING_TEXT), index_col=False, low_memory=False, **options
        )


def _check_separator(path: Path, header: str) -> None:
    for separator, word in _SEPARATORS.items():
        if separator in header:
            raise DataError(
                f"{path.name!r} has one column, {header[:60]!r}: it is separated by {word}, not "
                f"commas. Export it with commas, or read it yourself: pd.read_csv(path, "
                f"sep={separator!r}), with decimal=',' if numbers are written 0,5."
            )


def _damaged(path: Path, ending: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, pd.errors.ParserWarning) or "Expected" in reason:
        line = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", reason)
        where = (
            f"line {line[2]} has {line[3]} values and the header {line[1]} names"
            if line
            else "rows have more values than the header has names"
        )
        return (
            f"{path.name!r}: {where}. Put text that holds commas in quotes, and export without "
            "row names."
        )
    return (
        f"{path.name!r} cannot be read as {ending.lstrip('.')} ({reason.rstrip('.')}). "
        "Export it again."
    )
