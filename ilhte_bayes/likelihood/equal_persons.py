"""Equal persons: who answered the same cells, and who of them alike in all that matters.

Cells answered are compared by digest, a sum of random-looking numbers, and then one by one, so that
nothing of the size of persons times cells is ever held.
"""

from typing import NamedTuple

import numba
import numpy as np

from ilhte_bayes.data.integer_codes import cross
from ilhte_bayes.errors import NotAvailable


class Answers(NamedTuple):
    """Who answered which cell how; arrays only, for compiled loops."""

    rows: np.ndarray  # (row,) sorted by person
    start: np.ndarray  # (person + 1,) where each person's rows begin
    cell: np.ndarray  # (row,)
    times: np.ndarray  # (row,) answers that it stands for
    score: np.ndarray  # (row,) 0 or 1; category of more than two


class SortedPersons(NamedTuple):
    """Persons sorted into tables, and within these into units."""

    table: np.ndarray  # (person,)
    table_person: np.ndarray  # (table,) a person of it
    unit: np.ndarray  # (person,) numbered by table, then score
    unit_person: np.ndarray  # (unit,) a person of it
    score: np.ndarray  # (person,) sum of answers


def sort_persons(
    answers: Answers,
    person_class: np.ndarray,
    person_mean: np.ndarray,
    *,
    n_cells: int,
    weighted: bool,
) -> SortedPersons:
    """Find equal persons.

    Parameters
    ----------
    answers : Answers
    person_class, person_mean : (person,) arrays
        Persons of one table are of one class; of one unit, of one mean too.
    n_cells : int
    weighted : bool
        Whether answers count differently, so that persons of one unit must agree in each of them,
        not in their sum alone.
    """
    hashes = np.array([_hash(c) for c in range(n_cells)], dtype=np.uint64)
    digest, score, ones = _digest(answers, hashes)
    table, _, _ = cross(person_class, ranks(digest))
    table_person = first_of_each(table)
    if not _same_tables(answers, table, table_person, n_cells):
        raise AssertionError("two different sets of cells have one digest")
    unit = table
    for key in (score, person_mean, *([ranks(ones)] if weighted else [])):
        unit, _, _ = cross(unit, key)
    return SortedPersons(table, table_person, unit.astype(np.int64), first_of_each(unit), score)


def require_sums_alone(weighted: bool) -> None:
    """Refuse answers that count differently, where only the sums of a person's are known.

    Raises
    ------
    NotAvailable
    """
    if weighted:
        raise NotAvailable(
            "this model weighs the answers of a person (items with discriminations of their own, "
            "or a slope within persons): it needs to know who answered what, and a reduced table "
            "has kept sum scores. Fit it to the table itself."
        )


def one_of_each(answers: Answers, multiplicity: np.ndarray, n_cells: int) -> Answers:
    """One person of each kind: the cells they answered, with ones that add up to their score.

    Parameters
    ----------
    answers : Answers
        Of all persons of a kind together.
    multiplicity : (kind,) int
        Persons of each kind, who answered the same cells and have one sum score.
    n_cells : int

    Notes
    -----
    Which of the cells get the ones is not known, and does not matter for the likelihood.
    """
    parts = _one_of_each(answers, np.asarray(multiplicity), n_cells)
    start, cell, times, score = parts
    if start[-1] < 0:
        raise AssertionError("answers of a kind of persons are no multiple of the persons")
    return Answers(np.arange(cell.size), start, cell, times, score)


@numba.njit(cache=True, nogil=True)
def _one_of_each(answers: Answers, multiplicity, n_cells):
    start, rows, cell, count = answers.start, answers.rows, answers.cell, answers.times
    n = start.size - 1
    where = np.zeros(n + 1, dtype=np.int64)
    size = 2 * rows.size
    out_cell = np.empty(size, dtype=np.int64)
    out_times = np.empty(size, dtype=np.int64)
    out_score = np.empty(size, dtype=np.int64)
    asked = np.zeros(n_cells, dtype=np.int64)
    at_out = 0
    for j in range(n):
        ones = 0
        for at in range(start[j], start[j + 1]):
            r = rows[at]
            asked[cell[r]] += count[r]
            ones += count[r] * answers.score[r]
        left = ones // multiplicity[j]
        whole = ones % multiplicity[j] == 0
        for at in range(start[j], start[j + 1]):
            c = cell[rows[at]]
            times = asked[c] // multiplicity[j]
            whole = whole and asked[c] % multiplicity[j] == 0
            asked[c] = 0
            if times == 0:
                continue
            right = min(times, left)
            for score, part in ((1, right), (0, times - right)):
                if part > 0:
                    out_cell[at_out], out_times[at_out], out_score[at_out] = c, part, score
                    at_out += 1
            left -= right
        where[j + 1] = at_out
        if not whole or left != 0:
            where[n] = -1
            break
    return where, out_cell[:at_out], out_times[:at_out], out_score[:at_out]


def ranks(values: np.ndarray) -> np.ndarray:
    """Position of each value among the sorted distinct ones."""
    return np.unique(values, return_inverse=True)[1]


def first_of_each(code: np.ndarray) -> np.ndarray:
    """Position of the first of each code, which run from 0 without gaps."""
    return np.asarray(_first_of_each(code, int(code.max(initial=0)) + 1))


@numba.njit(cache=True, nogil=True)
def _first_of_each(code, n):
    """Search in a loop, since positions as an array would be a large temporary."""
    first = np.empty(n, dtype=np.int64)
    for r in range(code.size - 1, -1, -1):
        first[code[r]] = r
    return first


@numba.njit(cache=True, nogil=True)
def _hash(value):
    """64 bits that look random (splitmix64)."""
    x = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _digest(answers: Answers, hashes):
    """For each person: a digest of the cells answered, the sum score, a digest of the ones."""
    start, rows, cell, count = answers.start, answers.rows, answers.cell, answers.times
    score = answers.score
    n = start.size - 1
    digest, ones = np.zeros(n, dtype=np.uint64), np.zeros(n, dtype=np.uint64)
    total = np.zeros(n, dtype=np.int64)
    for j in range(n):
        for at in range(start[j], start[j + 1]):
            r = rows[at]
            h = hashes[cell[r]]
            digest[j] += np.uint64(count[r]) * h
            ones[j] += np.uint64(count[r] * score[r]) * h
            total[j] += count[r] * score[r]
    return digest, total, ones


@numba.njit(cache=True, nogil=True)
def _same_tables(answers: Answers, table, table_person, n_cells):
    """Whether every person answered exactly what the person who stands for the table did."""
    start, rows, cell, count = answers.start, answers.rows, answers.cell, answers.times
    balance = np.zeros(n_cells, dtype=np.int64)
    for j in range(start.size - 1):
        k = table_person[table[j]]
        if k == j:
            continue
        for at in range(start[j], start[j + 1]):
            balance[cell[rows[at]]] += count[rows[at]]
        for at in range(start[k], start[k + 1]):
            balance[cell[rows[at]]] -= count[rows[at]]
        for at in range(start[j], start[j + 1]):
            if balance[cell[rows[at]]] != 0:
                return False
        for at in range(start[k], start[k + 1]):
            if balance[cell[rows[at]]] != 0:
                return False
    return True


@numba.njit(cache=True, nogil=True)
def table_entries(answers: Answers, table_person, n_cells):
    """Where each table's entries begin; the cell of each, and how often it was answered."""
    start, rows, cell, count = answers.start, answers.rows, answers.cell, answers.times
    n_tables = table_person.size
    size = 0
    for t in range(n_tables):
        size += start[table_person[t] + 1] - start[table_person[t]]
    table_start = np.zeros(n_tables + 1, dtype=np.int64)
    entry_cell = np.empty(size, dtype=np.int64)
    entry_count = np.empty(size, dtype=np.int64)
    where = np.full(n_cells, -1, dtype=np.int64)
    at_entry = 0
    for t in range(n_tables):
        j, first = table_person[t], at_entry
        for at in range(start[j], start[j + 1]):
            c = cell[rows[at]]
            if where[c] < first:
                where[c] = at_entry
                entry_cell[at_entry] = c
                entry_count[at_entry] = 0
                at_entry += 1
            entry_count[where[c]] += count[rows[at]]
        table_start[t + 1] = at_entry
    return table_start, entry_cell[:at_entry].copy(), entry_count[:at_entry].copy()


@numba.njit(cache=True, nogil=True)
def slopes_of_ones(answers: Answers, slope, unit_person):
    """For each unit, the slopes of the cells answered with 1 (repeated as often as answered).

    Returns where each unit's begin, and the slopes, `slope` (cell,) being their numbers.
    """
    start, rows, count, score = answers.start, answers.rows, answers.times, answers.score
    size = 0
    for j in unit_person:
        for at in range(start[j], start[j + 1]):
            size += count[rows[at]] * score[rows[at]]
    where = np.zeros(unit_person.size + 1, dtype=np.int64)
    out = np.empty(size, dtype=np.int64)
    n = 0
    for u in range(unit_person.size):
        j = unit_person[u]
        for at in range(start[j], start[j + 1]):
            for _ in range(count[rows[at]] * score[rows[at]]):
                out[n] = slope[answers.cell[rows[at]]]
                n += 1
        where[u + 1] = n
    return where, out


@numba.njit(cache=True, nogil=True)
def cell_totals(answers: Answers, n_cells, n_steps):
    """(cell * step,) how often categories 1 .. S were answered to each cell."""
    total = np.zeros(n_cells * n_steps)
    for r in range(answers.cell.size):
        if answers.score[r] > 0:
            total[answers.cell[r] * n_steps + answers.score[r] - 1] += answers.times[r]
    return total
