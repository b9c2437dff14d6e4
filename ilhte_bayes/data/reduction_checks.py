"""What `reduce` refuses: the rules of a table in memory (`checks`), asked as queries."""

from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.integer_codes import encode
from ilhte_bayes.data.reduction_queries import BITS, GAP, PERSONS, N, any_gap, flag_gaps
from ilhte_bayes.data.reduction_source import Columns, pandas_of
from ilhte_bayes.data.rows import Dropped
from ilhte_bayes.errors import DataError, listed_plainly

_RESTARTS = 0.5  # share of ids found in several clusters, above which they are numbered anew there


def complete(frame: Any, columns: Columns) -> tuple[Any, Dropped]:
    """The rows in which nothing is missing, and a count of the others.

    Raises
    ------
    DataError
        If no row is complete.
    """
    import narwhals as nw

    flagged = flag_gaps(frame, columns)
    flags = [f"{GAP}{k}" for k in range(len(columns.needed))]
    sums = [nw.col(name).sum() for name in flags]
    totals = pandas_of(flagged.select(*sums, nw.len().alias(N)))
    n_rows = int(totals[N].iloc[0])
    if n_rows == 0:
        raise DataError("the table has no rows. Give a table in long form, one row an answer.")
    gaps = {
        name: int(totals[flag].iloc[0]) for name, flag in zip(columns.needed, flags, strict=True)
    }
    by_column = {name: n for name, n in gaps.items() if n}
    if not by_column:
        return frame, Dropped(0, {}, {}, {})
    gone = flagged.filter(any_gap(columns))
    by_item, by_arm = (_tally(gone, name) for name in (columns.item, columns.treatment))
    n_gone = sum(by_item.values())
    if n_gone == n_rows:
        worst = max(by_column, key=lambda name: by_column[name])
        raise DataError(
            f"no row is complete: column {worst!r} is missing in {by_column[worst]:,} of "
            f"{n_rows:,} rows. Check how missing values are written."
        )
    rows = flagged.filter(~any_gap(columns)).select(*columns.needed)
    return rows, Dropped(n_gone, by_column, by_item, by_arm)


def _tally(gone: Any, name: str) -> dict[str, int]:
    """Rows left out by level of a column."""
    import narwhals as nw

    found = pandas_of(gone.group_by(name).agg(nw.len().alias(N)))
    column, n = encode(found[name]), found[N].to_numpy(dtype=np.int64)
    out = {
        text: int(n[column.code == k].sum())
        for k, text in enumerate(column.texts)
        if (column.code == k).any()
    }
    unknown = int(n[column.code < 0].sum())
    return out | ({"(missing)": unknown} if unknown else {})


def scored(rows: Any, columns: Columns) -> Any:
    """The rows with answers as the whole numbers 0 and 1.

    Raises
    ------
    DataError
        If an answer is anything else.
    """
    import narwhals as nw

    name = columns.response
    dtype = rows.collect_schema()[name]
    if not (dtype.is_numeric() or dtype == nw.Boolean):
        raise DataError(
            f"the response {name!r} holds text ({dtype}). Answers that are reduced are 0 and 1: "
            f"make them so where the table lies, for example in SQL ({name} = 'yes')::int."
        )
    if dtype != nw.Boolean:
        strange = rows.filter((nw.col(name) != 0) & (nw.col(name) != 1))
        found = pandas_of(strange.group_by(name).agg(nw.len().alias(N)).sort(name))
        if len(found):
            values = [f"{value:g}" for value in found[name].astype(float)]
            raise DataError(
                f"the response {name!r} holds {listed_plainly(values[:5], len(values))} in "
                f"{int(found[N].sum()):,} rows. Sum scores serve answers of 0 and 1: compare them "
                f"where the table lies, for example in SQL ({name} >= 2)::int; ordered categories "
                "as they are need the table itself, il.il_hte(table, family='cumulative')."
            )
    return rows.with_columns(nw.col(name).cast(nw.Int64))


def check_persons(people: Any, columns: Columns) -> None:
    """Refuse persons whose arm or covariates differ between their answers.

    Raises
    ------
    DataError
    """
    if not _several(people, columns)[0]:
        return
    n, who = _several(people.select(*columns.path, columns.treatment).unique(), columns)
    if n:
        several = f"{n} persons are" if n > 1 else "one person is"
        raise DataError(
            f"{several} in more than one arm of {columns.treatment!r}: {who}. Each person belongs "
            "to one arm: mend these rows. Persons who were meant to change arm have a sum score in "
            "each: such a trial needs the table itself, il.il_hte(table, crossover=True)."
        )
    n, who = _several(people, columns)
    raise DataError(
        f"covariates ({', '.join(columns.covariates)}) differ between the answers of {n:,} "
        f"person(s): {who}. A sum score belongs to one value of each: leave these covariates out "
        "of il.reduce, or fit the table itself."
    )


def _several(people: Any, columns: Columns) -> tuple[int, str]:
    """How many persons have several rows here, and the first of them."""
    import narwhals as nw

    found = people.group_by(*columns.path).agg(nw.len().alias(N)).filter(nw.col(N) > 1)
    n = int(pandas_of(found.select(nw.len().alias(N)))[N].iloc[0])
    if not n:
        return 0, ""
    first = pandas_of(found.sort(*columns.path).head(3))
    who = [
        " in ".join(f"{name} {row[name]}" for name in columns.path[::-1])
        for row in first.to_dict("records")
    ]
    return n, listed_plainly(who, n)


def check_nesting(people: Any, columns: Columns) -> tuple[str, ...]:
    """Refuse ids found here and there in two clusters; say where they are numbered anew.

    Raises
    ------
    DataError
    """
    import narwhals as nw

    notes = []
    for k in range(1, len(columns.path)):
        inner, outer = columns.path[k], ":".join(columns.path[:k])
        pairs = people.select(*columns.path[: k + 1]).unique()
        places = pairs.group_by(inner).agg(nw.len().alias(N))
        found = pandas_of(
            places.select(nw.len().alias(PERSONS), (nw.col(N) > 1).cast(nw.Int64).sum().alias(N))
        )
        n_ids, several = int(found[PERSONS].iloc[0]), int(found[N].iloc[0])
        if not several:
            continue
        if several <= _RESTARTS * n_ids:
            raise DataError(
                f"column {inner!r} is not nested in {columns.path[k - 1]!r}: {several:,} of its "
                f"{n_ids:,} ids appear in more than one {columns.path[k - 1]}. Mend the ids, or "
                f"reduce without {columns.path[k - 1]!r} among the clusters."
            )
        notes.append(
            f"ids in column {inner!r} restart in each {outer}: they are read as different units, "
            f"named {outer}:{inner}."
        )
    return tuple(notes)


def check_booklets(kinds: pd.DataFrame, rows: Any, columns: Columns) -> None:
    """Refuse persons who answered an item twice.

    Raises
    ------
    DataError
    """
    import narwhals as nw

    bits = [name for name in kinds if str(name).startswith(BITS)]
    different = np.bitwise_count(kinds[bits].to_numpy(dtype=np.int64)).sum(axis=1, dtype=np.int64)
    if (different == kinds[N].to_numpy(dtype=np.int64)).all():
        return
    identity = [*columns.path, columns.item]
    again = rows.group_by(*identity).agg(nw.len().alias(N)).filter(nw.col(N) > 1)
    n = int(pandas_of(again.select((nw.col(N) - 1).sum().alias(N)))[N].iloc[0])
    some = pandas_of(again.sort(*identity).head(3)).rename(columns={N: "answers"})
    raise DataError(
        f"{n:,} row(s) answer an item that the same person has already answered, for example\n"
        f"{some.to_string(index=False)}\n"
        "Keep one row for each person and item; occasions need the table itself, "
        "il.il_hte(table, occasion=...)."
    )
