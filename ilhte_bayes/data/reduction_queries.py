"""The queries by which `reduce` counts: written once through narwhals, run by any engine.

A person's booklet, the set of items answered, is a sum of powers of two, one column for each
`_BLOCK` items: a number, so that persons of one booklet can be grouped, and its number of bits
falls short of the answers where an item was answered twice. The items answered with yes are another
such sum. A person is then one short row, the table is grouped once, and yeses of an item are the sum
of a bit over persons: no join of answers with persons, which took nine tenths of the time and
all of the memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.integer_codes import MISSING_TEXT, encode, used
from ilhte_bayes.data.reduction_source import Columns, pandas_of

_BLOCK = 40  # items whose powers of two go into one sum: 2^40, and some thousand repeats, are exact
N, SCORE, PERSONS, GAP, BITS, YES, KIND = (
    f"ilhte_{name}" for name in ("n", "score", "persons", "gap", "bits", "yes", "kind")
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


def _blocks(items: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Names of a block's two sums, and its items."""
    for block, first in enumerate(range(0, items.size, _BLOCK)):
        yield f"{BITS}{block}", f"{YES}{block}", items[first : first + _BLOCK]


def by_person(rows: Any, columns: Columns, items: np.ndarray) -> Any:
    """One row for each person (for each arm and covariate values they come with)."""
    import narwhals as nw

    powers: dict[str, Any] = {}
    for bits, yes, own in _blocks(items):
        power = nw.col(columns.item).replace_strict(
            own.tolist(), [1 << k for k in range(own.size)], default=0, return_dtype=nw.Int64
        )
        powers |= {bits: power, yes: power * nw.col(columns.response)}
    sums = [nw.col(name).sum() for name in powers]
    return (
        rows.with_columns(**powers)
        .group_by(*columns.path, columns.treatment, *columns.covariates)
        .agg(nw.len().alias(N), nw.col(columns.response).sum().alias(SCORE), *sums)
        .with_columns(*(nw.col(name).cast(nw.Int64) for name in (N, SCORE, *powers)))
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


def yeses_of(people: Any, columns: Columns, items: np.ndarray) -> Iterator[pd.DataFrame]:
    """For each block of items, one row for each kind of person, and a column of yeses an item."""
    import narwhals as nw

    keys = _keys(people, columns)
    for _, yes, own in _blocks(items):
        said = {f"{YES}_{k}": (nw.col(yes) // (1 << k)) % 2 for k in range(own.size)}
        sums = [nw.col(name).sum() for name in said]
        yield pandas_of(people.select(*keys, **said).group_by(*keys).agg(*sums))


def in_order(
    kinds: pd.DataFrame, yeses: Iterator[pd.DataFrame], columns: Columns, items: np.ndarray
) -> Counted:
    """Number kinds and items in an order that depends on their values alone."""
    bits = [name for name in kinds if str(name).startswith(BITS)]
    about = [columns.treatment, *columns.clusters, *columns.covariates]
    coded = {name: used(encode(kinds[name])) for name in about}
    booklet = kinds.groupby([*bits[::-1]], sort=True).ngroup().to_numpy()
    by = [kinds[SCORE].to_numpy(), booklet, *(coded[name].code for name in about[::-1])]
    order = np.lexsort(by)
    frame = pd.DataFrame({name: coded[name].values[coded[name].code[order]] for name in about})
    numbered = kinds.iloc[order][[*about, *bits, N, SCORE]].assign(**{KIND: np.arange(order.size)})
    kind, item, ones = _long(numbered, yeses, items)
    first = np.lexsort([item, kind])
    return Counted(
        kinds=frame,
        persons=_whole(kinds[PERSONS], order),
        score=_whole(kinds[SCORE], order),
        booklet=booklet[order],
        kind=kind[first],
        item=item[first],
        ones=ones[first],
    )


def _long(
    numbered: pd.DataFrame, yeses: Iterator[pd.DataFrame], items: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Kind, position of an item in its booklet, and number of yeses: (row,) each."""
    keys = [name for name in numbered if name != KIND]
    parts = []
    for block, ((bits, _, own), wide) in enumerate(zip(_blocks(items), yeses, strict=True)):
        rows = numbered.merge(wide, on=keys, how="inner", validate="one_to_one")
        asked = rows[bits].to_numpy(dtype=np.int64)[:, None] >> np.arange(own.size) & 1
        at, k = np.nonzero(asked)
        ones = rows[[f"{YES}_{j}" for j in range(own.size)]].to_numpy(dtype=np.int64)
        parts.append((rows[KIND].to_numpy()[at], k + block * _BLOCK, ones[at, k]))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _whole(column: pd.Series, order: np.ndarray) -> np.ndarray:
    return column.to_numpy(dtype=np.int64)[order]
