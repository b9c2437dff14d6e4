"""The queries by which `reduce` counts: written once through narwhals, run by any engine.

A person's booklet, the set of items answered, is a sum of powers of two, one column for each
`_BLOCK` items: a number, so that persons of one booklet can be grouped, and its number of bits
falls short of the answers where an item was answered twice.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.coded import MISSING_TEXT, encode, used
from ilhte_bayes.data.reduction_source import Columns, pandas_of

_BLOCK = 40  # items whose powers of two go into one sum: 2^40, and some thousand repeats, are exact
N, SCORE, PERSONS, ONES, GAP, BITS = (
    f"ilhte_{name}" for name in ("n", "score", "persons", "ones", "gap", "bits")
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What remains of a table: see `reduction.Reduced`; items by position."""

    kinds: pd.DataFrame
    persons: np.ndarray
    score: np.ndarray
    booklet: np.ndarray
    kind: np.ndarray
    item: np.ndarray
    ones: np.ndarray


def flag_gaps(frame: Any, columns: Columns) -> Any:
    """Add a column of 0 and 1 for each needed one: whether its value is missing."""
    import narwhals as nw

    schema = frame.collect_schema()
    flags = {}
    for k, name in enumerate(columns.needed):
        gap = nw.col(name).is_null()
        if schema[name].is_float():
            gap = gap | nw.col(name).is_nan()
        elif schema[name] == nw.String:
            gap = gap | nw.col(name).is_in(list(MISSING_TEXT))
        flags[f"{GAP}{k}"] = gap.fill_null(True).cast(nw.Int64)
    return frame.with_columns(**flags)


def any_gap(columns: Columns) -> Any:
    """Whether one of the needed values of a row is missing."""
    import narwhals as nw

    return nw.sum_horizontal(*(f"{GAP}{k}" for k in range(len(columns.needed)))) > 0


def items_of(rows: Any, columns: Columns) -> np.ndarray:
    """All items, in natural order."""
    found = pandas_of(rows.select(columns.item).unique())
    return used(encode(found[columns.item])).values


def by_person(rows: Any, columns: Columns, items: np.ndarray) -> Any:
    """One row for each person (for each arm and covariate values they come with)."""
    import narwhals as nw

    n_blocks = -(-items.size // _BLOCK)
    bits = {}
    for block in range(n_blocks):
        own = items[block * _BLOCK : (block + 1) * _BLOCK].tolist()
        bits[f"{BITS}{block}"] = nw.col(columns.item).replace_strict(
            own, [1 << k for k in range(len(own))], default=0, return_dtype=nw.Int64
        )
    sums = [nw.col(name).sum() for name in bits]
    return (
        rows.with_columns(**bits)
        .group_by(*columns.path, columns.treatment, *columns.covariates)
        .agg(nw.len().alias(N), nw.col(columns.response).sum().alias(SCORE), *sums)
        .with_columns(*(nw.col(name).cast(nw.Int64) for name in (N, SCORE, *bits)))
    )


def _keys(people: Any, columns: Columns) -> list[str]:
    """What persons of one kind have in common."""
    names = people.collect_schema().names()
    bits = [name for name in names if name.startswith(BITS)]
    return [columns.treatment, *columns.clusters, *columns.covariates, *bits, N, SCORE]


def kinds_of(people: Any, columns: Columns) -> pd.DataFrame:
    """One row for each kind of person, with their number."""
    import narwhals as nw

    return pandas_of(people.group_by(*_keys(people, columns)).agg(nw.len().alias(PERSONS)))


def answers_of(rows: Any, people: Any, columns: Columns) -> pd.DataFrame:
    """One row for each kind of person and item, with the number of yeses."""
    import narwhals as nw

    keys = _keys(people, columns)
    about = [name for name in keys if name not in columns.path]
    return pandas_of(
        rows.select(*columns.path, columns.item, columns.response)
        .join(people.select(*columns.path, *about), on=list(columns.path), how="inner")
        .group_by(*keys, columns.item)
        .agg(nw.col(columns.response).sum().alias(ONES))
    )


def in_order(
    kinds: pd.DataFrame, answers: pd.DataFrame, columns: Columns, items: np.ndarray
) -> Counted:
    """Number kinds and items in an order that depends on their values alone."""
    bits = [name for name in kinds if str(name).startswith(BITS)]
    about = [columns.treatment, *columns.clusters, *columns.covariates]
    coded = {name: used(encode(kinds[name])) for name in about}
    booklet = kinds.groupby([*bits[::-1]], sort=True).ngroup().to_numpy()
    by = [kinds[SCORE].to_numpy(), booklet, *(coded[name].code for name in about[::-1])]
    order = np.lexsort(by)
    frame = pd.DataFrame({name: coded[name].values[coded[name].code[order]] for name in about})
    keys = [*about, *bits, N, SCORE]
    numbered = kinds.iloc[order][keys].assign(kind=np.arange(order.size))
    rows = answers.merge(numbered, on=keys, how="inner", validate="many_to_one")
    place = {value: at for at, value in enumerate(items.tolist())}
    kind, item = rows["kind"].to_numpy(), rows[columns.item].map(place).to_numpy(dtype=np.int64)
    first = np.lexsort([item, kind])
    return Counted(
        kinds=frame,
        persons=_whole(kinds[PERSONS], order),
        score=_whole(kinds[SCORE], order),
        booklet=booklet[order],
        kind=kind[first],
        item=item[first],
        ones=_whole(rows[ONES], first),
    )


def _whole(column: pd.Series, order: np.ndarray) -> np.ndarray:
    return column.to_numpy(dtype=np.int64)[order]
