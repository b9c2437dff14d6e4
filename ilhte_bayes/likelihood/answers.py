"""Answers: rows with the same linear predictor counted together, where nothing is integrated out."""

from dataclasses import dataclass, replace

import numpy as np

from ilhte_bayes.data.integer_codes import cross
from ilhte_bayes.formulas.cuts import ABOVE, GAP
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.unchosen import find_unchosen
from ilhte_bayes.likelihood.predictor import Predictor, predictor_at


@dataclass(frozen=True, slots=True)
class Counted:
    """Answers by place of the linear predictor."""

    predictor: Predictor
    ones: np.ndarray  # (place,) answers of 1, or above a threshold
    count: np.ndarray  # (place,) all answers


@dataclass(frozen=True, slots=True)
class Categories:
    """Answers in categories, by question: all but the answer alike."""

    predictor: Predictor  # places: the second category of the first question, its third, ...
    count: np.ndarray  # (question, category)


def category_answers(rows: Design) -> Categories:
    """Answers of families with a predictor for each category, from their rows of pairs."""
    n = rows.n_categories
    first = np.arange(0, rows.n_rows if n else 0, max(1, n * (n - 1) // 2))
    code = rows.pattern[first]
    for group in rows.groups:
        code, _, _ = cross(code, group.level[first])
    _, one, question = np.unique(code, return_index=True, return_inverse=True)
    count = np.zeros((one.size, n))
    np.add.at(count, (question, rows.score[first]), rows.count[first])
    at = (first[one][:, None] + np.arange(max(0, n - 1))).ravel()
    return Categories(predictor_at(rows, at, *_used(rows, at)), count)


def binary_answers(rows: Design) -> Counted:
    """Answers that are yes or no; of ordinal ones, at each threshold beside them."""
    if rows.n_categories:
        return _counted(rows, np.arange(0))
    at = np.flatnonzero(rows.score != GAP) if rows.n_cuts else np.arange(rows.n_rows)
    return _counted(rows, at)


def gaps(rows: Design) -> Counted:
    """Ordinal answers by the gap between thresholds that they lie in; its size is the predictor."""
    at = np.flatnonzero(rows.score == GAP) if rows.n_ordered else np.arange(0)
    return _counted(rows, at)


def unchosen_gaps(rows: Design, design: Design) -> Counted:
    """Gaps that count although nobody's answer lies in them (see `formulas.unchosen`)."""
    n = find_unchosen(design).size
    return _counted(rows, np.arange(rows.n_rows - n, rows.n_rows))


def gap_log_likelihood(between: Counted, beta: np.ndarray, effects: dict[str, np.ndarray]) -> float:
    """What answers between two thresholds say of their distance: log(1 - exp(-gap)) each."""
    gap = between.predictor.value(beta, effects)
    if not np.all(gap > 0.0):
        return -np.inf
    return float(between.count @ np.log(-np.expm1(-gap)))


def each_gap(rows: Design) -> Predictor:
    """Size of every gap, in the order of the rows."""
    at = np.flatnonzero(rows.score == GAP)
    return predictor_at(rows, at, *_used(rows, at))


def without_gaps(rows: Design) -> Design:
    """Binary rows only."""
    if not rows.n_cuts:
        return rows
    at = np.flatnonzero(rows.score != GAP)
    used, pattern = np.unique(rows.pattern[at], return_inverse=True)
    return replace(
        rows,
        x=rows.x[used],
        pattern=pattern.astype(np.int32),
        score=rows.score[at],
        count=rows.count[at],
        groups=tuple(
            replace(group, z=group.z[used], level=group.level[at]) for group in rows.groups
        ),
    )


def _counted(rows: Design, at: np.ndarray) -> Counted:
    terms, columns = _used(rows, at)
    code = rows.pattern[at]
    for name in dict.fromkeys(name for name, _ in columns):
        code, _, _ = cross(code, rows.group(name).level[at])
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    count = rows.count[at]
    return Counted(
        predictor=predictor_at(rows, at[first], terms, columns),
        ones=np.bincount(place, weights=count * (rows.score[at] == ABOVE), minlength=first.size),
        count=np.bincount(place, weights=count, minlength=first.size),
    )


def _used(rows: Design, at: np.ndarray) -> tuple[tuple[int, ...], list[tuple[str, int]]]:
    """Terms and columns that are not 0 in all of these rows."""
    pattern = rows.pattern[at]
    terms = tuple(k for k in range(len(rows.terms)) if rows.x[pattern, k].any())
    columns = [
        (group.name, k)
        for group in rows.groups
        for k in range(group.n_columns)
        if group.z[pattern, k].any()
    ]
    return terms, columns
