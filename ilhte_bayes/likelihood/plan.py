"""Plan: how the likelihood of a design falls into persons, cells, means, tables and units.

The linear predictor of an answer is d[cell] + a[slope of cell] * theta, where theta, the integrated
group's level (a person's ability), is normal around mean[m] or free. What differs within a person
(item, item by arm, time) makes *cells*; what is the same in all answers of a person (arm, pretest,
school) makes *means*. Persons who answered the same cells share a *table* of the normaliser
prod(1 + exp(d + a theta)), whatever they answered; the score sum(a y) says the rest. Persons of
the same table, mean and score are one *unit*, counted. So one plan serves tests without
covariates (a few dozen units, however many persons), booklets and missing answers (more tables),
covariates and clusters (more means), and growth data (cells that are rows).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from ilhte_bayes.data.coded import cross
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.predictor import Predictor, predictor_at


class Units(NamedTuple):
    """What the compiled loops need; arrays only. Units are sorted by table, then score."""

    table_start: np.ndarray  # (table + 1,) first entry of each table
    entry_cell: np.ndarray  # (entry,)
    entry_count: np.ndarray  # (entry,) times a person of this table answered the cell
    table_class: np.ndarray  # (table,) which distribution of theta
    unit_start: np.ndarray  # (table + 1,) first unit of each table
    unit_mean: np.ndarray  # (unit,)
    unit_count: np.ndarray  # (unit,) persons
    cell_slope: np.ndarray  # (cell,) position in the vector of slopes
    cell_total: np.ndarray  # (cell,) sum of all answers to it


@dataclass(frozen=True, slots=True)
class Plan:
    """One group integrated out; the rest of the design as cells and means."""

    group: Group
    units: Units
    score: np.ndarray  # (unit,) sum of answers
    cells: Predictor
    means: Predictor
    slopes: np.ndarray  # (slope,) values of the integrated group's column; 1 for an intercept
    classes: tuple[str, ...]  # the group's columns, one for each distribution of theta
    person_unit: np.ndarray  # (level of the group,)
    row_cell: np.ndarray  # (row of the design,)
    # where slopes differ: (unit + 1,) first entry, (entry,) slope of each cell answered with 1
    answered: tuple[np.ndarray, np.ndarray] | None

    @property
    def n_persons(self) -> int:
        """Levels of the integrated group."""
        return self.group.n_levels

    @property
    def n_cells(self) -> int:
        """Number of distinct within-person predictors."""
        return self.cells.n_places

    @property
    def n_means(self) -> int:
        """Number of distinct person means."""
        return self.means.n_places

    @property
    def n_units(self) -> int:
        """Number of distinct persons."""
        return int(self.units.unit_mean.size)

    @property
    def n_tables(self) -> int:
        """Number of distinct sets of cells answered."""
        return int(self.units.table_class.size)


def sum_scores(plan: Plan, slopes: np.ndarray) -> np.ndarray:
    """(unit,) slopes summed over the answers that are 1: sufficient for theta."""
    if plan.answered is None:
        return plan.score * slopes[0]
    start, which = plan.answered
    unit = np.repeat(np.arange(plan.n_units), np.diff(start))
    return np.bincount(unit, weights=slopes[which], minlength=plan.n_units)


def most_information(plan: Plan, slopes: np.ndarray | None = None) -> float:
    """Most Fisher information on theta that any person's answers can hold."""
    units = plan.units
    own = plan.slopes if slopes is None else slopes
    each = units.entry_count * own[units.cell_slope[units.entry_cell]] ** 2
    return 0.25 * float(np.add.reduceat(each, units.table_start[:-1]).max())


def usual_information(plan: Plan) -> float:
    """Average over persons of the most that their answers can say about theta."""
    units = plan.units
    each = units.entry_count * plan.slopes[units.cell_slope[units.entry_cell]] ** 2
    by_table = np.add.reduceat(each, units.table_start[:-1])
    persons = np.add.reduceat(units.unit_count, units.unit_start[:-1])
    return 0.25 * float(persons @ by_table / persons.sum())


def choose_group(
    design: Design, integrate: str, *, person: str | None, many: int = 30
) -> str | None:
    """Name of the group to integrate out, or None.

    "auto" takes the persons' group if that can be done, else the largest group, which must have
    at least `many` levels and be larger than any other.

    Raises
    ------
    ModelError
        If the group asked for does not exist, or has several random effects a level.
    """
    if integrate == "none":
        return None
    if integrate != "auto":
        return _group_asked_for(design, integrate).name
    fitting = [g for g in design.groups if g.n_levels >= many and one_dimensional(design, g)]
    if person is not None:
        fitting = [g for g in fitting if g.variables[-1] == person] or fitting
    largest = max(fitting, key=lambda g: g.n_levels, default=None)
    if largest is None or largest.n_levels < max(g.n_levels for g in design.groups):
        return None
    return largest.name


def _group_asked_for(design: Design, integrate: str) -> Group:
    try:
        group = design.group(integrate)
    except ModelError:
        raise ModelError(
            f"integrate={integrate!r}: it is 'auto', 'none' or a group of the formula, "
            f"{listed([group.name for group in design.groups])}."
        ) from None
    if not one_dimensional(design, group):
        raise ModelError(
            f"integrate={integrate!r}: group {group.name} has {group.n_columns} random effects "
            f"a level ({listed(group.columns)}); one can be integrated out exactly. "
            "Use integrate='none', or keep (1 | ...) alone for it."
        )
    return group


def one_dimensional(design: Design, group: Group) -> bool:
    """Whether one random effect of each level enters its answers (one column, or one by arm)."""
    if group.n_columns == 1:
        return True
    if any(len(block) > 1 for block in group.blocks):
        return False
    if not (np.count_nonzero(group.z, axis=1) == 1).all():
        return False
    rows, start = _by_level(group)
    return _constant(_column_of(group), design.pattern, rows, start)


def _column_of(group: Group) -> np.ndarray:
    """(pattern,) which of the group's columns is in use."""
    if group.n_columns == 1:
        return np.zeros(len(group.z), dtype=np.int64)
    return np.asarray(np.argmax(group.z != 0, axis=1))


def _by_level(group: Group) -> tuple[np.ndarray, np.ndarray]:
    """Rows sorted by level, and (level + 1,) where each level's begin."""
    level = group.level
    start = _level_starts(level, group.n_levels)
    if (level[1:] >= level[:-1]).all():
        return np.arange(level.size, dtype=np.int32), start
    return np.argsort(level, kind="stable"), start


@numba.njit(cache=True, nogil=True)
def _level_starts(level, n_levels):
    start = np.zeros(n_levels + 1, dtype=np.int64)
    for r in range(level.size):
        start[level[r] + 1] += 1
    return start.cumsum()


def make_plan(
    design: Design,
    integrated: str,
    *,
    fold: bool = False,
    on_cells: frozenset[str] = frozenset(),
    slope_group: str | None = None,
) -> Plan:
    """Sort out what differs within and between the levels of the integrated group.

    Parameters
    ----------
    design : Design
        Answers scored 0 and 1.
    integrated : str
        A group with one random effect a level (see `one_dimensional`). Columns of which each
        level uses one, such as one for each arm, are distributions of theta of their own.
    fold : bool
        Put everything into the cells, so that theta has mean 0 for everyone: needed where the
        distribution of theta is free. Cells are then as many as there are distinct predictors.
    on_cells : set of str
        Fixed terms, and columns of random effects ("school[treat]"), that belong to the cells
        even if they do not differ within a person.
    slope_group : str, optional
        Items with slopes (discriminations) of their own: slopes are this group's levels, and
        units keep who answered what.
    """
    group = design.group(integrated)
    sorted_rows, start = _by_level(group)
    if slope_group is None and not (group.z.sum(axis=1) == 1).all():
        fold = True  # a mean must not be multiplied by the slope
    inside_terms, inside_columns, between_terms, between_columns = _divide(
        design, group, sorted_rows, start, fold=fold, on_cells=on_cells
    )
    row_cell, cell_rows = _codes(design, inside_terms, inside_columns, group)
    row_mean, mean_rows = _codes(design, between_terms, between_columns, None)
    first = sorted_rows[start[:-1]]
    person_class = _column_of(group)[design.pattern[first]]
    slope_values, cell_slope = _slopes(design, group, cell_rows, slope_group)
    hashes = np.array([_hash(c) for c in range(cell_rows.size)], dtype=np.uint64)
    digest, score, ones = _digest(start, sorted_rows, row_cell, design.count, design.score, hashes)
    table = _coded(digest)
    table, _, _ = cross(person_class, table)
    keys = [row_mean[first]]
    weighted = slope_group is not None or slope_values.size > 1
    if weighted:
        keys.append(_coded(ones))
    unit = table
    for key in (score, *keys):
        unit, _, _ = cross(unit, key)
    n_units = int(unit.max()) + 1
    representative = np.empty(n_units, dtype=np.int64)
    representative[unit[::-1]] = np.arange(group.n_levels)[::-1]
    unit_table = table[representative]
    n_tables = int(table.max()) + 1
    table_person = np.empty(n_tables, dtype=np.int64)
    table_person[table[::-1]] = np.arange(group.n_levels)[::-1]
    if not _same_tables(
        start, sorted_rows, row_cell, design.count, table, table_person, cell_rows.size
    ):
        raise AssertionError("two different sets of cells have one digest")
    table_start, entry_cell, entry_count = _entries(
        start, sorted_rows, row_cell, design.count, table_person, cell_rows.size
    )
    unit_start = np.searchsorted(unit_table, np.arange(n_tables + 1)).astype(np.int64)
    total = _cell_totals(row_cell, design.count, design.score, cell_rows.size)
    answered = None
    if weighted:
        answered = _ones(
            start, sorted_rows, cell_slope[row_cell], design.count, design.score, representative
        )
    return Plan(
        group=group,
        units=Units(
            table_start=table_start,
            entry_cell=entry_cell,
            entry_count=entry_count,
            table_class=person_class[table_person],
            unit_start=unit_start,
            unit_mean=row_mean[first[representative]].astype(np.int64),
            unit_count=np.bincount(unit, minlength=n_units).astype(float),
            cell_slope=cell_slope,
            cell_total=total,
        ),
        score=score[representative].astype(float),
        cells=predictor_at(design, cell_rows, inside_terms, inside_columns),
        means=predictor_at(design, mean_rows, between_terms, between_columns),
        slopes=slope_values,
        classes=group.columns,
        person_unit=unit.astype(np.int64),
        row_cell=row_cell,
        answered=answered,
    )


def _divide(
    design: Design,
    group: Group,
    rows: np.ndarray,
    start: np.ndarray,
    *,
    fold: bool,
    on_cells: frozenset[str],
) -> tuple[tuple[int, ...], list[tuple[str, int]], tuple[int, ...], list[tuple[str, int]]]:
    """Terms and random-effect columns that differ within a person, and those that do not."""
    inside_terms: list[int] = []
    between_terms: list[int] = []
    for at, term in enumerate(design.terms):
        same = not fold and term not in on_cells
        same = same and _constant(design.x[:, at], design.pattern, rows, start)
        (between_terms if same else inside_terms).append(at)
    inside: list[tuple[str, int]] = []
    between: list[tuple[str, int]] = []
    for other in design.groups:
        if other.name == group.name:
            continue
        level_same = not fold and _constant(other.level, None, rows, start)
        for k in range(other.n_columns):
            same = level_same and f"{other.name}[{other.columns[k]}]" not in on_cells
            same = same and _constant(other.z[:, k], design.pattern, rows, start)
            (between if same else inside).append((other.name, k))
    return tuple(inside_terms), inside, tuple(between_terms), between


def _constant(
    values: np.ndarray, pattern: np.ndarray | None, rows: np.ndarray, start: np.ndarray
) -> bool:
    """Whether the values (of rows, or of the rows' patterns) are the same within each person."""
    if values.size and (values == values[0]).all():
        return True
    if pattern is None:
        pattern = np.arange(values.size, dtype=np.int32)
    return bool(_constant_loop(np.ascontiguousarray(values), pattern, rows, start))


@numba.njit(cache=True, nogil=True)
def _constant_loop(values, pattern, rows, start):
    for j in range(start.size - 1):
        if start[j + 1] == start[j]:
            continue
        own = values[pattern[rows[start[j]]]]
        for r in range(start[j] + 1, start[j + 1]):
            if values[pattern[rows[r]]] != own:
                return False
    return True


def _codes(
    design: Design,
    terms: tuple[int, ...],
    columns: list[tuple[str, int]],
    integrated: Group | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Code of each row for what the predictor depends on, and a row for each code."""
    by_pattern = [design.x[:, at] for at in terms]
    by_pattern += [design.group(name).z[:, k] for name, k in columns]
    if integrated is not None:
        by_pattern.append(integrated.z.sum(axis=1))
    kind = np.zeros(len(design.x), dtype=np.int64)
    for values in by_pattern:
        if (values == values[0]).all():
            continue
        kind, _, _ = cross(kind, _coded(values))
    code = kind.astype(np.int32)[design.pattern]
    for name in dict.fromkeys(name for name, _ in columns):
        code, _, _ = cross(code, design.group(name).level)
    n = int(code.max(initial=0)) + 1
    return code.astype(np.int32, copy=False), _first_rows(code, n)


@numba.njit(cache=True, nogil=True)
def _first_rows(code, n):
    """First row of each code; a loop, since row numbers as an array would be a large temporary."""
    rows = np.empty(n, dtype=np.int64)
    for r in range(code.size - 1, -1, -1):
        rows[code[r]] = r
    return rows


@numba.njit(cache=True, nogil=True)
def _cell_totals(cell, count, score, n_cells):
    """Sum of the answers to each cell."""
    total = np.zeros(n_cells)
    for r in range(cell.size):
        total[cell[r]] += count[r] * score[r]
    return total


def _coded(values: np.ndarray) -> np.ndarray:
    """Position of each value among the sorted distinct ones."""
    return np.unique(values, return_inverse=True)[1]


def _slopes(
    design: Design, group: Group, cell_rows: np.ndarray, slope_group: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct slopes, and which of them each cell has."""
    if slope_group is not None:
        items = design.group(slope_group)
        return np.ones(items.n_levels), items.level[cell_rows].astype(np.int64)
    values, code = np.unique(group.z[design.pattern[cell_rows]].sum(axis=1), return_inverse=True)
    return values, code.astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _hash(value):
    """64 bits that look random (splitmix64)."""
    x = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _digest(start, rows, cell, count, score, hashes):
    """For each person: a digest of the cells answered, the sum score, a digest of the ones."""
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
def _same_tables(start, rows, cell, count, table, table_person, n_cells):
    """Whether every person answered exactly what the person who stands for the table did."""
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
def _entries(start, rows, cell, count, table_person, n_cells):
    """Cells of each table, and how often each was answered."""
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
def _ones(start, rows, slope, count, score, representative):
    """For each unit, the slopes of the cells answered with 1 (repeated as often as answered)."""
    size = 0
    for j in representative:
        for at in range(start[j], start[j + 1]):
            size += count[rows[at]] * score[rows[at]]
    where = np.zeros(representative.size + 1, dtype=np.int64)
    out = np.empty(size, dtype=np.int64)
    n = 0
    for u in range(representative.size):
        j = representative[u]
        for at in range(start[j], start[j + 1]):
            for _ in range(count[rows[at]] * score[rows[at]]):
                out[n] = slope[rows[at]]
                n += 1
        where[u + 1] = n
    return where, out
