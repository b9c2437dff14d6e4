"""A column as whole numbers: coded once, here, so that every later step works on the codes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from ilhte_bayes.data.names import printable_names
from ilhte_bayes.errors import DataError

Kind = Literal["number", "bool", "text", "categorical", "time", "other"]

# "None", "null" and "n/a" can be answers or levels; only these three say that nothing is there.
MISSING_TEXT = ("", "NA", "NaN")

# pandas' word for the values found in a column -> ours
_KINDS: dict[str, Kind] = {
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "boolean": "bool",
    "string": "text",
    "empty": "text",
    "mixed": "text",
    "mixed-integer": "text",
    "datetime64": "time",
    "datetime": "time",
    "date": "time",
    "timedelta64": "time",
    "timedelta": "time",
    "time": "time",
    "period": "time",
}
_EXACT = 2**53  # whole numbers beyond this are rounded when they are kept as floating point


@dataclass(frozen=True, slots=True)
class Coded:
    """One column of a table: row r holds `values[code[r]]`.

    Values are in natural order (`q2` before `q10`), or in a Categorical's own.
    """

    name: str
    code: np.ndarray  # (row,) int32, -1 where missing
    values: np.ndarray  # (level,) numbers, booleans or text
    kind: Kind
    ordered: bool = False  # an ordered Categorical
    renamed: tuple[str, ...] = ()  # new names of values that could not be printed

    @property
    def n_values(self) -> int:
        """Number of distinct values."""
        return len(self.values)

    @property
    def texts(self) -> list[str]:
        """Values as text; whole numbers without a decimal point, however they are stored."""
        return [str(label) for label in self.labels().tolist()]

    def labels(self) -> np.ndarray:
        """Values as names of levels: text, or numbers (ids read as 1.0, 2.0 become 1, 2).

        Raises
        ------
        DataError
            If whole numbers are too large to have kept their last digits as floating point.
        """
        values = self.values
        if values.dtype.kind == "f" and is_whole(values).all():
            if np.abs(values).max(initial=0) >= _EXACT:
                raise DataError(
                    f"column {self.name!r} holds ids such as {values[-1]:.0f}, read as floating "
                    "point, which rounds their last digits and may merge neighbours. Read the "
                    f"column as text: pd.read_csv(path, dtype={{{self.name!r}: str}})."
                )
            values = values.astype(np.int64)
        if values.dtype.kind == "b":
            return values.astype(str).astype(object)
        return values.astype(object)


def encode(column: pd.Series) -> Coded:
    """Code one column; empty cells and the texts `NA` and `NaN` become -1.

    Levels of a Categorical that no row holds are still there: see `used`.

    Raises
    ------
    DataError
        If it holds values that cannot be told apart, such as lists, or `1` beside `"1"`.
    """
    name = str(column.name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        values, kind = _plain(name, column.cat.categories)
        values, renamed = _printable(values)
        code = column.cat.codes.to_numpy().astype(np.int32)
        coded = Coded(name, code, values, "categorical", bool(column.cat.ordered), renamed)
        return _without_missing_text(coded)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
        values, code = ranked(column.to_numpy())
        return Coded(name, code, values, "number")
    try:
        first_seen, found = pd.factorize(column)
    except TypeError:
        raise DataError(
            f"column {name!r} holds values of type {type(column.iloc[0]).__name__}, which are "
            "neither text nor numbers. Turn it into text or numbers first."
        ) from None
    values, kind = _plain(name, found)
    values, renamed = _printable(values)
    values, rank = _sorted(values)
    # the last entry is for missing values, whose code is -1 before and after
    code = np.append(rank, np.int32(-1))[first_seen]
    coded = Coded(name, code, values, kind, renamed=renamed)
    return _without_missing_text(coded)


def is_whole(numbers: np.ndarray) -> np.ndarray:
    """Which numbers are whole; infinity is not."""
    return np.isfinite(numbers) & (np.floor(numbers) == numbers)


def ranked(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct whole numbers, and the position of each row's number among them (int32)."""
    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    if low >= 0 and high < 2 * numbers.size:  # a table of what occurs is faster than a sort
        seen = np.zeros(high + 1, dtype=bool)
        seen[numbers] = True
        position = np.cumsum(seen, dtype=np.int32) - np.int32(1)
        return np.flatnonzero(seen), position[numbers]
    first_seen, values = pd.factorize(numbers)
    values, rank = _sorted(values)
    return values, rank[first_seen]


def used(coded: Coded) -> Coded:
    """Leave out the values that no row holds."""
    seen = np.zeros(coded.n_values + 1, dtype=bool)
    seen[coded.code] = True  # -1 marks the extra entry at the end
    seen = seen[:-1]
    if seen.all():
        return coded
    position = np.where(seen, np.cumsum(seen) - 1, -1).astype(np.int32)
    code = np.append(position, np.int32(-1))[coded.code]
    return replace(coded, code=code, values=coded.values[seen])


def natural_order(labels: Sequence[str]) -> list[str]:
    """Sort text so that `q2` comes before `q10`."""
    digits = re.compile(r"\d+")
    return sorted(labels, key=lambda text: (digits.sub(_padded, text), text))


def _padded(number: re.Match[str]) -> str:
    return number.group().zfill(20)


def cross(outer: np.ndarray, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code the pairs of two columns: (row,) pair, and each pair's outer and inner code.

    Pairs are sorted by outer code, then inner. Neither column may hold -1.
    """
    size = int(inner.max(initial=0)) + 1
    small = (int(outer.max(initial=0)) + 1) * size <= np.iinfo(np.int32).max
    whole: Any = np.int32 if small else np.int64  # a table may have many rows
    pair = outer.astype(whole)
    pair *= size
    pair += inner.astype(pair.dtype, copy=False)
    pairs, code = ranked(pair)
    outer_at, inner_at = np.divmod(pairs, size)
    return code, outer_at, inner_at


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in natural order, and the new position of each old one."""
    if values.dtype == object:
        labels = natural_order(values.tolist())
        position = {label: at for at, label in enumerate(labels)}
        rank = np.fromiter((position[value] for value in values), np.int32, len(labels))
        return np.array(labels, dtype=object), rank
    order = np.argsort(values, kind="stable")
    rank = np.empty(order.size, dtype=np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    return values[order], rank


def _without_missing_text(coded: Coded) -> Coded:
    if coded.values.dtype != object:
        return coded
    blank = np.append([value in MISSING_TEXT for value in coded.values], False)
    if not blank.any():
        return coded
    return replace(coded, code=np.where(blank[coded.code], np.int32(-1), coded.code))


def _printable(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values with names that can be printed, and the new names."""
    if values.dtype != object:
        return values, ()
    names = printable_names(values.tolist())
    renamed = tuple(new for new, old in zip(names, values, strict=True) if new != old)
    return (np.array(names, dtype=object), renamed) if renamed else (values, ())


def _as_text(value: object) -> str:
    """A value among text; 1, 1.0 and True are equal to Python, and so are one here."""
    whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    return str(int(value)) if whole else str(value)  # type: ignore[call-overload]


def _plain(name: str, values: Any) -> tuple[np.ndarray, Kind]:
    """Distinct values as a NumPy array of numbers, booleans or text."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb":
        return np.asarray(values), "bool" if values.dtype.kind == "b" else "number"
    kind = _KINDS.get(pd.api.types.infer_dtype(values, skipna=False), "other")
    plain = values.astype(str).tolist() if kind == "time" else values.tolist()
    if kind == "number":
        whole = all(isinstance(value, int) for value in plain)
        try:
            return np.array(plain, dtype=np.int64 if whole else np.float64), kind
        except OverflowError:  # ids of twenty digits: their digits matter, not their size
            kind = "text"
    if kind == "bool":
        return np.array(plain, dtype=bool), kind
    texts = [_as_text(value) for value in plain]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise DataError(
            f"column {name!r} holds both the number {twice} and the text {twice!r}. "
            f"Make them one: table[{name!r}] = table[{name!r}].astype(str)."
        )
    return np.array(texts, dtype=object), kind
