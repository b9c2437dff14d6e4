"""Turn the values of a column into scores, numbers or levels, and remember how in words."""

import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.answer_words import (
    look_alike_advice,
    mended,
    missing_words,
    missing_words_advice,
)
from ilhte_bayes.data.integer_codes import Coded, is_whole, natural_order, used
from ilhte_bayes.data.needed import ResponseTerm
from ilhte_bayes.errors import DataError, listed

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
# usual codes of missing answers, not scores that follow each other
_MISSING_CODES = {-999, -99, -98, -97, -9, -8, -7, 7, 8, 9, 77, 88, 97, 98, 99, 777, 888, 999}
_MOST_CATEGORIES = 100  # more scores than this are a measurement, not categories
_MANY_NUMBERS = 8  # a text column with so many numbers was meant to be numeric


@dataclass(frozen=True, slots=True)
class Coding:
    """How the categories of one column were turned into numbers."""

    column: str
    levels: tuple[str, ...]  # in order; the first is the reference, or score 0

    def __str__(self) -> str:
        if len(self.levels) <= 8:
            return f"{self.column}: " + ", ".join(f"{k} = {v}" for k, v in enumerate(self.levels))
        return f"{self.column}: {len(self.levels)} levels, 0 = {self.levels[0]} (reference)"

    def found(self, score: np.ndarray) -> tuple[str, ...]:
        """The categories that some row holds."""
        return tuple(level for k, level in enumerate(self.levels) if (score == k).any())


def code_covariate(
    column: Coded, reference: str | None = None, *, as_factor: bool = False
) -> tuple[np.ndarray | pd.Categorical, Coding | None]:
    """Return what each value of a column is in a formula: a number or a level.

    Text is coded against its first level in sorted order, a Categorical against its first
    category, unless `reference` names another level.

    Parameters
    ----------
    column : Coded
        Without missing values.
    reference : str, optional
        Level that the others are compared with.
    as_factor : bool
        Whether the formula says that the values are levels, `C(x)`.

    Returns
    -------
    np.ndarray or pd.Categorical
        (value,), aligned with `column.values`.
    Coding or None
        None for numbers, which stay what they are.

    Raises
    ------
    DataError
        For dates and the like, a reference that is no level, or numbers spoiled by text.
    """
    name = column.name
    if column.kind in ("time", "other"):
        cure = "numbers, such as days since the start," if column.kind == "time" else "numbers"
        raise DataError(
            f"column {name!r} holds values such as {column.values[0]}, which have no place in a "
            f"formula. Turn them into {cure} or text first."
        )
    if column.kind == "number":
        if reference is not None:
            raise DataError(
                f"reference names a level of column {name!r}, which holds numbers; only text and "
                f"Categoricals have levels. Drop {name!r} from reference, or turn it into text: "
                f"table[{name!r}] = table[{name!r}].astype(str)."
            )
        # floating point does not overflow in age**9; but levels stored as 1.0 are named 1
        whole = as_factor and bool(is_whole(column.values).all())
        return column.values.astype(np.int64 if whole else float), None
    if column.kind == "bool" and reference is None:
        return column.values.astype(float), Coding(name, tuple(column.texts))
    if column.kind == "text" and not as_factor:
        _check_spoiled(column)
    levels = _labels(column)
    order = _reference_first(levels, name, reference)
    categorical = pd.Categorical(levels, categories=order)
    return categorical, Coding(name, tuple(str(level) for level in order))


def _labels(column: Coded) -> list:
    """Levels as a Categorical has them: a Categorical of numbers keeps its numbers."""
    return column.labels().tolist()


def _check_spoiled(column: Coded) -> None:
    """Refuse a measurement that became text because of a few entries (`.`, `unknown`)."""
    wrong = [text for text in column.texts if not _is_number(text)]
    numbers = column.n_values - len(wrong)
    if wrong and numbers >= _MANY_NUMBERS and len(wrong) < numbers / 2:
        rows = int(np.isin(column.code, np.flatnonzero(np.isin(column.values, wrong))).sum())
        raise DataError(
            f"column {column.name!r} holds {listed(wrong, 3)} in {rows:,} row(s) among "
            f"{numbers} different numbers, so all of it was read as text. Mend these cells, or "
            f"leave them empty; if they are levels, write C({column.name}) in the formula."
        )


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _reference_first(levels: Sequence, name: str, reference: str | None) -> list:
    if reference is None:
        return list(levels)
    matching = [level for level in levels if str(level) == str(reference)]
    if not matching:
        raise DataError(
            f"reference: column {name!r} has no level {str(reference)!r}; it has "
            f"{listed(map(str, levels), 10)}. Name one of these."
        )
    return [matching[0], *(level for level in levels if level != matching[0])]


def require_order(column: Coded, term: ResponseTerm, levels: Sequence | None) -> None:
    """Refuse answers in words whose order nobody has stated.

    Raises
    ------
    DataError
    """
    stated = levels is not None or column.ordered or column.kind in ("number", "bool")
    if stated or term.comparison is not None:
        return
    found = used(column).texts
    slips = [missing_words_advice(term.column, found), look_alike_advice(term.column, found)]
    left = mended([text for text in found if text not in missing_words(found)])
    raise DataError(
        f"the response {term.text!r} holds {listed(found, 8)}: words have no order of their own. "
        + "".join(f"{slip} " for slip in slips if slip)
        + f"Name them lowest first: levels={left}, in the right order (--levels {','.join(left)} "
        "on the command line), or give an ordered Categorical."
    )


def code_response(
    column: Coded,
    term: ResponseTerm,
    levels: Sequence | None,
    reference: str | None,
    *,
    ordinal: bool = False,
    nominal: bool = False,
) -> tuple[np.ndarray, Coding]:
    """Return scores 0..K-1 by row, and what each stands for.

    Parameters
    ----------
    column : Coded
        The response without missing values; a Categorical with all its levels.
    term : ResponseTerm
        The formula's left-hand side, perhaps a comparison.
    levels : sequence, optional
        Order of text answers, lowest first.
    reference : str, optional
        The answer that is scored 0.
    ordinal : bool
        Whether numbers are ordered categories, the lowest of which need not be 0.
    nominal : bool
        Whether numbers are labels of categories, any of which can be the reference.

    Raises
    ------
    DataError
        If the answers are not categories, cannot be compared as asked, or never change.
    """
    if column.kind in ("time", "other"):
        raise DataError(
            f"the response {term.text!r} holds values such as {column.values[0]}. Answers are 0 "
            'and 1, text, or a column compared with a value, "score >= 2 ~ ...".'
        )
    by_value, coding = _value_scores(
        column, term, levels, reference, ordinal=ordinal, nominal=nominal
    )
    if len(coding.levels) > _MOST_CATEGORIES:
        raise DataError(
            f"the response {term.text!r} has {len(coding.levels):,} categories "
            f"({listed(coding.levels, 4)}), and at most {_MOST_CATEGORIES} are answers. Name the "
            "column with the answers, or join categories that mean the same."
        )
    score = by_value.astype(np.int8)[column.code]
    if (score == score[0]).all():
        raise DataError(
            f"the response {term.text!r} is {coding.levels[int(score[0])]} in all "
            f"{score.size:,} rows. Nothing can be learned from an answer that never changes: "
            "check the column, or the value it is compared with."
        )
    return score, coding


def _value_scores(
    column: Coded,
    term: ResponseTerm,
    levels: Sequence | None,
    reference: str | None,
    *,
    ordinal: bool,
    nominal: bool,
) -> tuple[np.ndarray, Coding]:
    """Score of each value of the column; -1 for values that no row holds."""
    if term.comparison is not None:
        order = None if levels is None else _stated(column, levels, unseen_too=True)
        return _compare(column, term, order), Coding(term.text, ("no", "yes"))
    present = used(column).texts
    if levels is not None:
        if reference is not None:
            raise DataError(
                "levels and reference both order the answers. The first of levels is scored 0: "
                f"drop {column.name!r} from reference."
            )
        order = _stated(column, levels)
    elif column.kind == "number":
        scores = _numeric_scores(column, term, ordinal=ordinal or nominal, labels=nominal)
        if not nominal:
            return scores
        order = _reference_first(present, column.name, reference)
    else:
        order = _reference_first(present, column.name, reference)
    place = {text: at for at, text in enumerate(order)}
    score = np.array([place.get(text, -1) for text in column.texts])
    return score, Coding(term.text, tuple(order))


def _numeric_scores(
    column: Coded, term: ResponseTerm, *, ordinal: bool, labels: bool
) -> tuple[np.ndarray, Coding]:
    values, name = column.values, term.text
    whole = is_whole(values).all()
    if values.size == 1 and whole:  # a constant answer has its own sentence, later
        return np.zeros(1), Coding(name, tuple(column.texts))
    compared = f'"{name} >= {values[values.size // 2]:g} ~ ..."'
    recode = f"table[{term.column!r}].rank(method='dense') - 1"
    if not np.isfinite(values).all():
        raise DataError(
            f"the response {name!r} is infinite in {int((~np.isfinite(values))[column.code].sum())} "
            "row(s). Drop these rows or mend the values."
        )
    if not whole or values.size > _MOST_CATEGORIES:
        raise DataError(
            f"the response {name!r} holds {values.size:,} different numbers from {values[0]:g} to "
            f"{values[-1]:g}; answers are categories, scored 0, 1, and so on. "
            + (f"Recode them: {recode}; or compare" if ordinal else "Compare")
            + f" it with a value: {compared}."
        )
    lowest = int(values[0]) if ordinal else 0
    coded_missing = ordinal and not labels and missing_code_words(term.column, values)
    if coded_missing or values[0] != lowest or values[-1] - lowest >= _MOST_CATEGORIES:
        found = ", ".join(f"{value:g}" for value in values[:6])
        if advice := missing_code_words(term.column, values):
            raise DataError(
                f"the response {name!r} holds {found}{', ...' if values.size > 6 else ''}. {advice}"
            )
        raise DataError(
            f"the response {name!r} holds {found}{', ...' if values.size > 6 else ''}; scores "
            f"start at 0 and go up one by one. Compare it with a value, {compared}, or subtract "
            "the lowest score."
        )
    top = int(values[-1])
    return values - lowest, Coding(name, tuple(str(k) for k in range(lowest, top + 1)))


def missing_code_words(column: str, values: np.ndarray) -> str:
    """What to do with a number that usually stands for a missing answer; "" if there is none.

    A code stands apart from the scores: below 0, or 8, 9, 88, 99, ... with a gap before it that is
    wider than any between the scores below it (8 follows 0, 2, 4, 6).
    """
    values = np.unique(np.asarray(values, dtype=float))
    codes: list[float] = []
    for value in filter(_MISSING_CODES.__contains__, values):
        below = values[(values < value) & ~np.isin(values, codes)]
        if value < 0 or (below.size and value - below[-1] > max(np.diff(below), default=1.0)):
            codes.append(value)
    if not codes or len(codes) == values.size:
        return ""
    named = ", ".join(f"{v:g}" for v in codes)
    one = f"{codes[0]:g}" if len(codes) == 1 else f"[{named}]"
    return (
        f"{named} looks like a code for missing answers, which only empty cells, NA and NaN are "
        f"here. If so: table[{column!r}] = table[{column!r}].replace({one}, float('nan'))."
    )


def _stated(column: Coded, levels: Sequence, *, unseen_too: bool = False) -> list[str]:
    """The caller's `levels`, checked against the answers."""
    stated, found = [str(level) for level in levels], used(column).texts
    if len(set(stated)) < len(stated):
        raise DataError(
            f"levels={stated} (--levels {','.join(stated)}) names an answer twice. Name each once, "
            "lowest first."
        )
    if absent := [text for text in found if text not in stated]:
        codes = set(missing_words(found)) & set(absent)
        advice = missing_words_advice(column.name, found) if codes else ""
        raise DataError(
            f"levels leaves out {listed(absent)}, which column {column.name!r} holds. "
            + (f"{advice} Otherwise name" if advice else "Name")
            + " every answer, lowest first (--levels low,mid,high on the command line), or drop "
            "these rows."
        )
    unseen = [level for level in stated if level not in found]
    if unseen and not unseen_too:
        raise DataError(
            f"levels names {listed(unseen)}, which no row of column {column.name!r} holds; it "
            f"holds {listed(natural_order(found), 8)}. Drop it from levels (--levels on the command "
            "line), or correct its spelling."
        )
    return stated


def _compare(column: Coded, term: ResponseTerm, order: Sequence[str] | None) -> np.ndarray:
    """Whether each value of the column passes the response's comparison."""
    compare, value = _COMPARE[str(term.comparison)], term.value
    numeric = column.kind in ("number", "bool") or column.values.dtype.kind in "iuf"
    if numeric and order is None:
        if isinstance(value, str):
            raise DataError(
                f"'{term.text}' compares the numbers in {term.column!r} with text. "
                "Write the number without quotes."
            )
        return np.asarray(compare(column.values, value))
    texts = list(order) if order is not None else column.texts
    _check_comparable(term, texts, ordered=column.ordered or order is not None)
    place = {text: at for at, text in enumerate(texts)}
    position = np.array([place.get(text, -1) for text in column.texts])  # -1: no row holds it
    return np.asarray(compare(position, place[str(value)]))


def _check_comparable(term: ResponseTerm, texts: Collection[str], *, ordered: bool) -> None:
    if str(term.value) not in texts:
        raise DataError(
            f"'{term.text}': column {term.column!r} has no value {str(term.value)!r}; it has "
            f"{listed(texts, 8)}. Name one of these."
        )
    if term.comparison not in ("==", "!=") and not ordered:
        raise DataError(
            f"'{term.text}' asks for the order of {term.column!r}, which is text and has none. "
            f"Name its answers, lowest first, in levels; or write {term.column} == "
            f"{str(term.value)!r}."
        )
