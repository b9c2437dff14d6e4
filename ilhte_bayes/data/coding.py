"""Turn columns of the table into numbers and categories, and remember how in words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.formulas.grammar import ResponseTerm


@dataclass(frozen=True, slots=True)
class Coding:
    """How the categories of one column were turned into numbers."""

    column: str
    levels: tuple[str, ...]  # in order; the first is the reference, or score 0

    def __str__(self) -> str:
        if len(self.levels) <= 8:
            return f"{self.column}: " + ", ".join(f"{k} = {v}" for k, v in enumerate(self.levels))
        return f"{self.column}: {len(self.levels)} levels, 0 = {self.levels[0]} (reference)"


def natural_order(labels: Sequence) -> list:
    """Sort labels so that `q2` comes before `q10`; numbers by value."""
    if all(isinstance(label, (int, float, np.number, bool, np.bool_)) for label in labels):
        return sorted(labels)
    pieces = re.compile(r"(\d+)")

    def key(label) -> list:
        split = pieces.split(str(label))
        return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in split]

    return sorted(labels, key=key)


def is_text(column: pd.Series) -> bool:
    """Whether a column holds text (or mixed Python objects), whichever dtype pandas gave it."""
    return pd.api.types.is_string_dtype(column.dtype) or pd.api.types.is_object_dtype(column.dtype)


def code_covariate(column: pd.Series, reference: str | None) -> tuple[pd.Series, Coding | None]:
    """Return a numeric or Categorical column, and its coding if it is categorical.

    Text is coded against its first level in sorted order, a Categorical against its first
    category, unless `reference` names another level. `column` holds no missing values.
    """
    name = str(column.name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        coded = column.cat.remove_unused_categories().cat.as_unordered()
    elif is_text(column):
        try:
            coded = column.astype(pd.CategoricalDtype(natural_order(pd.unique(column))))
        except TypeError:
            raise DataError(
                f"column {name!r} holds values such as {column.iloc[0]!r}, "
                "which are neither text nor numbers. Turn it into text or numbers first."
            ) from None
    elif pd.api.types.is_bool_dtype(column.dtype):
        if reference is None:
            return column.astype(float), Coding(name, ("False", "True"))
        coded = column.astype(str).astype("category")
    elif pd.api.types.is_numeric_dtype(column.dtype) and not np.iscomplexobj(column.to_numpy()):
        if reference is not None:
            raise DataError(
                f"reference={{{name!r}: {reference!r}}} names a level of column {name!r}, which is "
                f"numeric. Drop it from reference, or write C({name}) in a table where it is text."
            )
        return column, None
    else:
        raise DataError(
            f"column {name!r} is of type {column.dtype}, which has no place in a formula. "
            "Turn it into numbers (days since the start, say) or text first."
        )
    if reference is not None:
        coded = _reference_first(coded, name, reference)
    return coded, Coding(name, tuple(str(level) for level in coded.cat.categories))


def _reference_first(coded: pd.Series, name: str, reference: str) -> pd.Series:
    levels = list(coded.cat.categories)
    matching = [level for level in levels if str(level) == str(reference)]
    if not matching:
        raise DataError(
            f"reference={{{name!r}: {reference!r}}}: column {name!r} has no such level; it has "
            f"{listed(levels, 10)}. Name one of these."
        )
    return coded.cat.reorder_categories(
        [matching[0], *(level for level in levels if level != matching[0])]
    )


def code_response(
    column: pd.Series, term: ResponseTerm, levels: Sequence | None, reference: str | None
) -> tuple[np.ndarray, Coding]:
    """Return scores 0..K-1 and what each stands for. `column` holds no missing values."""
    name = term.text
    if term.comparison is not None:
        return _compare(column, term), Coding(name, ("no", "yes"))
    if levels is not None:
        column = _stated_levels(column, levels)
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy().astype(np.int8), Coding(name, ("False", "True"))
    if isinstance(column.dtype, pd.CategoricalDtype) or is_text(column):
        coded, coding = code_covariate(column, reference)
        assert coding is not None
        return coded.cat.codes.to_numpy(), coding
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DataError(
            f"the response {name!r} is of type {column.dtype}. Answers are 0/1, text with two "
            f"values, or a comparison such as '{name} >= 2 ~ ...'."
        )
    values = column.to_numpy()
    found = np.unique(values)
    if not np.array_equal(found, found.round()) or found.size > 100 or found[0] != 0:
        if found.size > 1:
            _refuse_numeric_response(name, found)
        found = np.arange(0, 2)
    return values.astype(np.int8), Coding(
        name, tuple(str(k) for k in range(int(max(found.max(), 1)) + 1))
    )


def _refuse_numeric_response(name: str, found: np.ndarray) -> None:
    shown = listed([f"{value:g}" for value in found], 6)
    raise DataError(
        f"the response {name!r} holds {shown}; scores start at 0 and are whole numbers. "
        f"Compare it with a value: '{name} >= {found[-1]:g} ~ ...', or subtract the lowest score."
    )


def _stated_levels(column: pd.Series, levels: Sequence) -> pd.Series:
    as_text = column.astype(str)
    if absent := sorted(set(pd.unique(as_text)) - {str(level) for level in levels}):
        raise DataError(
            f"levels={list(levels)} leaves out {listed(absent)}, which column {column.name!r} "
            "holds. Name every answer, lowest first, or drop these rows."
        )
    return as_text.astype(pd.CategoricalDtype([str(level) for level in levels], ordered=True))


def _compare(column: pd.Series, term: ResponseTerm) -> np.ndarray:
    text = is_text(column) or isinstance(column.dtype, pd.CategoricalDtype)
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered
    equality = term.comparison in ("==", "!=")
    if text and not equality and not ordered:
        raise DataError(
            f"'{term.text}' asks for the order of {term.column!r}, which is text and has none. "
            f"Make it an ordered Categorical, or write {term.column} == 'level'."
        )
    if text and term.value not in set(pd.unique(column)):
        raise DataError(
            f"'{term.text}': column {term.column!r} has no value {term.value!r}; it has "
            f"{listed(pd.unique(column).tolist(), 8)}. Name one of these."
        )
    if not text and isinstance(term.value, str):
        raise DataError(
            f"'{term.text}' compares the numbers in {term.column!r} with text. "
            "Write the number without quotes."
        )
    compare = {
        ">=": column.__ge__,
        ">": column.__gt__,
        "<=": column.__le__,
        "<": column.__lt__,
        "==": column.__eq__,
        "!=": column.__ne__,
    }[str(term.comparison)]
    return np.asarray(compare(term.value)).astype(np.int8)
