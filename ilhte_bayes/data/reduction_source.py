"""Where answers are that `reduce` counts: files read by DuckDB, or a frame of any engine."""

import contextlib
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ilhte_bayes.data.integer_codes import MISSING_TEXT
from ilhte_bayes.errors import DataError, listed

if TYPE_CHECKING:
    import narwhals as nw


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that are read."""

    response: str
    treatment: str
    person: str
    item: str
    clusters: tuple[str, ...]
    covariates: tuple[str, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """Columns that together identify a person."""
        return (*self.clusters, self.person)

    @property
    def needed(self) -> tuple[str, ...]:
        """All of them, each once."""
        names = (self.response, *self.covariates, self.treatment, *self.path, self.item)
        return tuple(dict.fromkeys(names))


_FILES = ".parquet, .csv or .csv.gz"


@contextmanager
def opened(
    source: Any, columns: Columns, memory_limit: str | None
) -> Iterator[tuple["nw.LazyFrame | nw.DataFrame", str]]:
    """The needed columns as a narwhals frame, and a name for messages; closed at the end.

    Raises
    ------
    DataError
        If there is nothing to read, a column is not there, or its engine is not installed.
    """
    with contextlib.ExitStack() as stack:
        name = "the table"
        if isinstance(source, str | PathLike) or _paths(source):
            source, name = _files(source, memory_limit, stack)
        elif memory_limit is not None:
            raise DataError(
                "memory_limit is for files, which DuckDB reads here; another engine has its own "
                "settings. Leave it out."
            )
        try:
            yield _framed(source, columns), name
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryException" and memory_limit is not None:
                raise DataError(
                    f"DuckDB cannot count {name} within memory_limit={memory_limit!r}, although "
                    "it writes to disk what it can. Raise the limit: 1GiB is enough for 10 million "
                    "persons and 20 items."
                ) from error
            raise


def _paths(source: Any) -> bool:
    if not isinstance(source, list | tuple) or not source:
        return False
    return all(isinstance(one, str | PathLike) for one in source)


def _files(source: Any, memory_limit: str | None, stack: contextlib.ExitStack) -> tuple[Any, str]:
    """A DuckDB relation on files, in a database of its own."""
    many = [source] if isinstance(source, str | PathLike) else source
    paths = [path for one in many for path in _found(Path(one).expanduser())]
    kinds = {"parquet" if path.endswith(".parquet") else "csv" for path in paths}
    if len(kinds) > 1:
        raise DataError("some of the files are Parquet and some CSV. Give those of one kind.")
    try:
        import duckdb
    except ImportError:
        raise DataError(
            "files are reduced by DuckDB, which is not installed. Type: pip install "
            "'ilhte-bayes[duckdb]'; or give a Dask, Spark, Polars or pandas frame."
        ) from None
    spilled = stack.enter_context(TemporaryDirectory(prefix="ilhte-"))
    connection: Any = stack.enter_context(duckdb.connect())
    connection.execute(f"set temp_directory = '{spilled}'")  # what memory does not hold
    _set_limits(connection, memory_limit, duckdb.Error)
    try:
        if kinds == {"parquet"}:
            found = connection.read_parquet(paths, union_by_name=True)
        else:
            found = connection.read_csv(paths, na_values=list(MISSING_TEXT))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{paths[0]!r} cannot be read ({reason}). Export it again.") from None
    return found, paths[0] if len(paths) == 1 else f"{len(paths)} files, first {paths[0]}"


def _set_limits(connection: Any, memory_limit: str | None, error: type[Exception]) -> None:
    connection.execute("set preserve_insertion_order = false")
    if memory_limit is None:
        return
    try:
        connection.execute(f"set memory_limit = '{memory_limit}'")
    except error:
        raise DataError(
            f"memory_limit={memory_limit!r} is no amount of memory. Write '2GiB' or '500MB'."
        ) from None


def _found(path: Path) -> list[str]:
    """Files meant by a path, a folder or a pattern."""
    if path.is_dir():
        files = sorted(str(one) for one in path.rglob("*.parquet"))
        if not files:
            raise DataError(f"the folder '{path}' holds no .parquet file. Name the files.")
        return files
    files = sorted(glob(str(path), recursive=True)) or [str(path)]
    for one in files:
        if not one.endswith((".parquet", ".csv", ".csv.gz")):
            raise DataError(f"'{one}' is none of {_FILES}. Export the table as one of these.")
        if not Path(one).is_file():
            raise DataError(f"no file at '{one}'. Check the path or the pattern.")
    return files


def _framed(source: Any, columns: Columns) -> Any:
    """The needed columns, through narwhals."""
    import narwhals as nw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # where Dask's part of narwhals will live
        try:
            frame = nw.from_native(source)
        except TypeError:
            raise DataError(
                f"a {type(source).__name__} is no table that can be reduced. Give the path of "
                f"{_FILES} files, a DuckDB relation, or a Dask, Spark, Polars or pandas frame."
            ) from None
    present = frame.collect_schema().names()
    if absent := [name for name in columns.needed if name not in present]:
        raise DataError(
            f"column {listed(absent)} not found; the table has {listed(present, 12)}. Name yours: "
            "il.reduce(..., response=, treatment=, person=, item=)."
        )
    frame = frame.select(*columns.needed)
    texts = [
        name for name, kind in frame.collect_schema().items() if kind in (nw.Categorical, nw.Enum)
    ]
    return frame.with_columns(nw.col(texts).cast(nw.String)) if texts else frame


@contextmanager
def kept(frame: Any) -> Iterator[Any]:
    """The frame worked out once by its engine, and kept there until the end."""
    import narwhals as nw

    kind = frame.implementation
    native = frame.to_native()
    if kind.is_duckdb():
        name = f"ilhte_{secrets.token_hex(6)}"
        native.query("persons", f"create temp table {name} as select * from persons")
        try:
            yield nw.from_native(native.query("persons", f"select * from {name}"))
        finally:
            native.query("persons", f"drop table {name}")
    elif kind.is_dask():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield nw.from_native(native.persist())
    elif kind.is_pyspark():
        yield nw.from_native(native.cache())
        native.unpersist()
    elif isinstance(frame, nw.LazyFrame):
        yield frame.collect().lazy()
    else:
        yield frame


def pandas_of(frame: Any) -> Any:
    """What an engine found, as a pandas frame."""
    import narwhals as nw

    return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_pandas()
